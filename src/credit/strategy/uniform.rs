//! Every token of a response the same: plain GRPO.
//!
//! ```text
//! gamma_t = 1
//! ```

use anyhow::Result;

use super::{ApplyTo, CreditStrategy, Gamma, Response, UniformConfig};
use crate::types::Needs;

impl CreditStrategy for UniformConfig {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn apply_to(&self) -> ApplyTo {
        ApplyTo::Both
    }

    fn gamma(&self, response: &Response<'_>) -> Result<Gamma> {
        Ok(response.boost(&[], 1.0))
    }
}
