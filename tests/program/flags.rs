//! One language of flags, as its user meets it: help, version, completions, standard input, hints that can be pasted.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use super::place::{Ended, FINISHED, Place, finish};

/// The program with `text` as standard input.
fn piped(place: &Place, args: &[&str], text: &str) -> Ended {
    let mut child = place.program(args).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    finish(child)
}

#[test]
fn standard_input_is_read_wherever_a_file_is() {
    let place = Place::new();
    let problems = "{\"nums\": [1, 2, 3], \"target\": 6}\n{\"nums\": [2, 2, 3], \"target\": 7}\n";
    place.write("problems.jsonl", problems);
    let answers = "{\"gold\": \"72\", \"prediction\": \"72\"}\n{\"gold\": \"1\"}\n";
    for (args, text) in [
        (&["check", "-"][..], place.read("tiny.toml")),
        (&["check", "-", "--resolved"], place.read("tiny.toml")),
        (&["plan", "-"], place.read("tiny.toml")),
        (&["data", "-", "--preset", "countdown_tasks"], problems.to_owned()),
        (&["data", "-"], problems.to_owned()),
        (
            &[
                "bench",
                "--prompts",
                "2",
                "--group",
                "2",
                "--new-tokens",
                "4",
                "--steps",
                "1",
                "--prompt-file",
                "-",
            ],
            "1+2\n3+4\n".to_owned(),
        ),
    ] {
        let ended = piped(&place, args, &text);
        assert_eq!(ended.code, 0, "{args:?}: {}{}", ended.out, ended.err);
    }
    let refused = piped(&place, &["grade", "-"], answers);
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("/dev/stdin:2: either `prediction` or `reply` must be there"),
        "{}",
        refused.err
    );
    let graded = piped(&place, &["grade", "-"], answers.lines().next().unwrap());
    assert_eq!((graded.code, graded.err.as_str()), (0, "1 of 1 are right\n"));
    let broken = piped(&place, &["check", "-"], "[run]\nstep = 3\n");
    assert!(
        broken.err.contains("/dev/stdin:2: [run] `step` is not a key here; did you mean `steps`?"),
        "{}",
        broken.err
    );

    let lines = "{\"prompt\": \"Make 6 from 1, 2, 3.\\n\", \"response\": \"1+2+3\"}\n";
    let inspected = piped(&FINISHED, &["inspect", "runs/tiny", "--input", "-", "--json"], lines);
    assert_eq!(inspected.code, 0, "{}", inspected.err);
    let few = ["-n", "1", "--max-new-tokens", "4", "--json"];
    let args = [&["eval", "runs/tiny", "--data", "countdown_tasks=-"][..], &few].concat();
    let measured = piped(&FINISHED, &args, problems);
    let json: Value = serde_json::from_str(&measured.out).unwrap_or_else(|_| panic!("{}", measured.err));
    assert_eq!(json["sets"]["countdown_tasks"]["n"], 2);
    // What is written may go to standard output.
    let page = FINISHED.run(&["inspect", "--run", "runs/tiny", "--step", "1", "--limit", "1", "--html", "-"]);
    assert!(page.code == 0 && page.out.starts_with("<!doctype html>"), "{}", page.err);
    let copied = place.run(&["recipes", "copy", "countdown_rhythm", "-"]);
    let read = piped(&place, &["check", "-"], &copied.out);
    assert_eq!((copied.code, read.code), (0, 0), "{}", read.err);
}

