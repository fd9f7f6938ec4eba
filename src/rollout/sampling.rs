//! `[sampling]`: the distribution responses are drawn from.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// Temperatures by which single precision can divide logits, and gradients the other way round. Far from either end all
/// probability is on one token already, or the same on all.
pub const TEMPERATURES: RangeInclusive<f64> = 1e-6..=1e6;

/// How the next token is drawn: temperature, then top-k, then top-p, as in transformers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingConfig {
    /// Divides the logits; 0 takes the most likely token.
    #[serde(default = "one")]
    pub temperature: f64,
    /// Keeps the smallest set of most likely tokens whose probabilities reach this; 1 keeps all.
    #[serde(default = "one")]
    pub top_p: f64,
    /// Keeps this many most likely tokens; 0 keeps all.
    #[serde(default)]
    pub top_k: usize,
    /// Longest response in tokens, end-of-sequence included.
    pub max_new_tokens: usize,
    /// Most responses decoded at once, in training and evaluation, at least 1; fewer take less memory and more time.
    /// Draws do not depend on it, but probabilities are rounded a little differently in batches of another shape.
    #[serde(default = "max_rows")]
    pub max_rows: usize,
}

fn one() -> f64 {
    1.0
}
fn max_rows() -> usize {
    512
}
