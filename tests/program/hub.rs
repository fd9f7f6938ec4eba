//! Models by name, from a hub on the loopback interface.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::place::{Ended, FINISHED, Place, RECIPE, assert_same_run, finish};

const COMMITS: [&str; 2] =
    ["1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"];

/// What a hub has, and what it was asked.
#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    /// Index of the commit that `main` stands for.
    main: usize,
    /// Only who has this token is answered.
    token: Option<String>,
    /// How many bodies of large files break off half way.
    breaks: usize,
    /// Whether large files arrive changed.
    spoils: bool,
    /// Path and range of each request for a file's content, and each path else.
    asked: Vec<String>,
}

/// A server with one model, `org/tiny`; files ending in `.safetensors` lie elsewhere, as large ones do on a hub.
struct Server {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// One that serves the policy of the finished run, and files that nothing here reads.
    fn new() -> Self {
        let folder = FINISHED.path("runs/tiny/checkpoints/step_000006/model");
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            files.insert(entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
        }
        for name in ["README.md", "pytorch_model.bin", "other.safetensors", ".gitattributes"] {
            files.insert(name.to_owned(), b"not read".to_vec());
        }
        files.insert("additional_chat_templates/rag.jinja".to_owned(), b"{{ documents }}".to_vec());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { files, ..State::default() }));
        let (served, own) = (Arc::clone(&state), address.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &mut served.lock().unwrap(), &own);
            }
        });
        Self { address, state }
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// What was asked since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    /// The program at `place`, with this hub and a cache of its own.
    fn run(&self, place: &Place, args: &[&str], variables: &[(&str, &str)]) -> Ended {
        let mut command = place.program(args);
        for name in ["HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HF_HUB_OFFLINE"] {
            command.env_remove(name);
        }
        command.env("HF_HOME", place.path("hf")).env("HF_ENDPOINT", &self.address);
        command.envs(variables.iter().copied()).env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        finish(command.spawn().unwrap())
    }
}

fn answer(stream: TcpStream, state: &mut State, own: &str) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        let find = |line: &String| {
            Some(line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name))?.1.to_owned())
        };
        lines.iter().find_map(find)
    };
    let path = lines.first().map_or("", |line| line.split(' ').nth(1).unwrap()).to_owned();
    let mut out = stream;
    let mut reply = |status: &str, headers: &str, body: &[u8]| {
        // Who has heard enough may hang up.
        let length = body.len();
        let _ = write!(
            out,
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
        );
        let _ = out.write_all(body);
    };
    let known =
        state.token.as_ref().is_none_or(|token| header("authorization") == Some(format!("Bearer {token}")));
    if !known && !path.starts_with("/large/") {
        return reply("401 Unauthorized", "", b"{}");
    }
    if let Some(revision) = path.strip_prefix("/api/models/org/tiny/revision/") {
        state.asked.push(path.clone());
        let commit = if revision == "main" {
            Some(COMMITS[state.main])
        } else {
            COMMITS.into_iter().find(|c| *c == revision)
        };
        let Some(commit) = commit else { return reply("404 Not Found", "", b"{}") };
        let names: Vec<_> = state.files.keys().map(|name| json!({ "rfilename": name })).collect();
        return reply("200 OK", "", json!({ "sha": commit, "siblings": names }).to_string().as_bytes());
    }
    let resolved = path.strip_prefix("/org/tiny/resolve/").and_then(|rest| rest.split_once('/'));
    let (commit, name) = match resolved {
        Some((commit, name)) => (commit, name),
        None => ("", path.strip_prefix("/large/").unwrap_or("")),
    };
    let Some(content) = state.files.get(name) else { return reply("404 Not Found", "", b"{}") };
    let large = name.ends_with(".safetensors");
    let hash = if large {
        hex::encode(Sha256::digest(content))
    } else {
        let blob = Sha1::new_with_prefix(format!("blob {}\0", content.len())).chain_update(content);
        hex::encode(blob.finalize())
    };
    let commit = if commit.is_empty() { String::new() } else { format!("X-Repo-Commit: {commit}\r\n") };
    if large && resolved.is_some() {
        let headers = format!("{commit}X-Linked-ETag: \"{hash}\"\r\nLocation: {own}/large/{name}\r\n");
        return reply("302 Found", &headers, b"");
    }
    let range = header("range");
    let start = range
        .as_ref()
        .map_or(0, |range| range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap());
    state.asked.push(format!("{name} bytes={start}-"));
    if start > 0 && start >= content.len() {
        return reply("416 Range Not Satisfiable", "", b"");
    }
    let (status, range) = match range {
        Some(_) => {
            let (end, length) = (content.len() - 1, content.len());
            ("206 Partial Content", format!("Content-Range: bytes {start}-{end}/{length}\r\n"))
        }
        None => ("200 OK", String::new()),
    };
    let headers = format!("{commit}ETag: \"{hash}\"\r\n{range}");
    let mut body = content[start..].to_vec();
    if large && body.len() > 1 {
        if state.spoils {
            body[0] ^= 1;
        }
        if state.breaks > 0 {
            state.breaks -= 1;
            let half = body.len() / 2;
            let length = body.len();
            let _ = write!(
                out,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
            );
            let _ = out.write_all(&body[..half]);
            return;
        }
    }
    reply(status, &headers, &body);
}

