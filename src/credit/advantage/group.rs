//! Group-relative advantage (GRPO, DeepSeekMath eq. 3), one value per response, the same on each of its tokens:
//!
//! ```text
//! A_i = (r_i - mean(r)) / (std(r) + eps)      std unbiased, eps = 1e-6
//! ```
//!
//! `scale = "batch_std"` divides by the deviation of all rewards of the step, `"none"` divides by nothing (Dr. GRPO).

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AdvantageEstimator, Rewards, spread};
use crate::stats::{mean, std};
use crate::types::PathField;

const EPS: f64 = 1e-6;

/// Settings of the group-relative advantage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupConfig {
    /// What the centred reward is divided by.
    #[serde(default)]
    pub scale: Scale,
}

/// What the centred reward is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scale {
    /// Unbiased standard deviation of the rewards of its group + 1e-6: GRPO.
    #[default]
    GroupStd,
    /// Unbiased standard deviation of all rewards of the step + 1e-6.
    BatchStd,
    /// 1: Dr. GRPO.
    None,
}

impl AdvantageEstimator for GroupConfig {
    fn estimate(&self, trees: &[Rewards<'_>]) -> Result<Vec<PathField<f32>>> {
        let all: Vec<f64> = trees.iter().flat_map(Rewards::graded).collect();
        let fields = trees.iter().map(|tree| {
            let rewards = tree.graded();
            let divisor = match self.scale {
                Scale::GroupStd => std(&rewards) + EPS,
                Scale::BatchStd => std(&all) + EPS,
                Scale::None => 1.0,
            };
            let centre = mean(&rewards);
            spread(tree, |reward| (reward - centre) / divisor)
        });
        Ok(fields.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_by_hand, assert_golden};
    use super::*;

    /// Deviations sqrt(1/2) and 0 of the groups, 1/2 of all four rewards.
    #[test]
    fn rewards_are_centred_and_divided_by_their_deviation() {
        let half = 0.5 / 0.5f64.sqrt();
        for (scale, better) in [(Scale::GroupStd, half), (Scale::BatchStd, 1.0), (Scale::None, 0.5)] {
            let config = GroupConfig { scale };
            assert_by_hand(&config, &[&[1.0, 0.0], &[0.0, 0.0]], &[&[better, -better], &[0.0, 0.0]]);
        }
    }

    #[test]
    fn every_scaling_agrees_with_pytorch() {
        for (scale, name) in
            [(Scale::GroupStd, "group_std"), (Scale::BatchStd, "batch_std"), (Scale::None, "none")]
        {
            assert_golden(&GroupConfig { scale }, name);
        }
    }
}
