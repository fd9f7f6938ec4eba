//! What the program says, by how loud it is, and `run.log`, where a run keeps all of it.
//!
//! ```text
//! Console: a note, a step, a sample ---- shown ----> events of the target SAID ---\
//! anywhere: tracing::debug!, warn! ----------------> events ----------------------+--> run.log, with time and level
//!                                                        \--> standard error, unless they are of SAID
//! ```
//!
//! `-q` shows nothing below a warning but the end, `-v` also what is for debugging; `RUST_LOG`, in the syntax of tracing
//! (`info,rlcredit::run=trace`), says it module by module. What is shown is in `run.log` whatever these say.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::screen;
use crate::files::append_to;
use crate::types::{masked, printable};

/// Target of the events that the console has shown.
pub(super) const SAID: &str = "rlcredit::said";

/// Lines that are kept until a run has a folder for them.
const MOST_WAITING: usize = 500;

/// How much a person wants to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loudness {
    /// Warnings, errors and the end.
    Quiet,
    /// What there is to know.
    Usual,
    /// What is for debugging as well.
    Verbose,
}

/// Whether the console shows warnings and the end alone.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Where the lines of `run.log` go.
static BOOK: Mutex<Book> = Mutex::new(Book { file: None, waiting: Vec::new() });

/// The log of the run under way.
struct Book {
    file: Option<File>,
    /// What was said before there was a folder for it.
    waiting: Vec<String>,
}

/// Has everything that the process says from here on be heard as `loudness` and `RUST_LOG` say.
/// One that cannot be read was set for another program, and is said and left aside.
pub(crate) fn begin(loudness: Loudness) {
    QUIET.store(loudness == Loudness::Quiet, Ordering::Relaxed);
    let own = match loudness {
        Loudness::Quiet => "warn",
        Loudness::Usual => "warn,rlcredit=info",
        Loudness::Verbose => "warn,rlcredit=debug",
    };
    let given = std::env::var("RUST_LOG").ok().filter(|given| !given.is_empty());
    let parsed = given.as_ref().map(|given| EnvFilter::builder().parse(given));
    let filter = || match (&given, &parsed) {
        (Some(given), Some(Ok(_))) => EnvFilter::new(given),
        _ => EnvFilter::new(own),
    };
    let said = filter_fn(|event| event.target() == SAID);
    let subscriber = tracing_subscriber::registry()
        .with(Terminal.with_filter(filter()))
        .with(Kept.with_filter(filter().or(said)));
    // Tests begin more than once in a process; the first time counts.
    _ = tracing::subscriber::set_global_default(subscriber);
    if let Some(Err(error)) = parsed {
        tracing::warn!("RUST_LOG is left aside: {error}; expected such as warn,rlcredit=debug");
    }
}

/// Whether the console shows warnings and the end alone.
#[must_use]
pub(super) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Keeps an error that is shown elsewhere.
pub(crate) fn keep_error(text: &str) {
    tracing::error!(target: SAID, "{text}");
}

/// Goes on with the log at `path`, first with what has waited for a folder: from here on all lines go there.
///
/// # Errors
/// If the file cannot be opened.
pub(crate) fn open(path: &Path) -> Result<()> {
    let mut file = append_to(path).with_context(|| format!("could not open {}", path.display()))?;
    let mut book = book();
    for line in book.waiting.drain(..) {
        _ = file.write_all(line.as_bytes());
    }
    book.file = Some(file);
    Ok(())
}

fn book() -> MutexGuard<'static, Book> {
    BOOK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows events that nobody has shown.
struct Terminal;

impl<S: Subscriber> Layer<S> for Terminal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (meta, level) = (event.metadata(), *event.metadata().level());
        if meta.target() == SAID || (is_quiet() && level > Level::WARN) {
            return;
        }
        let name = match level {
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            Level::INFO => "",
            Level::DEBUG => "debug: ",
            Level::TRACE => "trace: ",
        };
        let text = format!("{name}{}", Words::of(event));
        screen::tell(&masked(&text));
    }
}

/// Writes events to the log of the run.
struct Kept;

impl<S: Subscriber> Layer<S> for Kept {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let text = Words::of(event);
        let line = line(Timestamp::now(), *event.metadata().level(), &masked(&text));
        let mut book = book();
        let Book { file, waiting } = &mut *book;
        match file {
            // One write a line, so that a killed process leaves whole ones. A disk that is full ends the run elsewhere.
            Some(file) => _ = file.write_all(line.as_bytes()),
            None if waiting.len() < MOST_WAITING => waiting.push(line),
            None => {}
        }
    }
}

/// `2026-01-31T23:59:59.123Z INFO  text`; further lines stand under the first.
fn line(time: Timestamp, level: Level, text: &str) -> String {
    let head = format!("{time:.3} {level:<5} ");
    let text = printable(text.trim_matches('\n')).replace('\n', &format!("\n{}", " ".repeat(head.len())));
    format!("{head}{text}\n")
}

/// What an event says.
#[derive(Default)]
struct Words(String);

impl Words {
    fn of(event: &Event<'_>) -> String {
        let mut words = Self::default();
        event.record(&mut words);
        words.0
    }
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        _ = match field.name() {
            "message" => {
                let text = format!("{value:?}");
                self.0.insert_str(0, &text);
                Ok(())
            }
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_time_and_level_and_what_follows_stands_under_it() {
        let time = Timestamp::UNIX_EPOCH;
        assert_eq!(line(time, Level::INFO, "a\u{1b}b"), "1970-01-01T00:00:00.000Z INFO  a␛b\n");
        let indent = " ".repeat(31);
        let expected = format!("1970-01-01T00:00:00.000Z WARN  a\n{indent}b\n");
        assert_eq!(line(time, Level::WARN, "\na\nb\n"), expected);
    }
}
