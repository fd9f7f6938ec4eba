//! Entropy credit: more for the tokens at which the policy's distribution was widest. A baseline without attention.
//!
//! ```text
//! gamma_t = 1 + (g - 1) [t in TopQ(entropy, q)]
//! ```

use anyhow::Result;

use super::{ApplyTo, CreditStrategy, EntropyConfig, Gamma, Response, top};
use crate::types::Needs;

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
