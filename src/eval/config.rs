//! `[eval]`: how often and how the policy is measured on held-out items.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rollout::{SamplingConfig, expect_temperature};
use crate::types::Rules;

/// Evaluation on the held-out items: always at the start and at the end, and in between every so many steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EvalConfig {
    /// Steps from one evaluation to the next; 0 evaluates only at the start and at the end.
    #[serde(default)]
    pub every: u64,
    /// Responses per item: the k of avg@k, and the largest of pass@k.
    #[serde(default = "samples")]
    pub samples: usize,
    /// Temperature of these responses.
    #[serde(default = "temperature")]
    pub temperature: f64,
    /// Whether one more response per item is decoded greedily.
    #[serde(default = "greedy")]
    pub greedy: bool,
}

impl EvalConfig {
    /// How the responses are drawn: at this temperature from the whole distribution, as long as those of training.
    #[must_use]
    pub(crate) fn sampling(&self, training: SamplingConfig) -> SamplingConfig {
        SamplingConfig { temperature: self.temperature, top_p: 1.0, top_k: 0, ..training }
    }
}

impl EvalConfig {
    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { every: _, samples, temperature, greedy: _ } = self;
        let mut rules = Rules::default();
        rules.positive("samples", *samples);
        let expected = "above 0 (`greedy = true` measures at 0)";
        expect_temperature(&mut rules, "temperature", *temperature, expected);
        rules
    }
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self { every: 0, samples: samples(), temperature: temperature(), greedy: greedy() }
    }
}

fn samples() -> usize {
    4
}
fn temperature() -> f64 {
    1.0
}
fn greedy() -> bool {
    true
}
