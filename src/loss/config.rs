//! `[loss]`: the policy loss and what is added to it.
//!
//! ```text
//! loss = sum_t weight_t (policy loss_t + kl.coef kl_t - entropy_bonus H_t)
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aggregation, KlConfig, PolicyLossConfig};
use crate::types::Rules;

/// Policy loss, with aggregation, entropy bonus and KL penalty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LossConfig {
    /// Which policy loss, with its own keys.
    pub policy: PolicyLossConfig,
    /// How token losses become one number; where it is not said, as the paper of the policy loss has it: `token_mean`, and of
    /// `gspo` `seq_mean_token_mean`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aggregation: Option<Aggregation>,
    /// Weight of the mean entropy, which the loss rewards.
    pub entropy_bonus: f64,
    /// Penalty on the distance to the reference policy; without it no reference is loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kl: Option<KlConfig>,
}

impl LossConfig {
    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { policy, aggregation: _, entropy_bonus, kl } = self;
        let mut rules = Rules::default();
        rules.part("policy", policy.settings().rules());
        rules.not_negative("entropy_bonus", *entropy_bonus);
        if let Some(kl) = kl {
            rules.part("kl", kl.rules());
        }
        rules
    }

    /// How token losses become one number.
    #[must_use]
    pub(crate) fn aggregation(&self) -> Aggregation {
        self.aggregation.unwrap_or_else(|| self.policy.settings().aggregation())
    }

    /// The penalty on the distance to the reference, if it has any weight.
    #[must_use]
    pub(crate) fn kl(&self) -> Option<KlConfig> {
        self.kl.filter(|kl| kl.coef != 0.0)
    }
}

impl From<PolicyLossConfig> for LossConfig {
    fn from(policy: PolicyLossConfig) -> Self {
        Self { policy, ..Self::default() }
    }
}
