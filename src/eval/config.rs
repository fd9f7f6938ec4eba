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
    /// Longest response in tokens; without it as long as in training. Reasoning is often measured at greater length than it is trained
    /// at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_new_tokens: Option<usize>,
}

impl EvalConfig {
    /// How the responses are drawn: at this temperature from the whole distribution, ending as those of training do unless a limit
    /// of their own is set.
    #[must_use]
    pub(crate) fn sampling(&self, training: &SamplingConfig) -> SamplingConfig {
        let max_new_tokens = self.max_new_tokens.unwrap_or(training.max_new_tokens);
        SamplingConfig {
            temperature: self.temperature,
            top_p: 1.0,
            top_k: 0,
            max_new_tokens,
            min_new_tokens: training.min_new_tokens.min(max_new_tokens),
            ..training.clone()
        }
    }
}

impl EvalConfig {
    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { every: _, samples, temperature, greedy: _, max_new_tokens } = self;
        let mut rules = Rules::default();
        rules.positive("samples", *samples);
        let expected = "above 0 (`greedy = true` measures at 0)";
        expect_temperature(&mut rules, "temperature", *temperature, expected);
        rules.positive("max_new_tokens", max_new_tokens.unwrap_or(1));
        rules
    }
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            every: 0,
            samples: samples(),
            temperature: temperature(),
            greedy: greedy(),
            max_new_tokens: None,
        }
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
