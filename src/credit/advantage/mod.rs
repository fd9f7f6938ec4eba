//! Advantage estimators: how much better than expected each response, or each token of it, was.

mod batch_baseline;
mod config;
mod gae;
mod group;
mod leave_one_out;
#[cfg(test)]
pub(crate) mod testing;
mod tree;

use anyhow::Result;
use serde::{Deserialize, Serialize};

pub use batch_baseline::BatchBaselineConfig;
pub use config::{AdvantageConfig, Flat};
pub use gae::GaeConfig;
pub use group::{GroupConfig, Scale};
pub use leave_one_out::LeaveOneOutConfig;
pub use tree::{Shared, TreeConfig};

use super::Rewards;
use crate::types::{Needs, PathField};

/// Turns the rewards of a step's trees into advantages.
pub trait AdvantageEstimator {
    /// What must be measured for it; nothing beyond the rewards unless it says so.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// One field per tree, in order. All trees of the step at once, because some baselines span the step.
    ///
    /// # Errors
    /// If a tree lacks what the estimator works on.
    fn estimate(&self, trees: &[Rewards<'_>]) -> Result<Vec<PathField<f32>>>;

    /// What a critic should have said about each token of `tree`; `None` where there is no critic.
    ///
    /// # Errors
    /// If the tree lacks what the estimator works on.
    fn returns(&self, _tree: &Rewards<'_>) -> Result<Option<PathField<f32>>> {
        Ok(None)
    }
}

/// What happens to groups whose rewards are all exactly equal, so that they tell no response from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithoutSignal {
    /// They are trained on with advantage 0 and count in the denominators of the loss.
    #[default]
    Keep,
    /// They leave the batch.
    Drop,
    /// Other prompts are sampled in their place (dynamic sampling of DAPO); those that remain leave the batch.
    Refill,
}

/// The same advantage on every token of a response: `per_leaf[i]` for leaf i.
fn spread(rewards: &Rewards<'_>, per_leaf: &[f64]) -> PathField<f32> {
    PathField::from_fn(&rewards.tree.tree, |leaf, _| per_leaf[leaf] as f32)
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

/// Moves and scales all values of a step to mean 0 and deviation 1: `(x - mean) / sqrt(var + 1e-8)`, unbiased, each token
/// counting once.
fn whiten(fields: &mut [PathField<f32>]) {
    let all: Vec<f64> =
        fields.iter().flat_map(|field| field.iter().flatten()).map(|v| f64::from(*v)).collect();
    let (centre, scale) = (mean(&all), (std(&all).powi(2) + 1e-8).sqrt());
    for field in fields {
        *field = field.map(|_, _, value| ((f64::from(*value) - centre) / scale) as f32);
    }
}
