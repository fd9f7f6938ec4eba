//! Whether a machine is ready for runs: what there is, what of it stands in the way, and what to do about that.
//!
//! ```text
//! machine -> findings (ok, warning, problem) -> trial: train, stop and resume, decode against learner
//! ```
//!
//! A problem keeps runs from working or from being right; a warning makes them slower or smaller, or keeps models from being fetched.

mod hub;
mod machine;
mod trial;

use std::path::Path;

use serde::Serialize;

use crate::interrupt::Interrupt;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// Runs work, but not as well as they could.
    Warning,
    /// Runs do not work.
    Problem,
}

impl State {
    /// As it is said.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What was looked at: `memory`.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// What there is.
    pub said: String,
    /// What to do about it, where it is not as it should be.
    pub remedy: Option<String>,
}

impl Finding {
    fn ok(name: &'static str, said: impl Into<String>) -> Self {
        Self { name, state: State::Ok, said: said.into(), remedy: None }
    }

    fn warning(name: &'static str, said: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: State::Warning, said: said.into(), remedy: Some(remedy.into()) }
    }

    fn problem(name: &'static str, said: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: State::Problem, said: said.into(), remedy: Some(remedy.into()) }
    }
}

/// Looks at everything but the trial, and hands each finding to `tell`. `runs` is the folder that runs would be written into.
pub(crate) fn examine(
    runs: &Path,
    tell: &mut dyn FnMut(Finding) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let looks: [fn(&Path) -> Finding; 9] = [
        machine::program,
        machine::libtorch,
        machine::device,
        machine::precision,
        machine::threads,
        machine::memory,
        machine::disk,
        hub::hub,
        hub::cache,
    ];
    looks.into_iter().try_for_each(|look| tell(look(runs)))
}

/// Makes a tiny run, twice: once undisturbed, once stopped and resumed.
pub(crate) fn try_out(interrupt: &Interrupt) -> Finding {
    trial::trial(interrupt)
}
