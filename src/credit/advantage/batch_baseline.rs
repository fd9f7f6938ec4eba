//! REINFORCE++ with the group's mean as baseline (Hu et al. 2025, arXiv 2501.03262): centred within the group, normalised
//! over the step.
//!
//! ```text
//! a_i = r_i - mean(r of the group)
//! A_t = (a_t - mean(a)) / sqrt(var(a) + 1e-8)      over all response tokens of the step, var unbiased
//! ```

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AdvantageEstimator, Rewards, spread, whiten};
use crate::stats::mean;
use crate::types::PathField;

/// Settings of the batch baseline: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchBaselineConfig {}

impl AdvantageEstimator for BatchBaselineConfig {
    fn estimate(&self, trees: &[Rewards<'_>]) -> Result<Vec<PathField<f32>>> {
        let centred = trees.iter().map(|tree| {
            let centre = mean(&tree.graded());
            spread(tree, |reward| reward - centre)
        });
        let mut fields: Vec<PathField<f32>> = centred.collect();
        whiten(&mut fields, trees, |_| true);
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_by_hand, assert_golden};
    use super::*;

    /// Tokens 1/2, -1/2, -1/2: mean -1/6, variance 1/3.
    #[test]
    fn tokens_are_normalised_over_the_step() {
        let unit = 1.0 / (1.0f64 / 3.0).sqrt();
        let expected = [2.0 / 3.0 * unit, -1.0 / 3.0 * unit];
        assert_by_hand(&BatchBaselineConfig {}, &[&[1.0, 0.0]], &[&expected]);
    }

    #[test]
    fn groups_are_centred_and_the_step_is_normalised_as_pytorch_does_it() {
        assert_golden(&BatchBaselineConfig {}, "batch_baseline");
    }
}
