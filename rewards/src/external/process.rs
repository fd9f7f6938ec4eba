//! One running grader: a request at a time, each with a deadline.
//!
//! ```text
//! ask --request--> writer thread --> stdin
//!  ^                                 stdout --> reader thread --line--> ask      stderr --> its tail
//! ```
//!
//! Threads of their own read and write, so that a program that does neither blocks nobody: past the deadline it is ended,
//! and with it the threads.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::crew::Item;
use super::environment::withhold;
use super::protocol::{Failure, Request, verdict};
use super::stop::Stop;
use super::tail::Tail;
use super::tree::Mark;
use super::{CommandConfig, MAX_REPLY, watchdog};
use crate::Verdict;

/// A started program; ended with all its descendants when dropped.
pub(super) struct Process {
    child: Child,
    mark: Mark,
    requests: Sender<String>,
    lines: Receiver<Line>,
    tail: Tail,
    tail_thread: JoinHandle<()>,
    deadline_s: f64,
}

/// What a program writes.
enum Line {
    Whole(Vec<u8>),
    TooLong,
}

impl Process {
    /// Starts the program, which gets no secrets of the environment but those of its settings, and none of `withheld`.
    pub(super) fn start(config: &CommandConfig, withheld: &[String]) -> Result<Self, Failure> {
        let (name, args) =
            config.program.split_first().ok_or_else(|| Failure::error("`program` is empty"))?;
        let mut command = Command::new(name);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        withhold(&mut command, withheld, &config.pass_env);
        let mark = Mark::put(&mut command);
        let mut child =
            command.spawn().map_err(|error| Failure::error(format!("{name} cannot be started: {error}")))?;
        watchdog::watch(child.id());
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            mark.end(&mut child);
            return Err(Failure::error(format!("{name} was started without pipes")));
        };
        let (requests, to_write) = channel();
        thread::spawn(move || write(stdin, &to_write));
        // One line of room: a program that writes more than it is asked waits.
        let (read_lines, lines) = sync_channel(1);
        thread::spawn(move || read(stdout, &read_lines));
        let (tail, tail_thread) = Tail::follow(stderr);
        Ok(Self { child, mark, requests, lines, tail, tail_thread, deadline_s: config.deadline_s })
    }

    /// Has the program grade `item` within `left`, what is left of its deadline, or until a stop. After a failure it is of no
    /// further use.
    pub(super) fn ask(
        &mut self,
        id: u64,
        item: &Item<'_>,
        left: Duration,
        stop: &Stop,
    ) -> Result<Verdict, Failure> {
        let mut line = Request::new(id, item).line()?;
        line.push('\n');
        // Where the writer is gone, so is the program, and the reader says it.
        _ = self.requests.send(line);
        match stop.receive(&self.lines, left) {
            Ok(Line::Whole(line)) => verdict(id, &line).map_err(|failure| self.with_tail(failure)),
            Ok(Line::TooLong) => Err(Failure::error(format!("a reply of more than {MAX_REPLY} bytes"))),
            Err(RecvTimeoutError::Timeout) => Err(Failure::timeout(self.deadline_s)),
            Err(RecvTimeoutError::Disconnected) => {
                let failure = Failure::error(format!("the program {} without a reply", self.ended()));
                Err(self.with_tail(failure))
            }
        }
    }

    /// How the program, whose output has ended, did so. It is not waited for, so that its number stays its own.
    fn ended(&self) -> String {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let (start, patience) = (Instant::now(), Duration::from_millis(200));
        loop {
            match waitid(WaitId::Pid(Pid::from_child(&self.child)), options) {
                Ok(Some(status)) => {
                    let code = status.exit_status().map(|code| format!("ended with exit status {code}"));
                    let signal =
                        status.terminating_signal().map(|signal| format!("ended by signal {signal}"));
                    return code.or(signal).unwrap_or_else(|| "ended".into());
                }
                Ok(None) if start.elapsed() < patience => thread::sleep(Duration::from_millis(1)),
                _ => return "closed its output".into(),
            }
        }
    }

    /// `failure` with what the program complained of.
    fn with_tail(&self, failure: Failure) -> Failure {
        let start = Instant::now();
        while !self.tail_thread.is_finished() && start.elapsed() < Duration::from_millis(50) {
            thread::sleep(Duration::from_millis(1));
        }
        let Failure { status, mut note } = failure;
        let said = self.tail.text();
        if !said.is_empty() {
            note = format!("{note}; on its standard error: {said}");
        }
        Failure { status, note }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.mark.end(&mut self.child);
    }
}

/// Writes requests until there are no more or nobody reads them.
fn write(mut stdin: impl Write, requests: &Receiver<String>) {
    for request in requests {
        if stdin.write_all(request.as_bytes()).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

/// Reads lines until there are no more, one is too long, or nobody wants them.
fn read(stdout: impl Read, lines: &SyncSender<Line>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        let limited = stdout.by_ref().take(MAX_REPLY as u64 + 1).read_until(b'\n', &mut line);
        let line = match limited {
            Err(_) | Ok(0) => return,
            Ok(_) if line.len() > MAX_REPLY => {
                _ = lines.send(Line::TooLong);
                return;
            }
            Ok(_) => Line::Whole(line),
        };
        if lines.send(line).is_err() {
            return;
        }
    }
}
