//! Numbers that are not finite never reach a checkpoint.

use std::fs;

use super::place::{Place, RECIPE};

/// Rewards so large that an advantage is infinite in single precision: every update is refused.
#[test]
fn ten_refused_updates_in_a_row_end_the_run() {
    let place = Place::warmed();
    let recipe = RECIPE.replace("preset = \"tinyzero\"", "preset = \"tinyzero\"\nweight = 1e300");
    place.write("tiny.toml", recipe.replace("[advantage]\n", "[advantage]\nscale = \"none\"\n"));
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
        assert!(dump.len() == 16 && dump.iter().any(|line| line["advantages"][0].is_null()), "step {step}");
    }
    let rows = place.lines("runs/tiny/metrics.jsonl");
    assert_eq!(rows.len(), 9);
    assert!(rows.iter().all(|row| row["optim/skipped"] == 1.0 && row["advantage/max"].is_null()));

    assert_eq!(place.read("runs/tiny/checkpoints/latest").trim(), "step_000009");
    let weights = |step: &str| {
        fs::read(place.path(&format!("runs/tiny/checkpoints/{step}/model/model.safetensors"))).unwrap()
    };
    assert!(weights("step_000009") == weights("step_000003"), "a refused update changed the weights");
    let sampled = place.run(&["sample", "runs/tiny", "Make 3 from 1, 2.\\n"]);
    assert_eq!(sampled.code, 0, "{}", sampled.err);
    // Continuing does not forget how many were refused.
    let again = place.run(&["train", "tiny.toml", "--set", "run.steps=20", "--resume"]);
    assert!(again.code == 4 && again.err.contains("step 10: 10 updates in a row"), "{}", again.err);
}

/// A learning rate that throws the weights so far that the policy's distribution is no longer one.
#[test]
fn weights_thrown_to_infinity_end_the_run_before_they_are_saved() {
    let place = Place::warmed();
    let args = [
        "train",
        "tiny.toml",
        "--set",
        "optim.lr=1e30",
        "--set",
        "optim.warmup_steps=0",
        "--set",
        "run.steps=20",
    ];
    let ended = place.run(&args);
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(ended.err.lines().last().unwrap().starts_with("error: step "), "{}", ended.err);
    assert!(ended.err.contains("[optim] lr"), "{}", ended.err);
    assert!(!place.path("runs/tiny/checkpoints/latest").exists());
}
