//! What is left of a step that was made again.

use anyhow::{Context, Result, bail};
use tch::Tensor;

use crate::checkpoint::{Progress, TrainState};
use crate::run::{Setup, metrics};
use crate::step::{StepRecord, Trainer};
use crate::types::{MetricRow, TrainedTree};

/// What is left of a step under some settings.
pub(super) struct Made {
    /// Its metrics.
    pub metrics: MetricRow,
    /// The final advantages, response after response.
    pub advantages: Vec<Vec<f32>>,
    /// Updates that it made.
    pub updates: u64,
    /// The mean of its gradients, as the optimiser took them up.
    pub gradient: Tensor,
    /// The change of the weights.
    pub update: Tensor,
}

impl Made {
    /// Of the step `record`, which `trainer` has made from the state `before`.
    ///
    /// # Errors
    /// If nothing was learned from it.
    pub(super) fn new(
        setup: &Setup,
        record: &StepRecord,
        trainer: &Trainer,
        before: &TrainState,
    ) -> Result<Self> {
        if let Some(why) = &record.not_learned {
            bail!("step {}: nothing is learned under these settings: {}", record.step, why.what);
        }
        let after = trainer.learner.state();
        let updates = after.updates - before.optimizer.updates;
        let beta = setup.recipe.optim.betas[0];
        // What the mean of gradients has gained is their sum, each by its weight.
        let gradient = &after.first - &before.optimizer.first * beta.powi(i32::try_from(updates)?);
        let weights = trainer.policy.network.to_first()?.context("the weights are elsewhere")?;
        let of_tree =
            |tree: &TrainedTree| tree.credited.advantages.iter().map(<[f32]>::to_vec).collect::<Vec<_>>();
        Ok(Self {
            metrics: metrics::row(record, &Progress::default(), 0.0),
            advantages: record.trees.iter().flat_map(of_tree).collect(),
            updates,
            gradient,
            update: weights - &before.weights,
        })
    }
}