/// The recipe of the tests with the model of the hub, which needs no SFT.
fn recipe(more: &str) -> String {
    let sft = RECIPE.find("[sft]").unwrap()..RECIPE.find("[data]").unwrap();
    let mut recipe = RECIPE.to_owned();
    recipe.replace_range(sft, "");
    recipe.replace("scratch = \"countdown2m\"", &format!("hub = \"org/tiny\"{more}"))
}

fn place() -> Place {
    let place = Place::new();
    place.write("hub.toml", recipe(""));
    place
}

fn fetched(asked: &[String]) -> Vec<&str> {
    asked
        .iter()
        .filter(|path| !path.starts_with("/api"))
        .map(|path| path.split(' ').next().unwrap())
        .collect()
}

const TEXTS: [&str; 5] = [
    "additional_chat_templates/rag.jinja",
    "generation_config.json",
    "tokenizer_config.json",
    "tokenizer.json",
    "config.json",
];

#[test]
fn a_run_fetches_what_it_reads_once_and_is_continued_without_the_hub() {
    let (server, place) = (Server::new(), place());
    let checked = server.run(&place, &["check", "hub.toml"], &[]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert_eq!(fetched(&server.asked()), TEXTS);
    let offline = [("HF_HUB_OFFLINE", "1")];
    let refused = server.run(&place, &["train", "hub.toml"], &offline);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("model.safetensors is not in the cache"), "{}", refused.err);
    fs::remove_dir_all(place.path("runs")).unwrap();

    let cut = server.run(
        &place,
        &["train", "hub.toml", "--set", "run.steps=3", "--set", "optim.schedule=constant"],
        &[],
    );
    assert_eq!(cut.code, 0, "{}", cut.err);
    assert_eq!(fetched(&server.asked()), ["model.safetensors"]);
    assert!(cut.err.contains("fetch model.safetensors (MB): done in "), "{}", cut.err);
    // Its checkpoint is a model folder with further templates, which are its own.
    let ask = |place: &Place| place.run(&["sample", "runs/tiny", "1+2", "--max-new-tokens", "2"]);
    let sampled = ask(&place);
    assert_eq!(sampled.code, 0, "{}", sampled.err);
    let foreign = "runs/tiny/checkpoints/step_000003/model/additional_chat_templates/mine.jinja";
    place.write(foreign, "{{ 1 }}");
    let refused = ask(&place);
    assert!(refused.code == 2 && refused.err.contains("mine.jinja: not a file of this"), "{}", refused.err);
    fs::remove_file(place.path(foreign)).unwrap();
    let resolved = place.read("runs/tiny/resolved.toml");
    assert!(resolved.contains(&format!("revision = \"{}\"", COMMITS[0])), "{resolved}");
    let inputs = place.json("runs/tiny/inputs.json");
    let files: Vec<&String> = inputs["files"].as_object().unwrap().keys().collect();
    assert!(files.contains(&&format!("hub:org/tiny@{}/config.json", COMMITS[0])), "{files:?}");

    // The branch has moved on, and the cache lies elsewhere: the run stays with its commit.
    server.set(|state| state.main = 1);
    fs::rename(place.path("hf"), place.path("moved")).unwrap();
    let cache = place.path("moved/hub").display().to_string();
    let elsewhere = [("HF_HUB_CACHE", cache.as_str()), ("HF_HUB_OFFLINE", "1")];
    let set = ["--set", "run.steps=6"];
    let resumed = server.run(&place, &[&["train", "runs/tiny", "--resume"][..], &set].concat(), &elsewhere);
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert_eq!(server.asked(), Vec::<String>::new());

    // As never stopped, and as from the folder.
    let other = Place::new();
    let folder = FINISHED.path("runs/tiny/checkpoints/step_000006/model");
    other.write("hub.toml", recipe("").replace("hub = \"org/tiny\"", &format!("path = {folder:?}")));
    let whole = other.run(&["train", "hub.toml", "--set", "optim.schedule=constant"]);
    assert_eq!(whole.code, 0, "{}", whole.err);
    for name in ["runs/tiny/checkpoints/step_000006/model", "runs/tiny/rollouts"] {
        let model = |place: &Place| place.path(name);
        if name.ends_with("model") {
            let template = "additional_chat_templates/rag.jinja";
            assert_eq!(fs::read_to_string(model(&place).join(template)).unwrap(), "{{ documents }}");
            fs::remove_dir_all(model(&place).join("additional_chat_templates")).unwrap();
        }
        assert_same_run(&model(&place), &model(&other));
    }

    let moved = server.run(
        &place,
        &["train", "hub.toml", "--resume", "--set", "optim.schedule=constant", "--set", "run.steps=6"],
        &[],
    );
    assert_eq!(moved.code, 3);
    assert!(
        moved.err.contains(&format!("model.revision: {:?} now, {:?} in the run", COMMITS[1], COMMITS[0])),
        "{}",
        moved.err
    );
}

