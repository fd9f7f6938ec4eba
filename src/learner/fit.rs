//! The one update loop: epochs x minibatches, each one optimiser step over all its micro-batches. What is learned is an
//! [`Objective`]. Of each minibatch every rank takes a share; weights are those of the whole, so that sums are too.

use std::ops::Range;

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

    /// Hears that `model` was updated, on every rank.
    fn updated(&mut self, model: &mut Self::Model) -> Result<()> {
        let _ = model;
        Ok(())
    }
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
    Loss(String, f64),
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
        let pieces = model.as_ref().pieces().clone();
        let (mut fitted, mut own) = (Fitted::default(), MetricAccumulator::default());
        for _ in 0..self.epochs {
            let mut start = 0;
            for minibatch in minibatches {
                self.gradient.clear();
                let mut go_on = |n| match progress(n) {
                    // Once weights have moved, the rest must follow.
                    Err(error) if fitted.n_updates == 0.0 => Err(error),
                    _ => Ok(()),
                };
                let done = self.accumulate(objective, model, (minibatch, start), &mut own, &mut go_on);
                // Of what they do step by step all ranks know.
                let done = if pieces.sends_gradients() { Ok(done?) } else { done };
                fitted.accumulator = MetricAccumulator::default();
                let all = pieces.ranks().exchange(done.map(|()| own.clone()))?;
                all.iter().for_each(|of_rank| fitted.accumulator.merge(of_rank));
                start += minibatch.len();
                self.apply(model.as_mut(), lr, &mut fitted)?;
                objective.updated(model)?;
                if fitted.refused.is_some() {
                    return Ok(fitted);
                }
            }
        }
        Ok(fitted)
    }

    /// Gathers the gradient of this rank's share of a minibatch, which begins with sample `start` of the update.
    fn accumulate<O: Objective>(
        &mut self,
        objective: &mut O,
        model: &O::Model,
        (minibatch, start): (&[O::Sample], usize),
        accumulator: &mut MetricAccumulator,
        go_on: &mut Progress<'_>,
    ) -> Result<()> {
        let cost = |sample| O::sequence(sample).prompt.len() + O::sequence(sample).response.len();
        let ranks = model.as_ref().pieces().ranks();
        let own = ranks.share(&minibatch.iter().map(cost).collect::<Vec<_>>());
        let mut micros = self.micro_batches(objective, model, minibatch, own.clone(), start);
        if !model.as_ref().pieces().sends_gradients() {
            for micro in micros {
                objective.accumulate(model, &micro, accumulator, &mut self.gradient)?;
                go_on(micro.samples.len())?;
            }
            // The others' samples.
            return if ranks.is_alone() { Ok(()) } else { go_on(minibatch.len() - own.len()) };
        }
        // All ranks send gradients at the same time: who has fewer micro-batches goes along with samples that weigh nothing.
        let most = ranks.exchange(Ok(micros.len()))?.into_iter().max().unwrap_or(0);
        let mut n_done = 0;
        for _ in 0..most {
            ranks.all_well(go_on(std::mem::take(&mut n_done)))?;
            match micros.next() {
                Some(micro) => {
                    objective.accumulate(model, &micro, accumulator, &mut self.gradient)?;
                    n_done = micro.samples.len();
                }
                None => {
                    let (idle, unheard) = (idle::<O>(model, minibatch), &mut MetricAccumulator::default());
                    idle.map_or(Ok(()), |idle| {
                        objective.accumulate(model, &idle, unheard, &mut self.gradient)
                    })?;
                }
            }
            self.gradient.deliver()?;
        }
        ranks.all_well(go_on(n_done + minibatch.len() - own.len()))
    }

    /// The micro-batches of the `own` samples of a minibatch that begins with sample `start` of the update.
    fn micro_batches<'m, O: Objective>(
        &self,
        objective: &O,
        model: &O::Model,
        minibatch: &'m [O::Sample],
        own: Range<usize>,
        start: usize,
    ) -> impl ExactSizeIterator<Item = MicroBatch<'m, O::Sample>> + use<'m, O> {
        let weights = objective.weights(minibatch);
        let start = start + own.start;
        let (weights, minibatch) = (weights[own.clone()].to_vec(), &minibatch[own]);
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
    fn apply(&mut self, model: &mut Network, lr: f64, fitted: &mut Fitted) -> Result<()> {
        if let Some((name, value)) = fitted.accumulator.loss_not_finite() {
            fitted.refused = Some(Refused::Loss(name.to_owned(), value));
            return Ok(());
        }
        let applied = self.optimizer.apply(model, &self.gradient, lr)?;
        fitted.n_updates += 1.0;
        fitted.grad_norm += applied.grad_norm;
        match applied.param_delta {
            Some(delta) => fitted.param_delta += delta,
            None => fitted.refused = Some(Refused::GradNorm(applied.grad_norm)),
        }
        Ok(())
    }
}

/// A micro-batch of one of the samples that weighs nothing and is nobody's.
fn idle<'m, O: Objective>(model: &O::Model, minibatch: &'m [O::Sample]) -> Option<MicroBatch<'m, O::Sample>> {
    let length = |sample: &&O::Sample| O::sequence(sample).prompt.len() + O::sequence(sample).response.len();
    let sample = minibatch.iter().min_by_key(length)?;
    let device = model.as_ref().placement.device;
    let tokens = TokenBatch::new(&[O::sequence(sample)], Reads::Predictors, device);
    Some(MicroBatch { tokens, samples: vec![sample], weights: vec![0.0], indices: Vec::new() })
}
