//! The critic beside a policy: the model, its learner, and what a checkpoint keeps of both.

use anyhow::Result;

use crate::batch::{BatchConfig, Sequence, TrainSample};
use crate::checkpoint::CriticState;
use crate::learner::{CriticConfig, CriticLearner, CriticReport};
use crate::measure::{Passes, values};
use crate::model::{Critic, Policy};
use crate::optim::learning_rate;
use crate::ranks::Shard;
use crate::stats::squares;
use crate::types::{Step, TrainedTree, Tree};

/// A critic that learns beside the policy.
pub(crate) struct CriticTrainer {
    /// The model.
    pub critic: Critic,
    config: CriticConfig,
    learner: CriticLearner,
    /// The step behind which it began.
    pub began: Step,
}

impl CriticTrainer {
    /// One that starts from `policy` and is trained by the same ranks, which share what `shard` says.
    ///
    /// # Errors
    /// If the policy is not where its placement says.
    pub(crate) fn new(
        config: CriticConfig,
        batch: BatchConfig,
        policy: &Policy,
        shard: Shard,
    ) -> Result<Self> {
        let mut critic = Critic::of_policy(policy)?;
        critic.network.join(policy.network.pieces().ranks(), shard);
        critic.refresh()?;
        Ok(Self { learner: CriticLearner::new(config, batch, &critic), config, critic, began: 0 })
    }

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// If the state is of another model.
    pub(crate) fn restore(&mut self, state: CriticState) -> Result<()> {
        let CriticState { began, weights, optimizer } = state;
        self.began = began;
        self.critic.network.set_master(&weights)?;
        self.critic.refresh()?;
        self.learner.restore(optimizer)
    }

    /// As [`CriticTrainer::state`], with the weights on every rank.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn state_for_all(&self) -> Result<CriticState> {
        Ok(CriticState {
            began: self.began,
            weights: self.critic.network.to_all()?,
            optimizer: self.learner.state().shallow_clone(),
        })
    }

    /// What has to be saved. Ranks that share it read it together.
    ///
    /// # Errors
    /// If a rank is lost, or the weights cannot be copied to the host.
    pub(crate) fn state(&self) -> Result<CriticState> {
        Ok(CriticState {
            began: self.began,
            weights: self.critic.network.to_first()?.unwrap_or_default(),
            optimizer: self.learner.state().shallow_clone(),
        })
    }

    /// Whether it learns alone in `step`.
    #[must_use]
    pub(crate) fn learns_alone(&self, step: Step) -> bool {
        step <= self.began + self.config.warmup_steps
    }

    /// Learns from the samples of `step`, the last being `steps`.
    ///
    /// # Errors
    /// If a sample has no values or returns.
    pub(crate) fn update(
        &mut self,
        samples: &[TrainSample],
        step: Step,
        steps: Step,
    ) -> Result<CriticReport> {
        let lr = learning_rate(&self.config.optim, step, steps);
        self.learner.update(&mut self.critic, samples, lr)
    }
}

/// Share of the variance of `targets` that `values` explain; `None` where the targets do not vary.
///
/// ```text
/// 1 - Var(targets - values) / Var(targets)
/// ```
fn explained_variance(pairs: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let (values, targets): (Vec<f64>, Vec<f64>) = pairs.unzip();
    let errors: Vec<f64> = targets.iter().zip(&values).map(|(target, value)| target - value).collect();
    let whole = squares(&targets);
    (whole > 0.0).then(|| 1.0 - squares(&errors) / whole)
}

/// [`explained_variance`] of the returns of a step by the values before its update, over all tokens of graded responses.
pub(crate) fn explained_in_training(trees: &[TrainedTree]) -> Option<f64> {
    let fields = trees
        .iter()
        .map(|tree| &tree.credited)
        .filter_map(|tree| Some((tree, tree.measured.values.as_ref()?, tree.returns.as_ref()?)));
    explained_variance(fields.flat_map(|(tree, values, returns)| {
        let paths = tree.measured.tree.leaves.iter().zip(values.iter().zip(returns.iter()));
        let graded = paths.filter(|(leaf, _)| leaf.is_graded);
        let pairs = graded.flat_map(|(_, (values, returns))| values.iter().zip(returns));
        pairs.map(|(value, target)| (f64::from(*value), f64::from(*target)))
    }))
}

/// [`explained_variance`] of the rewards of whole responses, those that were graded, by the values before each of their
/// tokens, read in passes of `max_tokens`.
pub(crate) fn explained_rewards(critic: &Critic, trees: &[Tree], max_tokens: usize) -> Result<Option<f64>> {
    let leaves = || trees.iter().flat_map(|tree| tree.graded().map(move |leaf| (tree, leaf)));
    let sequences: Vec<Sequence<'_>> = leaves()
        .map(|(tree, leaf)| Sequence { prompt: &tree.prompt.tokens, response: &leaf.tokens })
        .collect();
    let values = values(critic, &sequences, Passes::new(max_tokens))?;
    let pairs = leaves()
        .zip(&values)
        .flat_map(|((_, leaf), values)| values.iter().map(|value| (f64::from(*value), leaf.verdict.value)));
    Ok(explained_variance(pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_critic_explains_everything_and_a_constant_nothing() {
        let targets = [0.0, 1.0, 1.0, 0.0];
        let of = |values: [f64; 4]| explained_variance(values.into_iter().zip(targets));
        assert_eq!(of(targets), Some(1.0));
        assert_eq!(of([0.3; 4]), Some(0.0));
        // Residuals 0.5, 0, 0, -0.5: variance 0.5 of 1.
        assert_eq!(of([-0.5, 1.0, 1.0, 0.5]), Some(0.5));
        assert!(of([1.0, 0.0, 0.0, 1.0]).is_some_and(|worse| worse < 0.0));
        assert_eq!(explained_variance([(0.2, 1.0), (0.4, 1.0)].into_iter()), None);
    }
}
