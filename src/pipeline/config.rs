//! `[pipeline]`: how generating and learning take turns.

use serde::{Deserialize, Serialize};

use super::{Gatherer, OnPolicy, OneStepOff, Overlapped, RolloutSource};

/// Schedule of generation and updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PipelineConfig {
    /// Every response comes from the policy that learns from it.
    OnPolicy(OnPolicyConfig),
    /// Branches come from the policy that learns from them, the first responses that they leave from the one before it.
    OneStepOff(OneStepOffConfig),
    /// Responses come from the policy before the last update, while that is made.
    Overlapped(OverlappedConfig),
}

impl PipelineConfig {
    /// The source that the recipe chose: `n_prompts` prompts a step, and where that is possible up to `refill_rounds` rounds
    /// of new ones for groups without signal.
    #[must_use]
    pub fn build(self, gatherer: Gatherer, n_prompts: usize, refill_rounds: usize) -> Box<dyn RolloutSource> {
        match self {
            Self::OnPolicy(_) => Box::new(OnPolicy { gatherer, n_prompts, refill_rounds }),
            Self::Overlapped(_) => Box::new(Overlapped::new(OnPolicy { gatherer, n_prompts, refill_rounds })),
            Self::OneStepOff(_) => Box::new(OneStepOff { gatherer, n_prompts, pending: None }),
        }
    }

    /// Whether tokens may come from an older policy than the one that learns from them.
    #[must_use]
    pub fn is_off_policy(self) -> bool {
        !matches!(self, Self::OnPolicy(_))
    }

    /// Whether a step has one generation call, so that branches never come from the weights that their roots came from.
    #[must_use]
    pub fn has_one_call(self) -> bool {
        matches!(self, Self::OneStepOff(_))
    }

    /// Whether importance sampling is on though the recipe has no section for it.
    #[must_use]
    pub fn corrects(self) -> bool {
        matches!(self, Self::Overlapped(OverlappedConfig { correct: true }))
    }
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self::OnPolicy(OnPolicyConfig {})
    }
}

/// Settings of [`PipelineConfig::OnPolicy`]: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnPolicyConfig {}

/// Settings of [`PipelineConfig::OneStepOff`]: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneStepOffConfig {}

/// Settings of [`PipelineConfig::Overlapped`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OverlappedConfig {
    /// Whether importance sampling, where the recipe has no section for it, corrects with its defaults.
    pub correct: bool,
}

impl Default for OverlappedConfig {
    fn default() -> Self {
        Self { correct: true }
    }
}
