//! `[eval]`: how often and how the policy is measured on held-out items.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::statistics::pass_sizes;
use crate::rollout::{SamplingConfig, expect_temperature};
use crate::types::Rules;

/// Evaluation on the held-out items: at the start, at the end, and in between every so many steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EvalConfig {
    /// Steps from one evaluation to the next, the last step always among them; 0 never evaluates.
    #[serde(default = "every")]
    pub every: u64,
    /// Whether the policy is also measured before its first step, and before its SFT.
    #[serde(default = "yes")]
    pub before: bool,
    /// Evaluations in a row without a new best one of `[checkpoint] best` after which the run ends; 0 never ends it.
    #[serde(default)]
    pub patience: u64,
    /// Responses per item: the k of avg@k, and the largest of pass@k.
    #[serde(default = "samples")]
    pub samples: usize,
    /// Temperature of these responses.
    #[serde(default = "temperature")]
    pub temperature: f64,
    /// Whether one more response per item is decoded greedily.
    #[serde(default = "yes")]
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
    /// The metrics of an evaluation of the set `set` of which more is better.
    pub(crate) fn metrics(&self, set: &str) -> Vec<String> {
        let k = self.samples;
        let pass = pass_sizes(k).into_iter().map(|size| format!("pass@{size}"));
        let greedy = self.greedy.then(|| "greedy".to_owned());
        [format!("avg@{k}")]
            .into_iter()
            .chain(pass)
            .chain(greedy)
            .map(|name| format!("eval/{set}/{name}"))
            .collect()
    }

    /// Whether the policy is measured before it learns.
    #[must_use]
    pub(crate) fn wants_before(&self) -> bool {
        self.every > 0 && self.before
    }

    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { every, before: _, patience, samples, temperature, greedy: _, max_new_tokens } = self;
        let mut rules = Rules::default();
        rules.positive("samples", *samples);
        let expected = "above 0 (`greedy = true` measures at 0)";
        expect_temperature(&mut rules, "temperature", *temperature, expected);
        let idle = *patience > 0 && *every == 0;
        rules.forbid(idle, &["patience", "every"], || {
            format!(": got {patience}, expected 0 with `every` = 0, since there are no evaluations to be patient with")
        });
        rules.positive("max_new_tokens", max_new_tokens.unwrap_or(1));
        rules
    }
}

impl Default for EvalConfig {
    fn default() -> Self {
        let (every, samples, temperature) = (every(), samples(), temperature());
        Self { every, before: true, patience: 0, samples, temperature, greedy: true, max_new_tokens: None }
    }
}

fn every() -> u64 {
    50
}

fn samples() -> usize {
    4
}
fn temperature() -> f64 {
    1.0
}
fn yes() -> bool {
    true
}
