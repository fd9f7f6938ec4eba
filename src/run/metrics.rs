//! What the trees of a step and their origin say, as metrics.

use std::collections::BTreeMap;

use rewards::CORRECT;

use crate::learner::Gap;
use crate::pipeline::Discarded;
use crate::rollout::Counts;
use crate::types::{CreditedTree, Finish, KlEstimator, Leaf, MetricRow, PathField, Step};

/// `reward/*`, `group/*`, `tree/*`, `first/*`, `response_length/*` and `advantage/*` of a step.
#[must_use]
pub fn of_trees(trees: &[CreditedTree]) -> MetricRow {
    let leaves: Vec<&Leaf> = trees.iter().flat_map(|tree| &tree.measured.tree.leaves).collect();
    let mut row = MetricRow::default();
    let share = |n: usize, of: usize| n as f64 / of.max(1) as f64;

    row.extend(of_rewards(&leaves));
    let solved = |tree: &CreditedTree| {
        let graded = || tree.measured.tree.graded();
        let right = graded().filter(|leaf| leaf.verdict.parts.get(CORRECT) == Some(&1.0)).count();
        (right, graded().count())
    };
    let count =
        |test: &dyn Fn((usize, usize)) -> bool| trees.iter().filter(|tree| test(solved(tree))).count();
    row.set("group/solve_all", share(count(&|(right, n)| right == n && n > 0), trees.len()));
    row.set("group/solve_none", share(count(&|(right, n)| right == 0 && n > 0), trees.len()));
    row.set("group/mixed", share(count(&|(right, n)| right > 0 && right < n), trees.len()));
    let flat = trees.iter().filter(|tree| !tree.measured.tree.has_signal()).count();
    row.set("group/without_signal", share(flat, trees.len()));

    row.set("tree/leaves", leaves.len() as f64 / trees.len().max(1) as f64);
    let (n_shared, n_tokens) = trees.iter().fold((0, 0), |(shared, all), tree| {
        let tree = &tree.measured.tree;
        (shared + tree.n_shared_tokens(), all + tree.n_tokens())
    });
    row.set("tree/shared_token_frac", share(n_shared, n_tokens));
    let valid = trees.iter().filter(|tree| tree.measured.tree.has_signal());
    let n_valid = valid.map(|tree| tree.measured.tree.graded().count()).sum();
    row.set("tree/valid_leaf_frac", share(n_valid, leaves.len()));

    let first: Vec<&&Leaf> = leaves.iter().filter(|leaf| leaf.fork.is_none()).collect();
    let of_graded = |value: &dyn Fn(&Leaf) -> f64| {
        Spread::of(first.iter().filter(|leaf| leaf.is_graded).map(|leaf| value(leaf))).mean
    };
    row.set("first/reward_mean", of_graded(&|leaf| leaf.verdict.value));
    row.set("first/correct_mean", of_graded(&|leaf| f64::from(u8::from(leaf.verdict.correct()))));
    row.set("first/length_mean", Spread::of(first.iter().map(|leaf| leaf.tokens.len() as f64)).mean);

    let length = Spread::of(leaves.iter().map(|leaf| leaf.tokens.len() as f64));
    row.set("response_length/mean", length.mean);
    row.set("response_length/min", length.min);
    row.set("response_length/max", length.max);
    let cut = leaves.iter().filter(|leaf| leaf.finish == Finish::Length).count();
    row.set("response_length/clip_ratio", share(cut, leaves.len()));

    let advantages = trees.iter().flat_map(|tree| tree.advantages.iter().flatten()).map(|a| f64::from(*a));
    let advantage = Spread::of(advantages);
    row.set("advantage/mean", advantage.mean);
    row.set("advantage/std", advantage.std);
    row.set("advantage/min", advantage.min);
    row.set("advantage/max", advantage.max);
    let (n_valid, n_tokens) = trees.iter().map(valid_tokens).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    row.set("advantage/valid_token_frac", share(n_valid, n_tokens));
    row
}

