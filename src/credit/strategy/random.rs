//! Random credit: more for tokens drawn by lot, without looking at anything. What every other strategy must beat.
//!
//! ```text
//! gamma_t = 1 + (g - 1) [t in TopQ(u, q)],  u uniform
//! ```

use anyhow::Result;

use super::{ApplyTo, CreditStrategy, Gamma, RandomConfig, Response, Take, top};
use crate::types::{Needs, Purpose, RunRandom};

/// The strategy with the randomness of its run.
pub(super) struct Random {
    pub config: RandomConfig,
    pub random: RunRandom,
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
