//! Estimators of KL(policy || reference) from one sampled token (Schulman, "Approximating KL divergence").

use tch::Tensor;

use super::KlEstimator;

/// With `d = reference - new`: k1 = -d, k2 = d^2 / 2, k3 = exp(d) - 1 - d; f32 `[N]` each.
pub fn kl_tokens(estimator: KlEstimator, new_logprobs: &Tensor, ref_logprobs: &Tensor) -> Tensor {
    let d = ref_logprobs - new_logprobs;
    match estimator {
        KlEstimator::K1 => -d,
        KlEstimator::K2 => d.square() / 2.0,
        KlEstimator::K3 => d.exp() - 1.0 - d,
    }
}
