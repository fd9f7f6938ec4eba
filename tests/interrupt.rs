//! Signals end a run in order, and the same signal again ends it at once.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rlcredit::interrupt::Interrupt;

const CHILD: &str = "INTERRUPT_CHILD";

/// Not a test of its own: a child process that runs until asked to stop, and then takes as long as `CHILD` says.
#[test]
fn child_runs_until_interrupted() {
    let Ok(saving_ms) = std::env::var(CHILD) else { return };
    let interrupt = Interrupt::install(|signal| println!("\nheard {signal}")).unwrap();
    assert_eq!(interrupt.requested(), None);
    println!("\nready");
    let signal = loop {
        match interrupt.requested() {
            Some(signal) => break signal,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    println!("saving after {signal}");
    std::thread::sleep(Duration::from_millis(saving_ms.parse().unwrap()));
    println!("saved");
    std::process::exit(signal.exit_code().into());
}

fn start(saving_ms: u64) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_runs_until_interrupted", "--nocapture"])
        .env(CHILD, saving_ms.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    wait_for(&mut out, "ready");
    (child, out)
}

fn wait_for(out: &mut BufReader<ChildStdout>, expected: &str) {
    let mut line = String::new();
    while line.trim() != expected {
        line.clear();
        assert_ne!(out.read_line(&mut line).unwrap(), 0, "the child ended before it said {expected}");
    }
}

fn send(child: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_signal_is_answered_after_saving() {
    for (signal, name, code) in [("-INT", "SIGINT", 130), ("-TERM", "SIGTERM", 143)] {
        let (mut child, mut out) = start(10);
        send(&child, signal);
        wait_for(&mut out, &format!("saving after {name}"));
        wait_for(&mut out, "saved");
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn the_first_signal_is_answered_and_the_same_again_does_not_wait() {
    for (first, other, name, code) in [("-INT", "-TERM", "SIGINT", 130), ("-TERM", "-INT", "SIGTERM", 143)] {
        let (mut child, mut out) = start(60_000);
        send(&child, first);
        wait_for(&mut out, &format!("heard {name}"));
        std::thread::sleep(Duration::from_millis(50));
        send(&child, other);
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(child.try_wait().unwrap(), None, "another signal leaves the saving alone");
        send(&child, first);
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}
