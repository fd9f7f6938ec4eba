//! Heads that are scaled, and models that are told not to think: what `eval` measures of them, and what a run learns without heads.

use std::fs;

use serde_json::{Value, json};

use super::place::{FINISHED, Place, copy, finish, send};

fn refusal(place: &Place, args: &[&str]) -> String {
    let ended = place.run(args);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{args:?}: {}", ended.err);
    ended.err
}

/// Beside the model itself, and beside other heads of the same layers.
#[test]
fn eval_measures_models_with_heads_left_out() {
    let place = Place::new();
    copy(&FINISHED.path("runs"), &place.path("runs"));
    let args = ["eval", "runs/tiny", "--scale-heads", "0.0=0,1.1=0.5", "--random-heads", "2", "--json"];
    let ended = place.run(&args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    let label = "tiny+0.0x0+1.1x0.5";
    let names = json!(["tiny", label, format!("{label}+random1"), format!("{label}+random2")]);
    assert_eq!(found["comparison"]["models"], names);
    assert_eq!(found["models"][1]["settings"]["scale_heads"], "0.0=0,1.1=0.5");
    let drawn = found["models"][2]["settings"]["scale_heads"].as_str().unwrap();
    assert!(drawn.starts_with("0.") && drawn.contains("=0,1.") && drawn.ends_with("=0.5"), "{drawn}");
    assert_eq!(found["comparison"]["changed"][0]["controls"], json!([names[2], names[3]]));
    let ended = place.run(&[&args[..6], &["--out", "kept"]].concat());
    assert!(ended.out.contains("difference to these"), "{}", ended.out);
    assert!(place.read("kept/comparison.md").contains("difference to these"));
}

/// Thinking on and off, with heads and without, side by side.
#[test]
fn eval_measures_models_that_think_and_do_not() {
    let place = Place::new();
    copy(&FINISHED.path("runs/tiny/checkpoints/step_000006/model"), &place.path("model"));
    place.write(
        "problems.jsonl",
        (1..=5).map(|i| format!("{{\"nums\": [{i}, 2], \"target\": {}}}\n", i + 2)).collect::<String>(),
    );
    let settings = ["--data", "countdown_tasks=problems.jsonl", "-n", "2", "--max-new-tokens", "8", "--json"];
    let both = ["eval", "model", "--thinking", "both", "--scale-heads", "quiet=0.0=0"];
    let args = [&both[..], &settings].concat();
    let said = refusal(&place, &args);
    assert!(said.contains("--thinking: model") && said.contains("no chat template"), "{said}");
    let template = |what: &str| {
        place.write("model/chat_template.jinja", format!("{{{{ messages[0].content }}}}{what}\n"))
    };
    template("");
    let said = refusal(&place, &args);
    assert!(said.contains("writes the same with enable_thinking = true and false"), "{said}");
    template("{% if not enable_thinking %} 1{% endif %}");
    let ended = place.run(&args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    let names = ["model", "model+quiet", "model+no_thinking", "model+no_thinking+quiet"];
    assert_eq!(found["comparison"]["models"], json!(names));
    let told = |i: usize| &found["models"][i]["settings"]["chat"]["variables"]["enable_thinking"];
    assert_eq!([0, 1, 2, 3].map(|i| told(i).as_bool()), [true, true, false, false].map(Some));
    let ended = place.run(&args[..args.len() - 1]);
    for row in ["| model+quiet ", "| model+no_thinking ", "| model+no_thinking+quiet "] {
        assert!(ended.out.contains(row), "{}", ended.out);
    }
    assert!(!ended.out.contains("random heads"), "there are none: {}", ended.out);
    let said = refusal(&place, &[&args[..], &["--scale-heads", "quiet=0.1=0"]].concat());
    assert!(said.contains("two models would be called model+quiet"), "{said}");
}

/// A head that is left out has no part in what is learnt, before a resume and behind it.
#[test]
fn a_run_trains_with_heads_left_out_and_goes_on() {
    let whole = Place::new();
    let scaled = ["--set", "model.scale_heads=\"0.0=0,1.1=0.5\""];
    let args = [&["train", "tiny.toml"], &scaled[..]].concat();
    assert_eq!(whole.run(&args).code, 0);
    let stopped = Place::new();
    let child = stopped.start_until(&args, || stopped.path("runs/tiny/checkpoints/step_000003").is_dir());
    send(&child, "INT");
    finish(child);
    assert_eq!(stopped.run(&[&args[..], &["--resume"]].concat()).code, 0);
    let weights = "runs/tiny/checkpoints/step_000006/model/model.safetensors";
    assert!(fs::read(whole.path(weights)).unwrap() == fs::read(stopped.path(weights)).unwrap());
    let said = |more: &[&str]| {
        let ask = [
            "sample",
            "runs/tiny",
            "Make 5 from 1, 2, 3.\n",
            "-n",
            "4",
            "--max-new-tokens",
            "20",
            "--seed",
            "3",
        ];
        let ended = whole.run(&[&ask[..], more].concat());
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended.out
    };
    assert_eq!(said(&[]), said(&["--scale-heads", "0.0=0"]));
    assert_ne!(said(&[]), said(&["--scale-heads", "0.1=0,0.2=0,0.3=0"]));
    // Another set of heads is another run, and another SFT.
    let other = stopped.run(&[&args[..2], &["--resume", "--set", "model.scale_heads=\"0.0=0\""]].concat());
    assert!(other.code == 3 && other.err.contains("model.scale_heads"), "{}", other.err);
}
