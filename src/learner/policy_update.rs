//! The policy-gradient update of one step: epochs x minibatches, each one optimiser step over all its micro-batches.

use anyhow::Result;
use tch::Tensor;

use super::accumulate::accumulate;
use super::report::{Gap, Tally, UpdateReport};
use crate::batch::{BatchConfig, Reads, Sequence, TokenBatch, TrainSample, minibatches, pack};
use crate::loss::{KlPlace, LossConfig, LossInput, PolicyLoss, Terms, kl_tokens, token_weights};
use crate::model::{Gradient, Policy, StatsGrad, TokenStats};
use crate::optim::{AdamW, OptimConfig};
use crate::types::{Progress, Seen};

/// What a learner is told once.
#[derive(Clone, Copy, Debug)]
pub struct LearnerConfig {
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
pub struct Rates {
    /// Learning rate.
    pub lr: f64,
    /// Weight of the KL penalty in the loss; without effect where the recipe has none there.
    pub kl_coef: f64,
}

/// Updates a policy.
pub struct PolicyLearner {
    config: LearnerConfig,
    loss: Box<dyn PolicyLoss>,
    gradient: Gradient,
    /// The optimiser; its state is part of a checkpoint.
    pub optimizer: AdamW,
}

impl PolicyLearner {
    /// A learner for `policy` that has made no update yet.
    #[must_use]
    pub fn new(config: LearnerConfig, policy: &Policy) -> Self {
        Self {
            config,
            loss: config.loss.build(),
            gradient: policy.zero_gradient(),
            optimizer: AdamW::new(config.optim, policy),
        }
    }

    /// Trains on `samples`.
    ///
    /// An update whose loss or gradient is not finite is refused and ends the step: weights and optimiser stay as they
    /// were before it, and the report says what was wrong. `progress` hears how many samples have been worked through
    /// since its last call, `epochs` times each; it can end the work as long as no update has been made.
    ///
    /// # Errors
    /// If the policy is not where its placement says, or results cannot be copied to the host.
    pub fn update(
        &mut self,
        policy: &mut Policy,
        samples: &[TrainSample],
        rates: Rates,
        progress: &mut Progress<'_>,
    ) -> Result<UpdateReport> {
        let mut tally = Tally::default();
        let mut first = Vec::new();
        let (mut grad_norm, mut param_delta, mut n_updates) = (0.0, 0.0, 0.0);
        let (mut not_finite, mut first_gap) = (None, None);
        'step: for epoch in 0..self.config.batch.epochs {
            for minibatch in minibatches(samples, self.config.batch.minibatches) {
                self.gradient.clear();
                let mut heard = |n| {
                    let go_on = progress(n);
                    // Once weights have moved, the rest must follow.
                    if n_updates > 0.0 { Ok(()) } else { go_on }
                };
                let seen = self.gather(policy, minibatch, rates.kl_coef, &mut tally, &mut heard)?;
                let _ = first_gap.get_or_insert_with(|| gap(&seen, minibatch));
                if epoch == 0 {
                    first.extend(seen);
                }
                not_finite = tally.loss_not_finite();
                if not_finite.is_some() {
                    break 'step;
                }
                let applied = self.optimizer.apply(policy, &self.gradient, rates.lr);
                grad_norm += applied.grad_norm;
                n_updates += 1.0;
                match applied.param_delta {
                    Some(delta) => param_delta += delta,
                    None => {
                        not_finite = Some(format!("the gradient's norm is {}", applied.grad_norm));
                        break 'step;
                    }
                }
            }
        }
        let mut metrics = tally.means(n_updates);
        metrics.set("optim/lr", rates.lr);
        if n_updates > 0.0 {
            metrics.set("optim/grad_norm", grad_norm / n_updates);
            metrics.set("optim/param_delta", param_delta);
        }
        if let Some(gap) = first_gap {
            metrics.set("policy/first_ratio_gap", gap.max);
        }
        Ok(UpdateReport { metrics, seen: first, first_gap, not_finite })
    }