/// `reward/*`: what graders gave the responses that they could judge, and how that went for all.
fn of_rewards(leaves: &[&Leaf]) -> MetricRow {
    let mut row = MetricRow::default();
    let graded: Vec<&Leaf> = leaves.iter().copied().filter(|leaf| leaf.is_graded).collect();
    let reward = Spread::of(graded.iter().map(|leaf| leaf.verdict.value));
    row.set("reward/mean", reward.mean);
    row.set("reward/std", reward.std);
    let mut parts: BTreeMap<&str, f64> = BTreeMap::new();
    let mut statuses: BTreeMap<String, usize> = BTreeMap::new();
    for leaf in leaves {
        *statuses.entry(leaf.verdict.status.to_string()).or_default() += 1;
    }
    for (part, value) in graded.iter().flat_map(|leaf| &leaf.verdict.parts) {
        *parts.entry(part).or_default() += value;
    }
    row.extend(
        parts.iter().map(|(part, sum)| (format!("reward/{part}/mean"), sum / graded.len() as f64)).collect(),
    );
    let status_share = |(status, n): (&String, &usize)| {
        (format!("reward/status/{status}"), *n as f64 / leaves.len().max(1) as f64)
    };
    row.extend(statuses.iter().map(status_share).collect());
    row
}

/// Tokens of the responses of `tree` that pull the policy somewhere, those that are trained on with an advantage other than 0,
/// and all of them.
fn valid_tokens(tree: &CreditedTree) -> (usize, usize) {
    let of_leaf = |(advantages, start): (&[f32], &Option<usize>)| {
        let trained = start.map_or(&[][..], |start| &advantages[start..]);
        trained.iter().filter(|advantage| **advantage != 0.0).count()
    };
    let n_valid = tree.advantages.iter().zip(&tree.trained).map(of_leaf).sum();
    (n_valid, tree.advantages.iter().map(<[f32]>::len).sum())
}

/// `rollout/*`: what contexts took.
#[must_use]
pub fn of_contexts(counts: Counts) -> MetricRow {
    let Counts { prefilled, reused } = counts;
    [("rollout/prefilled_tokens", prefilled as f64), ("rollout/reused_tokens", reused as f64)]
        .into_iter()
        .collect()
}

/// `group/refill_rounds` and `group/discarded`: what it took to replace groups without signal.
#[must_use]
pub fn of_discarded(discarded: Discarded) -> MetricRow {
    let Discarded { rounds, prompts, .. } = discarded;
    [("group/refill_rounds", rounds as f64), ("group/discarded", prompts as f64)].into_iter().collect()
}

/// Mean of the divergence from the reference over the response tokens of all trees of which it was measured (those that leave
/// the batch are not where a single update measures for itself); `None` where it was of none.
#[must_use]
pub fn kl_to_reference(trees: &[CreditedTree], estimator: KlEstimator) -> Option<f64> {
    let measured = trees.iter().filter_map(|tree| {
        let (policy, reference) =
            (tree.measured.old_logprobs.as_ref()?, tree.measured.ref_logprobs.as_ref()?);
        Some(policy.iter().flatten().zip(reference.iter().flatten()))
    });
    let all: Vec<f64> =
        measured.flatten().map(|(new, reference)| estimator.token(*new, *reference)).collect();
    (!all.is_empty()).then(|| Spread::of(all.into_iter()).mean)
}

/// `off_policy/*`: how old the weights are that the trees were sampled from.
#[must_use]
pub fn of_ages(ages: &[Step]) -> MetricRow {
    let age = Spread::of(ages.iter().map(|age| *age as f64));
    [("off_policy/age_mean", age.mean), ("off_policy/age_max", age.max)].into_iter().collect()
}

/// `mismatch/*`: sampler against learner on the same tokens and weights.
#[derive(Clone, Copy, Debug)]
pub struct Mismatch {
    /// Distance of the log-probabilities.
    pub gap: Gap,
    /// Mean k3 estimate of KL(sampler || learner), nats.
    pub kl: f64,
}

impl Mismatch {
    /// Compares what the sampler and the learner said about the same tokens, wherever the learner was asked.
    pub fn of_trees(trees: &[CreditedTree]) -> Self {
        let measured = trees.iter().filter_map(|tree| {
            let learner = tree.measured.old_logprobs.as_ref()?;
            let sampler = tree.measured.tree.leaves.iter().map(|leaf| leaf.logprobs.as_slice());
            Some(sampler.zip(learner.iter()))
        });
        Self::of(measured.flatten())
    }

    /// Compares paths of log-probabilities pairwise: the sampler's and the learner's.
    pub(super) fn of<'v>(pairs: impl Iterator<Item = (&'v [f32], &'v [f32])>) -> Self {
        let pairs = pairs.flat_map(|(sampler, learner)| sampler.iter().zip(learner));
        let distances: Vec<f64> = pairs.map(|(s, l)| f64::from(*l) - f64::from(*s)).collect();
        let kl: f64 = distances.iter().map(|d| d.exp() - 1.0 - d).sum();
        Self { gap: Gap::of(distances.iter().map(|d| d.abs())), kl: kl / distances.len().max(1) as f64 }
    }

    /// As metrics.
    #[must_use]
    pub fn row(&self) -> MetricRow {
        [("logprob_abs_mean", self.gap.mean), ("logprob_abs_max", self.gap.max), ("kl", self.kl)]
            .map(|(name, value)| (format!("mismatch/{name}"), value))
            .into_iter()
            .collect()
    }
}