/// Adapters name their base as it is called on the hub, and find it in any cache.
#[test]
fn adapters_of_a_model_of_the_hub_know_it_by_its_name() {
    let (server, place) = (Server::new(), place());
    place.write("hub.toml", recipe("\n[model.lora]\nrank = 2"));
    let trained = server.run(&place, &["train", "hub.toml", "--set", "run.steps=1"], &[]);
    assert_eq!(trained.code, 0, "{}", trained.err);
    let model = "runs/tiny/checkpoints/step_000001/model";
    let config = place.json(&format!("{model}/adapter_config.json"));
    assert_eq!(
        (&config["base_model_name_or_path"], &config["revision"]),
        (&"org/tiny".into(), &COMMITS[0].into())
    );
    let ask = |variables: &[(&str, &str)]| {
        server.run(&place, &["sample", model, "1+2", "--max-new-tokens", "2"], variables)
    };
    let sampled = ask(&[("HF_HUB_OFFLINE", "1")]);
    assert_eq!(sampled.code, 0, "{}", sampled.err);
    server.asked();
    fs::remove_dir_all(place.path("hf")).unwrap();
    let refused = ask(&[("HF_HUB_OFFLINE", "1")]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("adapter_config.json: base_model_name_or_path: org/tiny@"),
        "{}",
        refused.err
    );
    assert_eq!(ask(&[]).out, sampled.out);
    assert!(fetched(&server.asked()).contains(&"model.safetensors"));
}

