//! `[groups]`: what becomes of prompts whose responses all have the same reward.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::Rules;

/// What becomes of zero-variance groups: prompts of which all graded responses have the same reward, so that they tell no
/// response from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GroupsConfig {
    /// Whether zero-variance groups are trained on, left out, or replaced.
    pub zero_variance: ZeroVariance,
    /// Generation rounds that `zero_variance = "refill"` may add to a step; 3 where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refill_rounds: Option<usize>,
}

/// What becomes of a zero-variance group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ZeroVariance {
    /// It is trained on with advantage 0 and counts in the denominators of the loss.
    #[default]
    Keep,
    /// It leaves the batch.
    Drop,
    /// Another prompt is sampled in its place (dynamic sampling of DAPO); those that remain leave the batch.
    Refill,
}

impl GroupsConfig {
    /// Rounds where the recipe does not say.
    const ROUNDS: usize = 3;

    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { zero_variance, refill_rounds } = *self;
        let mut rules = Rules::default();
        let rounds = refill_rounds.unwrap_or(Self::ROUNDS);
        rules.expect(
            "refill_rounds",
            rounds,
            "at least 1; zero_variance = \"drop\" replaces nothing",
            rounds > 0,
        );
        let idle = refill_rounds.is_some() && zero_variance != ZeroVariance::Refill;
        rules.forbid(idle, &["refill_rounds", "zero_variance"], || {
            " has no effect without zero_variance = \"refill\"; leave it out".to_owned()
        });
        rules
    }

    /// Generation rounds that a step may spend on replacing groups; 0 if none are replaced.
    #[must_use]
    pub(crate) fn rounds(&self) -> usize {
        match self.zero_variance {
            ZeroVariance::Refill => self.refill_rounds.unwrap_or(Self::ROUNDS),
            ZeroVariance::Keep | ZeroVariance::Drop => 0,
        }
    }
}
