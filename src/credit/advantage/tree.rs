//! Tree advantage (arXiv 2509.26628 after TreeRL, arXiv 2506.11902): what a segment adds to the value of where it sets out.
//!
//! ```text
//! V(node) = mean reward of the leaves below it
//! A(node) = ((V - V(root)) + (V - V(parent))) / sqrt(number of leaves below)      the same on each token of its segment
//! ```
//!
//! A segment is as much of a path as the same leaves go through. Leaves that were not graded are as if they were not there.
//! A path is trained once for each of its leaves, which the square root makes up for.

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AdvantageEstimator, Rewards};
use crate::stats::mean;
use crate::types::PathField;

/// Settings of the tree advantage: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TreeConfig {}

impl AdvantageEstimator for TreeConfig {
    fn estimate(&self, trees: &[Rewards<'_>]) -> Result<Vec<PathField<f32>>> {
        Ok(trees.iter().map(field).collect())
    }
}

fn field(rewards: &Rewards<'_>) -> PathField<f32> {
    let (tree, totals, differ) = (&rewards.tree.tree, rewards.totals(), rewards.differ());
    let root = mean(&rewards.graded());
    let paths: Vec<Vec<f32>> = (0..tree.leaves.len())
        .map(|leaf| {
            // Equal rewards mean exactly no advantage, whatever rounding the means had.
            if totals[leaf].is_none() || !differ {
                return vec![0.0; tree.leaves[leaf].tokens.len()];
            }
            // How far the path of each graded leaf is the same, and its reward.
            let graded = totals.iter().enumerate().filter_map(|(other, total)| Some((other, (*total)?)));
            let common: Vec<(usize, f64)> =
                graded.map(|(other, total)| (tree.n_common(leaf, other), total)).collect();
            let (mut parent, mut path) = (root, Vec::new());
            // The leaves that leave the path soonest end the first segment.
            let mut ends: Vec<usize> = common.iter().map(|(end, _)| *end).filter(|end| *end > 0).collect();
            ends.sort_unstable();
            ends.dedup();
            for end in ends {
                let below: Vec<f64> = common.iter().filter(|(n, _)| *n >= end).map(|(_, r)| *r).collect();
                let value = mean(&below);
                let advantage = ((value - root) + (value - parent)) / (below.len() as f64).sqrt();
                path.resize(end, advantage as f32);
                parent = value;
            }
            path
        })
        .collect();
    PathField::from_fn(tree, |leaf, t| paths[leaf][t])
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Grown, group, grown};
    use super::*;
    use crate::types::MeasuredTree;

    fn estimate(tree: &MeasuredTree) -> PathField<f32> {
        TreeConfig {}.estimate(&[Rewards::of_graders(tree)]).unwrap().remove(0)
    }

