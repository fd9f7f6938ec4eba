//! A step as a row of metrics: each key has one writer, here or in the stage that reports it. [`row`] is what the step itself
//! was; evaluation and clock follow when they are known.

use std::collections::BTreeMap;

use rewards::CORRECT;

use crate::audit::{MetricKind, Summary};
use crate::checkpoint::Progress;
use crate::eval::EvalReport;
use crate::files::peak_rss_gb;
use crate::learner::Gap;
use crate::pipeline::Discarded;
use crate::rollout::{Counts, Served};
use crate::stats;
use crate::step::{StepRecord, Times, explained_in_training};
use crate::types::{Finish, Leaf, MetricRow, RatioStart, Step, TrainedTree};

/// The whole row of a step, after which a run has made `progress`, on a machine that makes `peak` floating-point operations
/// per second.
#[must_use]
pub(super) fn row(record: &StepRecord, progress: &Progress, peak: f64) -> MetricRow {
    let mut row = of_trees(&record.trees);
    row.extend(record.credit.clone());
    row.extend(of_ages(&record.ages));
    row.extend(of_discarded(record.discarded));
    row.extend(of_contexts(record.contexts));
    row.extend(record.served.as_ref().map(of_served).unwrap_or_default());
    row.extend(record.update.clone());
    row.extend(record.value.metrics.clone());
    row.set("optim/skipped", f64::from(u8::from(record.not_learned.is_some())));
    let optional = [
        ("policy/entropy", mean_entropy(&record.trees)),
        ("policy/kl_coef", record.kl_coef),
        ("value/explained_variance", explained_in_training(&record.trees)),
    ];
    row.extend(optional.into_iter().filter_map(|(key, value)| Some((key, value?))).collect());
    if let Some(mismatch) = Mismatch::from_record(record) {
        row.extend(mismatch.row());
    }
    row.extend(of_progress(progress));
    row.extend(of_times(record, peak));
    row
}

/// What an evaluation says of a set, and which share of the rewards there the critic explains.
#[must_use]
pub(super) fn of_evaluation(report: &EvalReport, explained: Option<f64>) -> MetricRow {
    let mut row = report.row();
    let key = || format!("eval/{}/explained_variance", report.set);
    row.extend(explained.map(|share| (key(), share)).into_iter().collect());
    row
}

/// `audit/*`: R of each arm under Adam, with its interval.
#[must_use]
pub(super) fn of_audit(summary: &Summary) -> MetricRow {
    let mut row = MetricRow::default();
    let progress = summary.progress.iter().find(|progress| progress.metric == MetricKind::Adam);
    let slope = progress.map(|own| ("audit/slope", own.uniform.signal / own.uniform.error));
    row.extend(slope.into_iter().collect());
    // A ratio to a slope that was not found is no number.
    let told = |value: f64| if progress.is_some_and(|own| own.uniform.is_clear()) { value } else { f64::NAN };
    for own in progress.into_iter().flat_map(|progress| &progress.rows) {
        let [low, high] = own.merit.ratio.ci95;
        for (name, value) in [("ratio", own.merit.ratio.value), ("low", low), ("high", high)] {
            row.set(format!("audit/{}/{name}", own.arm), told(value));
        }
    }
    let ceiling = summary.tokens.ceilings.iter().find(|ceiling| ceiling.metric == MetricKind::Adam);
    let ceiling = ceiling.and_then(|own| own.ratio).map_or(f64::NAN, |ratio| ratio.value);
    row.set("audit/ceiling", told(ceiling));
    row
}

/// The seconds that an evaluation took.
#[must_use]
pub(super) fn of_evaluating(seconds: f64) -> MetricRow {
    [("time/eval", seconds)].into_iter().collect()
}

/// Seconds since the start of the run, and those of the checkpoint before this row, if there was one.
#[must_use]
pub(super) fn of_clock(wall_s: f64, checkpoint_s: Option<f64>) -> MetricRow {
    let checkpoint = checkpoint_s.map(|seconds| ("time/checkpoint", seconds));
    [("progress/wall_s", wall_s)].into_iter().chain(checkpoint).collect()
}

