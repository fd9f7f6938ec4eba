//! `[pipeline]`: how generating and learning take turns.

use serde::{Deserialize, Serialize};

use super::{OnPolicy, RolloutSource};

/// Schedule of generation and updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PipelineConfig {
    /// Every response comes from the policy that learns from it.
    OnPolicy(OnPolicyConfig),
}

impl PipelineConfig {
    /// The source that the recipe chose, which makes each harvest as `on_policy` does.
    #[must_use]
    pub fn build(self, on_policy: OnPolicy) -> Box<dyn RolloutSource> {
        match self {
            Self::OnPolicy(_) => Box::new(on_policy),
        }
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
