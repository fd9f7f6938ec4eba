//! What a person sees while a run goes on: a bar for each phase, a line for each step, now and then a response.
//!
//! Lines of steps, samples and the summary go to standard output, phases, notes and warnings to standard error. Where standard
//! error is no terminal, phases become plain lines without control codes: their start, their end, and a sign of life now and
//! then. A reader that goes away (`rlcredit train | head`), or a terminal, does not stop the run: failures to print are ignored.
//! Whatever is shown is an event too, which goes to `run.log`, see [`log`].

use std::fmt::Display;
use std::io::{self, IsTerminal};

use indicatif::{MultiProgress, ProgressDrawTarget};

use super::lasting_term::LastingTerm;
use super::log::{self, SAID};
use super::phase::Phase;
use super::{Sample, screen, step_line};
use crate::types::{MetricRow, Step};

/// Longest line printed, in columns, where its words allow it.
pub(super) const WIDTH: usize = 80;

/// How often bars are drawn at most.
const REDRAWS_PER_S: u8 = 20;

/// The person's view of the run.
#[derive(Clone)]
pub(crate) struct Console {
    /// `None` where standard error is no terminal.
    pub(super) bars: Option<MultiProgress>,
    /// Whether it says nothing, since another rank does.
    is_silent: bool,
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl Console {
    /// A console with bars if standard error is a terminal, else with plain lines.
    #[must_use]
    pub(crate) fn new() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let screen = || {
            let lasting = Box::new(LastingTerm::stderr());
            MultiProgress::with_draw_target(ProgressDrawTarget::term_like_with_hz(lasting, REDRAWS_PER_S))
        };
        let bars = (io::stderr().is_terminal() && !dumb && !log::is_quiet()).then(screen);
        bars.iter().for_each(screen::draws);
        Self { bars, is_silent: false }
    }

    /// A console that says nothing, of a rank beside the one that speaks.
    #[must_use]
    pub(crate) fn silent() -> Self {
        Self { bars: None, is_silent: true }
    }

    /// Begins something that happens once, like SFT: its end leaves a line. `total` counts whatever
    /// [`Phase::advance`] reports; 0 where it is unknown.
    #[must_use]
    pub(crate) fn phase(&self, name: &str, total: u64) -> Phase {
        if self.bars.is_none() {
            self.note(format_args!("{name} ..."));
        }
        Phase::begin(self, name, total, true)
    }

    /// Begins a part of a step, like generation, or of the set-up: a bar while it lasts, without a `total` a spinner; as
    /// plain lines, only a sign of life if it is long.
    #[must_use]
    pub(crate) fn step_phase(&self, name: &str, total: u64) -> Phase {
        Phase::begin(self, name, total, false)
    }

    /// Prints what `step` of `total` reports: reward, accuracy, length, share that was cut off, entropy, seconds that it took, and
    /// those that are `left`; and a line for each set where the step ended in an evaluation.
    pub(crate) fn step_line(&self, step: Step, total: Step, row: &MetricRow, left: Option<f64>) {
        for line in step_line::lines(step, total, row, left) {
            self.result(&line);
        }
    }

    /// Shows responses of a step.
    pub(crate) fn sample(&self, sample: &Sample) {
        self.result(&sample.to_string());
    }

    /// Prints something worth knowing, like the checkpoint that a run continues from.
    pub(crate) fn note(&self, text: impl Display) {
        let text = text.to_string();
        if self.is_silent {
            return;
        }
        tracing::info!(target: SAID, "{text}");
        if !log::is_quiet() {
            screen::print(self.bars.as_ref(), false, &text);
        }
    }

    /// Prints something that a person may have to act on.
    pub(crate) fn warn(&self, text: impl Display) {
        let text = text.to_string();
        if self.is_silent {
            return;
        }
        tracing::warn!(target: SAID, "{text}");
        screen::print(self.bars.as_ref(), false, &format!("warning: {text}"));
    }

    /// Prints the last words of the run.
    pub(crate) fn summary(&self, summary: &super::Summary) {
        if self.is_silent {
            return;
        }
        let text = format!("\n{summary}");
        tracing::info!(target: SAID, "{text}");
        screen::print(self.bars.as_ref(), true, &text);
    }

    /// Prints what the run is made for, a part at a time.
    fn result(&self, text: &str) {
        if self.is_silent {
            return;
        }
        tracing::info!(target: SAID, "{text}");
        if !log::is_quiet() {
            screen::print(self.bars.as_ref(), true, text);
        }
    }

    /// Whether it says nothing at all.
    pub(super) fn is_silent(&self) -> bool {
        self.is_silent
    }
}
