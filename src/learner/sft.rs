//! SFT (supervised fine-tuning): the policy imitates texts before it learns from rewards.
//!
//! Loss: the mean over a batch's response tokens of `-logprob`, at temperature 1. The learning rate rises over
//! `warmup_steps`, then falls along a cosine to a tenth.

use anyhow::{Context, Result};
use tch::Kind;

use super::accumulate::accumulate;
use super::fit::{Fit, MicroBatch, Objective, Refused};
use super::report::MetricAccumulator;
use super::sft_config::SftConfig;
use crate::batch::Sequence;
use crate::data::supervised::{Example, Source};
use crate::loss::{Aggregation, token_weights};
use crate::model::{Gradient, Policy, StatsGrad};
use crate::optim::{AdamWState, OptimConfig, Schedule, learning_rate};
use crate::types::{NotFinite, Step};

/// Where SFT stands after a step. With the weights of `policy`, `optimizer` is all that later steps depend on.
pub(crate) struct SftProgress<'a> {
    /// The step, counted from 1; as many updates as the optimiser has made.
    pub step: Step,
    /// Loss of its batch.
    pub loss: f64,
    /// The policy.
    pub policy: &'a Policy,
    /// The optimiser's memory.
    pub optimizer: &'a AdamWState,
}

/// Trains `policy` on `source`, from the beginning or on from the step after which `begun` and the weights of `policy` were
/// saved. `progress` hears of every step; SFT is given up when it says so by returning false.
///
/// # Errors
/// If an example cannot be made, `begun` is of another model, or `progress` fails; a [`NotFinite`] if loss or gradient
/// stops being finite.
pub(crate) fn fine_tune(
    policy: &mut Policy,
    config: &SftConfig,
    source: &Source,
    begun: Option<AdamWState>,
    progress: &mut dyn FnMut(SftProgress<'_>) -> Result<bool>,
) -> Result<bool> {
    let optim = OptimConfig {
        lr: config.lr,
        betas: [0.9, 0.95],
        eps: 1e-8,
        weight_decay: config.weight_decay,
        max_grad_norm: 1.0,
        warmup_steps: config.warmup_steps,
        schedule: Schedule::Cosine,
        final_lr_ratio: Some(0.1),
    };
    // One batch is one update.
    let mut fit = Fit::new(optim, 1, config.max_tokens, &policy.network);
    let first = begun.as_ref().map_or(0, |state| state.updates) + 1;
    begun.map_or(Ok(()), |state| fit.optimizer.restore(state))?;
    let size = config.batch_size as u64;
    for step in first..=config.steps {
        let examples = source.examples((step - 1) * size..step * size).context("making SFT examples")?;
        let lr = learning_rate(&optim, step, config.steps);
        let fitted = fit.fit(policy, &mut Imitation, &[&examples[..]], lr, &mut |_| Ok(()))?;
        if let Some(refused) = fitted.refused {
            let (what, value) = match refused {
                Refused::Loss(_, value) => ("loss", value),
                Refused::GradNorm(norm) => ("gradient's norm", norm),
            };
            return Err(NotFinite(format!(
                "SFT, step {step}: the {what} is {value}; lower [sft] lr = {}",
                config.lr
            ))
            .into());
        }
        let loss = fitted.accumulator.loss(LOSS);
        if !progress(SftProgress { step, loss, policy, optimizer: fit.optimizer.state() })? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What the loss is called among the losses of learners.
const LOSS: &str = "loss/sft";

/// How badly the policy imitates texts: the mean of `-logprob` over a batch's response tokens.
struct Imitation;

impl Objective for Imitation {
    type Sample = Example;
    type Model = Policy;

    fn sequence(example: &Example) -> Sequence<'_> {
        Sequence { prompt: &example.prompt, response: &example.response }
    }

    fn weights(&self, batch: &[Example]) -> Vec<f64> {
        let lengths: Vec<usize> = batch.iter().map(|example| example.response.len()).collect();
        token_weights(Aggregation::TokenMean, &lengths, 1)
    }

    fn accumulate(
        &mut self,
        policy: &Policy,
        micro: &MicroBatch<'_, Example>,
        accumulator: &mut MetricAccumulator,
        gradient: &mut Gradient,
    ) -> Result<()> {
        // All tokens of a batch weigh the same.
        let weight = micro.weights.first().copied().unwrap_or_default();
        accumulate(policy, &micro.tokens, 1.0, false, gradient, |stats| {
            accumulator.add_loss(LOSS, -stats.logprobs.sum(Kind::Double).double_value(&[]) * weight);
            StatsGrad { logprobs: stats.logprobs.full_like(-weight), entropies: None }
        })
    }
}
