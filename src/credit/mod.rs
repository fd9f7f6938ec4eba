//! From rewards to one finished advantage per response token.
//!
//! ```text
//! measured trees --rewards, advantage--> A_t --strategy, strategy, ...--> gamma_t A_t --importance--> w_t gamma_t A_t
//! ```
//!
//! Both halves see plain numbers only: nothing here knows tensors.

pub(crate) mod advantage;
mod dose;
mod importance;
mod reward;
pub(crate) mod strategy;
pub(crate) mod values;

use std::collections::BTreeMap;

use anyhow::Result;

pub(crate) use importance::ImportanceConfig;
pub(crate) use reward::Rewards;

use self::advantage::AdvantageConfig;
use self::strategy::{CreditStrategy, Gains, Response};
use crate::types::{
    CreditedTree, Finish, KlEstimator, Leaf, MeasuredTree, MetricRow, Needs, PathField, SharedPrefix, Step,
    Tree,
};

/// An estimator, the chain of strategies behind it, and what is trained on.
pub(crate) struct Credit {
    /// Turns rewards into advantages.
    pub estimator: AdvantageConfig,
    /// Reshape them, one after the other.
    pub strategies: Vec<Box<dyn CreditStrategy>>,
    /// Corrects for the distance of sampler and learner.
    pub importance: Option<ImportanceConfig>,
    /// The divergence that is taken from the reward of every token.
    pub kl_in_reward: Option<KlEstimator>,
    /// Which responses leave the batch.
    pub exclude: Exclude,
    /// Which of the paths through a shared prefix train its tokens.
    pub shared_prefix: SharedPrefix,
}

/// Responses that are not trained on though they were graded; they still count in the baselines of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exclude {
    /// Those of zero-variance groups, whose rewards are all equal.
    pub zero_variance: bool,
    /// Those that the limit of new tokens cut off.
    pub cut_off: bool,
    /// Roots that nothing branches off from.
    pub unbranched: bool,
    /// Responses that continue others, and say what these are worth.
    pub continuations: bool,
}

impl Exclude {
    /// For each leaf of `tree` whether it is trained on.
    fn trained(self, tree: &Tree) -> Vec<bool> {
        let kept = !self.zero_variance || tree.has_signal();
        let whole = |leaf: usize| !self.cut_off || tree.leaves[leaf].finish != Finish::Length;
        let branched = |leaf| !self.unbranched || tree.is_branched(leaf);
        let graded = |leaf: usize| tree.leaves[leaf].is_graded;
        let own = |leaf: usize| !self.continuations || tree.leaves[leaf].fork.is_none();
        let leaves = 0..tree.leaves.len();
        leaves.map(|leaf| kept && graded(leaf) && whole(leaf) && branched(leaf) && own(leaf)).collect()
    }
}

impl Credit {
    /// What `estimator` says and nothing else, of all responses.
    #[must_use]
    pub(crate) fn new(estimator: AdvantageConfig) -> Self {
        Self {
            estimator,
            strategies: Vec::new(),
            importance: None,
            kl_in_reward: None,
            exclude: Exclude::default(),
            shared_prefix: SharedPrefix::default(),
        }
    }

    /// What must be measured for all of it in `step`.
    #[must_use]
    pub(crate) fn needs(&self, step: Step) -> Needs {
        let own = Needs {
            old_logprobs: self.importance.is_some() || self.kl_in_reward.is_some(),
            ref_logprobs: self.kl_in_reward.is_some(),
            ..Needs::default()
        };
        let needs = own.union(self.estimator.settings().needs());
        self.strategies_in(step).fold(needs, |needs, strategy| needs.union(strategy.needs()))
    }

    /// The strategies that reshape anything in `step`, in order.
    fn strategies_in(&self, step: Step) -> impl Iterator<Item = &dyn CreditStrategy> {
        self.strategies.iter().filter(move |strategy| !strategy.is_over(step)).map(AsRef::as_ref)
    }

