//! Global anchor credit (arXiv 2510.13554, section 4): more for the tokens that later tokens look back at.
//!
//! ```text
//! gamma_t = 1 + (g - 1) [t in TopQ(FAI, q)]
//! ```

use anyhow::Result;

use super::{ApplyTo, CreditStrategy, Gamma, GlobalAnchorConfig, Response, top};
use crate::types::Needs;

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