/// Mean over all tokens of all paths.
#[must_use]
pub fn mean_over_tokens<'f>(fields: impl Iterator<Item = &'f PathField<f32>>) -> f64 {
    Spread::of(fields.flat_map(|field| field.iter().flatten()).map(|v| f64::from(*v))).mean
}

/// Mean, deviation and range of numbers; all 0 for none.
struct Spread {
    mean: f64,
    std: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.collect();
        let n = values.len();
        if n == 0 {
            return Self { mean: 0.0, std: 0.0, min: 0.0, max: 0.0 };
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n.max(2) - 1) as f64;
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.into_iter().fold(f64::NEG_INFINITY, f64::max);
        Self { mean, std: variance.sqrt(), min, max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credit::advantage::testing::group;
    use crate::types::MeasuredTree;

    fn credited(measured: MeasuredTree) -> CreditedTree {
        let field = || PathField::from_fn(&measured.tree, |_, _| 0.0);
        CreditedTree {
            advantages: field(),
            returns: None,
            gamma: field(),
            trained: vec![None; measured.tree.leaves.len()],
            measured,
        }
    }

    #[test]
    fn valid_tokens_are_trained_on_and_pull_somewhere() {
        let mut tree = credited(group(&[0.0, 1.0]));
        tree.advantages = PathField::from_fn(&tree.measured.tree, |leaf, token| (leaf * token) as f32);
        let n: usize = tree.advantages.iter().map(<[f32]>::len).sum();
        let of_second = tree.measured.tree.leaves[1].tokens.len();
        assert_eq!(valid_tokens(&tree), (0, n), "none is trained on");
        tree.trained = vec![Some(0), Some(0)];
        assert_eq!(valid_tokens(&tree), (of_second - 1, n));
        tree.trained = vec![Some(0), Some(2)];
        assert_eq!(valid_tokens(&tree), (of_second - 2, n));
    }

    #[test]
    fn what_was_not_graded_has_a_status_and_no_part_in_rewards() {
        let mut all = [group(&[1.0, 1.0, 0.0]), group(&[1.0, 0.0]), group(&[0.0, 0.0])].map(credited);
        for (tree, ungraded) in all.iter_mut().zip([&[2][..], &[], &[0, 1]]) {
            for (i, leaf) in tree.measured.tree.leaves.iter_mut().enumerate() {
                leaf.verdict.parts.insert(CORRECT.to_owned(), leaf.verdict.value);
                if ungraded.contains(&i) {
                    (leaf.is_graded, leaf.verdict.status) = (false, rewards::Status::Timeout);
                }
            }
        }
        let row = of_trees(&all);
        for (key, expected) in [
            ("reward/mean", 0.75),
            ("reward/std", 0.5),
            ("reward/correct/mean", 0.75),
            ("first/correct_mean", 0.75),
            ("reward/status/timeout", 3.0 / 7.0),
            ("group/solve_all", 1.0 / 3.0),
            ("group/mixed", 1.0 / 3.0),
            ("group/solve_none", 0.0),
            ("group/without_signal", 2.0 / 3.0),
            ("tree/valid_leaf_frac", 2.0 / 7.0),
        ] {
            assert_eq!(row.get(key), Some(expected), "{key}");
        }
    }

    #[test]
    fn the_divergence_is_that_of_the_trees_it_was_measured_of() {
        let mut measured = group(&[0.0, 1.0]);
        measured.old_logprobs = Some(PathField::from_fn(&measured.tree, |_, _| -1.0));
        measured.ref_logprobs = Some(PathField::from_fn(&measured.tree, |_, _| -1.5));
        let (seen, unseen) = (credited(measured), credited(group(&[1.0, 1.0])));
        let kl = |trees: &[CreditedTree]| kl_to_reference(trees, KlEstimator::K1);
        assert_eq!(kl(&[seen.clone(), unseen.clone()]), Some(0.5));
        assert_eq!(kl(&[seen]), Some(0.5));
        assert_eq!(kl(&[unseen]), None);
    }
}
