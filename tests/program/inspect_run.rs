//! `inspect` on a run and its checkpoints: groups of heads, settings, and the credit that training gave.

use serde_json::{Value, json};

use super::inspect::{drive, golden, inspect, refusal};
use super::place::{FINISHED, Place};

#[test]
fn groups_of_heads_that_outlive_a_step_are_those_of_the_checkpoint() {
    let place = Place::warmed();
    let credit = "credit=[{type=\"rhythm\"}]";
    let sets = ["--set", credit, "--set", "signals.horizon=[2, 20]", "--set", "signals.regroup_every=frozen"];
    let sets = [&sets[..], &["--set", "checkpoint.every=1", "--set", "run.steps=2", "--set", "eval.every=0"]];
    let ended = place.run(&[&["train", "tiny.toml"], &sets.concat()[..]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    // Groups that no span would choose.
    let path = "runs/tiny/checkpoints/step_000001/state.json";
    let mut state: Value = serde_json::from_str(&place.read(path)).unwrap();
    let groups = &mut state["head_groups"];
    (groups["local"], groups["global"]) = (groups["global"].take(), groups["local"].take());
    place.write(path, state.to_string());
    // With it the checkpoint would be found damaged.
    std::fs::remove_file(place.path("runs/tiny/checkpoints/step_000001/manifest.json")).unwrap();
    let args = ["--run", "runs/tiny", "--step", "2", "--limit", "3"];
    let found = inspect(&place, &args);
    assert!(found.iter().all(|line| line["local"] == state["head_groups"]["local"]));
    assert!(found.iter().all(|line| line["global"] == state["head_groups"]["global"]));
    let shown = place.run(&[&["inspect"], &args[..]].concat());
    assert!(shown.out.contains(", those of the checkpoint\n"), "{}", shown.out);
    // Groups chosen among other heads fit no longer, so that all responses choose anew.
    for other in ["signals.layers=[1]", "signals.layers=[0, 3]", "signals.head_fraction=0.5"] {
        let args = [&args[..], &["--set", other]].concat();
        let found = inspect(&place, &args);
        let read = |group: &Value| {
            group.as_array().unwrap().iter().all(|id| found[0]["layers"].as_array().unwrap().contains(&id[0]))
        };
        assert!(found.iter().all(|line| read(&line["local"]) && read(&line["global"])), "{other}");
        assert!(found.iter().all(|line| line["local"] != state["head_groups"]["local"]), "{other}");
        assert_eq!(
            found[0]["waad"].as_array().unwrap().len(),
            found[0]["logprobs"].as_array().unwrap().len()
        );
        let shown = place.run(&[&["inspect"], &args[..]].concat());
        assert!(shown.out.contains(", chosen by all responses together\n"), "{other}: {}", shown.out);
    }
    let all = place.run(&[&["inspect"], &args[..], &["--set", "signals.heads=all"]].concat());
    assert!(
        all.out.contains("heads     12 local, 12 global of 12, all of them in both groups\n"),
        "{}",
        all.out
    );
    // A person may ask for other groups, and the first step chooses its own.
    for other in [&["--step", "2", "--heads", "together"], &["--step", "1", "--heads", "as-in-run"]] {
        let found = inspect(&place, &[&["--run", "runs/tiny", "--limit", "3"], &other[..]].concat());
        assert!(found.iter().all(|line| line["local"] != state["head_groups"]["local"]), "{other:?}");
    }
}

#[test]
fn what_training_gave_is_shown_as_it_was_recorded() {
    let place = Place::warmed();
    let chain = "credit=[{type=\"rhythm\", gain=3.0, apply_to=\"positive\"}, {type=\"random\", gain=0.5}]";
    let sets =
        ["--set", chain, "--set", "signals.horizon=[2, 20]", "--set", "run.steps=1", "--set", "eval.every=0"];
    let ended = place.run(&[&["train", "tiny.toml"], &sets[..]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    let recorded = place.lines("runs/tiny/rollouts/step_000001.jsonl");
    let args = ["inspect", "--run", "runs/tiny", "--step", "1", "--limit", "4"];
    let page = place.run(&[&args[..], &["--json", "--html", "page.html"]].concat());
    assert_eq!(page.code, 0, "{}", page.err);
    place.write("page.jsonl", &page.out);
    let found = place.lines("page.jsonl");
    assert_eq!(found.len(), 4);
    for (line, record) in found.iter().zip(&recorded) {
        assert_eq!(line["gamma"]["trained"], record["gamma"]);
        for key in ["step", "prompt_id", "sample", "reward", "advantages"] {
            assert_eq!(line[key], record[key], "{key}");
        }
        let pieces: String = line["pieces"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(pieces.starts_with(record["text"].as_str().unwrap()), "{pieces}");
        assert_ne!(line["gamma"]["trained"], line["gamma"]["rhythm"]);
    }
    drive(&place);
    // All responses choose the groups of heads, however many are shown.
    let all = inspect(&place, &args[1..5]);
    assert!(all.len() == recorded.len() && all[..4] == found[..]);

    let drawn = place.run(&[&args[..], &["--strategy", "trained"]].concat());
    assert!(drawn.out.contains("\ngain of trained  ") && drawn.out.contains(" 0.5 "), "{}", drawn.out);
    assert!(
        drawn.out.lines().any(|line| line.starts_with("gains ") && line.contains(", trained ")),
        "{}",
        drawn.out
    );
    // Only a run knows what it gave.
    place.write("in.jsonl", json!({"prompt": "1+", "response": "2"}).to_string());
    let other = ["runs/tiny", "--input", "in.jsonl"];
    assert!(inspect(&place, &other)[0]["gamma"].get("trained").is_none());
    let said = refusal(&place, &[&other[..], &["--strategy", "trained"]].concat());
    assert!(
        said.contains("--strategy trained: in.jsonl:1: ") && said.contains("--run RUN --step K"),
        "{said}"
    );
    // A record that does not fit its response.
    let mut broken = recorded[0].clone();
    broken["gamma"] = json!([1.0]);
    place.write("runs/tiny/rollouts/step_000001.jsonl", broken.to_string());
    let said = refusal(&place, &["--run", "runs/tiny", "--step", "1"]);
    assert!(said.contains("step_000001.jsonl:1: `gamma` has 1 numbers for "), "{said}");
}

#[test]
fn the_tree_of_a_prompt_is_drawn_beside_its_responses() {
    let place = Place::warmed();
    let tree = "explore={type=\"tree\", roots=3, rounds=2, rule={type=\"attention\", distance=1, min_start=0, min_gap=0}}";
    let sets = ["--set", tree, "--set", "advantage={type=\"tree\"}"];
    let sets =
        [&sets[..], &["--set", "run.steps=1", "--set", "eval.every=0", "--set", "batch.max_tokens=1024"]]
            .concat();
    let ended = place.run(&[&["train", "tiny.toml"], &sets[..]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    let recorded = place.lines("runs/tiny/rollouts/step_000001.jsonl");
    let args =
        ["inspect", "--run", "runs/tiny", "--step", "1", "--limit", "40", "--json", "--html", "page.html"];
    let page = place.run(&args);
    assert_eq!(page.code, 0, "{}", page.err);
    place.write("page.jsonl", &page.out);
    let found = place.lines("page.jsonl");
    for (line, record) in found.iter().zip(&recorded) {
        assert_eq!((&line["parent"], &line["fork_at"]), (&record["parent"], &record["fork_at"]));
    }
    let parent = |line: &Value| {
        found
            .iter()
            .find(|other| other["prompt_id"] == line["prompt_id"] && other["sample"] == line["parent"])
    };
    let branches: Vec<&Value> = found.iter().filter(|line| !line["parent"].is_null()).collect();
    let of_branches =
        branches.iter().filter(|line| parent(line).is_some_and(|parent| !parent["parent"].is_null()));
    assert!(branches.len() > 5 && of_branches.count() > 3, "a second round branches off the first");
    drive(&place);
}

#[test]
fn a_checkpoint_brings_the_settings_of_its_run() {
    let place = Place::new();
    place.write("in.jsonl", json!({"prompt": "1+", "response": "2"}).to_string());
    let run = FINISHED.path("runs/tiny");
    for model in ["", "checkpoints/step_000003", "checkpoints/step_000003/model"] {
        let model = run.join(model);
        let ended = place.run(&["inspect", model.to_str().unwrap(), "--input", "in.jsonl", "--json"]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        let settings = format!("settings: {}", run.join("resolved.toml").display());
        assert!(ended.err.contains(&settings), "{}: {}", model.display(), ended.err);
    }
    let input = place.path("in.jsonl");
    let ended = FINISHED.run(&[
        "inspect",
        "runs/tiny/checkpoints/step_000003",
        "--input",
        input.to_str().unwrap(),
        "--json",
    ]);
    assert!(ended.err.contains("settings: runs/tiny/resolved.toml"), "{}", ended.err);
}

#[test]
fn a_model_of_no_run_takes_any_strategy() {
    let place = Place::new();
    let tokens: Vec<u32> = (5..45).collect();
    place.write("in.jsonl", json!({"prompt_tokens": [3, 4], "response_tokens": tokens}).to_string());
    let model = golden("llama");
    let args = [model.to_str().unwrap(), "--input", "in.jsonl"];
    let gains = |set: &str| {
        let line: Value = inspect(&place, &[&args[..], &["--set", set]].concat()).remove(0);
        line["gamma"]["rhythm"].as_array().unwrap().iter().filter_map(Value::as_f64).fold(1.0, f64::max)
    };
    assert!(gains("credit=[{type=\"rhythm\", gain=2.0, overlap=\"cap\"}]") == 2.0);
    assert!(gains("signals.horizon=[30, 60]") <= 1.75);
    let drawn = place.run(&[&["inspect"], &args[..]].concat());
    assert!(drawn.out.contains("settings  defaults\n"), "{}", drawn.out);
}