#[test]
fn what_the_hub_refuses_is_said_with_what_to_do() {
    let (server, place) = (Server::new(), place());
    let refusal = |args: &[&str], variables: &[(&str, &str)], parts: &[&str]| {
        let ended = server.run(&place, args, variables);
        assert_eq!(ended.code, 2, "{}", ended.err);
        for part in parts {
            assert!(ended.err.contains(part), "{part}\n{}", ended.err);
        }
    };
    let check = ["check", "hub.toml"];
    refusal(
        &check,
        &[("HF_HUB_OFFLINE", "1")],
        &["hub.toml:", "org/tiny@main: the model is not in the cache", "HF_HUB_OFFLINE"],
    );
    refusal(
        &check,
        &[("HF_ENDPOINT", "http://127.0.0.1:9")],
        &["could not be fetched from http://127.0.0.1:9", "check the connection"],
    );
    place.write("none.toml", recipe("\nrevision = \"v9\""));
    refusal(
        &["check", "none.toml"],
        &[],
        &["org/tiny@v9", "no such model", "check the name and the revision"],
    );
    refusal(&["sample", "hub:org/none", "x"], &[], &["org/none@main", "no such model"]);
    refusal(
        &["sample", "hub:org/tiny@", "x"],
        &[],
        &["hub:org/tiny@: got \"\", expected a branch, tag or commit"],
    );

    server.set(|state| state.token = Some("right".into()));
    refusal(&check, &[], &["does not show it without a token (", "HF_TOKEN", "hf/token", "/org/tiny"]);
    refusal(
        &check,
        &[("HF_TOKEN", "wrong")],
        &["does not give it to the owner of the token", "ask for access"],
    );
    fs::create_dir_all(place.path("hf")).unwrap();
    place.write("hf/token", "right\n");
    assert_eq!(server.run(&place, &check, &[]).code, 0);
    server.set(|state| {
        state.files.remove("model.safetensors");
    });
    refusal(&["sample", "hub:org/tiny", "x"], &[], &["the hub has no safetensors of it"]);
}

#[test]
fn a_commit_that_is_in_the_cache_is_not_asked_for() {
    let (server, place) = (Server::new(), place());
    let commit = format!("hub:org/tiny@{}", COMMITS[0]);
    let sample = |model: &str| {
        let ended = server.run(&place, &["sample", model, "Make 3 from 1, 2.\n", "--temperature", "0"], &[]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        (ended.out, server.asked())
    };
    let (out, asked) = sample("hub:org/tiny");
    assert!(fetched(&asked).contains(&"model.safetensors"), "{asked:?}");
    assert_eq!(sample(&commit), (out.clone(), Vec::new()));
    // A branch may have moved.
    let revision = |name: &str| format!("/api/models/org/tiny/revision/{name}");
    assert_eq!(sample("hub:org/tiny"), (out.clone(), vec![revision("main")]));

    // Without one of its files, even one that not every model has, it is not all there.
    let snapshot = place.path(&format!("hf/hub/models--org--tiny/snapshots/{}", COMMITS[0]));
    fs::remove_file(snapshot.join("generation_config.json")).unwrap();
    let (again, asked) = sample(&commit);
    assert_eq!((again, &asked[0]), (out.clone(), &revision(COMMITS[0])));
    assert!(snapshot.join("generation_config.json").is_file());
    fs::remove_file(snapshot.join("model.safetensors")).unwrap();
    assert_eq!(sample(&commit).1[0], revision(COMMITS[0]));
    assert_eq!(sample(&commit), (out, Vec::new()));
}

/// The file of weights in the cache, found and shown to be whole.
fn weights(place: &Place) -> Vec<u8> {
    fs::read(place.path(&format!("hf/hub/models--org--tiny/snapshots/{}/model.safetensors", COMMITS[0])))
        .unwrap()
}

fn ends(folder: &Path, end: &str) -> usize {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(end)).count()
}

