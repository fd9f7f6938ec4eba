//! Entropy credit: more for the tokens at which the policy's distribution was widest. A baseline without attention.
//!
//! ```text
//! gamma_t = 1 + (g - 1) [t in TopQ(entropy, q)]
//! ```

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::config::share_problems;
use super::{ApplyTo, CreditStrategy, Gamma, Response, StrategyConfig, Take, top};
use crate::types::{Needs, RunRandom};

/// Settings of [`CreditConfig::Entropy`](super::CreditConfig::Entropy).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EntropyConfig {
    /// What the advantage of a chosen token is multiplied by.
    pub gain: f64,
    /// Share of a response's tokens that are chosen, rounded up.
    pub fraction: f64,
    /// Which end of the ranking is chosen.
    pub take: Take,
    /// Which advantages are reshaped.
    pub apply_to: ApplyTo,
}

impl Default for EntropyConfig {
    fn default() -> Self {
        Self { gain: 1.5, fraction: 0.4, take: Take::Top, apply_to: ApplyTo::Both }
    }
}

impl StrategyConfig for EntropyConfig {
    fn problems(&self) -> Vec<String> {
        share_problems(self.gain, self.fraction)
    }

    fn build(&self, _: RunRandom) -> Box<dyn CreditStrategy> {
        Box::new(*self)
    }
}

impl CreditStrategy for EntropyConfig {
    fn needs(&self) -> Needs {
        // Entropies come with the log-probabilities.
        Needs { old_logprobs: true, ..Needs::default() }
    }

    fn apply_to(&self) -> ApplyTo {
        self.apply_to
    }

    fn gamma(&self, response: &Response<'_>) -> Result<Gamma> {
        let entropies: Vec<Option<f32>> = response.entropies()?.iter().copied().map(Some).collect();
        Ok(response.boost(&top(&entropies, self.fraction, self.take), self.gain))
    }
}
