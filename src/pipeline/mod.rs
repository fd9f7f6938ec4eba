//! How generating and learning take turns: a [`RolloutSource`] yields the scored trees of a step.
//!
//! Tested by a scripted engine in `src/tests/schedules.rs`; what is resumed, in `tests/program/resume.rs`.

mod collect;
mod groups;
mod on_policy;
mod one_step_off;
mod overlapped;
mod pending;
mod roots;

pub(crate) use collect::{Collector, Timings};
pub(crate) use groups::{GroupsConfig, ZeroVariance};
pub(crate) use on_policy::{OnPolicy, OnPolicyConfig};
#[cfg(test)]
pub(crate) use one_step_off::OneStepOff;
pub(crate) use one_step_off::OneStepOffConfig;
#[cfg(test)]
pub(crate) use overlapped::Overlapped;
pub(crate) use overlapped::OverlappedConfig;
pub(crate) use pending::SourceState;
pub(crate) use roots::RootReader;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Policy;
use crate::types::{Attention, Progress, Rules, Step, Tree};

/// What a rollout source yields for one step.
pub(crate) struct RolloutBatch {
    /// One scored tree per prompt, in the order the prompts were drawn.
    pub trees: Vec<Tree>,
    /// What is known of the attention over their responses.
    pub attention: Attention,
    /// Steps that the weights have moved on since those that each tree was sampled from.
    pub ages: Vec<Step>,
    /// What was sampled beside `trees` and is trained on nowhere.
    pub discarded: Discarded,
    /// What it took; no time of this process where a checkpoint brought it.
    pub timings: Timings,
}

/// Prompts that were answered and are trained on nowhere: zero-variance groups that gave their place to others, and trees
/// that were not worth growing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Discarded {
    /// Generation rounds beyond the first.
    pub rounds: u64,
    /// Prompts.
    pub prompts: u64,
    /// Responses to them.
    pub samples: u64,
    /// Tokens of these.
    pub tokens: u64,
}

impl Discarded {
    /// Counts `tree`, its prompt and its responses, among what was not trained on.
    pub(crate) fn add(&mut self, tree: &Tree) {
        self.prompts += 1;
        self.samples += tree.leaves.len() as u64;
        self.tokens += tree.n_sampled_tokens() as u64;
    }
}

/// Yields the scored responses a step trains on.
pub(crate) trait RolloutSource {
    /// The rollout batch of `step`. `progress` hears how many responses have ended since its last call.
    ///
    /// # Errors
    /// If generation fails. A log-probability or reward that is not finite is no error, it stands in its leaf.
    fn next(&mut self, policy: &Policy, step: Step, progress: &mut Progress<'_>) -> Result<RolloutBatch>;

    /// Everything that later rollout batches depend on.
    ///
    /// # Errors
    /// If work under way cannot be finished.
    fn state(&mut self) -> Result<SourceState>;

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// If the state does not fit the recipe's sampler or prompts.
    fn restore(&mut self, state: SourceState) -> Result<()>;
}

/// The settings of one schedule.
pub(crate) trait ScheduleSettings {
    /// What its keys may be.
    fn rules(&self) -> Rules {
        Rules::default()
    }

    /// Whether tokens may come from an older policy than the one that learns from them.
    fn is_off_policy(&self) -> bool {
        false
    }

    /// Whether a step has one generation call, so that branches never come from the weights that their roots came from.
    fn has_one_call(&self) -> bool {
        false
    }

    /// Whether importance sampling is on though the recipe has no section for it.
    fn corrects(&self) -> bool {
        false
    }

    /// The source: `n_prompts` prompts a step, and where that is possible up to `refill_rounds` rounds of new ones for
    /// zero-variance groups.
    fn build(&self, collector: Collector, n_prompts: usize, refill_rounds: usize) -> Box<dyn RolloutSource>;
}

/// How generating and learning take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum PipelineConfig {
    /// Every response comes from the policy that learns from it.
    OnPolicy(OnPolicyConfig),
    /// Branches come from the policy that learns from them, the roots that they leave from the one before it.
    OneStepOff(OneStepOffConfig),
    /// Responses come from the policy before the last update, while that is made.
    Overlapped(OverlappedConfig),
}

impl PipelineConfig {
    /// What the recipe chose.
    #[must_use]
    pub(crate) fn settings(&self) -> &dyn ScheduleSettings {
        match self {
            Self::OnPolicy(config) => config,
            Self::OneStepOff(config) => config,
            Self::Overlapped(config) => config,
        }
    }
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self::OnPolicy(OnPolicyConfig {})
    }
}
