//! `[loss]`: the policy loss, how tokens are averaged, and the KL term.

use serde::{Deserialize, Serialize};

/// Policy loss, aggregation and KL penalty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LossConfig {
    /// Clipped surrogate of PPO, GRPO and DAPO.
    Clip(ClipConfig),
}

/// Settings of [`LossConfig::Clip`]: the ratio of new to old probability counts within 1 - `clip_low` ..= 1 + `clip_high`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipConfig {
    /// How far the ratio may fall below 1 before its gradient stops, in (0, 1).
    #[serde(default = "clip")]
    pub clip_low: f64,
    /// How far the ratio may rise above 1 before its gradient stops, above 0.
    #[serde(default = "clip")]
    pub clip_high: f64,
    /// How token losses become one number.
    #[serde(default)]
    pub aggregation: Aggregation,
    /// Penalty on the distance to the reference policy; without it no reference is loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl: Option<KlConfig>,
}

impl Default for ClipConfig {
    fn default() -> Self {
        Self { clip_low: clip(), clip_high: clip(), aggregation: Aggregation::default(), kl: None }
    }
}

fn clip() -> f64 {
    0.2
}

/// How token losses become one number; always over the whole minibatch, whatever its micro-batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// Sum over tokens / number of tokens.
    #[default]
    TokenMean,
    /// Mean over sequences of the mean over each one's tokens.
    SeqMeanTokenMean,
    /// Mean over sequences of the sum over each one's tokens.
    SeqMeanTokenSum,
    /// Sum over tokens / (number of sequences x longest response allowed): Dr. GRPO.
    Constant,
}

/// Penalty on the distance to the reference policy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KlConfig {
    /// Weight in the loss, 0 or more; at 0 there is no penalty and no reference is loaded.
    pub coef: f64,
    /// Which estimator of the divergence.
    #[serde(default)]
    pub estimator: KlEstimator,
}

/// Estimators of KL(policy || reference) from one sampled token, with d = ref - new log-prob (Schulman).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlEstimator {
    /// -d
    K1,
    /// d^2 / 2
    K2,
    /// exp(d) - 1 - d
    #[default]
    K3,
}
