//! The clipped surrogate (PPO eq. 7; separate bounds: DAPO; dual clip: Ye et al. 2020):
//!
//! ```text
//! ratio = exp(new - old)
//! loss  = -min(ratio * A, clamp(ratio, 1 - clip_low, 1 + clip_high) * A)
//! loss  = min(loss, -dual_clip * A)                                          where A < 0, with a dual clip
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LossInput, PolicyLoss, TokenLoss};
use crate::types::Rules;

/// Settings of the clipped surrogate: the ratio of new to old probability counts within 1 - `clip_low` ..= 1 + `clip_high`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClipConfig {
    /// How far the ratio may fall below 1 before its gradient stops.
    #[serde(default = "clip")]
    pub clip_low: f64,
    /// How far the ratio may rise above 1 before its gradient stops.
    #[serde(default = "clip")]
    pub clip_high: f64,
    /// At a negative advantage the ratio counts at most this often; without it there is no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dual_clip: Option<f64>,
}

impl Default for ClipConfig {
    fn default() -> Self {
        Self { clip_low: clip(), clip_high: clip(), dual_clip: None }
    }
}

fn clip() -> f64 {
    0.2
}

impl PolicyLoss for ClipConfig {
    fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        let low = self.clip_low;
        rules.expect("clip_low", low, "above 0 and below 1", low > 0.0 && low < 1.0);
        rules.above_zero("clip_high", self.clip_high);
        let dual = self.dual_clip.unwrap_or(f64::MAX);
        rules.expect("dual_clip", dual, "a finite number above 1", dual.is_finite() && dual > 1.0);
        rules
    }

    fn token_loss(&self, input: &LossInput<'_>) -> TokenLoss {
        let ratio = (input.new_logprobs - input.old_logprobs).exp();
        let (low, high) = (1.0 - self.clip_low, 1.0 + self.clip_high);
        let mut clipped = surrogate(&ratio, input.advantages, low, high);
        if let Some(dual) = self.dual_clip {
            let limited = clipped.loss.minimum(&(input.advantages * -dual));
            clipped.loss = limited.where_self(&input.advantages.lt(0.0), &clipped.loss);
        }
        clipped
    }
}

/// The pessimistic one of the plain and the clipped product of ratio and advantage, negated.
pub(super) fn surrogate(ratio: &tch::Tensor, advantages: &tch::Tensor, low: f64, high: f64) -> TokenLoss {
    let loss = -(ratio * advantages).minimum(&(ratio.clamp(low, high) * advantages));
    let (rising, falling) = (advantages.gt(0.0), advantages.lt(0.0));
    TokenLoss {
        loss,
        clipped_low: ratio.lt(low).logical_and(&falling),
        clipped_high: ratio.gt(high).logical_and(&rising),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_tokens;
    use super::*;

    /// Between 0.8 and 1.3.
    #[test]
    fn the_pessimistic_one_counts_and_beyond_the_clip_there_is_no_gradient() {
        let clip = ClipConfig { clip_low: 0.2, clip_high: 0.3, ..ClipConfig::default() };
        let (risen, fallen) = ((1.5, 2.0, -1.0, -2.6, 0.0), (0.5, 2.0, -1.0, -1.0, -1.0));
        let (fallen_bad, risen_bad) = ((0.5, -1.0, -1.0, 0.8, 0.0), (3.0, -1.0, -1.0, 3.0, 3.0));
        assert_tokens(&clip, &[&[risen, fallen], &[fallen_bad, risen_bad]]);
        // A bad token counts at most twice.
        let dual = ClipConfig { dual_clip: Some(2.0), ..clip };
        assert_tokens(&dual, &[&[risen, fallen, fallen_bad, (3.0, -1.0, -1.0, 2.0, 0.0)]]);
    }
}
