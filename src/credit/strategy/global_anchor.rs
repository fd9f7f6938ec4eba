//! Global anchor credit (arXiv 2510.13554, section 4): more for the tokens that later tokens look back at.
//!
//! ```text
//! gamma_t = 1 + (g - 1) [t in TopQ(FAI, q)]
//! ```

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Boost, Curve, Response, Role, Scores};
use crate::types::Needs;

/// Settings of [`CreditConfig::GlobalAnchor`](super::CreditConfig::GlobalAnchor).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct GlobalAnchorConfig(pub Boost);

impl Scores for GlobalAnchorConfig {
    const ROLE: &'static Role = &Role::new("anchor", 'A', Some(Curve::Fai));

    fn needs(&self) -> Needs {
        Needs { fai: true, ..Needs::default() }
    }

    fn boost(&self) -> Boost {
        self.0
    }

    fn scores(&self, response: &Response<'_>) -> Result<Vec<Option<f32>>> {
        response.fai().map(<[_]>::to_vec)
    }
}
