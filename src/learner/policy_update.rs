//! The policy-gradient update of one step.

use anyhow::Result;
use tch::Tensor;

use super::accumulate::accumulate;
use super::fit::{Fit, MicroBatch, Objective, Refused};
use super::report::{Gap, MetricAccumulator, UpdateReport};
use crate::batch::{BatchConfig, Sequence, TrainSample, minibatches};
use crate::loss::{KlPlace, LossConfig, LossInput, kl_tokens, token_weights};
use crate::model::{Gradient, Policy, StatsGrad, TokenStats};
use crate::optim::{AdamWState, OptimConfig};
use crate::ranks::Ranks;
use crate::types::{Progress, Seen};

/// What a learner is told once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LearnerConfig {
    /// Policy loss, aggregation, KL.
    pub loss: LossConfig,
    /// Optimiser.
    pub optim: OptimConfig,
    /// Minibatches, epochs, token budget.
    pub batch: BatchConfig,
    /// Temperature of the sampling distribution.
    pub temperature: f64,
    /// Longest response allowed, tokens.
    pub max_new_tokens: usize,
}

/// What may change from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rates {
    /// Learning rate.
    pub lr: f64,
    /// Weight of the KL penalty in the loss; without effect where the recipe has none there.
    pub kl_coef: f64,
}

/// Updates a policy.
pub(crate) struct PolicyLearner {
    config: LearnerConfig,
    fit: Fit,
}

impl PolicyLearner {
    /// A learner for `policy` that has made no update yet.
    #[must_use]
    pub(crate) fn new(config: LearnerConfig, policy: &Policy) -> Self {
        let BatchConfig { epochs, max_tokens, .. } = config.batch;
        let fit = Fit::new(config.optim, epochs, max_tokens, &policy.network);
        Self { config, fit }
    }

    /// The optimiser's memory, part of a checkpoint.
    #[must_use]
    pub(crate) fn state(&self) -> &AdamWState {
        self.fit.optimizer.state()
    }

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// If the state is of another model.
    pub(crate) fn restore(&mut self, state: AdamWState) -> Result<()> {
        self.fit.optimizer.restore(state)
    }

    /// Trains on `samples`.
    ///
    /// An update whose loss or gradient is not finite is refused and ends the step: weights and optimiser stay as they
    /// were before it, and the report says what was wrong. `progress` hears how many samples have been worked through
    /// since its last call, `epochs` times each; it can end the work as long as no update has been made.
    ///
    /// # Errors
    /// If the policy is not where its placement says, or results cannot be copied to the host.
    pub(crate) fn update(
        &mut self,
        policy: &mut Policy,
        samples: &[TrainSample],
        rates: Rates,
        progress: &mut Progress<'_>,
    ) -> Result<UpdateReport> {
        let minibatches = minibatches(samples, self.config.batch.minibatches);
        let mut objective =
            PolicyObjective { config: &self.config, kl_coef: rates.kl_coef, seen: vec![None; samples.len()] };
        let fitted = self.fit.fit(policy, &mut objective, &minibatches, rates.lr, progress)?;
        let seen = shared(policy.network.pieces().ranks(), objective.seen)?;
        let first_gap = minibatches.first().map(|first| gap(&seen, first));
        let mut metrics = fitted.accumulator.means(fitted.n_updates);
        metrics.set("optim/lr", rates.lr);
        if fitted.n_updates > 0.0 {
            metrics.set("optim/grad_norm", fitted.grad_norm / fitted.n_updates);
            metrics.set("optim/param_delta", fitted.param_delta);
        }
        if let Some(gap) = first_gap {
            metrics.set("policy/first_ratio_gap", gap.max);
        }
        let not_finite = fitted.refused.map(|refused| match refused {
            Refused::Loss(name, value) => format!("{name} is {value}"),
            Refused::GradNorm(norm) => format!("the gradient's norm is {norm}"),
        });
        Ok(UpdateReport { metrics, seen, first_gap, not_finite })
    }
}

/// What the ranks have seen of the samples, in their order, as far as they came.
fn shared(ranks: &Ranks, own: Vec<Option<Seen>>) -> Result<Vec<Seen>> {
    let mut all: Vec<Option<Seen>> = vec![None; own.len()];
    let own: Vec<(usize, Seen)> =
        own.into_iter().enumerate().filter_map(|(i, seen)| Some((i, seen?))).collect();
    for (i, seen) in ranks.exchange(Ok(own))?.into_iter().flatten() {
        all[i] = Some(seen);
    }
    Ok(all.into_iter().map_while(|seen| seen).collect())
}

/// The policy's loss over the samples of a step.
struct PolicyObjective<'a> {
    config: &'a LearnerConfig,
    kl_coef: f64,
    /// What the first pass over each sample saw.
    seen: Vec<Option<Seen>>,
}

