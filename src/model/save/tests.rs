//! What is saved loads back, in one file and in shards; what cannot be written is explained.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::tempdir;

use super::*;
use crate::model::config::Family;
use crate::model::config::tests::tiny;
use crate::model::load::StoredWeights;

/// Weights with every kind of number: subnormal, huge, negative zero.
fn weights(layout: &Layout) -> Vec<f32> {
    let special = [1e-42, f32::MAX, -0.0, f32::MIN, 1.0 + f32::EPSILON];
    (0..layout.n_params() as usize).map(|i| special.get(i).copied().unwrap_or((i as f32).sin())).collect()
}

fn loaded(dir: &Path, layout: &Layout) -> Vec<f32> {
    StoredWeights::open(dir).unwrap().read(layout).unwrap().try_into().unwrap()
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn f32_comes_back_bit_for_bit() {
    for family in Family::ALL {
        let (dir, config) = (tempdir().unwrap(), tiny(family));
        let dir = dir.path().join("step/model");
        let layout = Layout::new(&config);
        let flat = weights(&layout);
        save_folder(&dir, &config, &layout, &flat, &SpecialIds::default()).unwrap();
        assert_eq!(bits(&loaded(&dir, &layout)), bits(&flat));
        assert_eq!(ModelConfig::from_folder(&dir).unwrap(), config);
    }
}

#[test]
fn shards_hold_everything_once_and_load_back() {
    let (dir, config) = (tempdir().unwrap(), tiny(Family::Llama));
    let layout = Layout::new(&config);
    let flat = weights(&layout);
    save_weights(dir.path(), &layout, &flat, 1000, StoredDtype::F32).unwrap();
    assert_eq!(bits(&loaded(dir.path(), &layout)), bits(&flat));

    let index: Value =
        serde_json::from_str(&fs::read_to_string(dir.path().join(WEIGHTS_INDEX)).unwrap()).unwrap();
    assert_eq!(index["metadata"]["total_size"], 4 * layout.n_params());
    let map = index["weight_map"].as_object().unwrap();
    assert_eq!(map.len(), layout.entries().len());
    let shards = split(layout.entries(), 1000, 4);
    let n = shards.len();
    assert_eq!(map["model.embed_tokens.weight"], format!("model-00001-of-{n:05}.safetensors"));
    assert_eq!(map["model.norm.weight"], format!("model-{n:05}-of-{n:05}.safetensors"));
    for shard in shards {
        let n_bytes: u64 = shard.iter().map(|entry| 4 * entry.n_elements() as u64).sum();
        assert!(n_bytes <= 1000, "{}: {n_bytes}", shard[0].name);
    }
}

/// The limit is filled to the byte, and what alone exceeds it still gets its shard.
#[test]
fn shards_are_cut_at_the_limit() {
    let entry = |start, n| Entry { name: format!("t{start}"), shape: vec![n], start };
    let entries = [entry(0, 6), entry(6, 4), entry(10, 1), entry(11, 30), entry(41, 2)];
    let cut = |shard_bytes| split(&entries, shard_bytes, 4).iter().map(|s| s.len()).collect::<Vec<_>>();
    assert_eq!(cut(40), [2, 1, 1, 1]);
    assert_eq!(cut(39), [1, 2, 1, 1]);
    assert_eq!(cut(1000), [5]);
}

#[test]
fn numbers_start_at_a_multiple_of_8() {
    for family in Family::ALL {
        let layout = Layout::new(&tiny(family));
        let header = header(layout.entries(), Dtype::F32).unwrap();
        assert_eq!(header.len() % 8, 0);
        let n_json = u64::from_le_bytes(header[..8].try_into().unwrap());
        assert_eq!(header.len() as u64, 8 + n_json);
        let json: Value = serde_json::from_slice(&header[8..]).unwrap();
        assert_eq!(json["__metadata__"]["format"], "pt");
    }
}

#[test]
fn a_full_disk_is_named_and_leaves_no_fragment() {
    let dir = tempdir().unwrap();
    let path = dir.path().join(WEIGHTS);
    let full = |_: &mut File| File::options().write(true).open("/dev/full")?.write_all(b"x");
    let error = format!("{:#}", write_new(&path, full).unwrap_err());
    let expected = format!("could not write {}: the disk is full; make room, then try again", path.display());
    assert_eq!(error, expected);
    assert!(!path.exists());
}

#[test]
fn nothing_is_overwritten() {
    let (dir, config) = (tempdir().unwrap(), tiny(Family::Qwen3));
    let layout = Layout::new(&config);
    let save = |flat: &[f32]| save_folder(dir.path(), &config, &layout, flat, &SpecialIds::default());
    save(&weights(&layout)).unwrap();
    let error = format!("{:#}", save(&vec![0.0; layout.n_params() as usize]).unwrap_err());
    let path: PathBuf = dir.path().join("config.json");
    let expected = format!(
        "could not write {}, which exists; nothing is overwritten: remove it or save elsewhere",
        path.display()
    );
    assert!(error.starts_with(&expected), "{error}");
    assert_eq!(bits(&loaded(dir.path(), &layout)), bits(&weights(&layout)));
}

/// Rounded to the nearest, and read back as that.
#[test]
fn weights_are_written_in_the_precision_that_is_asked_for() {
    let config = tiny(Family::Qwen3);
    let layout = Layout::new(&config);
    let flat: Vec<f32> = (0..layout.n_params()).map(|i| (i as f32).sin()).collect();
    let save = |dtype: StoredDtype, flat: &[f32]| {
        let dir = tempdir().unwrap();
        let folder = dir.path().join("model");
        save_folder_in(&folder, &config, &layout, flat, &SpecialIds::default(), dtype).map(|()| dir)
    };
    for dtype in [StoredDtype::F32, StoredDtype::Bf16, StoredDtype::F16] {
        let dir = save(dtype, &flat).unwrap();
        let folder = dir.path().join("model");
        let round = |x: &f32| match dtype {
            StoredDtype::F32 => *x,
            StoredDtype::Bf16 => half::bf16::from_f32(*x).to_f32(),
            StoredDtype::F16 => half::f16::from_f32(*x).to_f32(),
        };
        let expected: Vec<f32> = flat.iter().map(round).collect();
        assert_eq!(bits(&loaded(&folder, &layout)), bits(&expected), "{dtype}");
        assert_eq!(StoredDtype::of_folder(&folder).unwrap(), dtype);
        let json: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.join(CONFIG)).unwrap()).unwrap();
        assert_eq!(
            (&json["dtype"], &json["torch_dtype"]),
            (&json!(dtype.in_config()), &json!(dtype.in_config()))
        );
        // Where there are no weights the configuration says it.
        fs::remove_file(folder.join(WEIGHTS)).unwrap();
        assert_eq!(StoredDtype::of_folder(&folder).unwrap(), dtype);
    }
    let large: Vec<f32> = flat.iter().map(|_| 1e5).collect();
    let error = format!("{:#}", save(StoredDtype::F16, &large).unwrap_err());
    assert!(error.contains("f16 cannot hold the weight 100000; take a precision"), "{error}");
    assert!(save(StoredDtype::Bf16, &large).is_ok());
}
