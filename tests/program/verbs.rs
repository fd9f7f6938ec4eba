//! What each verb prints.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use super::place::{FINISHED, Place, finish};

#[test]
fn check_says_what_the_run_will_be() {
    let place = Place::new();
    let ended = place.run(&["check", "tiny.toml"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let said = "tiny.toml: fine. 6 steps of 4 prompts x 4 responses = 16, 2 updates each; 22 training and 8 evaluation \
                problems\n";
    // Precision and device are the machine's choice.
    let where_to = ended.out.strip_prefix(said).unwrap_or_else(|| panic!("{}", ended.out));
    assert!(
        where_to.starts_with("computes in ") && where_to.ends_with("\n") && where_to.contains(", backend ")
    );
    assert!(!place.path("runs").exists());
    let resolved = place.run(&["check", "tiny.toml", "--resolved", "--set", "run.seed=7"]);
    place.write("resolved.toml", &resolved.out);
    assert!(resolved.out.contains("seed = 7") && place.run(&["check", "resolved.toml"]).code == 0);
}

#[test]
fn eval_of_a_run_and_of_its_model_folder_are_the_run_s_own_numbers() {
    let model = FINISHED.path("runs/tiny/checkpoints/step_000006/model");
    let mut own = FINISHED.json("runs/tiny/eval/step_000006.json");
    own["heldout"].as_object_mut().unwrap().remove("settings").unwrap();
    let eval = |args: &[&str]| -> Value {
        let ended = FINISHED.run(&[&["eval", "--json"], args].concat());
        assert_eq!(ended.code, 0, "{}", ended.err);
        let mut results: Value = serde_json::from_str(&ended.out).unwrap();
        let mut sets = results["sets"].take();
        for key in ["settings", "time"] {
            sets["heldout"].as_object_mut().unwrap().remove(key).unwrap();
        }
        sets
    };
    let of_run = eval(&["runs/tiny"]);
    let of_model = eval(&[model.to_str().unwrap(), "--recipe", "tiny.toml"]);
    assert_eq!(of_run["heldout"], own["heldout"]);
    assert_eq!(of_model["heldout"], own["heldout"]);
    assert_eq!(own["heldout"]["n"], 8);
    for part in ["runs/tiny/checkpoints/step_000006", "runs/tiny/checkpoints/step_000006/model"] {
        assert_eq!(eval(&[part])["heldout"], own["heldout"], "{part}");
    }
    // Enough samples that two policies three steps apart cannot look alike.
    let [earlier, later] = ["step_000003", "step_000006"]
        .map(|step| eval(&[&format!("runs/tiny/checkpoints/{step}"), "-n", "32"])["heldout"].take());
    assert_ne!(earlier, later);
    let of_three = &eval(&["runs/tiny", "-n", "3"])["heldout"];
    assert_eq!(of_three["k"], 3);
    for key in ["avg@3", "pass@2", "pass@3"] {
        assert!(of_three[key].is_number(), "{key}: {of_three}");
    }
    assert!(of_three.get("pass@4").is_none() && of_three["pass@2_ci95"].is_array(), "{of_three}");
    let table = FINISHED.run(&["eval", "runs/tiny"]);
    assert!(table.code == 0 && table.out.contains("avg@2") && table.out.contains("greedy"), "{}", table.out);
}

#[test]
fn sample_answers_the_same_for_the_same_seed() {
    let sample = |args: &[&str]| {
        let ended = FINISHED.run(
            &[&["sample", "runs/tiny", "Make 6 from 1, 2, 3.\n", "--max-new-tokens", "16"], args].concat(),
        );
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended.out
    };
    let three = sample(&["-n", "3"]);
    assert_eq!(three.split("---\n").count(), 3);
    assert_eq!(sample(&["-n", "3"]), three);
    assert_ne!(sample(&["-n", "3", "--seed", "1"]), three);
    assert!(three.starts_with(&sample(&[])));
    let piped = FINISHED.command(
        "sh",
        &["-c", "printf 'Make 6 from 1, 2, 3.\\n' | \"$0\" sample runs/tiny - --max-new-tokens 16"],
    );
    let ended = finish({ piped }.arg(env!("CARGO_BIN_EXE_rlcredit")).spawn().unwrap());
    assert_eq!(ended.out, sample(&[]), "{}", ended.err);
    let greedy = sample(&["-n", "2", "--temperature", "0"]);
    let (one, other) = greedy.split_once("---\n").unwrap();
    assert_eq!(one, other);
}

#[test]
fn sample_says_what_it_could_not_read_and_what_it_cut_off() {
    let sample = |args: &[&str]| {
        let ended = FINISHED.run(&[&["sample", "runs/tiny"], args].concat());
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended.err
    };
    let said = sample(&["Mäke 6 from é, 2, é.\n", "-n", "3", "--max-new-tokens", "1"]);
    assert!(said.starts_with("warning: the vocabulary does not have `ä`, `é`; "), "{said}");
    assert!(said.contains("note: 3 of 3 responses cut off after 1 token; --max-new-tokens"), "{said}");
    let said = sample(&["Make 6 from 1, 2, 3.\n", "--max-new-tokens", "1"]);
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn bench_ends_in_a_line_of_json() {
    let args = ["bench", "--prompts", "2", "--group", "2", "--new-tokens", "8", "--steps", "1", "--json"];
    let place = Place::new();
    let ended = place.run(&args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let report: Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
    let number = |key: &str| report[key].as_f64().unwrap_or_else(|| panic!("{key}: {report}"));
    for key in ["step_s", "generate_s", "train_s", "peak_rss_gb", "prompt_tokens", "matmul_peak_gflops"] {
        assert!(number(key) > 0.0, "{key}");
    }
    for key in ["generate_share_of_peak", "train_share_of_peak"] {
        assert!(number(key) > 0.0 && number(key) < 1.0, "{key}: {}", number(key));
    }
    assert!((number("step_s") - number("generate_s") - number("train_s")).abs() < 1e-6);

    let of_file = [args.as_slice(), &["--prompt-file", "prompts.txt"]].concat();
    place.write("prompts.txt", "1+2\n3+45-6\n7\n");
    let ended = place.run(&of_file);
    let report: Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
    assert_eq!(report["prompt_tokens"], 4.0, "of 3 and 5 tokens");
    place.write("prompts.txt", "1+2\n");
    let ended = place.run(&of_file);
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(
        ended
            .err
            .contains("--prompt-file prompts.txt: expected 2 prompts (--prompts), one in each line, got 1"),
        "{}",
        ended.err
    );
}

#[test]
fn train_shows_a_line_a_step_and_a_summary_and_keeps_what_was_asked() {
    let place = Place::warmed();
    let ended = place.run(&[
        "train",
        "tiny.toml",
        "--name",
        "other",
        "--set",
        "run.steps=2",
        "--set",
        "eval.every=2",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let steps: Vec<&str> = ended.out.lines().filter(|line| line.starts_with("step ")).collect();
    assert_eq!(steps.len(), 2);
    for part in ["reward ", "acc ", "len ", "cut ", "ent ", "left "] {
        assert!(steps[0].contains(part), "{part}: {}", steps[0]);
    }
    for part in ["other: 2 steps done", "before SFT", "after SFT", "after 2 steps", "±"] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    // Every place that the summary names is there.
    for name in ["checkpoints/step_000002/model", "metrics.jsonl", "tb", "rollouts", "eval", "env.json"] {
        assert!(place.path("runs/other").join(name).exists(), "{name}");
    }
    assert!(place.read("runs/other/resolved.toml").contains("steps = 2"));
    assert_eq!(place.read("runs/other/recipe.toml"), place.read("tiny.toml"));
    assert!(!place.path("runs/tiny").exists());
}

#[test]
fn a_reader_that_has_seen_enough_stops_nothing() {
    let place = Place::warmed();
    let mut child = place.program(&["train", "tiny.toml", "--set", "run.steps=3"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    // Samples of the step come with it.
    while !line.starts_with("step 1/3") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "no line of the first step");
    }
    drop(out);
    let ended = finish(child);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(place.lines("runs/tiny/metrics.jsonl").len(), 3);

    let model = FINISHED.path("runs/tiny");
    let run = model.to_str().unwrap();
    for args in [
        &["check", "tiny.toml"][..],
        &["check", "tiny.toml", "--resolved"],
        &["eval", run],
        &["sample", run, "1"],
        &["inspect", "--run", run, "--step", "1"],
    ] {
        let mut child = place.program(args).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = finish(child);
        assert_eq!(ended.code, 0, "{args:?}: {}", ended.err);
    }
}

#[test]
fn grade_judges_answers_and_replies_line_by_line() {
    let place = Place::new();
    place.write(
        "answers.jsonl",
        [
            r#"{"gold": "\\frac{1}{2}", "prediction": "0.5"}"#,
            r#"{"gold": "72", "reply": "Six times twelve, so \\boxed{72}."}"#,
            r#"{"gold": "72", "reply": "<think>\\boxed{72}</think> Who knows?\nI do not, and nobody does."}"#,
            r#"{"gold": "3", "prediction": "1, 2, 3"}"#,
        ]
        .join("\n"),
    );
    let ended = place.run(&["grade", "answers.jsonl", "--reward", "math"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, "2 of 4 are right\n"));
    let expected = [
        r#"{"verdict":true,"status":"ok","answer":"0.5"}"#,
        r#"{"verdict":true,"status":"ok","answer":"72"}"#,
        r#"{"verdict":false,"status":"unparsable","answer":null}"#,
        r#"{"verdict":false,"status":"ok","answer":"1, 2, 3"}"#,
    ];
    assert_eq!(ended.out.lines().collect::<Vec<_>>(), expected);

    place.write(
        "broken.jsonl",
        "{\"gold\": \"1\", \"prediction\": \"1\"}\n{\"gold\": \"1\"}\n{\"gold\": 1}\n",
    );
    let refused = place.run(&["grade", "broken.jsonl"]);
    assert_eq!((refused.code, refused.out.as_str()), (2, ""));
    for part in ["broken.jsonl:2: either `prediction` or `reply` must be there", "broken.jsonl:3: "] {
        assert!(refused.err.contains(part), "{}", refused.err);
    }
}

#[test]
fn grade_reads_lines_as_other_programs_write_them() {
    let place = Place::new();
    place.write(
        "answers.jsonl",
        [
            r#"{"id": "a/1", "model": "x", "gold": 72, "prediction": 72.0, "reply": null, "tokens": null}"#,
            r#"{"id": 2, "gold": "72", "prediction": null}"#,
            r#"{"gold": "72", "prediction": null, "reply": "\\boxed{72}", "cut_off": null, "fields": null}"#,
            r#"{"gold": null, "reply": null, "task": null}"#,
        ]
        .join("\n"),
    );
    for reward in ["math", "numeric"] {
        let ended = place.run(&["grade", "answers.jsonl", "--reward", reward]);
        assert!(ended.code == 0 && ended.err.starts_with("2 of 4 are right"), "{}", ended.err);
        let lines: Vec<&str> = ended.out.lines().collect();
        assert_eq!(lines[0], r#"{"id":"a/1","verdict":true,"status":"ok","answer":"72"}"#);
        assert!(lines[1].starts_with(r#"{"id":2,"verdict":false,"status":"unparsable""#), "{}", lines[1]);
        assert_eq!(lines[2], r#"{"verdict":true,"status":"ok","answer":"72"}"#);
        assert!(lines[3].starts_with(r#"{"verdict":false,"#), "{}", lines[3]);
    }
    for (line, expected) in [
        (r#"{"gold": [1], "prediction": "1"}"#, "got [1], expected a text, a number or null"),
        (r#"{"gold": "1", "predicton": "1"}"#, "either `prediction` or `reply` must be there"),
        (r#"{"gold": "1", "prediction": "1", "reply": "1"}"#, "either `prediction` or `reply` must be there"),
    ] {
        place.write("broken.jsonl", line);
        let refused = place.run(&["grade", "broken.jsonl"]);
        assert_eq!(refused.code, 2);
        assert!(
            refused.err.contains("broken.jsonl:1: ") && refused.err.contains(expected),
            "{}",
            refused.err
        );
    }
}

#[test]
fn grade_reads_every_digit_behind_a_mark_at_the_start() {
    let place = Place::new();
    let long = "42391158275216203514294433201";
    let rows = [
        format!("{{\"gold\": {long}, \"prediction\": \"{long}\"}}"),
        "{\"gold\": 18446744073709551616, \"prediction\": 18446744073709551617}".to_owned(),
    ];
    place.write("answers.jsonl", format!("\u{feff}{}\n", rows.join("\n")));
    let ended = place.run(&["grade", "answers.jsonl"]);
    let verdicts: Vec<bool> = ended.out.lines().map(|line| line.contains("\"verdict\":true")).collect();
    assert_eq!((ended.code, verdicts), (0, vec![true, false]), "{}{}", ended.out, ended.err);
    place.write(
        "tasks.jsonl",
        r#"{"task": {"type": "countdown", "numbers": [3.0, 5], "target": 8.0}, "prediction": "3+5"}"#,
    );
    let ended = place.run(&["grade", "tasks.jsonl", "--reward", "countdown"]);
    assert!(ended.out.contains("\"verdict\":true"), "{}{}", ended.out, ended.err);
}

#[test]
fn grade_takes_any_grader_with_its_settings() {
    let place = Place::new();
    place.write(
        "answers.jsonl",
        [
            r#"{"gold": "18", "reply": "9 * 2 = 18 dollars.\n#### 18"}"#,
            r#"{"gold": "18", "prediction": "18 or 20"}"#,
            r#"{"gold": "B", "reply": "The answer is (B).", "fields": {"choices": ["x", "y"]}}"#,
            r#"{"task": {"type": "countdown", "numbers": [3, 5], "target": 8}, "reply": "<answer>3 + 5</answer>", "tokens": 7.0}"#,
        ]
        .join("\n"),
    );
    let says = |reward: &str| {
        let ended = place.run(&["grade", "answers.jsonl", "--reward", reward]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended.out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let numeric = says("numeric");
    assert_eq!(numeric[0], r#"{"verdict":true,"status":"ok","answer":"18"}"#);
    assert_eq!(numeric[1], r#"{"verdict":false,"status":"unparsable","answer":"18 or 20"}"#);
    assert_eq!(numeric[2], r#"{"verdict":false,"status":"error","answer":null}"#);
    assert_eq!(says("choice")[2], r#"{"verdict":true,"status":"ok","answer":"B"}"#);
    assert_eq!(says("countdown")[3], r#"{"verdict":true,"status":"ok","answer":"3 + 5"}"#);
    let length = says("{type = \"length\", max = 10, buffer = 4}");
    assert_eq!(length[3], r#"{"verdict":false,"status":"ok","answer":null,"value":-0.25}"#);
    let script = r#"while read -r line; do id=${line#*:}; echo "{\"id\":${id%%,*},\"value\":2}"; done"#;
    let program = serde_json::to_string(&["sh", "-c", script]).unwrap();
    let command = says(&format!("{{type = \"command\", program = {program}}}"));
    assert_eq!(command, [r#"{"verdict":true,"status":"ok","answer":null,"value":2.0}"#; 4]);

    for (reward, expected) in [
        ("maths", "unknown variant `maths`"),
        ("{type = \"length\", max = 10, buffer = 40}", "--reward: buffer: got 40, expected 1 to `max` = 10"),
        (
            "{type = \"command\", program = [\"no-such-grader\"]}",
            "--reward: program: no-such-grader: expected a program",
        ),
    ] {
        let refused = place.run(&["grade", "answers.jsonl", "--reward", reward]);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""));
        assert!(refused.err.contains(expected), "{}", refused.err);
    }
}

#[test]
fn the_keys_of_a_recipe_are_explained() {
    let place = Place::new();
    let key = place.run(&["recipes", "--explain", "optim.lr"]);
    assert_eq!(key.code, 0, "{}", key.err);
    assert!(key.out.starts_with("[optim] lr\n    Peak learning rate"), "{}", key.out);
    let section = place.run(&["recipes", "--explain", "credit.rhythm"]);
    assert!(section.out.contains("[[credit]] type = \"rhythm\"") && section.out.contains("\nalpha\n"));
    let unknown = place.run(&["recipes", "--explain", "optim.rl"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (2, ""));
    assert!(unknown.err.contains("--explain: [optim] `rl` is not a key here"), "{}", unknown.err);
    assert_eq!(place.run(&["recipes", "--explain", "optim", "copy", "countdown"]).code, 2);
}

#[test]
fn recipes_that_come_with_the_program_are_listed_and_copied() {
    let place = Place::new();
    let listed = place.run(&["recipes"]);
    assert_eq!(listed.code, 0, "{}", listed.err);
    for part in [
        "countdown\n    A policy of 2 million",
        "\n    needs nothing else\n",
        "needs Qwen/Qwen3-4B-Base from",
    ] {
        assert!(listed.out.contains(part), "{part}: {}", listed.out);
    }
    // With what it stands on, and as often as one likes.
    for _ in 0..2 {
        let copied = place.run(&["recipes", "copy", "countdown_rhythm"]);
        assert_eq!((copied.code, copied.out.as_str()), (0, "countdown_rhythm.toml\ncountdown.toml\n"));
    }
    assert_eq!(place.run(&["check", "countdown_rhythm.toml"]).code, 0);
    // But not over what a person has changed.
    place.write("countdown.toml", place.read("countdown.toml") + "# mine\n");
    let refused = place.run(&["recipes", "copy", "countdown_rhythm"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("countdown.toml: is there already, and is another file"), "{}", refused.err);
    assert!(place.read("countdown.toml").ends_with("# mine\n"));
    assert_eq!(place.run(&["recipes", "copy", "countdown_ppo", "other/ppo.toml"]).code, 1, "no such folder");
    let unknown = place.run(&["recipes", "copy", "countdwn"]);
    assert!(unknown.code == 2 && unknown.err.contains("expected one of countdown, "), "{}", unknown.err);
    let meant = place.run(&["check", "gsm8k.toml"]);
    assert!(meant.err.contains("rlcredit recipes copy gsm8k` writes it"), "{}", meant.err);
}
