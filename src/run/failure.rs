//! Ends of a run that have an exit code of their own.

use std::fmt;

use crate::interrupt::Stopped;
use crate::ranks::Elsewhere;
use crate::types::NotFinite;

/// Why a run did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The recipe or an argument is wrong.
    BadInput(String),
    /// The run cannot be continued as asked.
    ResumeRefused(String),
    /// Training produced numbers that are not finite, or sampler and learner disagree.
    Diverged(String),
    /// Another rank was lost. One of those that are left says so.
    Lost {
        /// What it says.
        text: String,
        /// Whether it is this one.
        speaks: bool,
    },
}

/// Whether another rank, or a signal, is behind `error`: what becomes of that is not this rank's to say.
fn is_of_another_rank(error: &anyhow::Error) -> bool {
    error.is::<distributed::Error>() || error.is::<Elsewhere>() || error.is::<Stopped>()
}

/// Whether `error` says that a run has come to numbers that nothing can be learnt from.
#[must_use]
pub(crate) fn has_diverged(error: &anyhow::Error) -> bool {
    error.is::<NotFinite>() || matches!(error.downcast_ref(), Some(Failure::Diverged(_)))
}

impl Failure {
    /// A [`Failure::BadInput`] that says what `error` says, unless that is of another rank.
    #[must_use]
    pub(crate) fn bad_input(error: anyhow::Error) -> anyhow::Error {
        if is_of_another_rank(&error) {
            return error;
        }
        Self::BadInput(format!("{error:#}")).into()
    }

    /// A [`Failure::ResumeRefused`] that says what `error` says, unless that is of another rank.
    #[must_use]
    pub(crate) fn resume_refused(error: anyhow::Error) -> anyhow::Error {
        if is_of_another_rank(&error) {
            return error;
        }
        Self::ResumeRefused(format!("{error:#}")).into()
    }

    /// Exit code of the process.
    #[must_use]
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::BadInput(_) => 2,
            Self::ResumeRefused(_) => 3,
            Self::Diverged(_) => 4,
            Self::Lost { .. } => 5,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadInput(text)
            | Self::ResumeRefused(text)
            | Self::Diverged(text)
            | Self::Lost { text, .. } => f.write_str(text),
        }
    }
}

impl std::error::Error for Failure {}
