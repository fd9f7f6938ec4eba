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

pub use aggregate::token_weights;
pub use cispo::CispoConfig;
pub use clip::ClipConfig;
pub use config::{Aggregation, LossConfig};
pub use gspo::GspoConfig;
pub use kl::{AdaptiveKl, KlConfig, KlPlace, kl_tokens};
pub use value::{ValueInput, value_loss};

use tch::Tensor;

/// What a policy loss knows of N response tokens; f32 `[N]` each.
pub struct LossInput<'a> {
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
pub struct TokenLoss {
    /// To be minimised.
    pub loss: Tensor,
    /// Tokens on which the lower limit of the ratio acts.
    pub clipped_low: Tensor,
    /// Tokens on which the upper limit of the ratio acts.
    pub clipped_high: Tensor,
}

/// What every policy loss has beside its formula.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// How token losses become one number.
    pub aggregation: Aggregation,
    /// Weight of the mean entropy, which the loss rewards.
    pub entropy_bonus: f64,
    /// Penalty on the distance to the reference policy.
    pub kl: Option<KlConfig>,
}

/// A policy-gradient loss.
pub trait PolicyLoss {
    /// The loss of every token.
    fn token_loss(&self, input: &LossInput<'_>) -> TokenLoss;

    /// What is beside its formula.
    fn terms(&self) -> Terms;
}