    /// Gathers the gradient of one minibatch; gives what its samples' tokens looked like on the way.
    fn gather(
        &mut self,
        policy: &Policy,
        samples: &[TrainSample],
        kl_coef: f64,
        tally: &mut Tally,
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Seen>> {
        let lengths: Vec<usize> = samples.iter().map(|s| s.tokens.len() - s.from).collect();
        let terms = self.loss.terms();
        let weights = token_weights(terms.aggregation, &lengths, self.config.max_new_tokens);
        let sequences: Vec<Sequence<'_>> = samples.iter().map(TrainSample::sequence).collect();
        let mut seen = vec![Seen { logprobs: Vec::new(), entropies: Vec::new() }; samples.len()];
        for group in pack(&sequences, self.config.batch.max_tokens, Reads::Predictors) {
            let rows: Vec<Sequence<'_>> = group.iter().map(|i| sequences[*i]).collect();
            let batch = TokenBatch::new(&rows, Reads::Predictors, policy.placement.device);
            let inputs = MicroBatch::new(&batch, group.iter().map(|i| (&samples[*i], weights[*i])));
            let mut stats = None;
            let loss = TotalLoss { policy: self.loss.as_ref(), terms, kl_coef, inputs: &inputs };
            let recompute = self.config.batch.recompute;
            accumulate(policy, &batch, self.config.temperature, recompute, &self.gradient, |token_stats| {
                let grad = loss.derivative(token_stats, tally);
                stats = Some((token_stats.logprobs.shallow_clone(), token_stats.entropies.shallow_clone()));
                grad
            })?;
            if let Some((logprobs, entropies)) = stats {
                let found = batch.by_sequence(&logprobs)?.into_iter().zip(batch.by_sequence(&entropies)?);
                for (i, (logprobs, entropies)) in group.iter().zip(found) {
                    seen[*i] = Seen { logprobs, entropies };
                }
            }
            progress(group.len())?;
        }
        Ok(seen)
    }
}

/// The numbers of a micro-batch's response tokens; f32 `[N]` each.
struct MicroBatch {
    lengths: Vec<i64>,
    advantages: Tensor,
    weights: Tensor,
    old_logprobs: Option<Tensor>,
    ref_logprobs: Option<Tensor>,
}

impl MicroBatch {
    fn new<'s>(batch: &TokenBatch, samples: impl Iterator<Item = (&'s TrainSample, f64)>) -> Self {
        let (samples, weights): (Vec<_>, Vec<_>) = samples.unzip();
        let weight = |(sample, weight): (&&TrainSample, &f64)| -> Vec<f32> {
            (0..sample.tokens.len()).map(|t| if t < sample.from { 0.0 } else { *weight as f32 }).collect()
        };
        let by_token: Vec<Vec<f32>> = samples.iter().zip(&weights).map(weight).collect();
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
    policy: &'a dyn PolicyLoss,
    terms: Terms,
    kl_coef: f64,
    inputs: &'a MicroBatch,
}

impl TotalLoss<'_> {
    /// The derivative with respect to log-probabilities and entropies; tells `tally` what there is to report.
    fn derivative(&self, stats: &TokenStats, tally: &mut Tally) -> StatsGrad {
        let inputs = self.inputs;
        let new = stats.logprobs.detach().set_requires_grad(true);
        let old = inputs.old_logprobs.as_ref().map_or_else(|| new.detach(), Tensor::shallow_clone);
        let token = self.policy.token_loss(&LossInput {
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
        if let (Some(kl), Some(reference)) = (self.terms.kl, &inputs.ref_logprobs) {
            report.push(("policy/kl_ref", kl_tokens(kl.estimator, &new.detach(), reference)));
            if kl.place == KlPlace::Loss {
                let penalty = kl_tokens(kl.estimator, &new, reference) * self.kl_coef;
                losses.push(("loss/kl", penalty.detach() * &inputs.weights));
                loss += penalty;
            }
        }
        let bonus = Some(self.terms.entropy_bonus).filter(|bonus| *bonus != 0.0);
        if let Some(bonus) = bonus {
            losses.push(("loss/entropy", &stats.entropies * &inputs.weights * -bonus));
        }
        tally.add(new.size()[0], &report);
        tally.add_losses(&losses);
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
    Gap::of(pairs.flat_map(|(new, old)| new.iter().zip(old)).map(|(new, old)| f64::from(new - old).abs()))
}