#[test]
fn an_interrupted_download_goes_on_and_a_damaged_one_is_not_used() {
    let (server, place) = (Server::new(), place());
    let sample = ["sample", "hub:org/tiny", "Make 3 from 1, 2.\n", "--temperature", "0"];
    let blobs = place.path("hf/hub/models--org--tiny/blobs");
    let size = server.state.lock().unwrap().files["model.safetensors"].len();

    server.set(|state| state.spoils = true);
    let damaged = server.run(&place, &sample, &[]);
    assert_eq!(damaged.code, 2, "{}", damaged.err);
    assert!(
        damaged.err.contains("model.safetensors: org/tiny@main: damaged on the way: got SHA-256 "),
        "{}",
        damaged.err
    );
    server.set(|state| state.spoils = false);
    server.asked();

    server.set(|state| state.breaks = 10);
    let broken = server.run(&place, &sample, &[]);
    assert_eq!(broken.code, 2, "{}", broken.err);
    assert!(broken.err.contains("it goes on where it stopped"), "{}", broken.err);
    assert_eq!(ends(&blobs, ".incomplete"), 1);
    server.set(|state| state.breaks = 2);
    let done = server.run(&place, &sample, &[]);
    assert_eq!(done.code, 0, "{}", done.err);
    let starts: Vec<usize> = server
        .asked()
        .iter()
        .filter_map(|asked| asked.strip_prefix("model.safetensors bytes=")?.strip_suffix('-')?.parse().ok())
        .collect();
    // Each half of what was left arrived, and each try behind the first went on there, in the next process too.
    let later: Vec<usize> = starts.into_iter().filter(|start| *start > 0).collect();
    assert!(later.len() >= 5 && later[0] > size / 3, "{later:?} of {size}");
    assert!(later.windows(2).all(|pair| pair[0] < pair[1]), "{later:?}");
    assert_eq!(weights(&place), server.state.lock().unwrap().files["model.safetensors"]);

    // Killed between the last byte and the renaming.
    let snapshot = place.path(&format!("hf/hub/models--org--tiny/snapshots/{}", COMMITS[0]));
    let blob = snapshot.join("model.safetensors").canonicalize().unwrap();
    fs::remove_file(snapshot.join("model.safetensors")).unwrap();
    fs::rename(&blob, blob.with_extension("incomplete")).unwrap();
    let again = server.run(&place, &sample, &[]);
    assert_eq!((again.code, &again.out), (0, &done.out), "{}", again.err);
    assert_eq!(ends(&blobs, ".incomplete"), 0);
}

#[test]
fn shards_are_fetched_by_their_index() {
    let (server, place) = (Server::new(), place());
    server.set(|state| {
        let weights = state.files.remove("model.safetensors").unwrap();
        state.files.insert("model-00001-of-00001.safetensors".to_owned(), weights);
        let folder = FINISHED.path("runs/tiny/checkpoints/step_000006/model/model.safetensors");
        let bytes = fs::read(folder).unwrap();
        let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&bytes[8..8 + n]).unwrap();
        let names = header.keys().filter(|name| *name != "__metadata__");
        let map: BTreeMap<_, _> =
            names.map(|name| (name.clone(), "model-00001-of-00001.safetensors")).collect();
        state.files.insert(
            "model.safetensors.index.json".to_owned(),
            json!({ "weight_map": map }).to_string().into(),
        );
    });
    let sample = ["sample", "hub:org/tiny@main", "Make 3 from 1, 2.\n"];
    let done = server.run(&place, &sample, &[]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(
        fetched(&server.asked())[5..],
        ["model.safetensors.index.json", "model-00001-of-00001.safetensors"]
    );
    let offline = server.run(&place, &sample, &[("HF_HUB_OFFLINE", "1")]);
    assert_eq!((offline.code, offline.out), (0, done.out), "{}", offline.err);
}
