//! Generalised advantage estimation (Schulman et al. 2016), with a critic's values V before each token:
//!
//! ```text
//! delta_t = r_t + gamma V_{t+1} - V_t          V = 0 after the last token
//! A_t     = delta_t + gamma lambda A_{t+1}
//! R_t     = A_t + V_t                          what the critic learns
//! ```
//!
//! With `whiten`, advantages get mean 0 and deviation 1 over the tokens of the step; returns are taken before that.

use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AdvantageEstimator, Rewards, whiten};
use crate::types::{Needs, PathField, Rules};

/// Settings of generalised advantage estimation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GaeConfig {
    /// Discount per token.
    pub gamma: f64,
    /// Weight of later surprises: 1 is the whole return (no bias), 0 the next value alone (least variance).
    pub lambda: f64,
    /// Whether advantages are normalised over the step.
    pub whiten: bool,
}

impl Default for GaeConfig {
    fn default() -> Self {
        Self { gamma: 1.0, lambda: 0.95, whiten: true }
    }
}

impl GaeConfig {
    /// Advantages of the tokens of one response, from the reward of each and the value before each.
    #[must_use]
    pub(crate) fn advantages(&self, rewards: &[f64], values: &[f32]) -> Vec<f64> {
        let mut advantages = vec![0.0; rewards.len()];
        let (mut next_value, mut next_advantage) = (0.0, 0.0);
        for t in (0..rewards.len()).rev() {
            let value = f64::from(values[t]);
            let delta = rewards[t] + self.gamma * next_value - value;
            next_advantage = delta + self.gamma * self.lambda * next_advantage;
            next_value = value;
            advantages[t] = next_advantage;
        }
        advantages
    }

    fn field(&self, tree: &Rewards<'_>) -> Result<PathField<f64>> {
        let values = tree.tree.values.as_ref().context("gae: the critic's values were not measured")?;
        let leaves = 0..tree.tree.tree.leaves.len();
        let paths = leaves.map(|leaf| self.advantages(&tree.tokens(leaf), values.path(leaf)));
        PathField::new(&tree.tree.tree, paths.collect())
    }
}

impl AdvantageEstimator for GaeConfig {
    fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        rules.share("gamma", self.gamma);
        rules.share("lambda", self.lambda);
        rules
    }

    fn compares(&self) -> bool {
        false
    }

    fn needs(&self) -> Needs {
        Needs { values: true, ..Needs::default() }
    }

    fn estimate(&self, trees: &[Rewards<'_>]) -> Result<Vec<PathField<f32>>> {
        let fields = trees.iter().map(|tree| {
            let own =
                |leaf: usize, _, advantage: &f64| if tree.is_graded(leaf) { *advantage as f32 } else { 0.0 };
            Ok(self.field(tree)?.map(own))
        });
        let mut fields = fields.collect::<Result<Vec<_>>>()?;
        if self.whiten {
            whiten(&mut fields, trees, |_| true);
        }
        Ok(fields)
    }

    fn returns(&self, tree: &Rewards<'_>) -> Result<Option<PathField<f32>>> {
        let values = tree.tree.values.as_ref();
        let returns = self.field(tree)?.map(|leaf, t, advantage| {
            let value = values.map_or(0.0, |values| values.path(leaf)[t]);
            (advantage + f64::from(value)) as f32
        });
        Ok(Some(returns))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::testing::{golden_case, group};
    use super::*;

    #[test]
    fn the_recursion_agrees_with_the_sum_that_pytorch_forms() {
        for case in golden_case("gae").as_array().unwrap() {
            let list = |key: &str| serde_json::from_value::<Vec<f64>>(case[key].clone()).unwrap();
            let number = |key: &str| case[key].as_f64().unwrap();
            let config = GaeConfig { gamma: number("gamma"), lambda: number("lam"), whiten: false };
            let values: Vec<f32> = list("values").into_iter().map(|v| v as f32).collect();
            let got = config.advantages(&list("rewards"), &values);
            assert!(got.iter().zip(list("advantages")).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?} {case}");
        }
    }

    /// By hand: rewards 0, 1 and values 0.5, 0.25 at gamma 0.5, lambda 0.5.
    #[test]
    fn returns_are_advantages_and_values_before_anything_is_normalised() {
        let mut tree = group(&[0.0, 1.0]); // responses of 1 and 2 tokens
        tree.values = Some(PathField::new(&tree.tree, vec![vec![0.5], vec![0.5, 0.25]]).unwrap());
        let rewards = Rewards::of_graders(&tree);
        let plain = GaeConfig { gamma: 0.5, lambda: 0.5, whiten: false };
        // Last token: 1 - 0.25 = 0.75; the one before: 0.5 * 0.25 - 0.5 + 0.25 * 0.75 = -0.1875.
        let field = plain.estimate(&[Rewards::of_graders(&tree)]).unwrap();
        assert_eq!((field[0].path(0), field[0].path(1)), (&[-0.5][..], &[-0.1875, 0.75][..]));
        let whitened = GaeConfig { whiten: true, ..plain };
        for config in [plain, whitened] {
            let returns = config.returns(&rewards).unwrap().unwrap();
            assert_eq!((returns.path(0), returns.path(1)), (&[0.0][..], &[0.3125, 1.0][..]));
        }
        let field = whitened.estimate(&[rewards]).unwrap();
        let all: Vec<f32> = field[0].iter().flatten().copied().collect();
        assert!(all.iter().sum::<f32>().abs() < 1e-6, "{all:?}");
        assert!((all.iter().map(|a| a * a).sum::<f32>() / 2.0 - 1.0).abs() < 1e-5, "{all:?}");
    }

    #[test]
    fn without_values_there_is_no_estimate() {
        let tree = group(&[0.0, 1.0]);
        let error = GaeConfig::default().estimate(&[Rewards::of_graders(&tree)]).err().unwrap();
        assert!(error.to_string().contains("values"), "{error}");
    }
}
