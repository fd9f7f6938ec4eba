//! Something under way: a bar on a terminal, elsewhere plain lines now and then.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::console::{Console, WIDTH};
use crate::types::printable;

/// Something under way. Dropped without [`Phase::finish`], as an error does, it disappears without a word.
pub(crate) struct Phase {
    console: Console,
    name: String,
    total: u64,
    leaves_line: bool,
    started: Instant,
    bar: Option<ProgressBar>,
    state: Mutex<Progress>,
}

/// How far a phase is, and when a plain line last said so.
struct Progress {
    done: u64,
    message: String,
    reported: (Instant, u64),
}

impl Phase {
    /// Begins `name` on `console`; see [`Console::phase`] and [`Console::step_phase`].
    pub(super) fn begin(console: &Console, name: &str, total: u64, leaves_line: bool) -> Self {
        let bar = console.bars.as_ref().map(|bars| {
            let prefix = printable(name).into_owned();
            let bar = bars.add(ProgressBar::new(total).with_style(style(total)).with_prefix(prefix));
            // Keeps the clock running while a long piece of work reports nothing.
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        let started = Instant::now();
        let state = Mutex::new(Progress { done: 0, message: String::new(), reported: (started, 0) });
        Self { console: console.clone(), name: name.to_owned(), total, leaves_line, started, bar, state }
    }

    /// Reports `n` more of the total done; `message` says how it stands and replaces the one before.
    pub(crate) fn advance(&self, n: u64, message: impl Into<String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done += n;
        state.message = printable(&message.into()).into_owned();
        if let Some(bar) = &self.bar {
            bar.set_message(state.message.clone());
            bar.set_position(state.done);
            return;
        }
        let (last, at) = state.reported;
        if is_due(last.elapsed(), state.done - at, self.total) {
            state.reported = (Instant::now(), state.done);
            self.console.note(self.progress_line(&state));
        }
    }

    /// Counts `n` of the total as done before the phase began: they say nothing about its pace.
    pub(crate) fn skip(&self, n: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done += n;
        state.reported.1 = state.done;
        if let Some(bar) = &self.bar {
            bar.set_position(state.done);
            bar.reset_eta();
        }
    }

    /// Ends the phase; prints its duration and last message, if it is one that leaves a line.
    pub(crate) fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let time = duration(self.started.elapsed().as_secs_f64());
        let line = format!("{}: done in {time}{}", self.name, remark(&state.message));
        if self.leaves_line {
            self.console.note(clip(line));
        } else if !self.console.is_silent() {
            tracing::debug!("{line}");
        }
    }

    fn progress_line(&self, state: &Progress) -> String {
        let Progress { done, message, .. } = state;
        let time = duration(self.started.elapsed().as_secs_f64());
        let share = match self.total {
            0 => done.to_string(),
            total => format!("{done}/{total} ({:.0} %)", 100.0 * *done as f64 / total as f64),
        };
        clip(format!("{}: {share} after {time}{}", self.name, remark(message)))
    }
}

impl Drop for Phase {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Whether a plain line is due, `since` the last one and `done` units of `total` later: at most every ten seconds,
/// and then after a tenth of the whole or a minute, whichever comes first.
fn is_due(since: Duration, done: u64, total: u64) -> bool {
    let tenth = total != 0 && done.saturating_mul(10) >= total;
    since.as_secs() >= 60 || (since.as_secs() >= 10 && tenth)
}

/// A message as the end of a sentence.
fn remark(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!("; {message}") }
}

/// `line`, cut to [`WIDTH`] characters.
fn clip(line: String) -> String {
    match line.char_indices().nth(WIDTH) {
        None => line,
        Some((end, _)) => line[..end].to_owned(),
    }
}

fn style(total: u64) -> ProgressStyle {
    let template = match total {
        0 => "{spinner:.cyan} {prefix:<16} {elapsed}  {wide_msg}",
        _ => {
            "{spinner:.cyan} {prefix:<16} {bar:20.cyan/dim} {human_pos:>6}/{human_len:<6} left {left:<6} {wide_msg}"
        }
    };
    // The templates are constants that a test draws; the default style is never seen.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("left", |state: &ProgressState, out: &mut dyn fmt::Write| {
            // Before the first part is done there is no pace to go by.
            let left = if state.pos() == 0 { "--".to_owned() } else { duration(state.eta().as_secs_f64()) };
            let _ = write!(out, "{left}");
        })
        .progress_chars("━╸─")
}

/// `seconds` for people: `8.3s`, `45s`, `12m30s`, `1h02m`, `2d03h`.
#[must_use]
pub(crate) fn duration(seconds: f64) -> String {
    // Rounded before the choice of units, so that 59.7 s are a minute.
    let s = seconds.round() as u64;
    match s {
        _ if seconds < 9.95 => format!("{seconds:.1}s"),
        0..60 => format!("{s}s"),
        60..3_600 => format!("{}m{:02}s", s / 60, s % 60),
        3_600..86_400 => format!("{}h{:02}m", s / 3_600, s / 60 % 60),
        _ => format!("{}d{:02}h", s / 86_400, s / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use indicatif::{InMemoryTerm, MultiProgress, ProgressDrawTarget};

    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        for (seconds, expected) in [
            (0.04, "0.0s"),
            (9.94, "9.9s"),
            (9.96, "10s"),
            (59.7, "1m00s"),
            (750.0, "12m30s"),
            (3_725.0, "1h02m"),
            (183_600.0, "2d03h"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }

    #[test]
    fn plain_lines_come_at_most_every_ten_seconds() {
        let due = |seconds, done, total| is_due(Duration::from_secs(seconds), done, total);
        assert!(!due(9, 100, 100));
        assert!(due(10, 10, 100));
        assert!(!due(59, 9, 100));
        assert!(due(60, 9, 100));
        assert!(!due(59, 1_000, 0), "without a total only time counts");
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let line = clip("ä".repeat(120));
        assert_eq!(line.chars().count(), WIDTH);
        assert_eq!(clip("short".into()), "short");
    }

    #[test]
    fn a_bar_shows_where_it_stands_and_leaves_nothing_behind() {
        let screen = InMemoryTerm::new(10, WIDTH as u16);
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::term_like(Box::new(screen.clone())));
        let mut console = Console::silent();
        console.bars = Some(bars);
        let phase = console.step_phase("generation", 1_000);
        phase.advance(250, "12.3k tokens/s");
        phase.bar.as_ref().unwrap().force_draw();
        let line = screen.contents();
        assert!(line.contains("generation       ━━━━━╸") && line.contains("250/1,000"), "{line}");
        assert!(line.ends_with("12.3k tokens/s") && line.chars().count() <= WIDTH, "{line}");
        phase.finish();
        assert_eq!(screen.contents(), "");

        let phase = console.step_phase("load model", 0);
        phase.bar.as_ref().unwrap().force_draw();
        assert!(screen.contents().contains("load model       0s"), "{}", screen.contents());
        drop(phase);
        assert_eq!(screen.contents(), "");
    }
}
