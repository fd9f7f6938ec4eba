//! From rewards to one finished advantage per response token.
//!
//! ```text
//! measured trees --advantage--> A_t --strategy, strategy, ...--> gamma_t A_t
//! ```
//!
//! Both halves see plain numbers only: nothing here knows tensors.

pub mod advantage;
pub mod strategy;

use anyhow::Result;

use self::advantage::{AdvantageEstimator, WithoutSignal};
use self::strategy::{Anchors, CreditStrategy, Response};
use crate::types::{CreditedTree, MeasuredTree, MetricRow, Needs, PathField, Step};

/// An estimator and the chain of strategies behind it.
pub struct Credit {
    /// Turns rewards into advantages.
    pub estimator: Box<dyn AdvantageEstimator>,
    /// Reshape them, one after the other.
    pub strategies: Vec<Box<dyn CreditStrategy>>,
    /// What happens to groups whose rewards are all equal.
    pub without_signal: WithoutSignal,
}

impl Credit {
    /// What must be measured for the estimator and all strategies.
    #[must_use]
    pub fn needs(&self) -> Needs {
        self.strategies.iter().fold(self.estimator.needs(), |needs, strategy| needs.union(strategy.needs()))
    }

    /// Gives every response token of `step` its advantage and says which leaves are trained; also `credit/*`.
    ///
    /// # Errors
    /// If a tree lacks what the estimator or a strategy works on.
    pub fn assign(&self, trees: Vec<MeasuredTree>, step: Step) -> Result<(Vec<CreditedTree>, MetricRow)> {
        let mut advantages = self.estimator.estimate(&trees)?;
        let mut gammas: Vec<PathField<f32>> =
            trees.iter().map(|tree| PathField::from_fn(&tree.tree, |_, _| 1.0)).collect();
        let mut anchors = Vec::new();
        for strategy in &self.strategies {
            for ((tree, advantages), gammas) in trees.iter().zip(&mut advantages).zip(&mut gammas) {
                let found = reshape(strategy.as_ref(), tree, step, advantages, gammas)?;
                anchors.extend(found);
            }
        }
        let row = metrics(&gammas, &anchors);
        let credited =
            trees.into_iter().zip(advantages).zip(gammas).map(|((measured, advantages), gamma)| {
                let kept = self.without_signal == WithoutSignal::Keep || measured.tree.has_signal();
                let trained = vec![kept; measured.tree.leaves.len()];
                CreditedTree { measured, advantages, gamma, trained }
            });
        Ok((credited.collect(), row))
    }
}

/// Lets one strategy reshape the advantages of `tree`, and multiplies what it did into `gammas`.
fn reshape(
    strategy: &dyn CreditStrategy,
    tree: &MeasuredTree,
    step: Step,
    advantages: &mut PathField<f32>,
    gammas: &mut PathField<f32>,
) -> Result<Vec<Anchors>> {
    let leaves = 0..tree.tree.leaves.len();
    let found =
        leaves.map(|leaf| strategy.gamma(&Response::of(tree, leaf, step))).collect::<Result<Vec<_>>>()?;
    let own = |leaf: usize, t: usize, advantage: f32| {
        if strategy.apply_to().includes(advantage) { found[leaf].values[t] } else { 1.0 }
    };
    *gammas = gammas.map(|leaf, t, gamma| gamma * own(leaf, t, advantages.path(leaf)[t]));
    *advantages = advantages.map(|leaf, t, advantage| advantage * own(leaf, t, *advantage));
    Ok(found.into_iter().filter_map(|gamma| gamma.anchors).collect())
}

/// `credit/*` of a step.
fn metrics(gammas: &[PathField<f32>], anchors: &[Anchors]) -> MetricRow {
    let (mut n, mut boosted, mut sum) = (0u64, 0u64, 0.0);
    for gamma in gammas.iter().flat_map(|field| field.iter().flatten()) {
        n += 1;
        boosted += u64::from(*gamma > 1.0);
        sum += f64::from(*gamma);
    }
    let share = |part: f64, whole: f64| part / whole.max(1.0);
    let mut row = MetricRow::default();
    row.set("credit/boosted_frac", share(boosted as f64, n as f64));
    row.set("credit/gain_mean", share(sum, n as f64));
    if !anchors.is_empty() {
        let total = |count: fn(&Anchors) -> usize| anchors.iter().map(count).sum::<usize>() as f64;
        row.set("credit/dominated_frac", share(total(|a| a.n_dominated), total(|a| a.n)));
    }
    row
}
