//! `[loss]`: the policy loss, how tokens are averaged, and the KL term.

use serde::{Deserialize, Serialize};

/// Policy loss, aggregation and KL penalty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LossConfig {
    /// Clipped surrogate of PPO, GRPO and DAPO.
    Clip(super::clip::ClipConfig),
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
    /// Weight in the loss; 0 means that no reference is loaded.
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
