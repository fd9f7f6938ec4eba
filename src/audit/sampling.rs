//! The responses of an audit, measured for all arms at once.

use anyhow::Result;

use super::arm::{self, Arm};
use super::capture::{Decided, Segment};
use super::fold::Fold;
use super::{Plan, Watch};
use crate::credit::values::{Stop, Values, squared_change};
use crate::measure::{Measures, Models, Passes, measure};
use crate::model::Policy;
use crate::pipeline::{RolloutBatch, RolloutSource};
use crate::ranks::Ranks;
use crate::signal::{Grouping, Regroup, SignalConfig};
use crate::stats::variance;
use crate::types::{Attention, MeasuredTree, Needs, RatioStart, Step, Tree};

/// Samples and measures.
pub(super) struct Sampling<'a> {
    pub(super) plan: &'a Plan,
    pub(super) arms: &'a [Arm],
    /// Who responds.
    pub(super) sampler: &'a Policy,
    /// Of the first responses, which stand apart, so that no response chooses the heads that credit it.
    pub(super) grouping: Grouping,
    pub(super) passes: Passes<'a>,
}

impl Sampling<'_> {
    /// The next fold of `source`, number `number` of all calls.
    ///
    /// # Errors
    /// If responses cannot be generated or measured; that of `watch`.
    pub(super) fn fold(
        &mut self,
        policy: &Policy,
        source: &mut dyn RolloutSource,
        number: usize,
        watch: &dyn Watch,
    ) -> Result<Fold> {
        let step = number as Step + 1;
        let RolloutBatch { trees, attention, .. } =
            source.next(self.sampler, step, &mut |n| watch.advance(n))?;
        let (trees, continued) = match self.arms.iter().any(Arm::continues) {
            true => (trees.iter().cloned().map(roots).collect(), trees),
            false => (trees, Vec::new()),
        };
        Fold::new(self.measured(policy, trees, attention, step)?, &continued, self.arms)
    }

    /// Where the reward of some responses of `source` is decided; these are continued from many places.
    ///
    /// # Errors
    /// As [`Sampling::fold`].
    pub(super) fn decided(
        &mut self,
        policy: &Policy,
        source: &mut dyn RolloutSource,
        number: usize,
        watch: &dyn Watch,
    ) -> Result<Vec<Decided>> {
        let step = number as Step + 1;
        let trees = source.next(self.sampler, step, &mut |n| watch.advance(n))?.trees;
        let stops: Vec<Vec<Vec<Stop>>> = trees.iter().map(stops).collect();
        let roots = trees.iter().cloned().map(roots).collect();
        let measured = self.measured(policy, roots, Attention::unread(), step)?;
        let fold = Fold::new(measured, &trees, self.arms)?;
        let decided = |(i, stops): (usize, &Vec<Vec<Stop>>)| {
            let tree = &fold.trees[i].tree;
            let rewards: Vec<f64> = tree.graded().map(|leaf| leaf.verdict.value).collect();
            let segments = |(leaf, stops): (usize, &Vec<Stop>)| {
                stops.windows(2).map(|ends| segment(&fold, i, leaf, &ends[0], &ends[1])).collect()
            };
            Decided {
                responses: stops
                    .iter()
                    .enumerate()
                    .filter(|(_, stops)| !stops.is_empty())
                    .map(segments)
                    .collect(),
                variance: variance(&rewards),
            }
        };
        Ok(stops.iter().enumerate().map(decided).collect())
    }

    fn measured(
        &mut self,
        policy: &Policy,
        trees: Vec<Tree>,
        attention: Attention,
        step: Step,
    ) -> Result<Vec<MeasuredTree>> {
        let config = SignalConfig { regroup_every: Regroup::Frozen, ..self.plan.signals.clone() };
        let all = Needs { old_logprobs: true, waad: true, fai: true, ..Needs::default() };
        let measures = Measures {
            needs: arm::needs(self.arms).union(all),
            start: RatioStart::Measured,
            temperature: self.plan.temperature,
            signals: &config,
            passes: self.passes,
            ranks: &Ranks::default(),
        };
        let models = Models { policy, reference: None, critic: None };
        measure(models, measures, trees, attention, step, &mut self.grouping)
    }
}

/// The places of known value, with a known noise, of each response of `tree` that others continue.
fn stops(tree: &Tree) -> Vec<Vec<Stop>> {
    let totals: Vec<Option<f64>> = tree.leaves.iter().map(|leaf| Some(leaf.reward()?.value)).collect();
    let values = Values::new(tree, &totals);
    values.responses().map(|leaf| values.told_stops(leaf)).collect()
}

/// `tree` without those who continue.
fn roots(tree: Tree) -> Tree {
    let leaves = tree.leaves.into_iter().filter(|leaf| leaf.fork.is_none()).collect();
    Tree { prompt: tree.prompt, leaves }
}

/// The segment of response `leaf` of tree `tree` of `fold` between two places.
fn segment(fold: &Fold, tree: usize, leaf: usize, start: &Stop, end: &Stop) -> Segment {
    let half = |i: usize| {
        let change = end.halves[i] - start.halves[i];
        (change, change * change - end.noise_of_halves[i] - start.noise_of_halves[i])
    };
    let gains = |arm: usize| &fold.arms[arm].gains[tree].path(leaf)[start.at..end.at];
    let n_tokens = end.at - start.at;
    let mean = |arm: usize| gains(arm).iter().map(|gain| f64::from(*gain)).sum::<f64>() / n_tokens as f64;
    let most =
        |arm: usize| gains(arm).iter().fold(f64::NEG_INFINITY, |most, gain| most.max(f64::from(*gain)));
    Segment {
        n_tokens,
        squared: squared_change(start, end),
        halves: [half(0), half(1)],
        mean: (0..fold.arms.len()).map(mean).collect(),
        most: (0..fold.arms.len()).map(most).collect(),
    }
}
