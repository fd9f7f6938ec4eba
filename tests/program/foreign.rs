//! What comes from others is data: a run starts nothing by being looked at, files that are named are written where they lie, and
//! a terminal shows what it gets.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::place::{FINISHED, Place, copy};

const MODEL: &str = "runs/tiny/checkpoints/step_000006";

fn finished() -> Place {
    let place = Place::new();
    copy(&FINISHED.path("runs"), &place.path("runs"));
    place
}

#[test]
fn a_run_starts_no_program_unless_it_is_trusted() {
    let place = finished();
    let resolved = place.read("runs/tiny/resolved.toml");
    let reward = "type = \"countdown\"\npreset = \"tinyzero\"";
    assert!(resolved.contains(reward), "{resolved}");
    fs::remove_file(place.path("runs/tiny/manifest.json")).unwrap();
    let with = |grader: &str| place.write("runs/tiny/resolved.toml", resolved.replace(reward, grader));
    with("type = \"command\"\nprogram = [\"touch\", \"started\"]");
    for model in ["runs/tiny", MODEL, &format!("{MODEL}/model")] {
        let ended = place.run(&["eval", model, "-n", "1"]);
        assert_eq!(ended.code, 2, "{}", ended.err);
        for part in ["resolved.toml: [[reward]] starts the program `touch started`", "add --trust-programs"] {
            assert!(ended.err.contains(part), "{}", ended.err);
        }
    }
    assert!(!place.path("started").exists());
    place.run(&["eval", "runs/tiny", "-n", "1", "--trust-programs"]);
    assert!(place.path("started").exists());

    with("type = \"http\"\nurl = \"http://127.0.0.1:9/${HOME}?token=abc\"");
    let ended = place.run(&["eval", "runs/tiny", "-n", "1"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    let said = "sends every response to http://127.0.0.1:9/${HOME}?token=***";
    assert!(ended.err.contains(said), "{}", ended.err);

    let more =
        "[[reward]]\ntype = \"command\"\nprogram = [\"cat\"]\npass_env = [\"HF_TOKEN\", \"WANDB_API_KEY\"]";
    with(&format!("type = \"command\"\nprogram = [\"touch\", \"started\"]\n{more}"));
    let given = "[[reward]] starts the program `cat` and gives it HF_TOKEN, WANDB_API_KEY";
    let ended = place.run(&["eval", "runs/tiny", "-n", "1"]);
    let said = format!("[[reward]] starts the program `touch started`; {given}, and the run");
    assert!(ended.code == 2 && ended.err.contains(&said), "{}", ended.err);
    let ended = place.run(&["train", "runs/tiny", "--resume"]);
    assert!(ended.err.contains(&given.replace("]] ", "]] of the run ")), "{}", ended.err);
}

#[test]
fn whoever_looks_at_a_run_sees_what_it_wrote() {
    let place = finished();
    let resolved = place.read("runs/tiny/resolved.toml");
    place.write("runs/tiny/resolved.toml", resolved.replace("samples = 2", "samples = 3"));
    for args in [
        &["eval", "runs/tiny"][..],
        &["inspect", "--run", "runs/tiny", "--step", "1"],
        &["compare", "--of", "runs/tiny", "runs/tiny", "--out", "out"],
    ] {
        let ended = place.run(args);
        assert!(ended.code != 0, "{args:?}");
        assert!(ended.err.contains("resolved.toml: damaged: SHA-256 "), "{args:?}: {}", ended.err);
    }
    place.write("runs/tiny/resolved.toml", resolved);
    place.write("problems.jsonl", "{\"nums\": [1, 2], \"target\": 3}\n");
    let config = place.read(&format!("{MODEL}/model/config.json"));
    place.write(&format!("{MODEL}/model/config.json"), config + " ");
    let set = "countdown_tasks=problems.jsonl";
    for model in [MODEL, &format!("{MODEL}/model")] {
        for args in [&["eval", model, "--data", set][..], &["sample", model, "1"]] {
            let ended = place.run(args);
            assert_eq!(ended.code, 2, "{args:?}");
            assert!(ended.err.contains("config.json: damaged: "), "{args:?}: {}", ended.err);
        }
    }
}

#[test]
fn a_page_is_written_where_its_name_leads_and_over_nothing_else() {
    let place = finished();
    let page = |name: &str| {
        place.run(&["inspect", "--run", "runs/tiny", "--step", "1", "--limit", "1", "--html", name])
    };
    place.write("page.html", "old");
    symlink("page.html", place.path("link.html")).unwrap();
    let ended = page("link.html");
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(place.path("link.html").is_symlink() && place.read("page.html").starts_with("<!"));

    symlink("/dev/null", place.path("null")).unwrap();
    symlink("runs/tiny/rollouts/step_000001.jsonl", place.path("read")).unwrap();
    assert!(Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
    for (name, expected) in [
        ("null", "it is a device, expected a file"),
        ("pipe", "it is a pipe, expected a file"),
        ("runs", "it is a folder, expected a file"),
        ("none/page.html", "there is no such folder; make it first"),
        ("read", "it is what is read, runs/tiny/rollouts/step_000001.jsonl; choose another name"),
        ("runs/tiny/checkpoints/../resolved.toml", "it is what is read, runs/tiny/resolved.toml"),
        (&format!("{MODEL}/model/config.json"), "it is what is read, runs/tiny/"),
    ] {
        let ended = page(name);
        assert!(ended.code != 0 && ended.err.contains(expected), "{name}: {}", ended.err);
    }
}

/// In errors of the program and of its arguments.
#[test]
fn no_name_speaks_to_the_terminal() {
    let place = Place::new();
    let name = "a\u{1b}]0;mine\u{7}\u{9b}2J\u{202e}.toml";
    for args in [&["check", name][..], &["train", name], &["eval", name], &["grade", name], &[name]] {
        let ended = place.run(args);
        // The parser of arguments takes some of it away by itself.
        let shown = args.len() == 1 || ended.err.contains("a␛]0;mine␇�2J�.toml");
        assert!(ended.code != 0 && shown, "{args:?}: {}", ended.err);
        assert!(!ended.err.chars().any(|c| c.is_control() && c != '\n'), "{:?}", ended.err);
    }
}

/// What a file says reaches a terminal as pictures, and everybody else as it is.
#[test]
fn no_text_speaks_to_the_terminal() {
    let place = Place::new();
    place.write("rows.jsonl", "{\"id\": \"a\u{9b}2J\", \"gold\": \"1\", \"prediction\": \"1\"}\n");
    let ended = place.program(&["grade", "rows.jsonl"]).output().unwrap();
    assert!(String::from_utf8(ended.stdout).unwrap().contains("a\u{9b}2J"));
    let run = format!("{} grade rows.jsonl", env!("CARGO_BIN_EXE_rlcredit"));
    let screen = place.command("script", &["--quiet", "--command", &run, "/dev/null"]).output().unwrap();
    let seen = String::from_utf8(screen.stdout).unwrap();
    assert!(seen.contains("a�2J") && !seen.contains('\u{9b}'), "{seen:?}");
}
