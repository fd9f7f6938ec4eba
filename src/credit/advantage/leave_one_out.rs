//! Leave-one-out advantage (RLOO, Ahmadian et al. 2024): the baseline of a response is the mean of the others.
//!
//! ```text
//! A_i = r_i - mean_{j != i} r_j = n / (n - 1) * (r_i - mean(r))
//! ```

use anyhow::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AdvantageEstimator, Rewards, spread};
use crate::types::PathField;

/// Settings of the leave-one-out advantage: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeaveOneOutConfig {}

impl AdvantageEstimator for LeaveOneOutConfig {
    fn estimate(&self, trees: &[Rewards<'_>]) -> Result<Vec<PathField<f32>>> {
        let field = |tree: &Rewards<'_>| {
            let rewards = tree.graded();
            let (n, sum) = (rewards.len() as f64, rewards.iter().sum::<f64>());
            ensure!(
                tree.tree.tree.leaves.len() > 1,
                "prompt {}: leave-one-out needs two responses, got one",
                tree.tree.tree.prompt.id
            );
            Ok(spread(tree, |reward| reward - (sum - reward) / (n - 1.0)))
        };
        trees.iter().map(field).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_by_hand, assert_golden, group};
    use super::*;

    #[test]
    fn the_baseline_is_the_mean_of_the_others() {
        let config = LeaveOneOutConfig {};
        assert_by_hand(&config, &[&[1.0, 0.0, 0.0]], &[&[1.0, -0.5, -0.5]]);
        assert_golden(&config, "leave_one_out");
    }

    #[test]
    fn a_single_response_is_refused() {
        let tree = group(&[1.0]);
        let error = LeaveOneOutConfig {}.estimate(&[Rewards::of_graders(&tree)]);
        assert!(error.is_err_and(|e| e.to_string().contains("two responses")));
    }
}
