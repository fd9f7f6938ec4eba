//! `[sampling]`: the distribution responses are drawn from.

use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::Truncation;
use crate::types::Rules;

/// Temperatures by which single precision can divide logits, and gradients the other way round. Far from either end all
/// probability is on one token already, or the same on all.
pub(crate) const TEMPERATURES: RangeInclusive<f64> = 1e-6..=1e6;

/// How the next token is drawn: temperature, then top-k, then top-p, as in transformers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Tokens that a response has at least before the one that ends it: until then no end-of-sequence token can be drawn, the others
    /// sharing its probability, and no string of `stop` counts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub min_new_tokens: usize,
    /// Strings that end a response with the token that completes one of them. It is trained on up to that token; graders see the text
    /// before the string.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Most responses decoded at once, in training and evaluation; fewer take less memory and more time.
    /// Draws do not depend on it, but probabilities are rounded a little differently in batches of another shape.
    #[serde(default = "max_num_seqs")]
    pub max_num_seqs: usize,
}

impl SamplingConfig {
    /// From the whole distribution of the policy as it is, at most `max_new_tokens` at a time.
    #[must_use]
    pub(crate) fn plain(max_new_tokens: usize) -> Self {
        let (temperature, top_p, top_k) = (one(), one(), 0);
        let (min_new_tokens, stop, max_num_seqs) = (0, Vec::new(), max_num_seqs());
        Self { temperature, top_p, top_k, max_new_tokens, min_new_tokens, stop, max_num_seqs }
    }

    /// Which tokens may be drawn.
    #[must_use]
    pub(crate) fn truncation(&self) -> Truncation {
        Truncation { top_k: self.top_k, top_p: self.top_p }
    }

    /// Whether tokens are drawn from another distribution than the policy's at this temperature, as far as lengths go too.
    #[must_use]
    pub(crate) fn is_cut(&self) -> bool {
        self.min_new_tokens > 0 || !self.truncation().keeps_all()
    }

    /// Adds what else than tokens and the limit bounds a response to `settings`, an object; nothing where nothing does.
    pub(crate) fn add_ends(&self, settings: &mut Value) {
        if self.min_new_tokens > 0 {
            settings["min_new_tokens"] = self.min_new_tokens.into();
        }
        if !self.stop.is_empty() {
            settings["stop"] = self.stop.clone().into();
        }
    }

    /// The same, in which a response ends at the limit and at end-of-sequence tokens alone.
    #[must_use]
    pub(crate) fn ending_anywhere(&self) -> Self {
        Self { min_new_tokens: 0, stop: Vec::new(), ..*self }
    }

    /// What its keys may be in training, which learns from responses that differ.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { temperature, top_p, top_k, max_new_tokens, min_new_tokens, stop, max_num_seqs } = self;
        let mut rules = Rules::default();
        let expected = "above 0, since training learns from differing responses";
        expect_temperature(&mut rules, "temperature", *temperature, expected);
        rules.expect("top_p", top_p, "above 0 and at most 1", *top_p > 0.0 && *top_p <= 1.0);
        let expected = "0 or at least 2, since training learns from differing responses";
        rules.expect("top_k", top_k, expected, *top_k != 1);
        rules.positive("max_new_tokens", *max_new_tokens);
        let expected = "at most `max_new_tokens`";
        rules.expect("min_new_tokens", min_new_tokens, expected, min_new_tokens <= max_new_tokens);
        let expected = "strings of at least one character";
        rules.expect("stop", "an empty string", expected, stop.iter().all(|string| !string.is_empty()));
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

/// Whether a number is the default of a key that is not written out then.
fn is_zero(n: &usize) -> bool {
    *n == 0
}

fn one() -> f64 {
    1.0
}
fn max_num_seqs() -> usize {
    512
}
