#![expect(clippy::unwrap_used, reason = "tests")]

use std::io;

use super::*;

fn hub(variables: &[(&str, &str)]) -> Result<Hub> {
    let find = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    Hub::from_variables(&find, Some(PathBuf::from("/home/user")))
}

#[test]
fn the_environment_says_where_and_who() {
    for (variables, cache) in [
        (&[][..], "/home/user/.cache/huggingface/hub"),
        (&[("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
        (&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/hf")], "/hf/hub"),
        (&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/models")], "/models"),
    ] {
        assert_eq!(hub(variables).unwrap().cache, Path::new(cache));
    }
    let plain = hub(&[]).unwrap();
    assert_eq!((plain.endpoint.as_str(), plain.token, plain.offline), (ENDPOINT, None, false));

    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("token"), "from the file\n").unwrap();
    let home = ("HF_HOME", dir.path().to_str().unwrap());
    assert_eq!(hub(&[home]).unwrap().token.unwrap(), "from the file");
    let set =
        hub(&[home, ("HF_TOKEN", "mine"), ("HF_HUB_OFFLINE", "True"), ("HF_ENDPOINT", "http://near:8/")]);
    let set = set.unwrap();
    assert_eq!(
        (set.token.unwrap().as_str(), set.endpoint.as_str(), set.offline),
        ("mine", "http://near:8", true)
    );
    for wrong in ["near:8", "https://", "ftp://near"] {
        let error = hub(&[("HF_ENDPOINT", wrong)]).unwrap_err().to_string();
        assert!(error.starts_with("HF_ENDPOINT: got "), "{error}");
    }
    let nowhere = Hub::from_variables(&|_| None, None).unwrap_err().to_string();
    assert!(nowhere.contains("set HF_HOME"), "{nowhere}");
}

#[test]
fn names_and_revisions_are_checked() {
    let model: HubModel = "Qwen/Qwen3-0.6B@refs/pr/3".parse().unwrap();
    assert_eq!((model.name.as_str(), model.revision.as_str()), ("Qwen/Qwen3-0.6B", "refs/pr/3"));
    assert_eq!("gpt2".parse::<HubModel>().unwrap().to_string(), "gpt2@main");
    let commit = "AbCdEf0123".repeat(4);
    assert_eq!(HubModel::new("a/b", Some(&commit)).unwrap().revision, commit.to_lowercase());
    assert_eq!(HubModel::new("a/b", Some("AbC")).unwrap().revision, "AbC");
    for name in ["", "a/b/c", "/b", "a/", "../b", "a b/c", "a/.b", "a--b/c"] {
        let error = HubModel::new(name, None).unwrap_err().to_string();
        assert!(error.contains("expected the name of a model on the hub"), "{error}");
    }
    for revision in ["", "../x", "/x", "a//b", "a b", "a?b", ".."] {
        let error = HubModel::new("a/b", Some(revision)).unwrap_err().to_string();
        assert!(error.contains("expected a branch, tag or commit of a/b"), "{error}");
    }
}

#[test]
fn a_full_disk_is_told_from_a_broken_connection() {
    let (hub, model) = (hub(&[]).unwrap(), HubModel::new("a/b", None).unwrap());
    let said = |kind: io::ErrorKind| refused(&hub, &model, io::Error::from(kind).into()).to_string();
    let full = said(io::ErrorKind::StorageFull);
    assert!(full.contains("/home/user/.cache/huggingface/hub: the disk is full; make room"), "{full}");
    let broken = said(io::ErrorKind::ConnectionReset);
    assert!(broken.contains("it goes on where it stopped"), "{broken}");
}

#[test]
fn an_index_names_shards_in_its_own_folder() {
    let dir = tempfile::tempdir().unwrap();
    let index = dir.path().join(INDEX);
    for (map, holds) in [
        (r#"{"weight_map": {"a": "x.safetensors", "b": "y.safetensors", "c": "x.safetensors"}}"#, true),
        (r#"{"weight_map": {"a": "../x.safetensors"}}"#, false),
        (r#"{"weight_map": {}}"#, false),
        ("[]", false),
    ] {
        fs::write(&index, map).unwrap();
        assert_eq!(shards(&index).ok().map(|shards| shards.len()), holds.then_some(2), "{map}");
    }
}
