//! Entropy credit: more for the tokens at which the policy's distribution was widest. A baseline without attention.
//!
//! ```text
//! gamma_t = 1 + (g - 1) [t in TopQ(entropy, q)]
//! ```

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Boost, Curve, Response, Role, Scores};
use crate::types::Needs;

/// Settings of [`CreditConfig::Entropy`](super::CreditConfig::Entropy).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct EntropyConfig(pub Boost);

impl Scores for EntropyConfig {
    const ROLE: &'static Role = &Role::new("unsure", 'u', Some(Curve::Entropies));

    fn needs(&self) -> Needs {
        // Entropies come with the log-probabilities.
        Needs { old_logprobs: true, ..Needs::default() }
    }

    fn boost(&self) -> Boost {
        self.0
    }

    fn scores(&self, response: &Response<'_>) -> Result<Vec<Option<f32>>> {
        Ok(response.entropies()?.iter().copied().map(Some).collect())
    }
}
