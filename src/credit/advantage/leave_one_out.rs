//! Leave-one-out advantage (RLOO, Ahmadian et al. 2024): the baseline of a response is the mean of the others.
//!
//! ```text
//! A_i = r_i - mean_{j != i} r_j = n / (n - 1) * (r_i - mean(r))
//! ```

use anyhow::{Result, ensure};

use super::{AdvantageEstimator, LeaveOneOutConfig, spread};
use crate::types::{MeasuredTree, PathField};

impl AdvantageEstimator for LeaveOneOutConfig {
    fn estimate(&self, trees: &[MeasuredTree]) -> Result<Vec<PathField<f32>>> {
        let field = |tree: &MeasuredTree| {
            let rewards: Vec<f64> = tree.tree.rewards().collect();
            let (n, sum) = (rewards.len() as f64, rewards.iter().sum::<f64>());
            ensure!(
                rewards.len() > 1,
                "prompt {}: leave-one-out needs two responses, got one",
                tree.tree.prompt.id
            );
            let advantage = |r: &f64| if tree.tree.has_signal() { r - (sum - r) / (n - 1.0) } else { 0.0 };
            Ok(spread(tree, &rewards.iter().map(advantage).collect::<Vec<_>>()))
        };
        trees.iter().map(field).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::WithoutSignal;
    use super::super::testing::{assert_golden, group};
    use super::*;

    #[test]
    fn the_baseline_is_the_mean_of_the_others() {
        assert_golden(&LeaveOneOutConfig { without_signal: WithoutSignal::Keep }, "leave_one_out");
    }

    #[test]
    fn a_single_response_is_refused() {
        let error = LeaveOneOutConfig { without_signal: WithoutSignal::Keep }.estimate(&[group(&[1.0])]);
        assert!(error.is_err_and(|e| e.to_string().contains("two responses")));
    }
}
