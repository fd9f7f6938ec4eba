//! More for the last tokens of a response: all that it takes to add a strategy, in tests.
//!
//! ```text
//! gamma_t = 1 + (g - 1) [t in TopQ(t, q)]
//! ```

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Boost, Response, Role, Scores};
use crate::types::Needs;

/// Settings of [`CreditConfig::Late`](super::CreditConfig::Late).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct LateConfig(pub Boost);

impl Scores for LateConfig {
    const ROLE: &'static Role = &Role::new("late", 'l', None);

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn boost(&self) -> Boost {
        self.0
    }

    fn scores(&self, response: &Response<'_>) -> Result<Vec<Option<f32>>> {
        Ok((0..response.n_tokens).map(|t| Some(t as f32)).collect())
    }
}