impl Objective for PolicyObjective<'_> {
    type Sample = TrainSample;
    type Model = Policy;

    fn sequence(sample: &TrainSample) -> Sequence<'_> {
        sample.sequence()
    }

    fn weights(&self, minibatch: &[TrainSample]) -> Vec<f64> {
        let lengths: Vec<usize> = minibatch.iter().map(|s| s.tokens.len() - s.from).collect();
        token_weights(self.config.loss.aggregation(), &lengths, self.config.max_new_tokens)
    }

    fn accumulate(
        &mut self,
        policy: &Policy,
        micro: &MicroBatch<'_, TrainSample>,
        accumulator: &mut MetricAccumulator,
        gradient: &mut Gradient,
    ) -> Result<()> {
        let (config, numbers) = (self.config, Numbers::new(micro));
        let loss = TotalLoss { config: &config.loss, kl_coef: self.kl_coef, inputs: &numbers };
        let mut found = None;
        let recompute = config.batch.gradient_checkpointing;
        accumulate(policy, &micro.tokens, config.temperature, recompute, gradient, |stats| {
            found = Some((stats.logprobs.shallow_clone(), stats.entropies.shallow_clone()));
            loss.derivative(stats, accumulator)
        })?;
        let Some((logprobs, entropies)) = found else { return Ok(()) };
        let (logprobs, entropies) =
            (micro.tokens.by_sequence(&logprobs)?, micro.tokens.by_sequence(&entropies)?);
        for (i, (logprobs, entropies)) in micro.indices.iter().zip(logprobs.into_iter().zip(entropies)) {
            self.seen[*i].get_or_insert(Seen { logprobs, entropies });
        }
        Ok(())
    }
}

/// The numbers of a micro-batch's response tokens; f32 `[N]` each.
struct Numbers {
    lengths: Vec<i64>,
    advantages: Tensor,
    weights: Tensor,
    old_logprobs: Option<Tensor>,
    ref_logprobs: Option<Tensor>,
}

impl Numbers {
    fn new(micro: &MicroBatch<'_, TrainSample>) -> Self {
        let MicroBatch { tokens: batch, samples, weights, .. } = micro;
        let weight = |(sample, weight): (&&TrainSample, &f64)| -> Vec<f32> {
            (0..sample.tokens.len()).map(|t| if t < sample.from { 0.0 } else { *weight as f32 }).collect()
        };
        let by_token: Vec<Vec<f32>> = samples.iter().zip(weights).map(weight).collect();
        let optional = |field: fn(&TrainSample) -> Option<&Vec<f32>>| {
            let values: Option<Vec<&[f32]>> = samples.iter().map(|s| field(s).map(Vec::as_slice)).collect();
            values.map(|values| batch.per_token(values.into_iter()))
        };
        Self {
            lengths: samples.iter().map(|s| s.tokens.len() as i64).collect(),
            advantages: batch.per_token(samples.iter().map(|s| s.advantages.as_slice())),
            weights: batch.per_token(by_token.iter().map(Vec::as_slice)),
            old_logprobs: optional(|s| s.old_logprobs.as_ref()),
            ref_logprobs: optional(|s| s.ref_logprobs.as_ref()),
        }
    }
}

/// `sum_t weight_t * (policy loss_t + kl_coef * kl_t - entropy_bonus * entropy_t)` of one micro-batch.
struct TotalLoss<'a> {
    config: &'a LossConfig,
    kl_coef: f64,
    inputs: &'a Numbers,
}

impl TotalLoss<'_> {
    /// The derivative with respect to log-probabilities and entropies; tells `accumulator` what there is to report.
    fn derivative(&self, stats: &TokenStats, accumulator: &mut MetricAccumulator) -> StatsGrad {
        let inputs = self.inputs;
        let new = stats.logprobs.detach().set_requires_grad(true);
        let old = inputs.old_logprobs.as_ref().map_or_else(|| new.detach(), Tensor::shallow_clone);
        let token = self.config.policy.settings().token_loss(&LossInput {
            new_logprobs: &new,
            old_logprobs: &old,
            advantages: &inputs.advantages,
            lengths: &inputs.lengths,
        });
        let log_ratio = new.detach() - &old;
        let ratio = log_ratio.exp();
        let mut report = vec![
            ("policy/ratio_mean", ratio.shallow_clone()),
            ("policy/approx_kl", ratio - 1.0 - log_ratio),
            ("policy/clip_frac_low", token.clipped_low),
            ("policy/clip_frac_high", token.clipped_high),
        ];
        let mut losses = vec![("loss/policy", token.loss.detach() * &inputs.weights)];
        let mut loss = token.loss;
        if let (Some(kl), Some(reference)) = (self.config.kl, &inputs.ref_logprobs) {
            report.push(("policy/kl_ref", kl_tokens(kl.estimator, &new.detach(), reference)));
            if kl.place == KlPlace::Loss {
                let penalty = kl_tokens(kl.estimator, &new, reference) * self.kl_coef;
                losses.push(("loss/kl", penalty.detach() * &inputs.weights));
                loss += penalty;
            }
        }
        let bonus = Some(self.config.entropy_bonus).filter(|bonus| *bonus != 0.0);
        if let Some(bonus) = bonus {
            losses.push(("loss/entropy", &stats.entropies * &inputs.weights * -bonus));
        }
        accumulator.add(new.size()[0], &report);
        accumulator.add_losses(&losses);
        let total = (loss * &inputs.weights).sum(None);
        let mut grads = Tensor::run_backward(&[total], &[&new], false, false);
        StatsGrad {
            logprobs: grads.pop().unwrap_or_else(|| new.zeros_like()),
            entropies: bonus.map(|bonus| &inputs.weights * -bonus),
        }
    }
}

/// Distance of what was `seen` from the old log-probabilities of `samples`, where they have some.
fn gap(seen: &[Seen], samples: &[TrainSample]) -> Gap {
    let pairs =
        seen.iter().zip(samples).filter_map(|(seen, s)| Some((&seen.logprobs, s.old_logprobs.as_ref()?)));
    Gap::from_distances(
        pairs.flat_map(|(new, old)| new.iter().zip(old)).map(|(new, old)| f64::from(new - old).abs()),
    )
}