    fn assert_close(path: &[f32], expected: &[f64]) {
        let close = path.iter().zip(expected).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5);
        assert!(path.len() == expected.len() && close, "{path:?}, expected {expected:?}");
    }

    /// Two roots, two branches of the first after two tokens, a branch of the second branch after three.
    #[test]
    fn a_segment_counts_what_it_adds_at_both_ends() {
        let tree = grown(&[
            (None, 4, 1.0),
            (None, 2, 0.0),
            (Some((0, 2)), 3, 0.0),
            (Some((0, 2)), 5, 1.0),
            (Some((3, 3)), 4, 0.0),
        ]);
        let field = estimate(&tree);
        // V(root) = 2/5; the first two tokens lead to four leaves, half of them right; the third of leaf 3 to two.
        let first = (0.1 + 0.1) / 2.0;
        let third = (0.1 + 0.0) / 2f64.sqrt();
        assert_close(field.path(0), &[first, first, 0.6 + 0.5, 0.6 + 0.5]);
        assert_close(field.path(1), &[-0.8, -0.8]);
        assert_close(field.path(2), &[first, first, -0.4 - 0.5]);
        assert_close(field.path(3), &[first, first, third, 0.6 + 0.5, 0.6 + 0.5]);
        assert_close(field.path(4), &[first, first, third, -0.4 - 0.5]);
    }

    #[test]
    fn equal_rewards_are_no_advantage() {
        let tree = grown(&[(None, 4, 0.1), (None, 2, 0.1), (Some((0, 2)), 3, 0.1)]);
        assert!(estimate(&tree).iter().flatten().all(|a| *a == 0.0));
    }

    /// A random tree: each leaf is a root or forks from an earlier one.
    fn trees() -> impl Strategy<Value = MeasuredTree> {
        let leaf =
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1..9usize, any::<bool>(), 0..3u8);
        prop::collection::vec(leaf, 1..14).prop_map(|leaves| {
            let mut made: Vec<Grown> = Vec::new();
            for (parent, at, own, forks, reward) in leaves {
                let fork = (forks && !made.is_empty()).then(|| {
                    let parent = parent.index(made.len());
                    (parent, 1 + at.index(made[parent].1))
                });
                // A fork at the parent's end would have nothing to leave.
                let fork = fork.filter(|(parent, at)| *at < made[*parent].1);
                made.push((fork, fork.map_or(0, |(_, at)| at) + own, f64::from(reward) / 2.0));
            }
            grown(&made)
        })
    }

    /// `RLCREDIT_TREES=FILE cargo test --release --lib -- --ignored advantages_from`, FILE with cases of leaves and advantages.
    #[test]
    #[ignore = "needs a file of cases"]
    fn advantages_from_a_file_of_trees() {
        let path = std::env::var("RLCREDIT_TREES").unwrap();
        let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for case in file["cases"].as_array().unwrap() {
            let leaf = |leaf: &serde_json::Value| {
                let number = |key: &str| leaf[key].as_u64().map(|n| n as usize);
                let fork = number("parent").zip(number("at"));
                (fork, number("length").unwrap(), leaf["reward"].as_f64().unwrap())
            };
            let leaves: Vec<_> = case["leaves"].as_array().unwrap().iter().map(leaf).collect();
            let expected: Vec<Vec<f64>> = serde_json::from_value(case["advantages"].clone()).unwrap();
            for (path, expected) in estimate(&grown(&leaves)).iter().zip(&expected) {
                assert_close(path, expected);
            }
        }
    }

    proptest! {
        #[test]
        fn a_tree_without_forks_is_twice_the_distance_to_the_mean(rewards in prop::collection::vec(0.0..1.0f64, 1..9)) {
            let tree = group(&rewards);
            let field = estimate(&tree);
            for (path, reward) in field.iter().zip(&rewards) {
                assert_close(path, &vec![2.0 * (reward - mean(&rewards)); path.len()]);
            }
        }

        /// Against the definition, token by token: the leaves below are those whose tokens are the same up to it.
        #[test]
        fn the_advantage_is_the_definition_s_on_any_tree(measured in trees()) {
            let (tree, field) = (&measured.tree, estimate(&measured));
            let rewards: Vec<f64> = tree.leaves.iter().map(|leaf| leaf.verdict.value).collect();
            let below = |leaf: usize, t: usize| -> Vec<usize> {
                let start = &tree.leaves[leaf].tokens[..=t];
                (0..rewards.len()).filter(|other| tree.leaves[*other].tokens.starts_with(start)).collect()
            };
            let value = |leaves: &[usize]| mean(&leaves.iter().map(|l| rewards[*l]).collect::<Vec<_>>());
            let root = mean(&rewards);
            for leaf in 0..rewards.len() {
                let expected: Vec<f64> = (0..tree.leaves[leaf].tokens.len()).map(|t| {
                    let own = below(leaf, t);
                    let parent = (0..t).rev().map(|s| below(leaf, s)).find(|other| *other != own);
                    let parent = parent.map_or(root, |leaves| value(&leaves));
                    (2.0 * value(&own) - root - parent) / (own.len() as f64).sqrt()
                }).collect();
                assert_close(field.path(leaf), &expected);
            }
            let n_new: usize = tree.leaves.iter().map(|l| l.tokens.len() - l.fork.map_or(0, |f| f.at)).sum();
            prop_assert_eq!(n_new, tree.n_tokens() - tree.n_shared_tokens());
        }
    }
}
