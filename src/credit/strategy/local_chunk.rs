//! Local chunk credit (arXiv 2510.13554, section 4): more for the tokens at which a chunk begins, where the reach of the
//! local heads jumps.
//!
//! ```text
//! gamma_t = 1 + (g - 1) [t in TopQ(jump, q)]
//! ```

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Boost, Curve, Response, Role, Scores, jumps};
use crate::types::Needs;

/// Settings of [`CreditConfig::LocalChunk`](super::CreditConfig::LocalChunk).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct LocalChunkConfig(pub Boost);

impl Scores for LocalChunkConfig {
    const ROLE: &'static Role = &Role::new("large jump", 'j', Some(Curve::Waad));

    fn needs(&self) -> Needs {
        Needs { waad: true, ..Needs::default() }
    }

    fn boost(&self) -> Boost {
        self.0
    }

    fn scores(&self, response: &Response<'_>) -> Result<Vec<Option<f32>>> {
        Ok(jumps(response.waad()?).into_iter().map(Some).collect())
    }
}
