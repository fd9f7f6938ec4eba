//! `[signals] heads` of a circuit: credit is read from the heads that carry the answer.

use std::fs;

use serde_json::{Value, json};

use super::inspect::inspect;
use super::place::{FINISHED, Place, copy, finish, send};

const CREDIT: [&str; 4] =
    ["--set", "credit=[{type=\"rhythm\"}, {type=\"global_anchor\"}]", "--set", "signals.horizon=[2, 20]"];
const WEIGHTS: &str = "runs/tiny/checkpoints/step_000006/model/model.safetensors";

fn refusal(place: &Place, args: &[&str]) -> String {
    let ended = place.run(args);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{args:?}: {}", ended.err);
    ended.err
}

/// The heads of the newest measurement up to `step`.
fn measured(place: &Place, step: u64) -> Value {
    let lines = place.lines("runs/tiny/circuit.jsonl");
    let last = lines.iter().rfind(|line| line["step"].as_u64().unwrap() <= step);
    last.unwrap()["heads"].clone()
}

#[test]
fn the_heads_that_a_run_measures_are_read_and_outlive_it() {
    let whole = Place::warmed();
    let followed = ["--set", "circuit.every=2", "--set", "circuit.n_pairs=3", "--set", "data.eval_items=20"];
    let heads = ["--set", "signals.heads=circuit"];
    let args = [&["train", "tiny.toml"], &CREDIT[..], &followed, &heads].concat();
    let ended = whole.run(&args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for step in [3, 6] {
        let state = whole.json(&format!("runs/tiny/checkpoints/step_{step:06}/state.json"));
        let heads = measured(&whole, step);
        assert_eq!(state["head_groups"], json!({ "local": heads, "global": heads }));
    }
    // Stopped behind a measurement that no checkpoint holds, it comes to the same weights.
    let stopped = Place::warmed();
    let lines = || std::fs::read_to_string(stopped.path("runs/tiny/circuit.jsonl")).unwrap_or_default();
    let child = stopped.start_until(&args, || lines().lines().count() > 2);
    send(&child, "KILL");
    finish(child);
    assert_eq!(stopped.run(&[&args[..], &["--resume"]].concat()).code, 0);
    assert_eq!(stopped.read("runs/tiny/circuit.jsonl"), whole.read("runs/tiny/circuit.jsonl"));
    assert!(fs::read(whole.path(WEIGHTS)).unwrap() == fs::read(stopped.path(WEIGHTS)).unwrap());
    // What was measured is part of what a run goes on with.
    let broken = Place::new();
    copy(&whole.path("runs"), &broken.path("runs"));
    broken.write("runs/tiny/checkpoints/latest", "step_000003\n");
    let all = broken.read("runs/tiny/circuit.jsonl");
    for (text, expected) in [
        (all.lines().take(1).collect::<String>(), "circuit.jsonl:2: expected what was measured of step 2"),
        (
            all.replacen("{\"step\":0", "{\"stop\":0", 1),
            "circuit.jsonl:1: expected what was measured of step 0",
        ),
        (all.replacen("\"step\":2", "\"step\":1", 1), "circuit.jsonl:2: got step 1, expected 2"),
    ] {
        broken.write("runs/tiny/circuit.jsonl", &text);
        let ended = broken.run(&[&args[..], &["--resume"]].concat());
        assert!(ended.code == 3 && ended.err.contains(expected), "{}: {}", ended.code, ended.err);
        assert_eq!(broken.read("runs/tiny/circuit.jsonl"), text);
    }
    // Local and global heads lead elsewhere.
    let grouped = Place::warmed();
    assert_eq!(grouped.run(&[&args[..2], &CREDIT, &followed].concat()).code, 0);
    assert!(fs::read(whole.path(WEIGHTS)).unwrap() != fs::read(grouped.path(WEIGHTS)).unwrap());

    let found = inspect(&whole, &["--run", "runs/tiny", "--step", "4", "--limit", "2"]);
    assert!(found.iter().all(|line| line["local"] == measured(&whole, 3) && line["local"] == line["global"]));
    assert_eq!(found[0]["layers"], json!([0, 1, 2, 3]));
    let said = refusal(&whole, &["train", "tiny.toml", "--set", "signals.heads=circuit"]);
    assert!(
        said.contains("[signals] `heads` = \"circuit\" takes the heads that [circuit] `every` measures"),
        "{said}"
    );
    whole.write("some.jsonl", "{\"prompt\": \"Make 5 from 2, 3.\\n\", \"response\": \"2 + 3\"}\n");
    copy(&whole.path("runs/tiny/checkpoints/step_000003/model"), &whole.path("model"));
    let ask = [
        "inspect",
        "model",
        "--input",
        "some.jsonl",
        "--set",
        "signals.heads=circuit",
        "--set",
        "circuit.every=1",
    ];
    let said = refusal(&whole, &ask);
    assert!(said.contains("model is no checkpoint of a run that reads attention so"), "{said}");
    // Before training is paid for, the heads of the policy that it starts from.
    let audit =
        ["audit", "tiny.toml", "--budget", "96", "--continued", "0", "--probes", "1", "--credit", "rhythm"];
    let few =
        ["--set", "data.train_items=200", "--set", "signals.horizon=[2, 20]", "--set", "model.dtype=\"f32\""];
    let ended = whole.run(&[&audit[..], &followed, &heads, &few].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
}

#[test]
fn the_heads_of_a_file_are_read() {
    let place = Place::new();
    copy(&FINISHED.path("runs"), &place.path("runs"));
    let circuit = [
        "circuit",
        "runs/tiny",
        "--set",
        "circuit.n_pairs=3",
        "--set",
        "circuit.edges=200",
        "--set",
        "data.eval_items=20",
    ];
    let ended = place.run(&[&circuit[..], &["--out", "c.json"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    let mut heads: Vec<(f64, [u64; 2])> = Vec::new();
    for head in place.json("c.json")["heads_importance"].as_array().unwrap() {
        let importance = head["importance"].as_f64().unwrap();
        if importance > 0.0 {
            heads.push((importance, [&head["layer"], &head["head"]].map(|id| id.as_u64().unwrap())));
        }
    }
    heads.sort_by(|a, b| b.0.total_cmp(&a.0));
    let n = heads.len().div_ceil(2); // half of them, rounded up
    let mut top: Vec<[u64; 2]> = heads.iter().take(n).map(|(_, id)| *id).collect();
    top.sort_unstable();
    let of_file = ["--set", "signals.heads={circuit=\"c.json\", top=0.5}"];
    let look = ["--run", "runs/tiny", "--step", "6", "--limit", "2", "--set", "signals.horizon=[2, 20]"];
    let found = inspect(&place, &[&look[..], &of_file].concat());
    assert!(found.iter().all(|line| line["local"] == json!(top) && line["global"] == json!(top)), "{top:?}");
    let names: Vec<String> = top.iter().map(|[layer, head]| format!("\"{layer}.{head}\"")).collect();
    let listed = format!("signals.heads=[{}]", names.join(", "));
    assert_eq!(inspect(&place, &[&look[..], &["--set", &listed]].concat()), found);
    // Training reads them too, and they are part of what a run began with.
    let args = [&["train", "tiny.toml", "--name", "own"], &CREDIT[..], &of_file].concat();
    let ended = place.run(&args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let state = place.json("runs/own/checkpoints/step_000006/state.json");
    assert_eq!(state["head_groups"]["local"], json!(top));
    let other = place.read("c.json").replacen("runs/tiny", "runs/other", 1);
    place.write("c.json", other);
    let changed = place.run(&[&args[..], &["--resume"]].concat());
    assert!(
        changed.code == 3 && changed.err.contains("c.json: SHA-256"),
        "{}: {}",
        changed.code,
        changed.err
    );

    let train = |heads: &str| {
        refusal(&place, &["train", "tiny.toml", "--name", "bad", "--set", &format!("signals.heads={heads}")])
    };
    let mut file = place.json("c.json");
    file["heads_importance"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .for_each(|head| head["importance"] = json!(0.0));
    place.write("empty.json", file.to_string());
    file["layers"] = json!(99);
    place.write("other.json", file.to_string());
    for (heads, expected) in [
        ("{circuit=\"none.json\"}", "[signals] `heads`: none.json: expected an existing file"),
        ("{circuit=\"tiny.toml\"}", "tiny.toml: no circuit"),
        ("{circuit=\"other.json\"}", "other.json: the circuit of 99 layers of"),
        ("{circuit=\"empty.json\"}", "empty.json: the circuit has no head"),
        ("{circuit=\"c.json\", top=0}", "`top` above 0 and at most 1"),
        ("{circuit=\"c.json\", most=1}", "expected \"groups\", \"all\", \"circuit\", a list of heads"),
        ("{top=0.5}", "or { circuit = \"FILE.json\", top = 0.3 }"),
        ("[\"9.0\"]", "[signals] `heads`: got 9.0, the model has layers 0 to 3"),
        ("[]", "expected at least one head"),
        ("[1]", "signals.heads"),
        ("grups", "\"groups\", \"all\", \"circuit\""),
    ] {
        let said = train(heads);
        assert!(said.contains(expected), "{heads}: {said}");
    }
    // Interrupted, a search for a file goes on; what another one left is not mixed in.
    place.write("c.json.part", "{}");
    let said = place.run(&[&circuit[..], &["--out", "c.json"]].concat());
    assert!(
        said.code == 2 && said.err.contains("c.json.part: no sums of an interrupted search; remove it"),
        "{}",
        said.err
    );
}