/// `progress/*`: what there has been so far.
fn of_progress(progress: &Progress) -> MetricRow {
    let Progress { prompts, samples, tokens_generated, wall_s: _ } = *progress;
    [("prompts", prompts), ("samples", samples), ("tokens_generated", tokens_generated)]
        .into_iter()
        .map(|(key, n)| (format!("progress/{key}"), n as f64))
        .collect()
}

/// `time/*` and `perf/*`: how fast a step was.
///
/// ```text
/// mfu = operations / (seconds * operations per second of the fastest matrix product)
/// ```
fn of_times(record: &StepRecord, peak: f64) -> MetricRow {
    let Times { generate_s, score_s, measure_s, credit_s, train_s, step_s, waited_frac } = record.times;
    let (generated, trained) = (record.work.generated_tokens as f64, record.work.trained_tokens as f64);
    [
        ("time/generate", generate_s),
        ("time/score", score_s),
        ("time/measure", measure_s),
        ("time/credit", credit_s),
        ("time/train", train_s),
        ("time/step", step_s),
        // What a checkpoint brought took no time in this process.
        ("perf/generate_tokens_per_s", if generate_s > 0.0 { generated / generate_s } else { 0.0 }),
        ("perf/train_tokens_per_s", trained / train_s),
        ("perf/tokens_per_s", generated / step_s),
        ("perf/mfu", record.work.operations / step_s / peak),
        ("perf/waited_frac", waited_frac),
        ("perf/rss_peak_gb", peak_rss_gb()),
    ]
    .into_iter()
    .collect()
}

