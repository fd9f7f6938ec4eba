//! Group sequence policy optimisation (Zheng et al. 2025, arXiv 2507.18071): one ratio per sequence, its likelihood ratio
//! normalised by length.
//!
//! ```text
//! s_i   = exp(mean_t (new_t - old_t))                                        over the tokens of sequence i
//! s_i,t = sg[s_i] * exp(new_t - sg[new_t])                                   its value, with the gradient of token t
//! loss  = -min(s_i,t * A_t, clamp(s_i,t, 1 - clip_low, 1 + clip_high) * A_t)
//! ```
//!
//! Where all tokens of a sequence have one advantage this is the paper's sequence loss; the form per token (its section 4.3)
//! lets credit differ within a sequence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::clip::surrogate;
use super::{Aggregation, LossInput, PolicyLoss, TokenLoss};
use crate::types::Rules;

/// Settings of GSPO.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GspoConfig {
    /// How far the ratio of a sequence may fall below 1 before its gradient stops.
    #[serde(default = "clip_low")]
    pub clip_low: f64,
    /// How far the ratio of a sequence may rise above 1 before its gradient stops.
    #[serde(default = "clip_high")]
    pub clip_high: f64,
}

fn clip_low() -> f64 {
    3e-4
}
fn clip_high() -> f64 {
    4e-4
}

impl PolicyLoss for GspoConfig {
    fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        let low = self.clip_low;
        rules.expect("clip_low", low, "above 0 and below 1", low > 0.0 && low < 1.0);
        rules.above_zero("clip_high", self.clip_high);
        rules
    }

    fn token_loss(&self, input: &LossInput<'_>) -> TokenLoss {
        let LossInput { new_logprobs: new, old_logprobs: old, advantages, lengths } = *input;
        let sequence_ratio = means(&(new.detach() - old), lengths).exp();
        let ratio = sequence_ratio * (new - new.detach()).exp();
        surrogate(&ratio, advantages, 1.0 - self.clip_low, 1.0 + self.clip_high)
    }

    fn aggregation(&self) -> Aggregation {
        Aggregation::SeqMeanTokenMean
    }
}

/// On each token the mean of `values` `[N]` over its sequence.
fn means(values: &Tensor, lengths: &[i64]) -> Tensor {
    let device = values.device();
    let lengths = Tensor::from_slice(lengths).to_device(device);
    let n = lengths.size()[0];
    let sequence = Tensor::arange(n, (Kind::Int64, device)).repeat_interleave_self_tensor(&lengths, 0, None); // (N)
    let sums = Tensor::zeros([n], (Kind::Float, device)).index_add(0, &sequence, values);
    (sums / lengths).index_select(0, &sequence)
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_tokens;
    use super::*;

    /// Between 0.95 and 1.1; the sequences' ratios are 1.2 = sqrt(1.44 * 1), 1.05 and 0.9 = sqrt(0.81 * 1).
    #[test]
    fn the_ratio_is_the_sequences_and_the_gradient_the_tokens() {
        let gspo = GspoConfig { clip_low: 0.05, clip_high: 0.1 };
        let beyond = [(1.44, 1.0, -1.0, -1.1, 0.0), (1.0, 1.0, -0.5, -1.1, 0.0)];
        let within = [(1.05, 2.0, -1.0, -2.1, -2.1)];
        let fallen = [(0.81, 1.0, -2.0, -0.9, -0.9), (1.0, 3.0, -0.1, -2.7, -2.7)];
        assert_tokens(&gspo, &[&beyond, &within, &fallen]);
    }
}
