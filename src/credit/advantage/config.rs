//! `[advantage]`: how the rewards of a tree become advantages.

use serde::{Deserialize, Serialize};

/// Estimator of the advantage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AdvantageConfig {
    /// Reward minus the mean of its group, scaled: GRPO, and Dr. GRPO with `scale = "none"`.
    Group(GroupConfig),
    /// Reward minus the mean of the other responses of its group: RLOO.
    LeaveOneOut(LeaveOneOutConfig),
}

impl AdvantageConfig {
    /// What happens to groups whose rewards are all exactly equal.
    #[must_use]
    pub fn without_signal(&self) -> WithoutSignal {
        match self {
            Self::Group(config) => config.without_signal,
            Self::LeaveOneOut(config) => config.without_signal,
        }
    }
}

/// Settings of [`AdvantageConfig::Group`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// What the centred reward is divided by.
    #[serde(default)]
    pub scale: Scale,
    /// What happens to groups whose rewards are all exactly equal.
    #[serde(default)]
    pub without_signal: WithoutSignal,
}

/// Settings of [`AdvantageConfig::LeaveOneOut`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaveOneOutConfig {
    /// What happens to groups whose rewards are all exactly equal.
    #[serde(default)]
    pub without_signal: WithoutSignal,
}

/// What the centred reward is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Unbiased standard deviation of the rewards of its group + 1e-6: GRPO.
    #[default]
    GroupStd,
    /// Unbiased standard deviation of all rewards of the step + 1e-6.
    BatchStd,
    /// 1: Dr. GRPO.
    None,
}

/// What happens to groups whose rewards are all exactly equal, so that they tell no response from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithoutSignal {
    /// They are trained on with advantage 0 and count in the denominators of the loss.
    #[default]
    Keep,
    /// They leave the batch.
    Drop,
}
