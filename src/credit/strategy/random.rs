//! Random credit: more for tokens drawn by lot, without looking at anything. What every other strategy must beat.
//!
//! ```text
//! gamma_t = 1 + (g - 1) [t in TopQ(u, q)],  u uniform
//! ```

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::config::share_problems;
use super::{ApplyTo, CreditStrategy, Gamma, Response, StrategyConfig, Take, top};
use crate::types::{Needs, Purpose, RunRandom};

/// Settings of [`CreditConfig::Random`](super::CreditConfig::Random).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandomConfig {
    /// What the advantage of a chosen token is multiplied by.
    pub gain: f64,
    /// Share of a response's tokens that are chosen, rounded up.
    pub fraction: f64,
    /// Which advantages are reshaped.
    pub apply_to: ApplyTo,
}

impl Default for RandomConfig {
    fn default() -> Self {
        Self { gain: 1.5, fraction: 0.4, apply_to: ApplyTo::Both }
    }
}

impl StrategyConfig for RandomConfig {
    fn problems(&self) -> Vec<String> {
        share_problems(self.gain, self.fraction)
    }

    fn build(&self, random: RunRandom) -> Box<dyn CreditStrategy> {
        Box::new(Random { config: *self, random })
    }
}

/// The strategy with the randomness of its run.
struct Random {
    config: RandomConfig,
    random: RunRandom,
}

impl CreditStrategy for Random {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn apply_to(&self) -> ApplyTo {
        self.config.apply_to
    }

    fn gamma(&self, response: &Response<'_>) -> Result<Gamma> {
        let [step, prompt, sample] = response.place;
        let lot = |t: usize| self.random.uniform(Purpose::Credit, &[step, prompt, sample, t as u64]);
        let lots: Vec<Option<f32>> = (0..response.n_tokens).map(|t| Some(lot(t) as f32)).collect();
        Ok(response.boost(&top(&lots, self.config.fraction, Take::Top), self.config.gain))
    }
}
