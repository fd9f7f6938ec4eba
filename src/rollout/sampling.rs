//! `[sampling]`: the distribution responses are drawn from.

use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Truncation;
use crate::types::Rules;

/// Temperatures by which single precision can divide logits, and gradients the other way round. Far from either end all
/// probability is on one token already, or the same on all.
pub(crate) const TEMPERATURES: RangeInclusive<f64> = 1e-6..=1e6;

/// How the next token is drawn: temperature, then top-k, then top-p, as in transformers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SamplingConfig {
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
    /// Most responses decoded at once, in training and evaluation; fewer take less memory and more time.
    /// Draws do not depend on it, but probabilities are rounded a little differently in batches of another shape.
    #[serde(default = "max_num_seqs")]
    pub max_num_seqs: usize,
}

impl SamplingConfig {
    /// Which tokens may be drawn.
    #[must_use]
    pub(crate) fn truncation(&self) -> Truncation {
        Truncation { top_k: self.top_k, top_p: self.top_p }
    }

    /// What its keys may be in training, which learns from responses that differ.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { temperature, top_p, top_k, max_new_tokens, max_num_seqs } = self;
        let mut rules = Rules::default();
        let expected = "above 0, since training learns from differing responses";
        expect_temperature(&mut rules, "temperature", *temperature, expected);
        rules.expect("top_p", top_p, "above 0 and at most 1", *top_p > 0.0 && *top_p <= 1.0);
        let expected = "0 or at least 2, since training learns from differing responses";
        rules.expect("top_k", top_k, expected, *top_k != 1);
        rules.positive("max_new_tokens", *max_new_tokens);
        rules.positive("max_num_seqs", *max_num_seqs);
        rules
    }
}

/// A temperature above 0, of which `above` says why, by which numbers can be divided.
pub(crate) fn expect_temperature(rules: &mut Rules, key: &str, temperature: f64, above: &str) {
    let is_hot = temperature.is_finite() && temperature > 0.0;
    rules.expect(key, temperature, above, is_hot);
    let divides = !is_hot || TEMPERATURES.contains(&temperature);
    let expected = "1e-6 to 1e6, by which single precision can divide";
    rules.expect(key, format_args!("{temperature:e}"), expected, divides);
}

fn one() -> f64 {
    1.0
}
fn max_num_seqs() -> usize {
    512
}
