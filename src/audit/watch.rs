//! How far an audit is, told to whoever waits for it.

use anyhow::Result;

/// What an audit goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
pub(crate) enum Part {
    /// How fast it goes here, where it may take so many minutes.
    #[strum(serialize = "time a fold")]
    Pace,
    /// The responses of all folds.
    #[strum(serialize = "responses")]
    Responses,
    /// Where the reward is decided.
    #[strum(serialize = "values of prefixes")]
    Values,
    /// Squares and gradients that all arms are measured by.
    #[strum(serialize = "gradients of uniform")]
    Uniform,
    /// The products of every arm.
    #[strum(serialize = "progress of all arms")]
    Arms,
    /// What each token does, and what is left to gain.
    #[strum(serialize = "what is left to gain")]
    Tokens,
}

impl Part {
    /// How many there are, the first left out.
    pub(crate) const N: usize = Self::Tokens as usize;
}

/// Hears how far an audit is, and may end it.
pub(crate) trait Watch {
    /// A part of `total` pieces begins.
    fn begin(&self, part: Part, total: usize);

    /// `n` pieces more are done.
    ///
    /// # Errors
    /// If the audit is to end.
    fn advance(&self, n: usize) -> Result<()>;
}
