//! What is planned before a launch, and what `train` refuses.

use serde_json::Value;

use crate::place::Place;

fn json(place: &Place, more: &[&str]) -> (i32, Value) {
    let done = place.run(&[&["plan", "tiny.toml", "--json"], more].concat());
    assert!(done.err.is_empty(), "{}", done.err);
    (done.code, serde_json::from_str(&done.out).unwrap())
}

#[test]
fn plan_shows_phases_and_whether_they_fit() {
    let place = Place::new();
    let done = place.run(&["plan", "tiny.toml"]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    for word in [
        "load",
        "generate",
        "measure",
        "update",
        "save",
        "moments",
        "fits: a rank holds at most",
        "estimated: a step",
    ] {
        assert!(done.out.contains(word), "{word}: {}", done.out);
    }
    assert!(!place.path("runs").exists());
    let (code, alone) = json(&place, &[]);
    assert_eq!((code, alone["fits"].as_bool()), (0, Some(true)));
    let moments = |plan: &Value| {
        let parts = plan["plan"]["phases"][3]["parts"].as_array().unwrap().clone();
        parts.iter().find(|part| part["name"] == "moments").unwrap()["bytes"].as_f64().unwrap()
    };
    assert_eq!(moments(&alone), 8.0 * alone["n_params"].as_f64().unwrap());
    let (_, four) = json(&place, &["--ranks", "4"]);
    assert!((moments(&four) * 4.0 / moments(&alone) - 1.0).abs() < 0.01);
    assert_eq!(json(&place, &["--gpu", "h100", "--ranks", "8"]).0, 0);
    let wrong = place.run(&["plan", "tiny.toml", "--gpu", "h1"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("--gpu: got \"h1\", expected one of b200, "), "{}", wrong.err);
}

#[test]
fn train_refuses_what_cannot_fit_unless_told() {
    let place = Place::new();
    let small = ["--memory", "0.24", "--set", "run.steps=1", "--set", "sampling.max_new_tokens=400"];
    let small = [
        &small[..],
        &["--set", "batch.max_tokens=4096", "--set", "batch.prompts=16", "--set", "batch.minibatches=1"],
    ]
    .concat();
    let refused = place.run(&[&["train", "tiny.toml"], &small[..]].concat());
    assert_eq!(refused.code, 2, "{}", refused.err);
    for word in ["the run does not fit: a rank holds at most", "[batch] ", "saves", "--even-if-too-large"] {
        assert!(refused.err.contains(word), "{word}: {}", refused.err);
    }
    assert!(!place.path("runs").exists());
    let told =
        place.run(&["train", "tiny.toml", "--memory", "0.1", "--set", "run.steps=1", "--even-if-too-large"]);
    assert_eq!(told.code, 0, "{}", told.err);
}
