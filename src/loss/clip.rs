//! The clipped surrogate (PPO eq. 7; separate bounds: DAPO):
//!
//! ```text
//! ratio = exp(new - old)
//! loss  = -min(ratio * A, clamp(ratio, 1 - clip_low, 1 + clip_high) * A)
//! ```

use super::{ClipConfig, LossInput, PolicyLoss, TokenLoss};

impl PolicyLoss for ClipConfig {
    fn token_loss(&self, input: &LossInput<'_>) -> TokenLoss {
        let LossInput { new_logprobs, old_logprobs, advantages } = *input;
        let (low, high) = (1.0 - self.clip_low, 1.0 + self.clip_high);
        let ratio = (new_logprobs - old_logprobs).exp();
        let clipped = ratio.clamp(low, high);
        let loss = -(&ratio * advantages).minimum(&(clipped * advantages));
        let (rising, falling) = (advantages.gt(0.0), advantages.lt(0.0));
        TokenLoss {
            loss,
            clipped_low: ratio.lt(low).logical_and(&falling),
            clipped_high: ratio.gt(high).logical_and(&rising),
        }
    }
}
