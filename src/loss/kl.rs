//! The penalty on the distance to the reference policy.
//!
//! ```text
//! loss_t += coef * kl_t   or   r_t -= coef * kl_t
//! adaptive: coef <- coef * (1 + clamp(kl / target - 1, -0.2, 0.2) * n / horizon)            (Ziegler et al. 2019)
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::types::{KlEstimator, Rules};

/// Penalty on the distance to the reference policy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KlConfig {
    /// Weight, 0 or more; at 0 there is no penalty and no reference is loaded. The first one where it adapts.
    pub coef: f64,
    /// Estimator of the divergence from one sampled token, with d = reference - new log-probability.
    #[serde(default)]
    pub estimator: KlEstimator,
    /// Whether the penalty is part of the loss or of the reward.
    #[serde(default)]
    pub place: KlPlace,
    /// Steers the weight towards a divergence; without it the weight stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<AdaptiveKl>,
}

/// Steers the weight of the penalty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdaptiveKl {
    /// Divergence to hold: nats per token.
    pub target: f64,
    /// Responses after which the weight may have changed by a factor of about e^0.2.
    #[serde(default = "horizon")]
    pub horizon: f64,
}

fn horizon() -> f64 {
    10_000.0
}

/// What the penalty is part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KlPlace {
    /// Added to the loss of every token (GRPO).
    #[default]
    Loss,
    /// Taken from the reward of every token before advantages are estimated (PPO as in InstructGPT).
    Reward,
}

/// The estimate for each of N tokens, from log-probabilities f32 `[N]`; f32 `[N]`.
pub(crate) fn kl_tokens(estimator: KlEstimator, new_logprobs: &Tensor, ref_logprobs: &Tensor) -> Tensor {
    let d = ref_logprobs - new_logprobs;
    match estimator {
        KlEstimator::K1 => -d,
        KlEstimator::K2 => d.square() / 2.0,
        KlEstimator::K3 => d.exp() - 1.0 - d,
    }
}

impl KlConfig {
    /// What its keys may be.
    pub(super) fn rules(&self) -> Rules {
        let Self { coef, estimator: _, place: _, adaptive } = self;
        let mut rules = Rules::default();
        rules.not_negative("coef", *coef);
        if let Some(AdaptiveKl { target, horizon }) = adaptive {
            rules.above_zero("adaptive.target", *target);
            rules.above_zero("adaptive.horizon", *horizon);
            rules.forbid(*coef == 0.0, &["coef", "adaptive"], || {
                ": got 0, expected above 0 where it adapts: it is multiplied".to_owned()
            });
        }
        rules
    }

    /// The weight of the penalty after a step of `n_responses` whose mean divergence was `kl` nats per token.
    #[must_use]
    pub(crate) fn next_coef(&self, coef: f64, kl: f64, n_responses: u64) -> f64 {
        match self.adaptive {
            // A divergence that is no number says nothing.
            Some(adaptive) if kl.is_finite() => {
                let error = (kl / adaptive.target - 1.0).clamp(-0.2, 0.2);
                // A step of very many responses must not turn the sign around.
                coef * (1.0 + error * n_responses as f64 / adaptive.horizon).max(0.0)
            }
            _ => coef,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::*;

    #[test]
    fn the_weight_follows_the_divergence() {
        let adaptive = Some(AdaptiveKl { target: 0.05, horizon: 1000.0 });
        let kl = KlConfig { coef: 0.1, estimator: KlEstimator::K1, place: KlPlace::Reward, adaptive };
        let close = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-12, "{got} {expected}");
        close(kl.next_coef(0.1, 0.055, 100), 0.1 * (1.0 + 0.1 * 0.1));
        // Far off, either way, the error counts as 0.2.
        close(kl.next_coef(0.1, 5.0, 100), 0.1 * 1.02);
        close(kl.next_coef(0.1, 0.0, 100), 0.1 * 0.98);
        close(kl.next_coef(0.1, 0.0, 100_000), 0.0);
        close(kl.next_coef(0.1, f64::NAN, 100), 0.1);
        close(KlConfig { adaptive: None, ..kl }.next_coef(0.1, 5.0, 100), 0.1);
    }

    /// The reference is twice as sure.
    #[test]
    fn values_and_gradients_of_the_estimators() {
        let ln2 = std::f32::consts::LN_2;
        for (estimator, value, gradient) in [
            (KlEstimator::K1, -ln2, 1.0),
            (KlEstimator::K2, ln2 * ln2 / 2.0, -ln2),
            (KlEstimator::K3, 1.0 - ln2, -1.0),
        ] {
            let new = Tensor::from_slice(&[-1f32]).set_requires_grad(true);
            let kl = kl_tokens(estimator, &new, &Tensor::from_slice(&[ln2 - 1.0]));
            assert_close(&kl, &Tensor::from_slice(&[value]));
            kl.sum(tch::Kind::Float).backward();
            assert_close(&new.grad(), &Tensor::from_slice(&[gradient]));
        }
    }

    #[test]
    fn one_token_and_many_agree() {
        let (new, reference) = ([-0.5f32, -2.0, -1.0], [-0.7f32, -1.5, -1.0]);
        for estimator in [KlEstimator::K1, KlEstimator::K2, KlEstimator::K3] {
            let tokens = kl_tokens(estimator, &Tensor::from_slice(&new), &Tensor::from_slice(&reference));
            for (i, (new, reference)) in new.iter().zip(&reference).enumerate() {
                let token = estimator.token(*new, *reference);
                assert!((tokens.double_value(&[i as i64]) - token).abs() < 1e-6, "{estimator:?}");
            }
        }
    }
}
