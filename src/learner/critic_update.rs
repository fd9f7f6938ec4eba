//! The critic's update of one step: the same epochs and minibatches as the policy's, its own optimiser and loss.

use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::fit::{Fit, MicroBatch, Objective, Refused};
use super::report::MetricAccumulator;
use crate::batch::{BatchConfig, Sequence, TrainSample, minibatches};
use crate::loss::{Aggregation, ValueInput, token_weights, value_loss};
use crate::model::{Critic, Gradient};
use crate::optim::{AdamWState, OptimConfig};
use crate::types::{MetricRow, Rules};

/// The model that predicts rewards for `[advantage] type = "gae"`. It starts as a copy of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CriticConfig {
    /// How far a value may move from what it was before the step until its gradient stops; 0 sets no limit.
    #[serde(default = "clip")]
    pub clip: f64,
    /// First steps of the run in which the critic learns and the policy does not.
    #[serde(default)]
    pub warmup_steps: u64,
    /// The optimiser of the critic, apart from that of the policy.
    pub optim: OptimConfig,
}

impl CriticConfig {
    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { clip, warmup_steps: _, optim } = self;
        let mut rules = Rules::default();
        rules.not_negative("clip", *clip);
        rules.part("optim", optim.rules());
        rules
    }
}

fn clip() -> f64 {
    0.2
}

/// What an update of the critic reports.
#[derive(Default)]
pub(crate) struct CriticReport {
    /// `loss/value`, `value/*` and `optim/critic_*`.
    pub metrics: MetricRow,
    /// What was not finite, if an update was refused for it.
    pub not_finite: Option<String>,
}

/// Updates a critic.
pub(crate) struct CriticLearner {
    config: CriticConfig,
    batch: BatchConfig,
    fit: Fit,
}

impl CriticLearner {
    /// A learner for `critic` that has made no update yet.
    #[must_use]
    pub(crate) fn new(config: CriticConfig, batch: BatchConfig, critic: &Critic) -> Self {
        Self { config, batch, fit: Fit::new(config.optim, batch.epochs, batch.max_tokens, &critic.network) }
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

    /// Trains on `samples` at learning rate `lr`. An update that is not finite is refused and ends the step, as the
    /// policy's does.
    ///
    /// # Errors
    /// If a sample has no values or returns, or the critic is not where its placement says.
    pub(crate) fn update(
        &mut self,
        critic: &mut Critic,
        samples: &[TrainSample],
        lr: f64,
    ) -> Result<CriticReport> {
        let mut objective =
            CriticObjective { clip: self.config.clip, recompute: self.batch.gradient_checkpointing };
        let minibatches = minibatches(samples, self.batch.minibatches);
        let fitted = self.fit.fit(critic, &mut objective, &minibatches, lr, &mut |_| Ok(()))?;
        let mut metrics = fitted.accumulator.means(fitted.n_updates);
        metrics.set("optim/critic_lr", lr);
        if fitted.n_updates > 0.0 {
            metrics.set("optim/critic_grad_norm", fitted.grad_norm / fitted.n_updates);
        }
        let not_finite = fitted.refused.map(|refused| match refused {
            Refused::Loss(name, value) => format!("{name} is {value}"),
            Refused::GradNorm(norm) => format!("the norm of the critic's gradient is {norm}"),
        });
        Ok(CriticReport { metrics, not_finite })
    }
}

/// The critic's loss over the samples of a step, the mean over a minibatch's response tokens.
struct CriticObjective {
    clip: f64,
    recompute: bool,
}

impl Objective for CriticObjective {
    type Sample = TrainSample;
    type Model = Critic;

    fn sequence(sample: &TrainSample) -> Sequence<'_> {
        sample.sequence()
    }

    fn weights(&self, minibatch: &[TrainSample]) -> Vec<f64> {
        let lengths: Vec<usize> = minibatch.iter().map(|s| s.tokens.len()).collect();
        // Of this aggregation the longest response is no part.
        token_weights(Aggregation::TokenMean, &lengths, 1)
    }

    fn accumulate(
        &mut self,
        critic: &Critic,
        micro: &MicroBatch<'_, TrainSample>,
        accumulator: &mut MetricAccumulator,
        gradient: &mut Gradient,
    ) -> Result<()> {
        let batch = &micro.tokens;
        let numbers = |field: fn(&TrainSample) -> Option<&Vec<f32>>, what: &str| {
            let rows = micro.samples.iter().map(|sample| field(sample).map(Vec::as_slice));
            let rows: Option<Vec<&[f32]>> = rows.collect();
            let rows = rows.with_context(|| format!("a sample has no {what}"))?;
            Ok::<_, anyhow::Error>(batch.per_token(rows.into_iter()))
        };
        let old = numbers(|s| s.values.as_ref(), "values")?;
        let returns = numbers(|s| s.returns.as_ref(), "returns")?;
        let weights = batch.per_sequence(&micro.weights);

        let head = critic.head();
        let forward = critic.network.forward(&batch.inputs, self.recompute)?;
        let picked = batch.pick(&forward.hidden); // (N, E)
        let new = head.values(&picked).set_requires_grad(true);
        let input = ValueInput { new_values: &new, old_values: &old, returns: &returns };
        let (loss, clipped) = value_loss(self.clip, &input);
        accumulator.add(new.size()[0], &[("value/clip_frac", clipped)]);
        accumulator.add_losses(&[("loss/value", loss.detach() * &weights)]);
        let total = (loss * &weights).sum(None);
        let d_values = Tensor::run_backward(&[total], &[&new], false, false).swap_remove(0);
        let d_picked = head.backward(&picked, &d_values, gradient);
        critic.network.backward(&batch.inputs, forward, &batch.unpick(&d_picked), gradient)
    }

    fn updated(&mut self, critic: &mut Critic) -> Result<()> {
        critic.refresh()
    }
}
