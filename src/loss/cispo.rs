//! Clipped importance-sampling weights (MiniMax-M1, arXiv 2506.13585): REINFORCE weighted by the clipped ratio, so that no
//! token loses its gradient.
//!
//! ```text
//! loss = -sg[clamp(exp(new - old), 1 - clip_low, 1 + clip_high)] * A * new
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LossInput, PolicyLoss, TokenLoss};
use crate::types::Rules;

/// Settings of CISPO.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CispoConfig {
    /// How far below 1 the weight may fall; 1 sets no lower limit.
    #[serde(default = "clip_low")]
    pub clip_low: f64,
    /// How far above 1 the weight may rise.
    #[serde(default = "clip_high")]
    pub clip_high: f64,
}

fn clip_low() -> f64 {
    1.0
}
fn clip_high() -> f64 {
    4.0
}

impl PolicyLoss for CispoConfig {
    fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        let low = self.clip_low;
        rules.expect("clip_low", low, "above 0 and at most 1", low > 0.0 && low <= 1.0);
        rules.above_zero("clip_high", self.clip_high);
        rules
    }

    fn token_loss(&self, input: &LossInput<'_>) -> TokenLoss {
        let LossInput { new_logprobs: new, old_logprobs: old, advantages, .. } = *input;
        let (low, high) = (1.0 - self.clip_low, 1.0 + self.clip_high);
        let ratio = (new.detach() - old).exp();
        TokenLoss {
            loss: -(ratio.clamp(low, high) * advantages * new),
            clipped_low: ratio.lt(low),
            clipped_high: ratio.gt(high),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_tokens;
    use super::*;

    /// Between 0.5 and 1.5.
    #[test]
    fn the_clipped_ratio_weighs_and_no_token_loses_its_gradient() {
        let cispo = CispoConfig { clip_low: 0.5, clip_high: 0.5 };
        let (risen, fallen) = ((3.0, 2.0, -0.4, 1.2, -3.0), (0.25, -1.0, -1.0, -0.5, 0.5));
        assert_tokens(&cispo, &[&[risen, fallen, (1.2, 1.0, -2.0, 2.4, -1.2)]]);
    }
}
