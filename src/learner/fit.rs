//! The one update loop: epochs x minibatches, each one optimiser step over all its micro-batches. What is learned is an
//! [`Objective`].

use anyhow::Result;

use super::report::MetricAccumulator;
use crate::batch::{Reads, Sequence, TokenBatch, pack};
use crate::model::{Gradient, Network};
use crate::optim::{AdamW, OptimConfig};
use crate::types::Progress;

/// A loss over the response tokens of samples.
pub(super) trait Objective {
    /// What it is a loss of.
    type Sample;
    /// What learns.
    type Model: AsRef<Network> + AsMut<Network>;

    /// The tokens of a sample.
    fn sequence(sample: &Self::Sample) -> Sequence<'_>;

    /// The weight of every token of each sample of a minibatch in its loss.
    fn weights(&self, minibatch: &[Self::Sample]) -> Vec<f64>;

    /// Adds the gradient of a micro-batch's share of the loss to `gradient`, and tells `accumulator` what there is to report.
    fn accumulate(
        &mut self,
        model: &Self::Model,
        micro: &MicroBatch<'_, Self::Sample>,
        accumulator: &mut MetricAccumulator,
        gradient: &mut Gradient,
    ) -> Result<()>;
}

/// Samples of a minibatch that go through the model together.
pub(super) struct MicroBatch<'m, S> {
    /// Their tokens, packed.
    pub(super) tokens: TokenBatch,
    /// The samples, in the order of `tokens`.
    pub(super) samples: Vec<&'m S>,
    /// The weight of each of a sample's tokens in the loss of the minibatch.
    pub(super) weights: Vec<f64>,
    /// Where each stands among all samples of the update.
    pub(super) indices: Vec<usize>,
}

/// An optimiser at work.
pub(super) struct Fit {
    /// Its state is part of a checkpoint.
    pub(super) optimizer: AdamW,
    gradient: Gradient,
    /// How often the samples are gone through.
    pub(super) epochs: usize,
    /// Tokens of a micro-batch.
    pub(super) max_tokens: usize,
}

/// What came of an update.
#[derive(Default)]
pub(super) struct Fitted {
    /// What the objective reported.
    pub(super) accumulator: MetricAccumulator,
    /// Optimiser steps, with one that was refused for its gradient.
    pub(super) n_updates: f64,
    /// Sum of their gradients' norms.
    pub(super) grad_norm: f64,
    /// Sum of the distances that they moved the weights by.
    pub(super) param_delta: f64,
    /// Why it ended early, if it did.
    pub(super) refused: Option<Refused>,
}

/// What was not finite, so that weights and optimiser stay as they were.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Refused {
    /// A part of the loss, by its metric's name.
    Loss(&'static str, f64),
    /// The gradient's norm.
    GradNorm(f64),
}

impl Fit {
    /// For `model`, which has not been updated yet.
    pub(super) fn new(optim: OptimConfig, epochs: usize, max_tokens: usize, model: &Network) -> Self {
        let (optimizer, gradient) = (AdamW::new(optim, model), model.zero_gradient());
        Self { optimizer, gradient, epochs, max_tokens }
    }

    /// Updates `model` once for each of `minibatches` in each epoch, at learning rate `lr`.
    ///
    /// An update whose loss or gradient is not finite is refused and ends the work. `progress` hears how many samples have
    /// been worked through since its last call, each once an epoch; it can end the work as long as no update has been made.
    pub(super) fn fit<O: Objective>(
        &mut self,
        model: &mut O::Model,
        objective: &mut O,
        minibatches: &[&[O::Sample]],
        lr: f64,
        progress: &mut Progress<'_>,
    ) -> Result<Fitted> {
        let mut fitted = Fitted::default();
        for _ in 0..self.epochs {
            let mut start = 0;
            for minibatch in minibatches {
                self.gradient.clear();
                for micro in self.micro_batches::<O>(objective, model, minibatch, start) {
                    objective.accumulate(model, &micro, &mut fitted.accumulator, &mut self.gradient)?;
                    let go_on = progress(micro.samples.len());
                    // Once weights have moved, the rest must follow.
                    if fitted.n_updates == 0.0 {
                        go_on?;
                    }
                }
                start += minibatch.len();
                self.apply(model.as_mut(), lr, &mut fitted);
                if fitted.refused.is_some() {
                    return Ok(fitted);
                }
            }
        }
        Ok(fitted)
    }

    /// The micro-batches of a minibatch that begins with sample `start` of the update.
    fn micro_batches<'m, O: Objective>(
        &self,
        objective: &O,
        model: &O::Model,
        minibatch: &'m [O::Sample],
        start: usize,
    ) -> impl Iterator<Item = MicroBatch<'m, O::Sample>> + use<'m, O> {
        let weights = objective.weights(minibatch);
        let sequences: Vec<Sequence<'_>> = minibatch.iter().map(O::sequence).collect();
        let device = model.as_ref().placement.device;
        let groups = pack(&sequences, self.max_tokens, Reads::Predictors);
        groups.into_iter().map(move |group| {
            let rows: Vec<Sequence<'_>> = group.iter().map(|i| sequences[*i]).collect();
            MicroBatch {
                tokens: TokenBatch::new(&rows, Reads::Predictors, device),
                samples: group.iter().map(|i| &minibatch[*i]).collect(),
                weights: group.iter().map(|i| weights[*i]).collect(),
                indices: group.iter().map(|i| start + i).collect(),
            }
        })
    }

    /// One optimiser step with the gradient that was gathered, unless something is not finite.
    fn apply(&mut self, model: &mut Network, lr: f64, fitted: &mut Fitted) {
        if let Some((name, value)) = fitted.accumulator.loss_not_finite() {
            fitted.refused = Some(Refused::Loss(name, value));
            return;
        }
        let applied = self.optimizer.apply(model, &self.gradient, lr);
        fitted.n_updates += 1.0;
        fitted.grad_norm += applied.grad_norm;
        match applied.param_delta {
            Some(delta) => fitted.param_delta += delta,
            None => fitted.refused = Some(Refused::GradNorm(applied.grad_norm)),
        }
    }
}
