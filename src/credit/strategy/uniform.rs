//! Every token of a response the same: plain GRPO.
//!
//! ```text
//! gamma_t = 1
//! ```

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ApplyTo, CreditStrategy, Gains, Response, StrategySettings};
use crate::types::{Needs, Rules, RunRandom};

/// Settings of [`CreditConfig::Uniform`](super::CreditConfig::Uniform): there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UniformConfig {}

impl StrategySettings for UniformConfig {
    fn rules(&self) -> Rules {
        Rules::default()
    }

    fn build(&self, _: RunRandom) -> Box<dyn CreditStrategy> {
        Box::new(*self)
    }
}

impl CreditStrategy for UniformConfig {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn apply_to(&self) -> ApplyTo {
        ApplyTo::Both
    }

    fn gains(&self, response: &Response<'_>) -> Result<Gains> {
        Ok(Gains { values: vec![1.0; response.n_tokens], marks: Vec::new() })
    }
}
