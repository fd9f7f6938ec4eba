//! Advantage estimators: how much better than expected each response, or each token of it, was.

mod batch_baseline;
mod gae;
mod group;
mod leave_one_out;
mod segment;
#[cfg(test)]
pub(crate) mod testing;
mod tree;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

pub(crate) use batch_baseline::BatchBaselineConfig;
pub(crate) use gae::GaeConfig;
pub(crate) use group::GroupConfig;
#[cfg(test)]
pub(crate) use group::Scale;
pub(crate) use leave_one_out::LeaveOneOutConfig;
pub(crate) use segment::SegmentConfig;
pub(crate) use tree::TreeConfig;

use super::Rewards;
use crate::stats::{mean, std};
use crate::types::{Leaf, Needs, PathField, Rules};

/// Turns the rewards of a step's trees into advantages.
pub(crate) trait AdvantageEstimator {
    /// What its settings may be.
    fn rules(&self) -> Rules {
        Rules::default()
    }

    /// Whether it compares the responses to a prompt, so that equal rewards tell nothing.
    fn compares(&self) -> bool {
        true
    }

    /// Whether it goes by responses that continue others, which `[values]` asks for.
    fn continues(&self) -> bool {
        false
    }

    /// What must be measured for it; nothing beyond the rewards unless it says so.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// One field per tree, in order. All trees of the step at once, because some baselines span the step.
    ///
    /// # Errors
    /// If a tree lacks what the estimator works on.
    fn estimate(&self, trees: &[Rewards<'_>]) -> Result<Vec<PathField<f32>>>;

    /// What a critic should have said about each token of `tree`; `None` where there is no critic.
    ///
    /// # Errors
    /// If the tree lacks what the estimator works on.
    fn returns(&self, _tree: &Rewards<'_>) -> Result<Option<PathField<f32>>> {
        Ok(None)
    }
}

/// How the rewards of a tree become advantages.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, IntoStaticStr, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(crate) enum AdvantageConfig {
    /// Reward minus the mean of its group, scaled: GRPO, and Dr. GRPO with `scale = "none"`.
    Group(GroupConfig),
    /// Reward minus the mean of the other responses of its group: RLOO.
    LeaveOneOut(LeaveOneOutConfig),
    /// Reward minus the mean of its group, normalised over the step: REINFORCE++.
    BatchBaseline(BatchBaselineConfig),
    /// Generalised advantage estimation, per token: the reward that a critic did not expect. PPO.
    Gae(GaeConfig),
    /// What each segment of a tree adds: TreeRL, AttnRL.
    Tree(TreeConfig),
    /// What each segment of a response adds to the value of where it begins, by continuing both ends: VinePPO, SPO.
    Segment(SegmentConfig),
}

impl AdvantageConfig {
    /// What the recipe chose.
    #[must_use]
    pub(crate) fn settings(&self) -> &dyn AdvantageEstimator {
        match self {
            Self::Group(config) => config,
            Self::LeaveOneOut(config) => config,
            Self::BatchBaseline(config) => config,
            Self::Gae(config) => config,
            Self::Tree(config) => config,
            Self::Segment(config) => config,
        }
    }

    /// What it is called.
    #[must_use]
    pub(crate) fn name(&self) -> &'static str {
        self.into()
    }
}

/// The same advantage on every token of a response: that of its reward. Equal rewards mean exactly no advantage, whatever
/// rounding their mean had, and so does a response that was not graded.
fn spread(rewards: &Rewards<'_>, advantage: impl Fn(f64) -> f64) -> PathField<f32> {
    let differ = rewards.differ();
    let of = |total: Option<f64>| total.filter(|_| differ).map_or(0.0, &advantage);
    let per_leaf: Vec<f64> = rewards.totals().into_iter().map(of).collect();
    PathField::from_fn(&rewards.tree.tree, |leaf, _| per_leaf[leaf] as f32)
}

