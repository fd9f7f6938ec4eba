//! Without a terminal the console prints plain lines, and a reader that goes away does not stop the run.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{child, myself};
use crate::observe::{Accuracy, Console, Stage, Summary};
use crate::types::MetricRow;

const CHILD: &str = "CONSOLE_CHILD_STEPS";
/// A file that the child makes when it has come to its end.
const DONE: &str = "CONSOLE_CHILD_DONE";

/// Not a test of its own: a run of as many steps as `CHILD` says, acted out. In a terminal, watch it with
/// `CONSOLE_CHILD_STEPS=40 cargo test --release --lib child_acts_out -- --nocapture`.
#[test]
fn child_acts_out_a_run() {
    let Ok(steps) = std::env::var(CHILD) else { return };
    let steps: u64 = steps.parse().unwrap();
    let pause = || std::thread::sleep(Duration::from_millis(2));
    let console = Console::new();
    let load = console.phase("load model", 0);
    pause();
    load.finish();
    let sft = console.phase("SFT", 50 * steps);
    for i in 0..50 * steps {
        sft.advance(1, format!("loss {:.3}", 3.0 / (1.0 + i as f64 / 100.0)));
        pause();
    }
    sft.finish();
    console.note("checkpoints/latest is missing; taking the newest complete one");
    let training = console.step_phase("training", steps);
    for step in 1..=steps {
        for name in ["generation", "update"] {
            let phase = console.step_phase(name, 384);
            for _ in 0..48 {
                phase.advance(8, "8.1k tok/s");
                pause();
            }
            phase.finish();
        }
        training.advance(1, "");
        let left = (step < steps).then(|| 0.2 * (steps - step) as f64);
        console.step_line(step, steps, &row(step, steps), left);
    }
    training.finish();
    console.summary(&summary());
    if let Some(path) = std::env::var_os(DONE) {
        std::fs::write(path, "").unwrap();
    }
}

fn row(step: u64, steps: u64) -> MetricRow {
    let share = step as f64 / steps as f64;
    let mut row: MetricRow = [
        ("root/reward_mean", 0.2 + 0.3 * share),
        ("root/correct_mean", 0.2 + 0.3 * share),
        ("root/length_mean", 34.06),
        ("policy/entropy", 1.2 - share),
        ("response_length/clip_ratio", 0.02),
        ("time/step", 0.2),
    ]
    .into_iter()
    .collect();
    if step == steps {
        row.set("eval/heldout/avg@4", 0.4889);
        row.set("eval/heldout/ci95", 0.0211);
    }
    row
}

fn summary() -> Summary {
    let stage = |name: &str, mean| Stage {
        name: name.into(),
        accuracies: vec![
            Some(Accuracy { mean, ci95: 0.02 }),
            Some(Accuracy { mean: mean + 0.03, ci95: 0.04 }),
        ],
    };
    Summary {
        title: "countdown: done".into(),
        wall_s: 872.0,
        columns: vec!["avg@4".into(), "greedy".into()],
        stages: vec![stage("before SFT", 0.001), stage("after SFT", 0.213), stage("after RL", 0.489)],
        places: vec![
            ("run".into(), "runs/countdown".into()),
            ("policy".into(), "runs/countdown/checkpoints/step_000120/model".into()),
            ("curves".into(), "tensorboard --logdir runs/countdown/tb".into()),
        ],
    }
}

fn run_of(steps: u64) -> Command {
    let mut command = myself();
    command.args(child(module_path!(), "child_acts_out_a_run"));
    command.env(CHILD, steps.to_string());
    command
}

#[test]
fn without_a_terminal_there_are_only_plain_lines() {
    let output = run_of(2).env_remove("TERM").output().unwrap();
    assert!(output.status.success());
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    for text in [&out, &err] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        // What the test itself says aside.
        let mut lines = text.lines().filter(|line| !line.starts_with("test "));
        assert!(lines.all(|line| line.chars().count() <= 80), "{text}");
    }
    let err: Vec<&str> = err.lines().collect();
    assert_eq!(err[0], "load model ...");
    assert!(err[1].starts_with("load model: done in 0."), "{err:?}");
    assert_eq!(err[2], "SFT ...");
    assert!(err[3].starts_with("SFT: done in ") && err[3].ends_with("; loss 1.508"), "{err:?}");
    assert_eq!(err[4..], ["checkpoints/latest is missing; taking the newest complete one"]);

    let steps: Vec<&str> = out.lines().filter(|line| line.starts_with("step ")).collect();
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0], "step 1/2  reward 0.350  acc 35%  len 34.1  cut 2%  ent 0.70  0.2s  left 0s");
    assert!(steps[1].ends_with("  0.2s"), "nothing is left");
    assert!(out.contains("\n          heldout: avg@4 48.9 ± 2.1 %\n"), "{out}");
    assert!(out.contains("\n  after RL       48.9 ± 2.0 %     51.9 ± 4.0 %\n"), "{out}");
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let done = folder.path().join("done");
    let mut child = run_of(3).env(DONE, &done).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("step 1/3")));
    drop(lines);
    // Its exit code says nothing: the test harness in it fails to print its own last words.
    child.wait().unwrap();
    assert!(done.exists());
}
