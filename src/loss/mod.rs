//! The loss as a function of log-probabilities: policy loss, aggregation, KL penalty.
//!
//! Everything works on flat vectors of N response tokens, so no loss ever sees padding, a mask or the vocabulary.

mod aggregate;
mod clip;
mod config;
mod kl;

pub use aggregate::token_weights;
pub use config::{Aggregation, ClipConfig, KlConfig, KlEstimator, LossConfig};
pub use kl::kl_tokens;

use tch::Tensor;

/// What a policy loss knows of N response tokens; f32 `[N]` each.
pub struct LossInput<'a> {
    /// Log-probabilities under the weights being trained; gradients flow here.
    pub new_logprobs: &'a Tensor,
    /// Log-probabilities before the step's first update.
    pub old_logprobs: &'a Tensor,
    /// Finished advantages.
    pub advantages: &'a Tensor,
}

/// A loss per token, and which tokens the clip holds back; `[N]` each.
pub struct TokenLoss {
    /// To be minimised.
    pub loss: Tensor,
    /// Tokens whose gradient is cut because the ratio fell below its range.
    pub clipped_low: Tensor,
    /// Tokens whose gradient is cut because the ratio rose above its range.
    pub clipped_high: Tensor,
}

/// A policy-gradient loss.
pub trait PolicyLoss {
    /// The loss of every token.
    fn token_loss(&self, input: &LossInput<'_>) -> TokenLoss;
}

impl LossConfig {
    /// The loss that the recipe chose.
    #[must_use]
    pub fn build(self) -> Box<dyn PolicyLoss> {
        match self {
            Self::Clip(config) => Box::new(config),
        }
    }

    /// How token losses are averaged.
    #[must_use]
    pub fn aggregation(&self) -> Aggregation {
        match self {
            Self::Clip(config) => config.aggregation,
        }
    }

    /// The penalty on the distance to the reference, if it has any weight.
    #[must_use]
    pub fn kl(&self) -> Option<KlConfig> {
        match self {
            Self::Clip(config) => config.kl.filter(|kl| kl.coef != 0.0),
        }
    }
}
