//! The loss as a function of log-probabilities: policy loss, aggregation, entropy bonus, KL penalty.
//!
//! Everything works on flat vectors of N response tokens, so no loss ever sees padding, a mask or the vocabulary.

mod aggregate;
mod cispo;
mod clip;
mod config;
mod gspo;
mod kl;
#[cfg(test)]
mod testing;
mod value;

pub(crate) use aggregate::{Aggregation, token_weights};
pub(crate) use cispo::CispoConfig;
pub(crate) use clip::ClipConfig;
pub(crate) use config::LossConfig;
pub(crate) use gspo::GspoConfig;
#[cfg(test)]
pub(crate) use kl::AdaptiveKl;
pub(crate) use kl::{KlConfig, KlPlace, kl_tokens};
pub(crate) use value::{ValueInput, value_loss};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::types::Rules;

/// What a policy loss knows of N response tokens; f32 `[N]` each.
pub(crate) struct LossInput<'a> {
    /// Log-probabilities under the weights being trained; gradients flow here.
    pub new_logprobs: &'a Tensor,
    /// Log-probabilities before the step's first update.
    pub old_logprobs: &'a Tensor,
    /// Finished advantages.
    pub advantages: &'a Tensor,
    /// Tokens of each sequence; the sequences lie one behind the other.
    pub lengths: &'a [i64],
}

/// A loss per token, and which tokens the clip holds back; `[N]` each.
pub(crate) struct TokenLoss {
    /// To be minimised.
    pub loss: Tensor,
    /// Tokens on which the lower limit of the ratio acts.
    pub clipped_low: Tensor,
    /// Tokens on which the upper limit of the ratio acts.
    pub clipped_high: Tensor,
}

/// A policy-gradient loss.
pub(crate) trait PolicyLoss {
    /// What its settings may be.
    fn rules(&self) -> Rules;

    /// The loss of every token.
    fn token_loss(&self, input: &LossInput<'_>) -> TokenLoss;

    /// How its paper makes one number of token losses.
    fn aggregation(&self) -> Aggregation {
        Aggregation::TokenMean
    }
}

/// The policy loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum PolicyLossConfig {
    /// The clipped surrogate of PPO, GRPO and DAPO: the ratio of new to old probability counts within
    /// 1 - `clip_low` ..= 1 + `clip_high`.
    Clip(ClipConfig),
    /// GSPO: the clipped surrogate with one ratio per sequence, its likelihood ratio normalised by length.
    Gspo(GspoConfig),
    /// CISPO: REINFORCE with clipped importance weights.
    Cispo(CispoConfig),
}

impl PolicyLossConfig {
    /// What the recipe chose.
    #[must_use]
    pub(crate) fn settings(&self) -> &dyn PolicyLoss {
        match self {
            Self::Clip(config) => config,
            Self::Gspo(config) => config,
            Self::Cispo(config) => config,
        }
    }
}

impl Default for PolicyLossConfig {
    fn default() -> Self {
        Self::Clip(ClipConfig::default())
    }
}
