//! The supervised start: the policy imitates texts before it learns from rewards.
//!
//! Loss: the mean over a batch's response tokens of `-logprob`, at temperature 1. The learning rate rises over
//! `lr_warmup_steps`, then falls along a cosine to a tenth.

use anyhow::{Context, Result};

use super::accumulate::accumulate;
use super::warmup_config::WarmupConfig;
use crate::batch::{Reads, Sequence, TokenBatch, pack};
use crate::data::supervised::Source;
use crate::model::{Policy, StatsGrad};
use crate::optim::{AdamW, AdamWState, OptimConfig, Schedule, learning_rate};
use crate::types::{NotFinite, Step};

/// Where a warm start stands after a step. With the weights of `policy`, `optimizer` is all that later steps depend on.
pub struct Stand<'a> {
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
/// saved. `progress` hears of every step; the warm start is given up when it says so by returning false.
///
/// # Errors
/// If an example cannot be made, `begun` is of another model, or `progress` fails; a [`NotFinite`] if loss or gradient
/// stops being finite.
pub fn warm_up(
    policy: &mut Policy,
    config: &WarmupConfig,
    source: &Source,
    begun: Option<AdamWState>,
    progress: &mut dyn FnMut(Stand<'_>) -> Result<bool>,
) -> Result<bool> {
    let optim = OptimConfig {
        lr: config.lr,
        betas: [0.9, 0.95],
        eps: 1e-8,
        weight_decay: config.weight_decay,
        max_grad_norm: 1.0,
        warmup_steps: config.lr_warmup_steps,
        schedule: Schedule::Cosine,
        final_lr_ratio: Some(0.1),
    };
    let mut optimizer = AdamW::new(optim, policy);
    let first = begun.as_ref().map_or(0, |state| state.updates) + 1;
    begun.map_or(Ok(()), |state| optimizer.restore(state))?;
    let mut gradient = policy.zero_gradient();
    let size = config.batch_size as u64;
    for step in first..=config.steps {
        let examples =
            source.examples((step - 1) * size..step * size).context("making warm-start examples")?;
        let rows: Vec<Sequence<'_>> =
            examples.iter().map(|e| Sequence { prompt: &e.prompt, response: &e.response }).collect();
        let n_tokens: usize = rows.iter().map(|row| row.response.len()).sum();
        gradient.clear();
        let mut loss = 0.0;
        for group in pack(&rows, config.max_tokens, Reads::Predictors) {
            let rows: Vec<Sequence<'_>> = group.iter().map(|i| rows[*i]).collect();
            let batch = TokenBatch::new(&rows, Reads::Predictors, policy.placement.device);
            accumulate(policy, &batch, 1.0, false, &gradient, |stats| {
                loss -= stats.logprobs.sum(tch::Kind::Double).double_value(&[]) / n_tokens as f64;
                StatsGrad { logprobs: stats.logprobs.full_like(-1.0 / n_tokens as f64), entropies: None }
            })?;
        }
        let diverged = |what: &str, value: f64| {
            let lr = config.lr;
            NotFinite(format!("warm start, step {step}: the {what} is {value}; lower [warmup] lr = {lr}"))
        };
        if !loss.is_finite() {
            return Err(diverged("loss", loss).into());
        }
        let applied = optimizer.apply(policy, &gradient, learning_rate(&optim, step, config.steps));
        if applied.param_delta.is_none() {
            return Err(diverged("gradient's norm", applied.grad_norm).into());
        }
        if !progress(Stand { step, loss, policy, optimizer: optimizer.state() })? {
            return Ok(false);
        }
    }
    Ok(true)
}