/// `reward/*`, `group/*`, `tree/*`, `root/*`, `response_length/*` and `advantage/*` of a step.
fn of_trees(trees: &[TrainedTree]) -> MetricRow {
    let leaves: Vec<&Leaf> = trees.iter().flat_map(|tree| &tree.tree().leaves).collect();
    let mut row = MetricRow::default();
    let share = |n: usize, of: usize| n as f64 / of.max(1) as f64;

    row.extend(of_rewards(&leaves));
    let solved = |tree: &TrainedTree| {
        let graded = || tree.tree().graded();
        let right = graded().filter(|leaf| leaf.verdict.parts.get(CORRECT) == Some(&1.0)).count();
        (right, graded().count())
    };
    let count =
        |test: &dyn Fn((usize, usize)) -> bool| trees.iter().filter(|tree| test(solved(tree))).count();
    row.set("group/solve_all", share(count(&|(right, n)| right == n && n > 0), trees.len()));
    row.set("group/solve_none", share(count(&|(right, n)| right == 0 && n > 0), trees.len()));
    row.set("group/mixed", share(count(&|(right, n)| right > 0 && right < n), trees.len()));
    let flat = trees.iter().filter(|tree| !tree.tree().has_signal()).count();
    row.set("group/zero_variance", share(flat, trees.len()));

    row.set("tree/leaves", leaves.len() as f64 / trees.len().max(1) as f64);
    let (n_shared, n_tokens) = trees.iter().fold((0, 0), |(shared, all), tree| {
        let tree = tree.tree();
        (shared + tree.n_shared_tokens(), all + tree.n_tokens())
    });
    row.set("tree/shared_token_frac", share(n_shared, n_tokens));
    let valid = trees.iter().filter(|tree| tree.tree().has_signal());
    let n_valid = valid.map(|tree| tree.tree().graded().count()).sum();
    row.set("tree/valid_leaf_frac", share(n_valid, leaves.len()));

    let first: Vec<&&Leaf> = leaves.iter().filter(|leaf| leaf.fork.is_none()).collect();
    let of_graded = |value: &dyn Fn(&Leaf) -> f64| {
        Spread::from_values(first.iter().filter(|leaf| leaf.is_graded).map(|leaf| value(leaf))).mean
    };
    row.set("root/reward_mean", of_graded(&|leaf| leaf.verdict.value));
    row.set("root/correct_mean", of_graded(&|leaf| f64::from(u8::from(leaf.verdict.correct()))));
    row.set("root/length_mean", Spread::from_values(first.iter().map(|leaf| leaf.tokens.len() as f64)).mean);

    let length = Spread::from_values(leaves.iter().map(|leaf| leaf.tokens.len() as f64));
    row.set("response_length/mean", length.mean);
    row.set("response_length/min", length.min);
    row.set("response_length/max", length.max);
    let cut = leaves.iter().filter(|leaf| leaf.finish == Finish::Length).count();
    row.set("response_length/clip_ratio", share(cut, leaves.len()));

    let advantages =
        trees.iter().flat_map(|tree| tree.credited.advantages.iter().flatten()).map(|a| f64::from(*a));
    let advantage = Spread::from_values(advantages);
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
    let reward = Spread::from_values(graded.iter().map(|leaf| leaf.verdict.value));
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
fn valid_tokens(tree: &TrainedTree) -> (usize, usize) {
    let tree = &tree.credited;
    let of_leaf = |(advantages, start): (&[f32], &Option<usize>)| {
        let trained = start.map_or(&[][..], |start| &advantages[start..]);
        trained.iter().filter(|advantage| **advantage != 0.0).count()
    };
    let n_valid = tree.advantages.iter().zip(&tree.trained).map(of_leaf).sum();
    (n_valid, tree.advantages.iter().map(<[f32]>::len).sum())
}

/// `rollout/*`: what contexts took.
fn of_contexts(counts: Counts) -> MetricRow {
    let Counts { prefilled, reused } = counts;
    [("rollout/prefilled_tokens", prefilled as f64), ("rollout/reused_tokens", reused as f64)]
        .into_iter()
        .collect()
}

/// `engine/*`: what it took to have servers answer.
fn of_served(served: &Served) -> MetricRow {
    let Served { publish_s, n_failed, gap, trouble: _ } = served;
    let known = gap.map(|gap| [("engine/known_abs_mean", gap.mean), ("engine/known_abs_max", gap.max)]);
    [("engine/publish_s", *publish_s), ("engine/resent", *n_failed as f64)]
        .into_iter()
        .chain(known.into_iter().flatten())
        .collect()
}

/// `group/refill_rounds` and `group/discarded`: what it took to replace zero-variance groups.
fn of_discarded(discarded: Discarded) -> MetricRow {
    let Discarded { rounds, prompts, .. } = discarded;
    [("group/refill_rounds", rounds as f64), ("group/discarded", prompts as f64)].into_iter().collect()
}

/// `off_policy/*`: how old the weights are that the trees were sampled from.
fn of_ages(ages: &[Step]) -> MetricRow {
    let age = Spread::from_values(ages.iter().map(|age| *age as f64));
    [("off_policy/age_mean", age.mean), ("off_policy/age_max", age.max)].into_iter().collect()
}

/// Mean over the response tokens of which it is known; see [`TrainedTree::entropies`].
fn mean_entropy(trees: &[TrainedTree]) -> Option<f64> {
    let of_tree = |tree| (0..TrainedTree::tree(tree).leaves.len()).filter_map(|leaf| tree.entropies(leaf));
    let all: Vec<f64> = trees.iter().flat_map(of_tree).flatten().map(|entropy| f64::from(*entropy)).collect();
    (!all.is_empty()).then(|| Spread::from_values(all.into_iter()).mean)
}

/// `mismatch/*`: sampler against learner on the same tokens and weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mismatch {
    /// Distance of the log-probabilities.
    pub gap: Gap,
    /// Mean k3 estimate of KL(sampler || learner), nats.
    pub kl: f64,
}