#[test]
fn a_limit_and_keys_are_for_recipes_too() {
    let of = |args: &[&str]| {
        let few = ["-n", "1", "--max-new-tokens", "4", "--json"];
        let ended = FINISHED.run(&[&["eval", "runs/tiny"][..], &few, args].concat());
        (ended.code, serde_json::from_str::<Value>(&ended.out).unwrap_or_default(), ended.err)
    };
    let (code, limited, said) = of(&["--limit", "3"]);
    assert_eq!((code, &limited["sets"]["heldout"]["n"]), (0, &3.into()), "{said}");
    let (code, changed, said) = of(&["--set", "data.eval_items=5"]);
    assert_eq!((code, &changed["sets"]["heldout"]["n"]), (0, &5.into()), "{said}");
    let (code, _, said) = of(&["--set", "countdown_tasks=problems.jsonl"]);
    assert!(code == 2 && said.contains("are named by --data countdown_tasks=problems.jsonl"), "{said}");
    let (code, _, said) = of(&["--set", "evil.key=3"]);
    assert!(code == 2 && said.contains("--set evil.key=3: [evil] is not a section"), "{said}");
}

#[test]
fn hints_name_the_program_as_it_was_started() {
    let place = Place::new();
    std::fs::create_dir(place.path("bin")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rlcredit"), place.path("bin/rlcredit")).unwrap();
    let start = |args: &[&str]| finish(place.command("bin/rlcredit", args).spawn().unwrap());
    let listed = start(&["recipes"]);
    assert!(listed.out.contains("\nbin/rlcredit recipes copy NAME writes one"), "{}", listed.out);
    let missing = start(&["check", "countdown.toml"]);
    assert!(missing.err.contains("`bin/rlcredit recipes copy countdown` writes it"), "{}", missing.err);
    let help = start(&["eval", "--help"]);
    assert!(help.out.contains("Usage: bin/rlcredit eval [OPTIONS] <MODEL>..."), "{}", help.out);
    assert!(help.out.contains("\n  bin/rlcredit eval runs/"), "{}", help.out);
    // And can be typed.
    assert_eq!(start(&["recipes", "copy", "countdown_quick"]).code, 0);
    let check = start(&["check", "countdown_quick.toml", "--set", "optim.lr=2e-4"]);
    assert_eq!(check.code, 0, "{}", check.err);
}

#[test]
fn the_version_says_commit_libtorch_and_device() {
    let place = Place::new();
    let said = place.run(&["--version"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines.len(), 3, "{}", said.out);
    assert!(lines[0].starts_with(concat!("rlcredit ", env!("CARGO_PKG_VERSION"), " (")), "{}", lines[0]);
    assert!(lines[0].contains("commit"), "{}", lines[0]);
    assert!(lines[1].starts_with("libtorch 2."), "{}", lines[1]);
    assert!(lines[2].starts_with("computes in ") && lines[2].contains(" on c"), "{}", lines[2]);
    assert_eq!(place.run(&["-V"]).out, said.out);
}

#[test]
fn shells_and_man_know_every_verb() {
    let place = Place::new();
    let verbs = ["train", "eval", "compare", "doctor", "completions"];
    for shell in ["bash", "zsh", "fish"] {
        let ended = place.run(&["completions", shell]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert!(verbs.iter().all(|verb| ended.out.contains(verb)), "{shell}");
        assert!(ended.out.contains("max-new-tokens"), "{shell}");
    }
    let page = place.run(&["man"]);
    assert!(page.out.contains(".TH rlcredit 1") && page.out.contains("rlcredit\\-eval(1)"), "{}", page.out);
    assert_eq!(place.run(&["man", "--out", "pages"]).code, 0);
    let eval = place.read("pages/rlcredit-eval.1");
    assert!(eval.contains("max\\-new\\-tokens") && eval.contains("rlcredit eval runs/"), "{eval}");
    assert!(place.path("pages/rlcredit.1").is_file() && place.path("pages/rlcredit-recipes.1").is_file());
}

#[test]
fn what_is_one_is_not_called_many() {
    let place = Place::warmed();
    let one = ["--set", "run.steps=1", "--set", "batch.minibatches=1", "--set", "eval.every=1"];
    let check = place.run(&[&["check", "tiny.toml"][..], &one].concat());
    assert!(
        check.out.contains("tiny.toml: fine. 1 step of 4 prompts x 4 responses = 16, 1 update each; "),
        "{}",
        check.out
    );
    let trained =
        place.run(&[&["train", "tiny.toml", "--name", "one"][..], &one, &["--threads", "1"]].concat());
    assert_eq!(trained.code, 0, "{}", trained.err);
    for part in ["one: 1 step done", "after 1 step "] {
        assert!(trained.out.contains(part), "{part}: {}", trained.out);
    }
    let begun = trained
        .out
        .lines()
        .chain(trained.err.lines())
        .find(|line| line.contains("parameters"))
        .unwrap()
        .to_owned();
    assert!(begun.ends_with(" on cpu, backend cpu, 1 thread"), "{begun}");
    let all = trained.out + &trained.err;
    assert!(all.contains("22 training and 8 evaluation problems"), "{all}");
    assert!(["bf16 on cpu", "f32 on cpu"].iter().any(|named| begun.contains(named)), "{begun}");
}

#[test]
fn a_comparison_says_what_it_would_run_and_ends() {
    let place = Place::new();
    let args = ["compare", "tiny.toml", "--credit", "uniform,entropy", "--seeds", "2", "--dry-run"];
    let said = place.run(&args);
    assert_eq!(said.code, 0, "{}", said.err);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(
        lines[0], "runs/compare_tiny: 2 arms x 2 seeds = 4 runs of 6 steps, one after the other",
        "{}",
        said.out
    );
    assert_eq!(lines[1..3], ["  uniform", "  entropy"]);
    assert!(
        lines[3].starts_with("about ")
            && lines[3]
                .ends_with("for all that is left (reckoned with responses of full length; usually less)"),
        "{}",
        said.out
    );
    assert_eq!(
        lines[4],
        "with 2 seeds there will be no intervals and no p-values; three tell how far chance reaches"
    );
    assert!(!place.path("runs").exists());
    let wrong = place.run(&["compare", "tiny.toml", "--credit", "lat", "--dry-run"]);
    assert_eq!(wrong.code, 2);
}

#[test]
fn doctor_says_what_there_is_and_tries_it_out() {
    let place = Place::new();
    let mut healthy = place.program(&["doctor", "--json"]);
    healthy.env("HF_HUB_OFFLINE", "1").env("HF_HOME", place.path("hf"));
    let ended = finish(healthy.spawn().unwrap());
    let said: Value =
        serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}{}", ended.out, ended.err));
    let checks = said["checks"].as_array().unwrap();
    let names: Vec<&str> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    let expected = [
        "program",
        "libtorch",
        "device",
        "precision",
        "threads",
        "memory",
        "disk",
        "hub",
        "hub cache",
        "self-test",
    ];
    assert_eq!(names, expected);
    let test = checks.last().unwrap();
    assert_eq!(test["state"], "ok", "{said}");
    assert!(test["said"].as_str().unwrap().contains("resume, replay as they should be"), "{said}");
    // Problems alone make it fail: a machine of tests may have little room.
    assert_eq!(ended.code, i32::from(said["problems"] != 0), "{said}");
    for check in checks {
        assert_eq!(check["remedy"].is_null(), check["state"] == "ok", "{check}");
    }
    assert!(!place.path("runs").exists());

    // A hub that does not answer holds nobody up.
    let mut alone = place.program(&["doctor", "--skip-test", "--runs", "/proc"]);
    alone
        .env("HF_ENDPOINT", "http://127.0.0.1:9")
        .env("HF_HOME", place.path("hf"))
        .env_remove("HF_HUB_OFFLINE");
    let begun = std::time::Instant::now();
    let ended = finish(alone.spawn().unwrap());
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    let line = |name: &str| {
        ended
            .out
            .lines()
            .find(|line| line.get(9..).is_some_and(|rest| rest.starts_with(name)))
            .unwrap_or_default()
            .to_owned()
    };
    assert!(
        line("hub ").starts_with("warning") && line("hub ").contains("cannot be reached"),
        "{}",
        ended.out
    );
    assert!(line("disk").starts_with("problem") && line("disk").contains("/proc"), "{}", ended.out);
    assert!(ended.out.contains(" -> "), "{}", ended.out);
}
