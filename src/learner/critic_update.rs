//! The critic's update of one step: the same epochs and minibatches as the policy's, its own optimiser.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::report::Tally;
use crate::batch::{BatchConfig, Reads, Sequence, TokenBatch, TrainSample, minibatches, pack};
use crate::loss::{Aggregation, ValueInput, token_weights, value_loss};
use crate::model::{Critic, Gradient};
use crate::optim::{AdamW, OptimConfig};
use crate::types::MetricRow;

/// `[critic]`: the model that predicts rewards for `[advantage] type = "gae"`. It starts as a copy of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CriticConfig {
    /// How far a value may move from what it was before the step until its gradient stops; 0 sets no limit.
    #[serde(default = "clip")]
    pub clip: f64,
    /// First steps of the run in which the critic learns and the policy does not.
    #[serde(default)]
    pub warmup_steps: u64,
    /// Its optimiser.
    pub optim: OptimConfig,
}

fn clip() -> f64 {
    0.2
}

/// What an update of the critic reports.
#[derive(Default)]
pub struct CriticReport {
    /// `loss/value`, `value/*` and `optim/critic_*`.
    pub metrics: MetricRow,
    /// What was not finite, if an update was refused for it.
    pub not_finite: Option<String>,
}

/// Updates a critic.
pub struct CriticLearner {
    config: CriticConfig,
    batch: BatchConfig,
    gradient: Gradient,
    /// The optimiser; its state is part of a checkpoint.
    pub optimizer: AdamW,
}

impl CriticLearner {
    /// A learner for `critic` that has made no update yet.
    #[must_use]
    pub fn new(config: CriticConfig, batch: BatchConfig, critic: &Critic) -> Self {
        Self { config, batch, gradient: critic.zero_gradient(), optimizer: AdamW::new(config.optim, critic) }
    }

    /// Trains on `samples` at learning rate `lr`. An update that is not finite is refused and ends the step, as the
    /// policy's does.
    ///
    /// # Errors
    /// If a sample has no values or returns, or the critic is not where its placement says.
    pub fn update(&mut self, critic: &mut Critic, samples: &[TrainSample], lr: f64) -> Result<CriticReport> {
        let mut tally = Tally::default();
        let (mut grad_norm, mut n_updates, mut not_finite) = (0.0, 0.0, None);
        'step: for _ in 0..self.batch.epochs {
            for minibatch in minibatches(samples, self.batch.minibatches) {
                self.gradient.clear();
                self.gather(critic, minibatch, &mut tally)?;
                not_finite = tally.loss_not_finite();
                if not_finite.is_some() {
                    break 'step;
                }
                let applied = self.optimizer.apply(critic, &self.gradient, lr);
                grad_norm += applied.grad_norm;
                n_updates += 1.0;
                if applied.param_delta.is_none() {
                    not_finite = Some(format!("the norm of the critic's gradient is {}", applied.grad_norm));
                    break 'step;
                }
            }
        }
        let mut metrics = tally.means(n_updates);
        metrics.set("optim/critic_lr", lr);
        if n_updates > 0.0 {
            metrics.set("optim/critic_grad_norm", grad_norm / n_updates);
        }
        Ok(CriticReport { metrics, not_finite })
    }

    /// Gathers the gradient of one minibatch, the mean over its response tokens.
    fn gather(&mut self, critic: &Critic, samples: &[TrainSample], tally: &mut Tally) -> Result<()> {
        let lengths: Vec<usize> = samples.iter().map(|s| s.tokens.len()).collect();
        // Of this aggregation the longest response is no part.
        let weights = token_weights(Aggregation::TokenMean, &lengths, 1);
        let sequences: Vec<Sequence<'_>> = samples.iter().map(TrainSample::sequence).collect();
        for group in pack(&sequences, self.batch.max_tokens, Reads::Predictors) {
            let rows: Vec<Sequence<'_>> = group.iter().map(|i| sequences[*i]).collect();
            let batch = TokenBatch::new(&rows, Reads::Predictors, critic.placement.device);
            let numbers = |field: fn(&TrainSample) -> Option<&Vec<f32>>, what: &str| {
                let of = |i: &usize| {
                    let values = field(&samples[*i]).with_context(|| format!("a sample has no {what}"))?;
                    Ok(values.as_slice())
                };
                let rows = group.iter().map(of).collect::<Result<Vec<_>>>()?;
                Ok::<_, anyhow::Error>(batch.per_token(rows.into_iter()))
            };
            let old = numbers(|s| s.values.as_ref(), "values")?;
            let returns = numbers(|s| s.returns.as_ref(), "returns")?;
            let weights = batch.per_sequence(&group.iter().map(|i| weights[*i]).collect::<Vec<_>>());
            self.accumulate(critic, &batch, &mut |new| {
                let new = new.set_requires_grad(true);
                let input = ValueInput { new_values: &new, old_values: &old, returns: &returns };
                let (loss, clipped) = value_loss(self.config.clip, &input);
                tally.add(new.size()[0], &[("value/clip_frac", clipped)]);
                tally.add_losses(&[("loss/value", loss.detach() * &weights)]);
                let total = (loss * &weights).sum(None);
                Tensor::run_backward(&[total], &[&new], false, false).swap_remove(0)
            })?;
        }
        Ok(())
    }

    /// Forward, the loss's derivative with respect to the values, backward into the flat gradient.
    fn accumulate(
        &self,
        critic: &Critic,
        batch: &TokenBatch,
        derivative: &mut dyn FnMut(Tensor) -> Tensor,
    ) -> Result<()> {
        let head = critic.head();
        let forward = critic.forward(&batch.inputs, self.batch.recompute)?;
        let picked = batch.pick(&forward.hidden); // (N, E)
        let d_values = derivative(head.values(&picked));
        let d_picked = head.backward(&picked, &d_values, &mut critic.head_gradient(&self.gradient));
        critic.backward(&batch.inputs, forward, &batch.unpick(&d_picked), &self.gradient)
    }
}