/// Moves and scales all values of a step to mean 0 and deviation 1: `(x - mean) / sqrt(var + 1e-8)`, unbiased, each token of
/// a graded response that `counts` counting once. The others are 0.
fn whiten(fields: &mut [PathField<f32>], trees: &[Rewards<'_>], counts: fn(&Leaf) -> bool) {
    let counted =
        |tree: &Rewards<'_>, leaf: usize| tree.is_graded(leaf) && counts(&tree.tree.tree.leaves[leaf]);
    let of_tree = |(field, tree): (&PathField<f32>, &Rewards<'_>)| {
        let paths = field.iter().enumerate().filter(|(leaf, _)| counted(tree, *leaf));
        paths.flat_map(|(_, path)| path).map(|value| f64::from(*value)).collect::<Vec<_>>()
    };
    let all: Vec<f64> = fields.iter().zip(trees).flat_map(of_tree).collect();
    let (centre, scale) = (mean(&all), (std(&all).powi(2) + 1e-8).sqrt());
    for (field, tree) in fields.iter_mut().zip(trees) {
        let moved = |value: f32| ((f64::from(value) - centre) / scale) as f32;
        *field = field.map(|leaf, _, value| if counted(tree, leaf) { moved(*value) } else { 0.0 });
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::testing::{Grown, grown};
    use super::*;
    use crate::types::MeasuredTree;

    fn estimators() -> [AdvantageConfig; 8] {
        let group = |scale| AdvantageConfig::Group(GroupConfig { scale });
        let gae = |whiten| AdvantageConfig::Gae(GaeConfig { whiten, ..GaeConfig::default() });
        [
            group(Scale::GroupStd),
            group(Scale::BatchStd),
            group(Scale::None),
            AdvantageConfig::LeaveOneOut(LeaveOneOutConfig {}),
            AdvantageConfig::BatchBaseline(BatchBaselineConfig {}),
            AdvantageConfig::Tree(TreeConfig {}),
            gae(true),
            gae(false),
        ]
    }

    /// With a critic's values.
    fn measured(leaves: &[Grown]) -> MeasuredTree {
        let mut tree = grown(leaves);
        tree.values = Some(PathField::from_fn(&tree.tree, |leaf, t| 0.1 * (leaf + t) as f32));
        tree
    }

    fn estimate(config: AdvantageConfig, trees: &[MeasuredTree]) -> Vec<PathField<f32>> {
        let rewards: Vec<Rewards<'_>> = trees.iter().map(Rewards::of_graders).collect();
        config.settings().estimate(&rewards).unwrap()
    }

    /// The others get what they get where it never was, in flat groups and in trees, at the end of a path and within one.
    #[test]
    fn what_was_not_graded_moves_nothing() {
        let groups: [&[Grown]; 4] = [
            &[(None, 2, 1.0), (None, 1, 0.0), (None, 3, 0.5), (None, 2, 7.0)],
            &[(None, 4, 1.0), (None, 2, 0.0), (Some((0, 2)), 3, 0.0), (Some((0, 1)), 5, 7.0)],
            &[(None, 2, 1.0), (None, 1, 0.0), (None, 1, 1.0)],
            &[(None, 1, 0.0), (None, 2, 1.0)],
        ];
        for config in estimators() {
            let (mut with, mut without) = (Vec::new(), Vec::new());
            for leaves in groups {
                let mut tree = measured(leaves);
                tree.tree.leaves.last_mut().unwrap().is_graded = false;
                with.push(tree);
                without.push(measured(&leaves[..leaves.len() - 1]));
            }
            // A group of one is no group to this one.
            let n = if matches!(config, AdvantageConfig::LeaveOneOut(_)) { 3 } else { 4 };
            let (got, expected) = (estimate(config, &with[..n]), estimate(config, &without[..n]));
            for ((got, expected), leaves) in got.iter().zip(&expected).zip(groups) {
                let (last, others) = (leaves.len() - 1, 0..leaves.len() - 1);
                assert!(others.into_iter().all(|leaf| got.path(leaf) == expected.path(leaf)), "{config:?}");
                assert!(got.path(last).iter().all(|a| *a == 0.0), "{config:?}: {:?}", got.path(last));
            }
        }
    }

    #[test]
    fn where_one_was_graded_or_none_there_is_no_advantage() {
        for config in &estimators()[..6] {
            for graded in [0, 1] {
                let mut tree = measured(&[(None, 2, 1.0), (None, 1, 0.0), (None, 1, 0.5)]);
                tree.tree.leaves.iter_mut().skip(graded).for_each(|leaf| leaf.is_graded = false);
                let field = estimate(*config, &[tree]);
                assert!(field[0].iter().flatten().all(|a| *a == 0.0), "{config:?}, {graded}: {field:?}");
            }
        }
    }

    #[test]
    fn rewards_that_differ_by_rounding_are_no_advantage() {
        for config in &estimators()[..6] {
            let tree = measured(&[(None, 2, 0.1 + 0.2), (None, 1, 0.3), (Some((0, 1)), 2, 0.3)]);
            let field = estimate(*config, &[tree]);
            assert!(field[0].iter().flatten().all(|a| *a == 0.0), "{config:?}: {field:?}");
            let tree = measured(&[(None, 2, 0.3), (None, 1, 0.30001)]);
            assert!(estimate(*config, &[tree])[0].iter().flatten().any(|a| *a != 0.0), "{config:?}");
        }
    }
}
