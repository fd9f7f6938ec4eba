//! Signals end a run in order, and the same signal again ends it at once.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::child;
use crate::interrupt::{Interrupt, StopSignal};

/// How many milliseconds the child takes to save; `told` until a line comes, `nothing` where there is nothing to save.
const CHILD: &str = "INTERRUPT_CHILD";
/// For how many milliseconds the same signal is still the first one.
const ONCE: &str = "INTERRUPT_ONCE";

/// Not a test of its own: a child process that runs until asked to stop, and then takes as long as `CHILD` says.
#[test]
fn child_runs_until_interrupted() {
    let Ok(saving_ms) = std::env::var(CHILD) else { return };
    let answer = |signal: StopSignal, at_once: bool| {
        println!("\nheard {signal}{}", if at_once { " at once" } else { "" })
    };
    let interrupt = match std::env::var(ONCE) {
        Ok(ms) => Interrupt::install_within(Duration::from_millis(ms.parse().unwrap()), answer),
        Err(_) => Interrupt::install(answer),
    };
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
    match saving_ms.as_str() {
        "told" => drop(std::io::stdin().read_line(&mut String::new()).unwrap()),
        ms => std::thread::sleep(Duration::from_millis(ms.parse().unwrap())),
    }
    println!("saved");
    std::process::exit(signal.exit_code().into());
}

/// The child, started with its signals as `signals` says.
fn child_with(signals: &str) -> Command {
    let mut command = Command::new("env");
    command.arg(signals).arg(std::env::current_exe().unwrap());
    command.args(child(module_path!(), "child_runs_until_interrupted"));
    command
}

/// The child with its signals not as those of the tests themselves may be, under `nohup`.
fn plain() -> Command {
    child_with("--default-signal=HUP,INT,QUIT")
}

fn start(mut command: Command, saving: impl ToString) -> (Child, BufReader<ChildStdout>) {
    let mut child =
        command.env(CHILD, saving.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
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
        let (mut child, mut out) = start(plain(), 10);
        send(&child, signal);
        wait_for(&mut out, &format!("saving after {name}"));
        wait_for(&mut out, "saved");
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn where_there_is_nothing_to_lose_a_signal_ends_the_process_at_once() {
    for (signal, name, code) in ALL {
        let (mut child, mut out) = start(plain(), "nothing");
        send(&child, signal);
        wait_for(&mut out, &format!("heard {name} at once"));
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

/// What a person or a wrapper insists on, another such signal, and the name and exit code of the first.
const INSISTED: [(&str, &str, &str, i32); 3] =
    [("-INT", "-TERM", "SIGINT", 130), ("-TERM", "-INT", "SIGTERM", 143), ("-QUIT", "-HUP", "SIGQUIT", 131)];

/// A wrapper hands on what the whole group got, and one that forwards a Ctrl-C as SIGTERM has not asked twice.
#[test]
fn neither_the_same_signal_soon_again_nor_another_leaves_the_saving_undone() {
    for (first, other, name, code) in INSISTED {
        let mut command = plain();
        command.env(ONCE, "60000");
        let (mut child, mut out) = start(command, "told");
        send(&child, first);
        wait_for(&mut out, &format!("saving after {name}"));
        send(&child, first);
        send(&child, other);
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        wait_for(&mut out, "saved");
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn the_same_signal_later_again_ends_the_process_at_once() {
    for (first, _, name, code) in INSISTED {
        let mut command = plain();
        command.env(ONCE, "0");
        let (mut child, mut out) = start(command, 60_000);
        send(&child, first);
        wait_for(&mut out, &format!("saving after {name}"));
        let ended = loop {
            send(&child, first);
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
        };
        assert_eq!(ended.code(), Some(code));
        assert!(!std::io::read_to_string(out).unwrap().contains("saved"));
    }
}

/// A terminal that goes away and a limit of processor time may signal again and again.
#[test]
fn what_comes_by_itself_never_cuts_a_saving_short() {
    for (signal, name, code) in [ALL[3], ALL[4], ALL[5], ALL[6]] {
        let (mut child, mut out) = start(plain(), 200);
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
    let (mut child, mut out) = start(child_with("--ignore-signal=HUP,INT"), 10);
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