    /// Gives every response token of `step` its advantage and says which leaves are trained; also `credit/*`. `kl_coef` is
    /// the weight of the divergence where rewards hold it.
    ///
    /// # Errors
    /// If a tree lacks what the estimator or a strategy works on.
    pub(crate) fn assign(
        &self,
        trees: Vec<MeasuredTree>,
        step: Step,
        kl_coef: f64,
    ) -> Result<(Vec<CreditedTree>, MetricRow)> {
        let (estimated, returns) = self.estimate(&trees, kl_coef)?;
        let mut advantages = estimated.clone();
        let mut gains: Vec<PathField<f32>> =
            trees.iter().map(|tree| PathField::from_fn(&tree.tree, |_, _| 1.0)).collect();
        let mut shares = Shares::default();
        for strategy in self.strategies_in(step) {
            for ((tree, advantages), gains) in trees.iter().zip(&mut advantages).zip(&mut gains) {
                let found = reshape(strategy, tree, step, advantages, gains)?;
                found.iter().for_each(|found| shares.add(found));
            }
        }
        // Those who only say what others are worth are not paid.
        let is_paid = |leaf: &Leaf| !self.exclude.continuations || leaf.fork.is_none();
        let mut row = dose::metrics(&trees, &gains, &estimated, is_paid);
        row.extend(shares.row());
        if self.exclude.continuations {
            let of_tree = |tree: &'_ MeasuredTree| Rewards::of_graders(tree).totals();
            row.extend(values::metrics(trees.iter().map(|tree| (&tree.tree, of_tree(tree)))));
        }
        if let Some(importance) = self.importance {
            let (weights, mismatch) = importance.of_trees(&trees)?;
            for (advantages, weights) in advantages.iter_mut().zip(weights) {
                *advantages = advantages
                    .map(|leaf, t, advantage| (weights.path(leaf)[t] * f64::from(*advantage)) as f32);
            }
            row.extend(mismatch);
        }
        let numbers = advantages.into_iter().zip(returns).zip(gains);
        let credited = trees.into_iter().zip(numbers).map(|(measured, ((advantages, returns), gains))| {
            let trained = self.shared_prefix.from(&measured.tree, &self.exclude.trained(&measured.tree));
            CreditedTree { measured, advantages, returns, gains, trained }
        });
        Ok((credited.collect(), row))
    }

    /// Advantages and, for a critic, returns of each tree.
    #[expect(clippy::type_complexity, reason = "two lists, one entry per tree")]
    fn estimate(
        &self,
        trees: &[MeasuredTree],
        kl_coef: f64,
    ) -> Result<(Vec<PathField<f32>>, Vec<Option<PathField<f32>>>)> {
        let rewards = trees.iter().map(|tree| match self.kl_in_reward {
            Some(estimator) => Rewards::with_kl(tree, estimator, kl_coef),
            None => Ok(Rewards::of_graders(tree)),
        });
        let rewards = rewards.collect::<Result<Vec<_>>>()?;
        let returns = rewards.iter().map(|rewards| self.estimator.settings().returns(rewards));
        let returns = returns.collect::<Result<Vec<_>>>()?;
        Ok((self.estimator.settings().estimate(&rewards)?, returns))
    }
}

/// Lets one strategy reshape the advantages of `tree`, and multiplies what it did into `gains`. Gives what it said of each
/// response.
fn reshape(
    strategy: &dyn CreditStrategy,
    tree: &MeasuredTree,
    step: Step,
    advantages: &mut PathField<f32>,
    gains: &mut PathField<f32>,
) -> Result<Vec<Gains>> {
    let leaves = 0..tree.tree.leaves.len();
    let found = leaves
        .map(|leaf| strategy.gains(&Response::of_leaf(tree, leaf, step)))
        .collect::<Result<Vec<_>>>()?;
    let own = |leaf: usize, t: usize, advantage: f32| {
        if strategy.apply_to().includes(advantage) { found[leaf].values[t] } else { 1.0 }
    };
    *gains = gains.map(|leaf, t, gain| gain * own(leaf, t, advantages.path(leaf)[t]));
    *advantages = advantages.map(|leaf, t, advantage| advantage * own(leaf, t, *advantage));
    Ok(found)
}

