//! The thread that feeds a program: it may wait for it, the run does not.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rewards::external::withhold;
use serde_json::Value;

use super::CommandSink;
use crate::files::append_to;
use crate::types::{Step, masked, printable};

/// How often in a row a program is started again.
const MOST_RESTARTS: u32 = 3;
/// The pause before the first time; it doubles with each.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a program has to live before it counts as one that works. Lines say less: those that it never reads fit into a pipe.
const TRUSTED: Duration = Duration::from_secs(30);
/// How long a program whose input is gone may take to end before that is said of it.
const GRACE: Duration = Duration::from_millis(500);

/// Longest line of what a program said that is shown, bytes.
const LONGEST: usize = 300;

/// What a program gets.
pub(super) struct Line {
    /// The step whose row it is; None if it is no row.
    pub row: Option<Step>,
    /// The line, its end included.
    pub text: String,
}

/// Keeps a program running and writes to it.
pub(super) struct Feeder {
    pub config: CommandSink,
    /// The file that has what the program says.
    pub said: PathBuf,
    /// The first line.
    pub about: Value,
    /// Variables of the environment that the program does not get, unless its settings name them.
    pub withheld: Vec<String>,
    /// The last step whose row the program got.
    pub after: Step,
    /// The last line, once it is known.
    pub last_words: Arc<Mutex<Option<String>>>,
    pub process: Option<Process>,
    /// How often it was started in a row.
    pub starts: u32,
}

/// The program under way.
pub(super) struct Process {
    child: Child,
    input: ChildStdin,
    started: Instant,
    /// How much those before it had said, bytes.
    said_before: u64,
}

impl Feeder {
    /// Writes `lines` until there are no more, then the last words, and waits for the end of the program.
    pub(super) fn feed(mut self, lines: &Receiver<Line>) {
        if !self.ensure() {
            return;
        }
        for line in lines {
            if !self.deliver(&line.text) {
                return;
            }
            self.after = line.row.unwrap_or(self.after);
        }
        let last_words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner).take();
        if last_words.is_some_and(|line| !self.deliver(&line)) {
            return;
        }
        let Some(Process { mut child, input, .. }) = self.process.take() else { return };
        drop(input);
        if let Some(status) = child.wait().ok().filter(|status| !status.success()) {
            let (name, said) = (&self.config.name, self.said.display());
            tracing::warn!(
                "sink `{name}` {} behind the end of the run; what it said is in {said}",
                ended(status)
            );
        }
    }

    /// Writes `text`, to a program that is started again as often as it may be; false where it is given up.
    fn deliver(&mut self, text: &str) -> bool {
        while self.ensure() {
            let Some(process) = &mut self.process else { continue };
            // One that has ended would take what fits into the pipe.
            let is_gone = matches!(process.child.try_wait(), Ok(Some(_)));
            if !is_gone && process.input.write_all(text.as_bytes()).is_ok() {
                if process.started.elapsed() >= TRUSTED {
                    self.starts = 1;
                }
                return true;
            }
            self.bury();
        }
        false
    }

    /// Sees to it that the program runs; false where it is given up.
    fn ensure(&mut self) -> bool {
        let name = self.config.name.clone();
        while self.process.is_none() {
            if self.starts > MOST_RESTARTS {
                tracing::warn!("sink `{name}` is given up and gets nothing more; the run goes on");
                return false;
            }
            if self.starts > 0 {
                thread::sleep(PAUSE * 2_u32.pow(self.starts - 1));
            }
            self.starts += 1;
            match self.start() {
                Ok(process) => {
                    tracing::debug!("sink `{name}` is started behind step {}", self.after);
                    self.process = Some(process);
                }
                Err(error) => tracing::warn!("sink `{name}`: {error:#}"),
            }
        }
        true
    }

    /// Starts the program and describes the run to it.
    fn start(&mut self) -> Result<Process> {
        let (program, arguments) = self.config.program.split_first().context("`program` is empty")?;
        if let Some(folder) = self.said.parent() {
            fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
        }
        let said =
            || append_to(&self.said).with_context(|| format!("could not open {}", self.said.display()));
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(said()?).stderr(said()?).process_group(0);
        let said_before = fs::metadata(&self.said).map_or(0, |found| found.len());
        withhold(&mut command, &self.withheld, &self.config.pass_env);
        let mut child = command.spawn().with_context(|| format!("{program} cannot be started"))?;
        let mut input = child.stdin.take().context("it was started without an input")?;
        self.about["after_step"] = self.after.into();
        // That it has ended already is found where the next line is written.
        _ = input.write_all(format!("{}\n", self.about).as_bytes());
        Ok(Process { child, input, started: Instant::now(), said_before })
    }

    /// Says how the program ended, and that it is started again if it is.
    fn bury(&mut self) {
        let Some(Process { mut child, input, said_before, .. }) = self.process.take() else { return };
        drop(input);
        let begun = Instant::now();
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if begun.elapsed() < GRACE => thread::sleep(Duration::from_millis(5)),
                _ => break None,
            }
        };
        let how = status.map_or_else(|| "has closed its input".to_owned(), ended);
        let (name, said) = (&self.config.name, self.said.display());
        let next = match self.starts {
            n if n <= MOST_RESTARTS => format!("; it is started again ({n} of {MOST_RESTARTS})"),
            _ => String::new(),
        };
        let last =
            last_line(&self.said, said_before).map_or_else(String::new, |line| format!(", at last: {line}"));
        tracing::warn!("sink `{name}` {how} while the run goes on; what it said is in {said}{last}{next}");
    }
}

/// The last line of the file `said` behind its first `before` bytes, if it is a short one. Of a long one there is nothing: cut anywhere,
/// a secret in it is known as one no more.
fn last_line(said: &Path, before: u64) -> Option<String> {
    let mut file = fs::File::open(said).ok()?;
    // Ends of lines in front and behind.
    let begin = before.max(file.metadata().ok()?.len().saturating_sub(LONGEST as u64 + 2));
    file.seek(SeekFrom::Start(begin)).ok()?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).ok()?;
    let tail = String::from_utf8_lossy(&tail);
    let tail = tail.trim_end();
    let line = match tail.rsplit_once('\n') {
        Some((_, line)) => line.trim(),
        None if begin == before => tail.trim(),
        None => return None,
    };
    (!line.is_empty()).then(|| printable(&masked(line)).into_owned())
}

/// `ended with exit status 1`, `ended by signal 9`.
fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit status {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_last_line_is_a_whole_and_short_one_of_this_start() {
        let folder = tempfile::tempdir().unwrap();
        let said = folder.path().join("said.log");
        let long = format!("https://me:{}@host", "s".repeat(2 * LONGEST));
        for (text, before, expected) in [
            ("", 0, None),
            ("one\ntwo\n\n", 0, Some("two")),
            ("alone", 0, Some("alone")),
            ("earlier\n", 8, None),
            ("earlier\nnow\n", 8, Some("now")),
            ("at https://me:secret@host/x\n", 0, Some("at https://***@host/x")),
            (&format!("one\n{long}\n"), 0, None),
            (&long, 0, None),
            (&format!("{long}\nshort ü\n"), 0, Some("short ü")),
        ] {
            fs::write(&said, text).unwrap();
            assert_eq!(last_line(&said, before).as_deref(), expected, "{text}");
        }
        assert_eq!(last_line(&folder.path().join("none"), 0), None);
    }
}
