//! `eval` on files: what it keeps, how it goes on, what it refuses, and several models side by side.

use std::fs;

use serde_json::Value;

use super::place::{FINISHED, Place, copy, finish, send, wait_until};

const N: usize = 7;
const SETTINGS: [&str; 6] = ["-n", "2", "--max-new-tokens", "16", "--dtype", "f32"];
/// Chunks of two problems.
const NARROW: [&str; 2] = ["--max-num-seqs", "1"];
const SET: [&str; 2] = ["--data", "countdown_tasks=problems.jsonl"];
const KEPT: &str = "out/model/countdown_tasks.jsonl";

/// A place with the policy of the finished run in `model`, and problems in files.
fn place() -> Place {
    let place = Place::new();
    copy(&FINISHED.path("runs/tiny/checkpoints/step_000006/model"), &place.path("model"));
    let problem = |i: usize| format!("{{\"nums\": [{i}, 2, 3], \"target\": {}}}\n", i + 1);
    place.write("problems.jsonl", (1..=N).map(problem).collect::<String>());
    place.write("others.jsonl", (1..=N).map(problem).collect::<String>());
    place
}

fn eval(place: &Place, args: &[&[&str]]) -> Value {
    let ended = place.run(&[&["eval", "model", "--json"], &SETTINGS[..], &args.concat()].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    serde_json::from_str(&ended.out).unwrap()
}

#[test]
fn a_recipe_says_itself_what_files_are_told() {
    let place = Place::new();
    let ended = place.run(&["eval", "nowhere", "--recipe", "tiny.toml", "--prompt", "{question}"]);
    assert!(ended.code == 2 && ended.err.contains("--data"), "{}", ended.err);
}

#[test]
fn an_evaluation_that_was_cut_off_goes_on_to_the_same_end() {
    let place = place();
    let out = [&SET[..], &NARROW, &["--out", "out"]].concat();
    let whole = eval(&place, &[&out]);
    let lines = place.read(KEPT);
    assert_eq!(lines.lines().count(), N);
    let first = &place.lines(KEPT)[0];
    assert_eq!((first["gold"].as_str(), first["place"].as_str()), (Some("2"), Some("problems.jsonl:1")));
    assert_eq!(first["responses"].as_array().unwrap().len(), 2);
    for key in ["text", "n_tokens", "finish", "answer", "correct", "status"] {
        assert!(first["responses"][0].get(key).is_some(), "{key}: {first}");
    }
    let correct = |line: &Value| line["n_correct"].as_u64().unwrap();
    let numbers = &whole["sets"]["countdown_tasks"];
    assert_eq!(numbers["n_correct"].as_u64(), Some(place.lines(KEPT).iter().map(correct).sum::<u64>()));
    for key in ["avg@2", "pass@2", "maj@2", "unparsable", "clip_ratio"] {
        assert!(numbers[key].is_number(), "{key}: {numbers}");
    }
    let results = place.json("out/model/results.json");
    assert_eq!(results["sets"]["countdown_tasks"], *numbers);
    assert!(results["environments"][0]["rlcredit"].is_string() && results["settings"]["k"] == 2);
    assert!(numbers["settings"]["file"]["sha256"].is_string(), "{numbers}");

    // At every line's end, and within a line.
    let ends: Vec<usize> = lines.match_indices('\n').map(|(at, _)| at + 1).collect();
    for len in ends.iter().copied().take(N - 1).chain([0, ends[2] + 9]) {
        let file = fs::File::options().write(true).open(place.path(KEPT)).unwrap();
        file.set_len(len as u64).unwrap();
        let again = eval(&place, &[&out]);
        assert_eq!(place.read(KEPT), lines, "cut after {len} bytes");
        assert_eq!(without_time(&again), without_time(&whole));
    }
    // What is whole is not asked again.
    let before = place.json("out/model/results.json")["environments"].as_array().unwrap().len();
    eval(&place, &[&out]);
    assert_eq!(place.json("out/model/results.json")["environments"].as_array().unwrap().len(), before);
}

fn without_time(results: &Value) -> Value {
    let mut numbers = results["sets"]["countdown_tasks"].clone();
    numbers.as_object_mut().unwrap().remove("time").unwrap();
    numbers
}

#[test]
fn rows_that_ask_the_same_are_one_problem() {
    let place = place();
    let problem = |i: usize| format!("{{\"nums\": [{i}, 2, 3], \"target\": {}}}\n", i + 1);
    place.write("problems.jsonl", (1..=3).map(problem).collect::<String>().repeat(4));
    let args = [&["eval", "model", "--json", "--out", "out"], &SETTINGS[..], &SET].concat();
    let ended = place.run(&args);
    assert!(ended.code == 0 && ended.err.contains("12 rows ask 3 different problems"), "{}", ended.err);
    let numbers = serde_json::from_str::<Value>(&ended.out).unwrap()["sets"]["countdown_tasks"].clone();
    let counts = ["n", "n_rows", "n_responses", "k"].map(|key| numbers[key].as_u64().unwrap());
    assert_eq!(counts, [3, 12, 24, 2]);
    let correct: Vec<u64> = place.lines(KEPT).iter().map(|row| row["n_correct"].as_u64().unwrap()).collect();
    let shares = [0, 1, 2].map(|i| correct.iter().skip(i).step_by(3).sum::<u64>() as f64 / 8.0);
    let mean = shares.iter().sum::<f64>() / 3.0;
    assert!((numbers["avg@2"].as_f64().unwrap() - mean).abs() < 1e-12, "{numbers}: {mean}");
    // Over three problems, not twelve rows: a wider interval.
    let widest = shares.iter().map(|share| (share - mean).abs()).fold(0.0, f64::max);
    assert_eq!(
        numbers["ci95"].as_f64().is_some_and(|ci95| ci95 > 0.0),
        widest > 0.0,
        "{numbers}: {shares:?}"
    );
}

#[test]
fn samples_that_are_copies_are_refused_or_said() {
    let place = place();
    let with = |more: &[&str]| place.run(&[&["eval", "model"], &SETTINGS[..], &SET, more].concat());
    let ended = with(&["--top-k", "1"]);
    assert!(
        ended.code == 2 && ended.err.contains("--top-k: got 1, with which the 2 samples"),
        "{}",
        ended.err
    );
    let ended = with(&["--temperature", "1e-6"]);
    let note = "countdown_tasks: the 2 samples of each problem are all the same (temperature 0.000001";
    assert!(ended.code == 0 && ended.out.contains(note), "{} {}", ended.out, ended.err);
    let one = [&["eval", "model", "-n", "1", "--top-k", "1"], &SETTINGS[2..], &SET].concat();
    let ended = place.run(&one);
    assert!(ended.code == 0 && !ended.out.contains("the same"), "{} {}", ended.out, ended.err);
}

#[test]
fn an_interrupted_evaluation_keeps_what_it_has() {
    let place = place();
    let problem =
        |i: usize| format!("{{\"nums\": [{}, {}, 3], \"target\": {}}}\n", i % 9 + 1, i / 9 + 1, i % 20 + 1);
    place.write("problems.jsonl", (0..400).map(problem).collect::<String>());
    let args = [&["eval", "model", "--out", "out"], &SET[..], &SETTINGS[..], &NARROW].concat();
    let some = || fs::metadata(place.path(KEPT)).is_ok_and(|file| file.len() > 0);
    let child = place.start_until(&args, some);
    send(&child, "INT");
    let ended = finish(child);
    assert_eq!(ended.code, 130, "{}", ended.err);
    assert!(ended.err.contains("the same command goes on"), "{}", ended.err);
    let kept = place.read(KEPT);
    assert!(kept.lines().count() < 400 && kept.ends_with('\n'));
    let ended = place.run(&args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(place.read(KEPT).starts_with(&kept) && place.lines(KEPT).len() == 400);
}

/// A terminal that closes while the first model is measured takes the tables with it, not the other models.
#[test]
fn an_evaluation_survives_its_terminal() {
    let place = place();
    copy(&place.path("model"), &place.path("other"));
    let args = [&["eval", "model", "other", "--out", "out"], &SETTINGS[..], &SET].concat();
    let program = env!("CARGO_BIN_EXE_rlcredit");
    let wait = "while [ ! -e gone ]; do sleep 0.05; done";
    place.write("run.sh", format!("{wait}; {program} {}; echo $? > code", args.join(" ")));
    let ended = place
        .command("script", &["--quiet", "--command", "setsid sh run.sh & sleep 0.2", "/dev/null"])
        .output();
    assert!(ended.unwrap().status.success());
    place.write("gone", "");
    wait_until("the evaluation ends", || place.path("code").metadata().is_ok_and(|file| file.len() > 0));
    assert_eq!(place.read("code"), "0\n");
    for file in ["model/results.json", "other/results.json", "comparison.json"] {
        assert!(place.path("out").join(file).is_file(), "{file}");
    }
}

#[test]
fn neither_chunks_nor_other_sets_change_a_response() {
    let place = place();
    let more = "countdown_tasks=problems.jsonl,others=others.jsonl";
    eval(&place, &[&SET, &NARROW, &["--out", "out"]]);
    eval(&place, &[&["--data", more, "--preset", "others=countdown_tasks", "--out", "two"]]);
    let texts = |file: &str| -> Vec<String> {
        let line = |line: &Value| {
            line["responses"].as_array().unwrap().iter().map(|r| r["text"].to_string()).collect()
        };
        place.lines(file).iter().map(line).collect()
    };
    assert_eq!(texts(KEPT), texts("two/model/countdown_tasks.jsonl"));
    assert_ne!(texts(KEPT), texts("two/model/others.jsonl"), "sets draw alike");
    let mean = &place.json("two/model/results.json")["mean"];
    assert!(mean["avg@2"].is_number() && mean["maj@2_ci95"].is_array(), "{mean}");
}

#[test]
fn other_settings_do_not_mix_with_what_is_kept() {
    let place = place();
    eval(&place, &[&SET, &["--out", "out"]]);
    let before = place.read("out/model/results.json");
    let refused = |args: &[&str], parts: &[&str]| {
        let args = [&["eval", "model", "--out", "out"], &SET[..], &SETTINGS[..], args].concat();
        let ended = place.run(&args);
        assert_eq!((ended.code, ended.out.as_str()), (3, ""), "{}", ended.err);
        for part in parts {
            assert!(ended.err.contains(part), "expected {part:?} in {}", ended.err);
        }
        assert_eq!(place.read("out/model/results.json"), before);
    };
    refused(
        &["--temperature", "0.9", "--seed", "4"],
        &[
            "settings.temperature: 0.9 now, 0.6 there",
            "settings.seed: 4 now, 0 there",
            "choose another folder with --out",
        ],
    );
    refused(&["--limit", "3"], &["sets.countdown_tasks.n: 3 now, 7 there"]);
    place.write("problems.jsonl", "{\"nums\": [1, 2, 4], \"target\": 3}\n".repeat(N));
    refused(&[], &["sets.countdown_tasks.file.sha256: "]);
    fs::remove_file(place.path("out/model/results.json")).unwrap();
    let ended = place.run(&[&["eval", "model", "--out", "out"], &SET[..], &SETTINGS[..]].concat());
    assert!(
        ended.code == 3 && ended.err.contains("results.json, which says how it came about"),
        "{}",
        ended.err
    );
}

#[test]
fn several_models_stand_side_by_side() {
    let place = place();
    copy(&FINISHED.path("runs"), &place.path("runs"));
    let checkpoint = |step: &str| format!("runs/tiny/checkpoints/step_{step}");
    let (early, late) = (checkpoint("000003"), format!("late={}", checkpoint("000006")));
    let args = ["eval", &early, &late, "--out", "out", "--baseline", "late", "-n", "4"];
    let ended = place.run(&args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for part in ["| avg@4 (in %) |", "late", "tiny@step_000003 - late", "| heldout "] {
        assert!(ended.out.contains(part), "expected {part:?} in {}", ended.out);
    }
    let comparison = place.json("out/comparison.json");
    assert_eq!(comparison["baseline"], "late");
    let avg = &comparison["shares"]["avg@4"]["sets"]["heldout"]["models"];
    let share = |model: &str| avg[model]["mean"].as_f64().unwrap();
    let difference = avg["tiny@step_000003"]["difference"]["mean"].as_f64().unwrap();
    assert!((difference - (share("tiny@step_000003") - share("late"))).abs() < 1e-12);
    let own = place.json("out/late/results.json");
    assert_eq!(own["sets"]["heldout"]["avg@4"].as_f64(), Some(share("late")));
    assert!(ended.out.contains(place.read("out/comparison.md").lines().next().unwrap()));
}

#[test]
fn wrong_arguments_are_found_before_a_model_is_loaded() {
    let place = place();
    place.write("long.jsonl", format!("{{\"question\": \"{}\", \"answer\": \"1\"}}\n", "1 ".repeat(100)));
    let refused = |args: &[&str], parts: &[&str]| {
        let ended = place.run(&[&["eval", "model", "--out", "out"], args].concat());
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{args:?}: {}", ended.err);
        for part in parts {
            assert!(ended.err.contains(part), "{args:?}: expected {part:?} in {}", ended.err);
        }
        assert!(!place.path("out").exists(), "{args:?}");
    };
    refused(
        &["--data", "mine=problems.jsonl"],
        &["\"mine\" is no preset", "`aime24`", "fields = {question ="],
    );
    refused(
        &["--data", "math500=absent.jsonl,amc23=gone.jsonl"],
        &["absent.jsonl: cannot be read", "gone.jsonl"],
    );
    refused(&["--data", "math500=problems.jsonl"], &["problems.jsonl:1: no `answer`", "7 broken"]);
    refused(&[&SET[..], &["--reward", "math"]].concat(), &["--reward: this grader cannot judge Countdown"]);
    refused(
        &[&SET[..], &["--reward", "{type = \"length\", max = 9, buffer = 3}"]].concat(),
        &["judges the form alone"],
    );
    refused(&[&SET[..], &["--prompt", "Go!"]].concat(), &["--prompt: got \"Go!\"", "{numbers}"]);
    refused(&[&SET[..], &["--chat", "always"]].concat(), &["no chat template"]);
    refused(&[&SET[..], &["--top-p", "0"]].concat(), &["--top-p: got 0"]);
    refused(
        &[&SET[..], &["--baseline", "other"]].concat(),
        &["--baseline: got other, expected one of model"],
    );
    refused(&["model", "--data", SET[1]], &["two models would be called model"]);
    let table =
        "{name = \"long\", path = \"long.jsonl\", fields = {question = \"question\", answer = \"answer\"}}";
    refused(
        &["--data", table, "--max-new-tokens", "400"],
        &[
            "long: 1 of 1 prompts are too long: the longest, long.jsonl:1, has",
            "512 positions",
            "lower --max-new-tokens to at most",
        ],
    );
}