/// How many tokens have a role of those that have a wider one, for each metric that a strategy makes of that.
#[derive(Default)]
struct Shares(BTreeMap<&'static str, (usize, usize)>);

impl Shares {
    /// Counts a response.
    fn add(&mut self, found: &Gains) {
        for mark in &found.marks {
            let Some(share) = mark.role.share else { continue };
            let wider = found.marks.iter().find(|other| other.role.name == share.of);
            let (part, whole) = self.0.entry(share.metric).or_default();
            *part += mark.tokens.len();
            *whole += wider.map_or(0, |wider| wider.tokens.len());
        }
    }

    fn row(&self) -> MetricRow {
        let share = |(part, whole): (usize, usize)| part as f64 / whole.max(1) as f64;
        self.0.iter().map(|(metric, counts)| (*metric, share(*counts))).collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::advantage::testing::group;
    use super::advantage::{AdvantageConfig, GaeConfig, GroupConfig};
    use super::*;
    use crate::types::OldLogprobs;

    fn credit(advantage: AdvantageConfig) -> Credit {
        Credit::new(advantage)
    }

    fn assign(credit: &Credit, trees: Vec<MeasuredTree>) -> (Vec<CreditedTree>, MetricRow) {
        credit.assign(trees, 1, 0.5).unwrap()
    }

    #[test]
    fn excluded_responses_count_for_the_others() {
        let mut cut = group(&[1.0, 0.0, 0.0]);
        cut.tree.leaves[1].finish = Finish::Length;
        let trees = vec![cut, group(&[1.0, 1.0])];
        let all = credit(AdvantageConfig::Group(GroupConfig::default()));
        for (zero_variance, cut_off, expected) in [
            (false, false, [vec![true, true, true], vec![true, true]]),
            (true, false, [vec![true, true, true], vec![false, false]]),
            (false, true, [vec![true, false, true], vec![true, true]]),
            (true, true, [vec![true, false, true], vec![false, false]]),
        ] {
            let own = Credit {
                exclude: Exclude { zero_variance, cut_off, ..Exclude::default() },
                ..credit(AdvantageConfig::Group(GroupConfig::default()))
            };
            let (trees, whole) = (assign(&own, trees.clone()).0, assign(&all, trees.clone()).0);
            for ((tree, whole), expected) in trees.iter().zip(&whole).zip(expected) {
                let trained: Vec<bool> = tree.trained.iter().map(Option::is_some).collect();
                assert_eq!((&trained, &tree.advantages), (&expected, &whole.advantages));
            }
        }
    }

    #[test]
    fn what_was_not_graded_is_not_trained_on() {
        let mut tree = group(&[1.0, 7.0, 0.0]);
        tree.tree.leaves[1].is_graded = false;
        let (trees, _) = assign(&credit(AdvantageConfig::Group(GroupConfig::default())), vec![tree.clone()]);
        assert_eq!(trees[0].trained, [Some(0), None, Some(0)]);
        // What is left has one reward, so nothing tells the responses apart.
        tree.tree.leaves[2].is_graded = false;
        let own = Credit {
            exclude: Exclude { zero_variance: true, ..Exclude::default() },
            ..credit(AdvantageConfig::Group(GroupConfig::default()))
        };
        assert_eq!(assign(&own, vec![tree]).0[0].trained, [None; 3]);
    }

    /// What an excluded response says does not matter: it is in no sample, and the others are as they were.
    #[test]
    fn excluded_responses_are_inert() {
        let own = Credit {
            exclude: Exclude { cut_off: true, ..Exclude::default() },
            ..credit(AdvantageConfig::Group(GroupConfig::default()))
        };
        let samples = |token: u32| {
            let mut tree = group(&[1.0, 0.0, 0.0]);
            tree.tree.leaves[1].finish = Finish::Length;
            tree.tree.leaves[1].tokens = vec![token; 2];
            let samples = crate::batch::flatten(&assign(&own, vec![tree]).0);
            samples.into_iter().map(|s| (s.place, s.tokens, s.advantages)).collect::<Vec<_>>()
        };
        assert_eq!(samples(1).iter().map(|sample| sample.0).collect::<Vec<_>>(), [(0, 0), (0, 2)]);
        assert_eq!(samples(1), samples(7));
    }

    #[test]
    fn a_divergence_in_the_reward_reaches_advantages_and_returns() {
        let own = Credit {
            kl_in_reward: Some(KlEstimator::K1),
            ..credit(AdvantageConfig::Gae(GaeConfig { gamma: 1.0, lambda: 1.0, whiten: false }))
        };
        let needs = own.needs(1);
        assert!(needs.old_logprobs && needs.ref_logprobs && needs.values && !needs.signals());
        let mut tree = group(&[0.0, 1.0]);
        let field = |tree: &MeasuredTree, value: f32| Some(PathField::from_fn(&tree.tree, |_, _| value));
        let old = PathField::from_fn(&tree.tree, |_, _| -1.0);
        (tree.old_logprobs, tree.ref_logprobs) = (OldLogprobs::Measured(old), field(&tree, -1.5));
        tree.values = field(&tree, 0.25);
        let (trees, _) = assign(&own, vec![tree]);
        // Each token costs 0.5 * (-1 + 1.5) = 0.25 from where it stands to the end.
        let returns = trees[0].returns.as_ref().unwrap();
        assert_eq!((returns.path(0), returns.path(1)), (&[-0.25][..], &[0.5, 0.75][..]));
        let advantages = &trees[0].advantages;
        assert_eq!((advantages.path(0), advantages.path(1)), (&[-0.5][..], &[0.25, 0.5][..]));
    }

    #[test]
    fn importance_weighs_what_is_there_at_the_end() {
        let importance =
            Some(ImportanceConfig { mode: super::importance::ImportanceMode::TokenTruncate, cap: 2.0 });
        let own = Credit { importance, ..credit(AdvantageConfig::Group(GroupConfig::default())) };
        assert!(own.needs(1).old_logprobs);
        let mut tree = group(&[1.0, 0.0]); // the sampler's log-probabilities are -1
        let learner = |leaf: usize, t: usize| -1.0 + [[0.5f32.ln(), 0.0], [0.0, 3f32.ln()]][leaf][t];
        tree.old_logprobs = OldLogprobs::Measured(PathField::from_fn(&tree.tree, learner));
        let plain = assign(&credit(AdvantageConfig::Group(GroupConfig::default())), vec![tree.clone()]).0;
        let (trees, row) = assign(&own, vec![tree.clone()]);
        let weights = [vec![0.5], vec![1.0, 2.0]];
        for (leaf, weights) in weights.iter().enumerate() {
            let pairs = trees[0].advantages.path(leaf).iter().zip(plain[0].advantages.path(leaf));
            for ((got, plain), weight) in pairs.zip(weights) {
                assert!((got - weight * plain).abs() < 1e-6, "{got} {plain} {weight}");
            }
        }
        let close = |key: &str, expected: f64| assert!((row.get(key).unwrap() - expected).abs() < 1e-6);
        close("mismatch/importance_mean", 3.5 / 3.0);
        close("mismatch/importance_capped_frac", 1.0 / 3.0);
        tree.old_logprobs = OldLogprobs::FirstPass;
        assert!(own.assign(vec![tree], 1, 0.0).is_err());
    }
}