impl Mismatch {
    /// What the sampler and the learner said about the same tokens, wherever the learner was asked; `None` where the ratio
    /// starts from the sampler's own numbers, for then it was not.
    pub(super) fn from_record(record: &StepRecord) -> Option<Self> {
        let of_tree = |tree| {
            let leaves = TrainedTree::tree(tree).leaves.iter().enumerate();
            leaves.filter_map(|(l, leaf)| Some((leaf.logprobs.as_slice(), tree.old_logprobs(l)?)))
        };
        let is_known = record.start != RatioStart::Sampler;
        is_known.then(|| Self::between(record.trees.iter().flat_map(of_tree)))
    }

    /// Compares paths of log-probabilities pairwise: the sampler's and the learner's.
    pub(super) fn between<'v>(pairs: impl Iterator<Item = (&'v [f32], &'v [f32])>) -> Self {
        let pairs = pairs.flat_map(|(sampler, learner)| sampler.iter().zip(learner));
        let distances: Vec<f64> = pairs.map(|(s, l)| f64::from(*l) - f64::from(*s)).collect();
        let kl: f64 = distances.iter().map(|d| d.exp() - 1.0 - d).sum();
        Self {
            gap: Gap::from_distances(distances.iter().map(|d| d.abs())),
            kl: kl / distances.len().max(1) as f64,
        }
    }

    fn row(&self) -> MetricRow {
        [("logprob_abs_mean", self.gap.mean), ("logprob_abs_max", self.gap.max), ("kl", self.kl)]
            .map(|(name, value)| (format!("mismatch/{name}"), value))
            .into_iter()
            .collect()
    }
}

/// Mean, deviation and range of numbers; all 0 for none.
struct Spread {
    mean: f64,
    std: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn from_values(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.collect();
        if values.is_empty() {
            return Self { mean: 0.0, std: 0.0, min: 0.0, max: 0.0 };
        }
        let (mean, std) = (stats::mean(&values), stats::std(&values));
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.into_iter().fold(f64::NEG_INFINITY, f64::max);
        Self { mean, std, min, max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credit::advantage::testing::group;
    use crate::types::{CreditedTree, MeasuredTree, PathField};

    fn trained(measured: MeasuredTree) -> TrainedTree {
        let field = || PathField::from_fn(&measured.tree, |_, _| 0.0);
        let n_leaves = measured.tree.leaves.len();
        let credited = CreditedTree {
            advantages: field(),
            returns: None,
            gains: field(),
            trained: vec![None; n_leaves],
            measured,
        };
        TrainedTree { credited, seen: vec![None; n_leaves] }
    }

    #[test]
    fn valid_tokens_are_trained_on_and_pull_somewhere() {
        let mut tree = trained(group(&[0.0, 1.0]));
        tree.credited.advantages = PathField::from_fn(tree.tree(), |leaf, token| (leaf * token) as f32);
        let n: usize = tree.credited.advantages.iter().map(<[f32]>::len).sum();
        let of_second = tree.tree().leaves[1].tokens.len();
        assert_eq!(valid_tokens(&tree), (0, n), "none is trained on");
        tree.credited.trained = vec![Some(0), Some(0)];
        assert_eq!(valid_tokens(&tree), (of_second - 1, n));
        tree.credited.trained = vec![Some(0), Some(2)];
        assert_eq!(valid_tokens(&tree), (of_second - 2, n));
    }

    #[test]
    fn what_was_not_graded_has_a_status_and_no_part_in_rewards() {
        let mut all = [group(&[1.0, 1.0, 0.0]), group(&[1.0, 0.0]), group(&[0.0, 0.0])].map(trained);
        for (tree, ungraded) in all.iter_mut().zip([&[2][..], &[], &[0, 1]]) {
            for (i, leaf) in tree.credited.measured.tree.leaves.iter_mut().enumerate() {
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
            ("root/correct_mean", 0.75),
            ("reward/status/timeout", 3.0 / 7.0),
            ("group/solve_all", 1.0 / 3.0),
            ("group/mixed", 1.0 / 3.0),
            ("group/solve_none", 0.0),
            ("group/zero_variance", 2.0 / 3.0),
            ("tree/valid_leaf_frac", 2.0 / 7.0),
        ] {
            assert_eq!(row.get(key), Some(expected), "{key}");
        }
    }
}
