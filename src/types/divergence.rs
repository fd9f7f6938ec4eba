//! How far two policies are apart, estimated from one sampled token (Schulman, "Approximating KL divergence").
//!
//! ```text
//! d = reference - new log-prob     k1 = -d     k2 = d^2 / 2     k3 = exp(d) - 1 - d
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Estimators of KL(policy || reference) from one sampled token, with d = reference - new log-prob.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KlEstimator {
    /// `-d`.
    K1,
    /// `d^2 / 2`.
    K2,
    /// `exp(d) - 1 - d`.
    #[default]
    K3,
}

impl KlEstimator {
    /// The estimate for one token.
    #[must_use]
    pub(crate) fn token(self, new_logprob: f32, ref_logprob: f32) -> f64 {
        let d = f64::from(ref_logprob) - f64::from(new_logprob);
        match self {
            Self::K1 => -d,
            Self::K2 => d * d / 2.0,
            Self::K3 => d.exp_m1() - d,
        }
    }
}
