//! Numbers that are not finite never reach a checkpoint.

use std::fs;

use super::place::{FINISHED, Place, RECIPE, copy};

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
    // The tenth is told by the end of the run.
    assert_eq!(ended.err.matches("update skipped, ").count(), 9, "{}", ended.err);
    for part in [
        "error: step 10: 10 updates in a row were not finite",
        "the advantage of token 0 is ",
        "refused/step_000010.jsonl, there is no checkpoint yet; lower every `weight` of [[reward]]",
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
    let last = place.lines("runs/tiny/history.jsonl").pop().unwrap();
    assert_eq!((&last["event"], &last["step"]), (&"diverged".into(), &9.into()));
    let why = "diverged behind step 9 of 20: step 10: 10 updates in a row were not finite";
    assert!(place.read("runs/tiny/report.html").contains(why));
}

/// Graders whose sum is beyond any number: evaluations do not mind, steps are skipped, what was good stays.
#[test]
fn a_diverging_run_leaves_the_last_good_checkpoint_the_newest() {
    let place = Place::after_step_3();
    for file in ["tiny.toml", "runs/tiny/resolved.toml"] {
        let mut recipe: toml::Table = place.read(file).parse().unwrap();
        recipe["run"]["steps"] = 30.into();
        recipe["explore"]["size"] = 16.into();
        recipe["reward"] = huge_rewards();
        place.write(file, recipe.to_string());
    }
    // The run would know that it did not write that recipe.
    fs::remove_file(place.path("runs/tiny/manifest.json")).unwrap();
    let ended = place.run(&["train", "tiny.toml", "--resume"]);
    assert_eq!(ended.code, 4, "{}", ended.err);
    let last = ended.err.lines().last().unwrap();
    assert!(last.starts_with("error: step 13: 10 updates in a row were not finite"), "{}", ended.err);
    for part in
        ["the reward is inf", "the newest checkpoint is runs/tiny/checkpoints/step_000003; lower every"]
    {
        assert!(last.contains(part), "{part}: {last}");
    }
    for step in 4..=13 {
        let dump = place.lines(&format!("runs/tiny/refused/step_{step:06}.jsonl"));
        assert!(dump.len() == 64 && dump.iter().any(|line| line["reward"].is_null()), "step {step}");
    }
    assert_eq!(place.read("runs/tiny/checkpoints/latest").trim(), "step_000003");
    let of_now = place.run(&["eval", "--json", "runs/tiny"]);
    assert_eq!(of_now.code, 0, "{}", of_now.err);
    let of_now: serde_json::Value = serde_json::from_str(&of_now.out).unwrap();
    let before = &FINISHED.json("runs/tiny/eval/step_000003.json")["heldout"];
    for key in ["n", "avg@2", "ci95", "pass@2", "greedy", "n_correct", "response_length"] {
        assert_eq!(of_now["sets"]["heldout"][key], before[key], "{key}");
    }
}

/// There is no later chance to save, and what the graders did says nothing against the policy.
#[test]
fn a_sound_policy_is_saved_after_the_last_step_even_if_that_was_refused() {
    let place = Place::warmed();
    let mut recipe: toml::Table = place.read("tiny.toml").parse().unwrap();
    recipe["run"]["steps"] = 2.into();
    recipe["explore"]["size"] = 16.into();
    recipe["reward"] = huge_rewards();
    place.write("tiny.toml", recipe.to_string());
    let ended = place.run(&["train", "tiny.toml"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(ended.err.matches("update skipped, ").count(), 2, "{}", ended.err);
    assert_eq!(place.json("runs/tiny/checkpoints/step_000002/state.json")["refused_in_a_row"], 2);
    assert_eq!(place.json("runs/tiny/checkpoints/step_000002/state.json")["optimizer_updates"], 0);
}

/// Weights that are finite and make logits that are not.
#[test]
fn an_evaluation_that_meets_a_broken_policy_says_what_broke_it() {
    let place = Place::warmed();
    copy(&FINISHED.path("runs/tiny/checkpoints/step_000006/model"), &place.path("huge"));
    let path = place.path("huge/model.safetensors");
    let mut tensors = tch::Tensor::read_safetensors(&path).unwrap();
    for (name, tensor) in &mut tensors {
        if name == "model.norm.weight" {
            let _ = tensor.fill_(f64::from(f32::MAX));
        }
    }
    tch::Tensor::write_safetensors(&tensors, &path).unwrap();
    let mut recipe: toml::Table = place.read("tiny.toml").parse().unwrap();
    recipe["model"] = toml::Table::from_iter([("path".to_owned(), "huge".into())]).into();
    let sft = recipe.remove("sft").unwrap();
    place.write("tiny.toml", recipe.to_string());
    recipe.insert("sft".to_owned(), sft);
    place.write("warm.toml", recipe.to_string());

    for (recipe, moment) in [("tiny.toml", "before training"), ("warm.toml", "before SFT")] {
        let ended = place.run(&["train", recipe, "--name", recipe]);
        assert_eq!(ended.code, 4, "{}", ended.err);
        let last = ended.err.lines().last().unwrap();
        assert!(last.starts_with(&format!("error: evaluation {moment}: prompt ")), "{last}");
        for part in ["the distribution of token 0 is not finite", "the weights that [model] names"] {
            assert!(last.contains(part), "{last}");
        }
    }
    for verb in [&["eval", "huge", "--recipe", "tiny.toml"][..], &["sample", "huge", "3 4 5"][..]] {
        let ended = place.run(verb);
        assert_eq!(ended.code, 4, "{verb:?}: {}", ended.err);
        assert!(ended.err.contains("the distribution of token 0 is not finite"), "{}", ended.err);
    }
}

/// Graders that are finite each; their sum is not, even where each gives its tenth for the form alone.
fn huge_rewards() -> toml::Value {
    let grader = "type = \"countdown\"\npreset = \"tinyzero\"\nweight = 1.7e308";
    let grader: toml::Table = grader.parse().unwrap();
    vec![toml::Value::from(grader); 12].into()
}
