//! Local chunk credit (arXiv 2510.13554, section 4): more for the tokens at which a chunk begins, where the reach of the
//! local heads jumps.
//!
//! ```text
//! gamma_t = 1 + (g - 1) [t in TopQ(jump, q)]
//! ```

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::config::share_problems;
use super::{ApplyTo, CreditStrategy, Gamma, Response, StrategyConfig, Take, jumps, top};
use crate::types::{Needs, RunRandom};

/// Settings of [`CreditConfig::LocalChunk`](super::CreditConfig::LocalChunk).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LocalChunkConfig {
    /// What the advantage of a chosen token is multiplied by.
    pub gain: f64,
    /// Share of a response's tokens that are chosen, rounded up.
    pub fraction: f64,
    /// Which end of the ranking is chosen.
    pub take: Take,
    /// Which advantages are reshaped.
    pub apply_to: ApplyTo,
}

impl Default for LocalChunkConfig {
    fn default() -> Self {
        Self { gain: 1.5, fraction: 0.4, take: Take::Top, apply_to: ApplyTo::Both }
    }
}

impl StrategyConfig for LocalChunkConfig {
    fn problems(&self) -> Vec<String> {
        share_problems(self.gain, self.fraction)
    }

    fn build(&self, _: RunRandom) -> Box<dyn CreditStrategy> {
        Box::new(*self)
    }
}

impl LocalChunkConfig {
    /// The tokens chosen in a response with this WAAD, in order.
    #[must_use]
    pub fn chosen(&self, waad: &[f32]) -> Vec<usize> {
        let jumps: Vec<Option<f32>> = jumps(waad).into_iter().map(Some).collect();
        top(&jumps, self.fraction, self.take)
    }
}

impl CreditStrategy for LocalChunkConfig {
    fn needs(&self) -> Needs {
        Needs { signals: true, ..Needs::default() }
    }

    fn apply_to(&self) -> ApplyTo {
        self.apply_to
    }

    fn gamma(&self, response: &Response<'_>) -> Result<Gamma> {
        Ok(response.boost(&self.chosen(response.waad()?), self.gain))
    }
}
