//! `circuit`: what it finds and leaves behind, while a run trains and behind it, and what it refuses.

use std::fs;

use serde_json::{Value, json};

use super::inspect::drive;
use super::place::{FINISHED, Place, copy, finish, send};

/// What a run needs to be followed.
const FOLLOWED: [&str; 8] = [
    "--set",
    "checkpoint.keep_model_every=2",
    "--set",
    "circuit.every=2",
    "--set",
    "circuit.n_pairs=3",
    "--set",
    "data.eval_items=20",
];
const FEW: [&str; 4] = ["--set", "circuit.n_pairs=3", "--set", "circuit.edges=60"];

fn refusal(place: &Place, args: &[&str]) -> String {
    let ended = place.run(args);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{args:?}: {}", ended.err);
    ended.err
}

fn sum(list: &Value, key: &str) -> f64 {
    list.as_array().unwrap().iter().map(|entry| entry[key].as_f64().unwrap()).sum()
}

#[test]
fn a_circuit_is_told_by_edges_and_heads() {
    let place = Place::new();
    copy(&FINISHED.path("runs"), &place.path("runs"));
    let args =
        [&["circuit", "runs/tiny", "--set", "data.eval_items=20", "--html", "page.html"], &FEW[..]].concat();
    let ended = place.run(&[&args[..], &["--out", "own.json"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    let found = place.json("own.json");
    assert_eq!((&found["model"], &found["pairs"]), (&json!("runs/tiny"), &json!(3)));
    assert_eq!(found["settings"]["edges"], 60);
    let (layers, heads) = (found["layers"].as_u64().unwrap(), found["heads"].as_u64().unwrap());
    assert_eq!(found["nodes"].as_array().unwrap().len() as u64, 2 + layers * (heads + 1));
    let edges = found["edges"].as_array().unwrap();
    let sizes: Vec<f64> = edges.iter().map(|edge| edge["abs"].as_f64().unwrap()).collect();
    assert!(!edges.is_empty() && edges.len() <= 60 && sizes.is_sorted_by(|a, b| a >= b));
    assert!((sum(&found["heads_importance"], "share") - 1.0).abs() < 1e-9);
    let line = format!("{} edges, ", edges.len());
    assert!(ended.out.starts_with(&line), "{}", ended.out);
    assert!(
        ended.err.contains("of weights, ") && ended.err.contains("GB of memory at most"),
        "{}",
        ended.err
    );
    assert!(place.read("page.html").contains("Circuit of runs/tiny"));
    place.write("page.jsonl", place.read("own.json"));
    drive(&place);
    // Every edge, and the sum over those of a source by the cheap way.
    let ended = place.run(&[&args[..4], &FEW, &["--out", "all.json", "--all-edges"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    let ended = place.run(&[&args[..4], &FEW, &["--out", "cheap.json", "--cheap"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    let all = place.json("all.json");
    for source in place.json("cheap.json")["sources"].as_array().unwrap() {
        let edges = all["edges"].as_array().unwrap().iter().filter(|edge| edge["from"] == source["node"]);
        let sum: f64 = edges.map(|edge| edge["score"].as_f64().unwrap()).sum();
        let score = source["score"].as_f64().unwrap();
        assert!((sum - score).abs() < 1e-4 * score.abs() + 1e-6, "{source}: {sum}");
    }
    let said = refusal(&place, &["sample", "runs/tiny", "x", "--scale-heads", "cheap.json:heads"]);
    assert!(
        said.contains("cheap.json: cheap scores, which name no circuit; find it without --cheap"),
        "{said}"
    );
    // Circuits of other sizes, up to the whole model.
    let curve = ["--curve", "30,60,all", "--out", "curve.json"];
    let ended = place.run(&[&args[..4], &FEW, &curve].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    let points = &place.json("curve.json")["curve"];
    assert_eq!(points[1]["recovered"], found["faithfulness"]["recovered"]);
    assert_eq!(
        (&points[0]["edges"], &points[2]["edges"]),
        (&json!(30), &json!(all["edges"].as_array().unwrap().len()))
    );
    let clean = found["faithfulness"]["clean"].as_f64().unwrap();
    assert!((points[2]["loss"].as_f64().unwrap() - clean).abs() < 1e-5, "{points}");
    assert!(ended.out.contains("\nedges  on paths  heads"), "{}", ended.out);
    // Beside what the run began as.
    let base = "runs/tiny/checkpoints/step_000003";
    assert!(place.path(base).is_dir(), "the run keeps two checkpoints");
    let ended = place.run(&[&args[..4], &FEW, &["--out", "own.json", "--base", base]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    let versus = &place.json("own.json")["base"];
    let n = |set: &str| versus[set].as_array().unwrap().len();
    let active =
        found["heads_importance"].as_array().unwrap().iter().filter(|head| head["importance"] != 0.0);
    assert_eq!(n("emergent") + n("retained"), active.count());
    // Heads of the file are left out.
    let sample =
        ["sample", "runs/tiny", "Make 5 from 1, 2, 3.\n", "--temperature", "0", "--max-new-tokens", "8"];
    let ended = place.run(&[&sample[..], &["--scale-heads", "own.json:heads[:2]"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
}

#[test]
fn a_run_is_followed_to_the_same_bits_and_goes_on() {
    let place = Place::new();
    let args = [&["train", "tiny.toml"], &FOLLOWED[..]].concat();
    let ended = place.run(&args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let steps = |lines: &[Value]| lines.iter().map(|line| line["step"].as_u64().unwrap()).collect::<Vec<_>>();
    let lines = place.lines("runs/tiny/circuit.jsonl");
    assert_eq!(steps(&lines), [0, 2, 4, 6]);
    let rows = place.lines("runs/tiny/metrics.jsonl");
    for (row, line) in [(&rows[1], &lines[1]), (&rows[5], &lines[3])] {
        assert_eq!(row["circuit/heads"].as_f64(), Some(line["heads"].as_array().unwrap().len() as f64));
        assert!((0.0..=1.0).contains(&row["circuit/turnover"].as_f64().unwrap()));
    }
    assert!(rows[0].get("circuit/heads").is_none());
    // It has learnt what it learns unwatched.
    let unwatched = Place::new();
    copy(&place.path("runs/.warm_starts"), &unwatched.path("runs/.warm_starts"));
    assert_eq!(unwatched.run(&["train", "tiny.toml", "--set", "data.eval_items=20"]).code, 0);
    let weights = "runs/tiny/checkpoints/step_000006/model/model.safetensors";
    assert!(fs::read(place.path(weights)).unwrap() == fs::read(unwatched.path(weights)).unwrap());
    assert!(
        fs::read(place.path(weights)).unwrap()
            == fs::read(place.path("runs/tiny/models/step_000006/model/model.safetensors")).unwrap()
    );
    // Stopped and taken up again it has the same lines.
    let stopped = Place::new();
    copy(&place.path("runs/.warm_starts"), &stopped.path("runs/.warm_starts"));
    let child = stopped.start_until(&args, || stopped.path("runs/tiny/models/step_000002").is_dir());
    send(&child, "INT");
    finish(child);
    assert_eq!(stopped.run(&[&args[..], &["--resume"]].concat()).code, 0);
    assert_eq!(stopped.read("runs/tiny/circuit.jsonl"), place.read("runs/tiny/circuit.jsonl"));

    // Circuits of all that was kept, beside what it began as; what is found already is not found again.
    let circuits = [&["circuit", "runs/tiny", "--checkpoints", "all"], &FEW[..]].concat();
    let ended = place.run(&circuits);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let emergence = place.json("runs/tiny/circuits/emergence.json");
    assert_eq!((&emergence["steps"], &emergence["base"]), (&json!([2, 3, 4, 6]), &json!("before training")));
    let sets = emergence["emergence"]["sets"].as_array().unwrap();
    let cohorts = emergence["emergence"]["cohorts"].as_array().unwrap();
    assert_eq!((sets.len(), cohorts.len()), (4, 5));
    for (i, own) in sets.iter().enumerate() {
        let alive: u64 = cohorts.iter().map(|cohort| cohort[i].as_u64().unwrap()).sum();
        let n = |set: &str| own[set].as_array().unwrap().len() as u64;
        assert_eq!(alive, n("emergent") + n("retained"), "{own}");
    }
    for file in ["index.html", "heatmap.svg", "heatmap.png", "cohorts.svg", "cohorts.png"] {
        assert!(place.path("runs/tiny/circuits").join(file).is_file(), "{file}");
    }
    place.write("page.html", place.read("runs/tiny/circuits/index.html"));
    place.write("page.jsonl", place.read("runs/tiny/circuits/step_000006.json"));
    drive(&place);
    fs::remove_file(place.path("runs/tiny/circuits/step_000004.json")).unwrap();
    let again = place.run(&circuits);
    assert_eq!((again.code, &again.out), (0, &ended.out));
    assert_eq!(again.err.matches("circuit of ").count(), 1, "{}", again.err);
    let said = refusal(&place, &[&circuits[..], &["--set", "circuit.steps=3"]].concat());
    assert!(
        said.contains("holds circuits of another run, or of other pairs, settings or base")
            && said.contains("--out"),
        "{said}"
    );
    // Of a course that is left nothing is taken for the run's own.
    place.write("runs/tiny/models/step_000006/of another course", "");
    place.write("runs/tiny/checkpoints/latest", "step_000003\n");
    assert_eq!(place.run(&[&args[..], &["--resume"]].concat()).code, 0);
    assert!(!place.path("runs/tiny/models/step_000006/of another course").exists());
    assert!(place.path("runs/tiny/models/step_000006/model").is_dir());
    let kept = |step: u64| place.path(&format!("runs/tiny/circuits/step_{step:06}.json")).exists();
    assert_eq!([2, 3, 4, 6].map(kept), [true, true, false, false]);
    let said = refusal(&place, &["circuit", "runs/tiny", "--checkpoints", "2,5", "--out", "elsewhere"]);
    assert!(said.contains("no model behind step 5; it has 2, 3, 4, 6"), "{said}");
}

#[test]
fn what_makes_no_circuit_is_said() {
    let place = Place::new();
    copy(&FINISHED.path("runs"), &place.path("runs"));
    let model = "runs/tiny/checkpoints/step_000006/model";
    let with = |pairs: &str, more: &[&str]| {
        place.write("pairs.jsonl", pairs);
        refusal(&place, &[&["circuit", model, "--pairs", "pairs.jsonl"], more].concat())
    };
    let good = "{\"clean_tokens\": [5, 6, 7], \"corrupted_tokens\": [5, 8, 7]}\n";
    for (pairs, expected) in [
        (
            "{\"clean_tokens\": [5, 6, 7], \"corrupted_tokens\": [5, 8]}",
            "pairs.jsonl:2: the clean prompt has 3 tokens and the corrupted one 2",
        ),
        (
            "{\"clean_tokens\": [5], \"corrupted_tokens\": [100000]}",
            "pairs.jsonl:2: corrupted_tokens: token 100000 is outside of the vocabulary",
        ),
        ("{\"clean_tokens\": [], \"corrupted_tokens\": []}", "pairs.jsonl:2: clean: no tokens"),
        ("{\"clean_tokens\": [5]}", "pairs.jsonl:2: neither `corrupted_tokens` nor `corrupted`"),
        ("{\"clean_tokens\": \"x\"}", "pairs.jsonl:2"),
        ("nothing", "pairs.jsonl:2"),
    ] {
        let said = with(&format!("{good}{pairs}\n"), &[]);
        assert!(said.contains(expected), "{pairs}: {said}");
    }
    let said = with(good, &["--set", "circuit.metric=\"logit_diff\""]);
    assert!(said.contains("pairs.jsonl:1: no `clean_answer`; metric = \"logit_diff\" needs both"), "{said}");
    let said = refusal(
        &place,
        &[
            "circuit",
            "runs/tiny",
            "--set",
            "circuit.metric=\"logit_diff\"",
            "--set",
            "circuit.n_pairs=3",
            "--pairs",
            "prefix",
        ],
    );
    assert!(said.contains("--base is missing"), "{said}");
    let said = with("", &[]);
    assert!(said.contains("pairs.jsonl"), "{said}");
    for (more, expected) in [
        (&["--set", "circuit.steps=0"][..], "`steps`: got 0"),
        (&["--set", "circuit.metric=\"kll\""], "did you mean \"kl\"?"),
        (&["--set", "circuit.edges=0"], "`edges`: got 0"),
        (&["--max-tokens", "0"], "--max-tokens: got 0"),
    ] {
        let said = with(good, more);
        assert!(said.contains(expected), "{more:?}: {said}");
    }
    for (args, expected) in [
        (&["circuit", "nowhere", "--pairs", "pairs.jsonl"][..], "nowhere: there is no such folder"),
        (&["circuit", model, "--curve", "1,x"], "--curve: got \"x\", expected numbers of edges"),
        (&["circuit", model], "7 of 8 problems make a pair, and 16 are wanted; ask for fewer"),
        (
            &["circuit", model, "--pairs", "countdown", "--checkpoints", "all", "--json"],
            "cannot be used with",
        ),
        (
            &["sample", "runs/tiny", "x", "--scale-heads", "9.0=0"],
            "--scale-heads: the model has no head 9.0; expected layers 0 to ",
        ),
        (&["sample", "runs/tiny", "x", "--scale-heads", ""], "LAYER.HEAD=FACTOR"),
        (&["sample", "runs/tiny", "x", "--scale-heads", "none.json:heads"], "none.json"),
        (
            &["sample", "runs/tiny", "x", "--scale-heads", "pairs.json:best"],
            "\"best\" is no set of heads; expected one of heads",
        ),
        (&["eval", "runs/tiny", "--random-heads", "2"], "--scale-heads"),
        (
            &["train", "tiny.toml", "--set", "model.scale_heads=\"0.99=0\""],
            "[model] `scale_heads`: the model has no head 0.99",
        ),
        (
            &["train", "tiny.toml", "--set", "circuit.every=1", "--set", "circuit.pairs=\"none.jsonl\""],
            "none.jsonl",
        ),
    ] {
        let said = refusal(&place, args);
        assert!(said.contains(expected), "{args:?}: {said}");
    }
    // The circuit of another shape of model.
    place.write("other.json", json!({
        "model": "other", "pairs": 1, "layers": 99, "heads": 2, "nodes": [], "edges": [], "heads_importance": [],
        "settings": { "steps": 8, "edges": 5, "threshold": 0.0, "metric": "kl", "aggregate": "mean_abs" },
        "faithfulness": { "clean": 0.0, "corrupted": 1.0, "circuit": 0.5, "recovered": 0.5 },
    }).to_string());
    let said = refusal(&place, &["sample", "runs/tiny", "x", "--scale-heads", "other.json:heads"]);
    assert!(said.contains("other.json: the circuit of 99 layers of 2 heads, and the model has"), "{said}");
}

/// Heads come in SFT: from the policy before it through those that it keeps.
#[test]
fn heads_are_followed_through_sft() {
    let place = Place::new();
    let sft = ["--set", "sft.keep_model_every=10", "--set", "data.eval_items=20", "--set", "run.steps=1"];
    let args = [&["train", "tiny.toml"], &sft[..]].concat();
    let child = place.start_until(&args, || {
        let kept = fs::read_dir(place.path("runs/.warm_starts")).into_iter().flatten().flatten();
        kept.map(|entry| entry.path()).any(|path| path.join("models/step_000010/manifest.json").is_file())
    });
    send(&child, "INT");
    finish(child);
    // Stopped in its SFT there is no run yet.
    let begun = place.path("runs/tiny/resolved.toml").is_file();
    let ended = place.run(&[&args[..], if begun { &["--resume"] } else { &[] }].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    let circuits = [&["circuit", "runs/tiny", "--checkpoints", "sft"], &FEW[..]].concat();
    let ended = place.run(&circuits);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let emergence = place.json("runs/tiny/circuits_sft/emergence.json");
    assert_eq!((&emergence["steps"], &emergence["base"]), (&json!([10, 20]), &json!("before SFT")));
    assert!(emergence["accuracy"].as_array().unwrap().iter().all(Value::is_null));
    // The last is the policy that reinforcement learning begins with.
    let last = place.json("runs/tiny/circuits_sft/step_000020.json");
    let begun = place.run(&[&["circuit", "runs/tiny", "--checkpoints", "1"], &FEW[..]].concat());
    assert_eq!(begun.code, 0, "{}", begun.err);
    assert_eq!(place.json("runs/tiny/circuits/base.json")["edges"], last["edges"]);
    // A run of another SFT has none of its models.
    assert_eq!(place.run(&["train", "tiny.toml", "--name", "other", "--set", "run.steps=1"]).code, 0);
    let said = refusal(
        &place,
        &[
            "circuit",
            "runs/other",
            "--checkpoints",
            "sft",
            "--set",
            "circuit.n_pairs=3",
            "--set",
            "data.eval_items=20",
        ],
    );
    assert!(said.contains("its SFT has kept no model in runs; train with [sft] keep_model_every"), "{said}");
}

/// Openings of two models, and a template's two ways, the shorter prompt behind tokens that pad.
#[test]
fn pairs_are_made_of_openings_and_of_thinking() {
    let place = Place::new();
    copy(&FINISHED.path("runs"), &place.path("runs"));
    // Another SFT begins its answers otherwise.
    let other = ["train", "tiny.toml", "--name", "other", "--set", "sft.lr=1e-3", "--set", "run.steps=1"];
    assert_eq!(place.run(&other).code, 0);
    let base = "runs/other";
    let made = ["--set", "circuit.n_pairs=2", "--set", "data.eval_items=20"];
    let prefix =
        [&["circuit", "runs/tiny", "--pairs", "prefix", "--base", base, "--opening-tokens", "20"], &made[..]]
            .concat();
    let ended = place.run(&[&prefix[..], &["--out", "prefix.json"]].concat());
    assert_eq!((ended.code, &place.json("prefix.json")["pairs"]), (0, &json!(2)), "{}", ended.err);
    copy(&place.path("runs/tiny/checkpoints/step_000006/model"), &place.path("model"));
    place.write(
        "model/chat_template.jinja",
        "{{ messages[0].content }}{% if not enable_thinking %} 1{% endif %}\n",
    );
    let think = [
        "circuit",
        "model",
        "--recipe",
        "tiny.toml",
        "--pairs",
        "think",
        "--out",
        "think.json",
        "--set",
        "circuit.n_pairs=2",
    ];
    let ended = place.run(&think);
    assert_eq!((ended.code, &place.json("think.json")["pairs"]), (0, &json!(2)), "{}", ended.err);
    // As many tokens by hand.
    place.write("some.jsonl", "{\"clean_tokens\": [5, 6, 7, 8], \"corrupted_tokens\": [9, 8]}\n");
    let some = ["circuit", "model", "--pairs", "some.jsonl", "--align", "--out", "some.json"];
    assert_eq!(place.run(&some).code, 0);
    let said = refusal(&place, &some[..4]);
    assert!(said.contains("has 4 tokens and the corrupted one 2"), "{said}");
    place.write("some.jsonl", "{\"clean_tokens\": [5, 6], \"corrupted_tokens\": [5, 6]}\n");
    let said = refusal(&place, &some[..4]);
    assert!(said.contains("some.jsonl:1: both prompts are the same"), "{said}");
    // A base of another shape is not looked at when the rest is done.
    let other =
        place.read("model/config.json").replacen("\"num_hidden_layers\": 4", "\"num_hidden_layers\": 3", 1);
    copy(&place.path("model"), &place.path("other"));
    place.write("other/config.json", other);
    let said = refusal(&place, &["circuit", "model", "--pairs", "some.jsonl", "--base", "other"]);
    assert!(said.contains("--base other: layers x heads x tokens of the vocabulary are 3 x"), "{said}");
    let said = refusal(&place, &["circuit", "model", "--pairs", "some.jsonl", "--base", "nowhere"]);
    assert!(said.contains("nowhere: there is no such folder"), "{said}");
}

/// Stopped in its scores, the same command goes on and comes to the same circuit.
#[test]
fn an_interrupted_search_goes_on() {
    let place = Place::new();
    copy(&FINISHED.path("runs"), &place.path("runs"));
    let args = [
        &["circuit", "runs/tiny", "--out", "c.json", "--max-tokens", "64"],
        &FEW[..],
        &["--set", "data.eval_items=20", "--set", "circuit.steps=1500"],
    ]
    .concat();
    let begun = std::time::Instant::now();
    let child = place.start_until(&args, || begun.elapsed().as_secs_f64() > 1.5);
    send(&child, "INT");
    let ended = finish(child);
    assert_eq!(ended.code, 130, "{}", ended.err);
    assert!(ended.err.contains("the same command goes on from here"), "{}", ended.err);
    assert!(!place.path("c.json").exists() && place.path("c.json.part").exists());
    let said = refusal(
        &place,
        &[&args[..], &["--set", "circuit.metric=\"kl\"", "--set", "circuit.edges=61"]].concat(),
    );
    assert!(
        said.contains("c.json.part: an interrupted search in which `settings.edges` was 60 and is 61 now"),
        "{said}"
    );
    assert_eq!(place.run(&args).code, 0);
    assert!(!place.path("c.json.part").exists());
    let found = place.read("c.json");
    assert_eq!(place.run(&args).code, 0);
    assert_eq!(place.read("c.json"), found);
}
