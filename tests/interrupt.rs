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
    let interrupt = Interrupt::install(|signal, at_once| {
        println!("\nheard {signal}{}", if at_once { " at once" } else { "" })
    });
    let interrupt = interrupt.unwrap();
    assert_eq!(interrupt.requested(), None);
    let nothing_to_lose = (saving_ms == "nothing").then(|| interrupt.immediate().unwrap());
    println!("\nready");
    while nothing_to_lose.is_some() {
        // Whoever would look at the signal here could let go of the guard before the process has ended by it.
        std::thread::sleep(Duration::from_secs(1));
    }
    let signal = loop {
        match interrupt.requested() {
            Some(signal) => break signal,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    assert!(interrupt.check().is_err() && interrupt.immediate().is_err());
    println!("saving after {signal}");
    std::thread::sleep(Duration::from_millis(saving_ms.parse().unwrap_or(0)));
    println!("saved");
    std::process::exit(signal.exit_code().into());
}

fn start(saving: impl ToString) -> (Child, BufReader<ChildStdout>) {
    // Not as the tests themselves may have been started, under `nohup`.
    let mut child = Command::new("env");
    child.arg("--default-signal=HUP,INT,QUIT").arg(std::env::current_exe().unwrap());
    child.args(["--exact", "child_runs_until_interrupted", "--nocapture"]);
    start_with(child, saving)
}

fn start_with(mut command: Command, saving: impl ToString) -> (Child, BufReader<ChildStdout>) {
    let mut child = command.env(CHILD, saving.to_string()).stdout(Stdio::piped()).spawn().unwrap();
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

const ALL: [(&str, &str, i32); 7] = [
    ("-INT", "SIGINT", 130),
    ("-TERM", "SIGTERM", 143),
    ("-QUIT", "SIGQUIT", 131),
    ("-HUP", "SIGHUP", 129),
    ("-XCPU", "SIGXCPU", 152),
    ("-USR1", "SIGUSR1", 138),
    ("-USR2", "SIGUSR2", 140),
];

#[test]
fn a_signal_is_answered_after_saving() {
    for (signal, name, code) in ALL {
        let (mut child, mut out) = start(10);
        send(&child, signal);
        wait_for(&mut out, &format!("saving after {name}"));
        wait_for(&mut out, "saved");
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn where_there_is_nothing_to_lose_a_signal_ends_the_process_at_once() {
    for (signal, name, code) in ALL {
        let (mut child, mut out) = start("nothing");
        send(&child, signal);
        wait_for(&mut out, &format!("heard {name} at once"));
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn the_first_signal_is_answered_and_the_same_again_does_not_wait() {
    for (first, other, name, code) in [
        ("-INT", "-TERM", "SIGINT", 130),
        ("-TERM", "-INT", "SIGTERM", 143),
        ("-QUIT", "-HUP", "SIGQUIT", 131),
    ] {
        let (mut child, mut out) = start(60_000);
        send(&child, first);
        wait_for(&mut out, &format!("heard {name}"));
        // A wrapper hands on what the whole group got.
        send(&child, first);
        std::thread::sleep(Duration::from_millis(700));
        send(&child, other);
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(child.try_wait().unwrap(), None, "neither leaves the saving undone");
        send(&child, first);
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

/// A terminal that goes away and a limit of processor time may signal again and again.
#[test]
fn what_comes_by_itself_never_cuts_a_saving_short() {
    for (signal, name, code) in [ALL[3], ALL[4], ALL[5], ALL[6]] {
        let (mut child, mut out) = start(200);
        send(&child, signal);
        wait_for(&mut out, &format!("saving after {name}"));
        send(&child, signal);
        wait_for(&mut out, "saved");
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

/// As `nohup` and `&` in a script tell it.
#[test]
fn what_a_process_is_told_to_ignore_it_ignores() {
    let mut command = Command::new("env");
    command.arg("--ignore-signal=HUP,INT").arg(std::env::current_exe().unwrap());
    command.args(["--exact", "child_runs_until_interrupted", "--nocapture"]);
    let (mut child, mut out) = start_with(command, 10);
    send(&child, "-HUP");
    send(&child, "-INT");
    // The handler of a limit of file sizes lets the write fail.
    send(&child, "-XFSZ");
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(child.try_wait().unwrap(), None);
    send(&child, "-TERM");
    wait_for(&mut out, "saved");
    assert_eq!(child.wait().unwrap().code(), Some(143));
}
