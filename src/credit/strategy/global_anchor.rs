//! Global anchor credit (arXiv 2510.13554, section 4): more for the tokens that later tokens look back at.
//!
//! ```text
//! gamma_t = 1 + (g - 1) [t in TopQ(FAI, q)]
//! ```

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::config::share_problems;
use super::{ApplyTo, CreditStrategy, Gamma, Response, StrategyConfig, Take, top};
use crate::types::{Needs, RunRandom};

/// Settings of [`CreditConfig::GlobalAnchor`](super::CreditConfig::GlobalAnchor).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GlobalAnchorConfig {
    /// What the advantage of a chosen token is multiplied by.
    pub gain: f64,
    /// Share of a response's tokens that are chosen, rounded up.
    pub fraction: f64,
    /// Which end of the ranking is chosen.
    pub take: Take,
    /// Which advantages are reshaped.
    pub apply_to: ApplyTo,
}

impl Default for GlobalAnchorConfig {
    fn default() -> Self {
        Self { gain: 1.5, fraction: 0.4, take: Take::Top, apply_to: ApplyTo::Both }
    }
}

impl StrategyConfig for GlobalAnchorConfig {
    fn problems(&self) -> Vec<String> {
        share_problems(self.gain, self.fraction)
    }

    fn looks_ahead(&self) -> bool {
        true
    }

    fn build(&self, _: RunRandom) -> Box<dyn CreditStrategy> {
        Box::new(*self)
    }
}

impl CreditStrategy for GlobalAnchorConfig {
    fn needs(&self) -> Needs {
        Needs { signals: true, ..Needs::default() }
    }

    fn apply_to(&self) -> ApplyTo {
        self.apply_to
    }

    fn gamma(&self, response: &Response<'_>) -> Result<Gamma> {
        Ok(response.boost(&top(response.fai()?, self.fraction, self.take), self.gain))
    }
}
