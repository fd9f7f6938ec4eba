//! Group-relative advantage (GRPO, DeepSeekMath eq. 3), one value per response, the same on each of its tokens:
//!
//! ```text
//! A_i = (r_i - mean(r)) / (std(r) + eps)      std unbiased, eps = 1e-6
//! ```
//!
//! `scale = "batch_std"` divides by the deviation of all rewards of the step, `"none"` divides by nothing (Dr. GRPO).

use anyhow::Result;

use super::{AdvantageEstimator, GroupConfig, Scale, spread};
use crate::types::{MeasuredTree, PathField};

const EPS: f64 = 1e-6;

impl AdvantageEstimator for GroupConfig {
    fn estimate(&self, trees: &[MeasuredTree]) -> Result<Vec<PathField<f32>>> {
        let all: Vec<f64> = trees.iter().flat_map(|tree| tree.tree.rewards()).collect();
        let fields = trees.iter().map(|tree| {
            let rewards: Vec<f64> = tree.tree.rewards().collect();
            let divisor = match self.scale {
                Scale::GroupStd => std(&rewards) + EPS,
                Scale::BatchStd => std(&all) + EPS,
                Scale::None => 1.0,
            };
            let centre = mean(&rewards);
            // Equal rewards mean exactly no advantage, whatever rounding the mean had.
            let advantage = |r: &f64| if tree.tree.has_signal() { (r - centre) / divisor } else { 0.0 };
            spread(tree, &rewards.iter().map(advantage).collect::<Vec<_>>())
        });
        Ok(fields.collect())
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Unbiased standard deviation; 0 for a single value.
fn std(values: &[f64]) -> f64 {
    let centre = mean(values);
    let squares: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    (squares / (values.len().max(2) - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::WithoutSignal;
    use super::super::testing::assert_golden;
    use super::*;

    #[test]
    fn every_scaling_agrees_with_pytorch() {
        for (scale, name) in
            [(Scale::GroupStd, "group_std"), (Scale::BatchStd, "batch_std"), (Scale::None, "none")]
        {
            assert_golden(&GroupConfig { scale, without_signal: WithoutSignal::Keep }, name);
        }
    }
}
