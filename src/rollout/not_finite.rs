//! The error of a response whose numbers are not finite: a step that meets it is refused, the run goes on.

use std::fmt;

/// A distribution or a reward of one response is not a finite number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFinite {
    /// Number of the prompt.
    pub prompt: u64,
    /// Number of the response among those of the prompt.
    pub sample: u32,
    /// What is not finite.
    pub what: String,
}

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "prompt {}, sample {}: {}", self.prompt, self.sample, self.what)
    }
}

impl std::error::Error for NotFinite {}
