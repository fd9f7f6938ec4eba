//! Numbers that are not finite never reach a checkpoint.

use super::place::{FINISHED, Place, RECIPE};

/// Rewards so large that an advantage is infinite in single precision: every update is refused.
#[test]
fn ten_refused_updates_in_a_row_end_the_run() {
    let place = Place::warmed();
    let recipe = RECIPE
        .replace("preset = \"tinyzero\"", "preset = \"tinyzero\"\nweight = 1e300")
        .replace("[advantage]\n", "[advantage]\nscale = \"none\"\n")
        // Enough responses that some of them earn a reward in every step.
        .replace("size = 4", "size = 16");
    place.write("tiny.toml", recipe);
    let ended = place.run(&["train", "tiny.toml", "--set", "run.steps=20"]);
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert_eq!(ended.err.matches("update skipped, ").count(), 10, "{}", ended.err);
    for part in [
        "error: step 10: 10 updates in a row were not finite",
        "lower [optim] lr",
        "refused/step_000010.jsonl",
    ] {
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
    for step in 1..=10 {
        let dump = place.lines(&format!("runs/tiny/refused/step_{step:06}.jsonl"));
        assert!(dump.len() == 64 && dump.iter().any(|line| line["advantages"][0].is_null()), "step {step}");
    }
    let rows = place.lines("runs/tiny/metrics.jsonl");
    assert_eq!(rows.len(), 9);
    assert!(rows.iter().all(|row| row["optim/skipped"] == 1.0 && row["advantage/max"].is_null()));
    assert!(!place.path("runs/tiny/checkpoints/latest").exists());
}

/// A good run goes on at a learning rate that throws the weights far away: what was good stays.
#[test]
fn a_diverging_run_leaves_the_last_good_checkpoint_the_newest() {
    let place = Place::after_step_3();
    for file in ["tiny.toml", "runs/tiny/resolved.toml"] {
        let mut recipe: toml::Table = place.read(file).parse().unwrap();
        recipe["optim"]["lr"] = 1e30.into();
        recipe["run"]["steps"] = 30.into();
        place.write(file, recipe.to_string());
    }
    let ended = place.run(&["train", "tiny.toml", "--resume"]);
    assert_eq!(ended.code, 4, "{}", ended.err);
    let last = ended.err.lines().last().unwrap();
    assert!(last.starts_with("error: step ") && last.contains("lower [optim] lr"), "{}", ended.err);
    assert_eq!(place.read("runs/tiny/checkpoints/latest").trim(), "step_000003");
    let of_now = place.run(&["eval", "--json", "runs/tiny"]);
    assert_eq!(of_now.code, 0, "{}", of_now.err);
    let of_now: serde_json::Value = serde_json::from_str(&of_now.out).unwrap();
    assert_eq!(of_now["heldout"], FINISHED.json("runs/tiny/eval/step_000003.json")["heldout"]);
}

#[test]
fn an_evaluation_that_meets_a_broken_policy_says_what_broke_it() {
    let place = Place::warmed();
    let overrides = ["optim.lr=1e18", "optim.warmup_steps=0", "eval.every=1", "checkpoint.every=1"];
    let overrides = overrides.iter().flat_map(|text| ["--set", text]);
    let args: Vec<&str> = ["train", "tiny.toml"].into_iter().chain(overrides).collect();
    let ended = place.run(&args);
    assert_eq!(ended.code, 4, "{}", ended.err);
    let last = ended.err.lines().last().unwrap();
    assert!(last.starts_with("error: ") && last.contains("lower [optim] lr"), "{last}");
}
