//! Random credit: more for tokens drawn by lot. The control that a strategy with a reason must beat.
//!
//! ```text
//! gamma_t = 1 + (g - 1) [t in TopQ(u, q)],    u_t uniform, a function of seed, step, prompt, sample and t
//! ```

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ApplyTo, Boost, CreditStrategy, Response, Role, Scores, StrategySettings, Take};
use crate::types::{Needs, Purpose, Rules, RunRandom};

/// Settings of [`CreditConfig::Random`](super::CreditConfig::Random).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RandomConfig {
    /// What the advantage of a chosen token is multiplied by.
    pub gain: f64,
    /// Share of a response's tokens that are chosen, rounded up.
    pub fraction: f64,
    /// Which advantages are reshaped.
    pub apply_to: ApplyTo,
}

impl Default for RandomConfig {
    fn default() -> Self {
        let Boost { gain, fraction, apply_to, take: _ } = Boost::default();
        Self { gain, fraction, apply_to }
    }
}

impl RandomConfig {
    fn boost(self) -> Boost {
        // Lots have no better end.
        Boost { gain: self.gain, fraction: self.fraction, take: Take::Top, apply_to: self.apply_to }
    }
}

impl StrategySettings for RandomConfig {
    fn rules(&self) -> Rules {
        self.boost().rules()
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

impl Scores for Random {
    const ROLE: &'static Role = &Role::new("drawn", '*', None);

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn boost(&self) -> Boost {
        self.config.boost()
    }

    fn scores(&self, response: &Response<'_>) -> Result<Vec<Option<f32>>> {
        let lot = |t: u64| self.random.uniform(Purpose::Credit, &response.coordinates.draw(t));
        Ok((0..response.n_tokens as u64).map(|t| Some(lot(t) as f32)).collect())
    }
}
