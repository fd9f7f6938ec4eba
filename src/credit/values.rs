//! What prefixes of responses are worth, from the responses that continue them.
//!
//! ```text
//! V^(cut) = mean reward of the K responses that continue from there      noise s^2 / K
//! V^(prompt) = mean reward of the other responses to the prompt          noise s^2 / (G - 1)
//! w_k = (V^_{k+1} - V^_k)^2 - noise_{k+1} - noise_k                      unbiased for (V_{k+1} - V_k)^2
//! ```
//!
//! Values along a response are a martingale, so that the squares of their changes add up to the variance of the reward on
//! average, `p (1 - p)` where it is 0 or 1. Plain squares add up to more, by the noise of both ends, and not by the same
//! everywhere: what is sure has none.

use std::collections::HashMap;

use crate::stats::{mean, variance};
use crate::types::{MetricRow, TokenId, Tree};

/// A place of a response whose value is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stop {
    /// How many tokens of the response lie before it.
    pub at: usize,
    /// The value.
    pub value: f64,
    /// The variance of that as an estimate; 0 at the end of a response.
    pub noise: f64,
    /// Two independent estimates of the value, each from every other reward behind it.
    pub halves: [f64; 2],
    /// The variances of these, which differ where the number of rewards is odd.
    pub noise_of_halves: [f64; 2],
}

/// The values of a tree.
pub(crate) struct Values<'t> {
    tree: &'t Tree,
    totals: &'t [Option<f64>],
    prefixes: HashMap<&'t [TokenId], Vec<f64>>,
}

impl<'t> Values<'t> {
    /// Of `tree` with the rewards `totals`, `None` where a leaf was not graded.
    pub(crate) fn new(tree: &'t Tree, totals: &'t [Option<f64>]) -> Self {
        let mut prefixes: HashMap<&[TokenId], Vec<f64>> = HashMap::new();
        for (leaf, total) in tree.leaves.iter().zip(totals) {
            if let (Some(fork), Some(total)) = (leaf.fork, total) {
                prefixes.entry(&leaf.tokens[..fork.at]).or_default().push(*total);
            }
        }
        Self { tree, totals, prefixes }
    }

    /// How many prefixes were continued.
    pub(crate) fn n_prefixes(&self) -> usize {
        self.prefixes.len()
    }

    /// The responses that others continue, or may: those sampled from the prompt.
    pub(crate) fn responses(&self) -> impl Iterator<Item = usize> {
        (0..self.tree.leaves.len()).filter(|leaf| self.tree.leaves[*leaf].fork.is_none())
    }

    /// The stops of response `leaf`, from the prompt, at 0, to its end; none where it or all others were not graded.
    pub(crate) fn stops(&self, leaf: usize) -> Vec<Stop> {
        self.stops_of(leaf, 1)
    }

    /// Those of which the noise is known too: of one reward it is not. None where that of the prompt is not.
    pub(crate) fn told_stops(&self, leaf: usize) -> Vec<Stop> {
        self.stops_of(leaf, 2)
    }

    /// Those that rest on `fewest` rewards at least.
    fn stops_of(&self, leaf: usize, fewest: usize) -> Vec<Stop> {
        let others: Vec<f64> =
            self.responses().filter(|other| *other != leaf).filter_map(|other| self.totals[other]).collect();
        let Some(reward) = self.totals[leaf].filter(|_| others.len() >= fewest) else { return Vec::new() };
        let tokens = &self.tree.leaves[leaf].tokens;
        let rewards = |at: usize| self.prefixes.get(&tokens[..at]).filter(|rewards| rewards.len() >= fewest);
        let cuts = (1..tokens.len()).filter_map(|at| Some(Stop::new(at, rewards(at)?)));
        let end = Stop {
            at: tokens.len(),
            value: reward,
            noise: 0.0,
            halves: [reward; 2],
            noise_of_halves: [0.0; 2],
        };
        std::iter::once(Stop::new(0, &others)).chain(cuts).chain([end]).collect()
    }
}

impl Stop {
    fn new(at: usize, rewards: &[f64]) -> Self {
        let halves = [0, 1].map(|first| rewards.iter().skip(first).step_by(2).copied().collect::<Vec<_>>());
        // The spread of all of them, since half of few tells little.
        let spread = variance(rewards);
        Self {
            at,
            value: mean(rewards),
            noise: spread / rewards.len() as f64,
            noise_of_halves: halves.each_ref().map(|half| spread / half.len().max(1) as f64),
            halves: halves.map(|half| mean(&half)),
        }
    }
}

/// An estimate without bias of the squared change of the value from `start` to `end`; it may be below 0.
pub(crate) fn squared_change(start: &Stop, end: &Stop) -> f64 {
    (end.value - start.value).powi(2) - end.noise - start.noise
}

/// `values/*` of the trees of a step, with the rewards of their leaves.
pub(crate) fn metrics<'t>(trees: impl Iterator<Item = (&'t Tree, Vec<Option<f64>>)>) -> MetricRow {
    let (mut prefixes, mut responses, mut tokens, mut all_tokens) = (0usize, 0usize, 0usize, 0usize);
    let (mut changes, mut variances) = (0.0, 0.0);
    for (tree, totals) in trees {
        let values = Values::new(tree, &totals);
        prefixes += values.n_prefixes();
        all_tokens += tree.n_sampled_tokens();
        tokens +=
            tree.leaves.iter().filter_map(|leaf| Some(leaf.tokens.len() - leaf.fork?.at)).sum::<usize>();
        let rewards: Vec<f64> = values.responses().filter_map(|leaf| totals[leaf]).collect();
        for leaf in values.responses() {
            let stops = values.told_stops(leaf);
            if !stops.is_empty() {
                responses += 1;
                changes += stops.windows(2).map(|pair| squared_change(&pair[0], &pair[1])).sum::<f64>();
                variances += variance(&rewards);
            }
        }
    }
    let mut row = MetricRow::default();
    row.set("values/prefixes", prefixes as f64);
    row.set("values/tokens_frac", tokens as f64 / all_tokens.max(1) as f64);
    if variances > 0.0 {
        row.set("values/changes_squared", changes / responses as f64);
        row.set("values/closure", changes / variances);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credit::advantage::testing::grown;
    use crate::types::{Purpose, RunRandom};
    use rand::RngExt;

    /// Parent, and tokens shared with it.
    type Forked = (usize, usize);

    #[test]
    fn stops_are_where_a_response_was_continued() {
        let from = |at, reward| (Some((0, at)), 5, reward);
        let tree = grown(&[
            (None, 4, 1.0),
            (None, 3, 0.0),
            (None, 3, 0.0),
            from(2, 1.0),
            from(2, 0.0),
            from(2, 0.0),
            from(2, 1.0),
        ]);
        let totals: Vec<Option<f64>> = tree.tree.leaves.iter().map(|leaf| Some(leaf.verdict.value)).collect();
        let values = Values::new(&tree.tree, &totals);
        let stops = values.stops(0);
        let expected = [
            Stop { at: 0, value: 0.0, noise: 0.0, halves: [0.0; 2], noise_of_halves: [0.0; 2] },
            Stop { at: 2, value: 0.5, noise: 1.0 / 12.0, halves: [0.5; 2], noise_of_halves: [1.0 / 6.0; 2] },
            Stop { at: 4, value: 1.0, noise: 0.0, halves: [1.0; 2], noise_of_halves: [0.0; 2] },
        ];
        assert_eq!((stops.as_slice(), values.n_prefixes()), (&expected[..], 1));
        assert!((squared_change(&stops[0], &stops[1]) - (0.25 - 1.0 / 12.0)).abs() < 1e-12);
        assert_eq!(values.stops(1).len(), 2);
        let row = metrics(std::iter::once((&tree.tree, totals.clone())));
        // 10 tokens of responses and 3 of each of four continuations.
        assert_eq!(
            (row.get("values/prefixes"), row.get("values/tokens_frac")),
            (Some(1.0), Some(12.0 / 22.0))
        );
    }

    /// A walk of four fair steps, right where it ends above its beginning: the squared changes of its values add up to the
    /// variance of the reward, and the estimates of both agree, however few continuations there are; of either half too, though
    /// one has two of three.
    #[test]
    fn squared_changes_add_up_to_the_variance() {
        let mut rng = RunRandom::new(1).stream(Purpose::Eval, &[]);
        let mut sums = [0.0; 5];
        for _ in 0..4000 {
            let mut walk = |from: &[u32]| {
                let mut steps = from.to_vec();
                steps.extend((from.len()..4).map(|_| u32::from(rng.random_bool(0.5))));
                steps
            };
            let roots: Vec<Vec<u32>> = (0..4).map(|_| walk(&[])).collect();
            let mut leaves: Vec<(Option<Forked>, Vec<u32>)> =
                roots.iter().map(|steps| (None, steps.clone())).collect();
            for (i, root) in roots.iter().enumerate() {
                for at in 1..4 {
                    let is_new = roots[..i].iter().all(|other| other[..at] != root[..at]);
                    leaves
                        .extend((0..if is_new { 3 } else { 0 }).map(|_| (Some((i, at)), walk(&root[..at]))));
                }
            }
            let reward = |steps: &[u32]| f64::from(u8::from(steps.iter().sum::<u32>() > 2));
            let grown_leaves: Vec<_> =
                leaves.iter().map(|(fork, steps)| (*fork, steps.len(), reward(steps))).collect();
            let mut tree = grown(&grown_leaves).tree;
            for (leaf, (_, steps)) in tree.leaves.iter_mut().zip(&leaves) {
                leaf.tokens.clone_from(steps);
            }
            let totals: Vec<Option<f64>> = tree.leaves.iter().map(|leaf| Some(leaf.verdict.value)).collect();
            let values = Values::new(&tree, &totals);
            let stops = values.stops(0);
            sums[0] += stops.windows(2).map(|pair| squared_change(&pair[0], &pair[1])).sum::<f64>();
            sums[1] += stops.windows(2).map(|pair| (pair[1].value - pair[0].value).powi(2)).sum::<f64>();
            sums[2] += 1.0;
            for i in 0..2 {
                let change = |pair: &[Stop]| (pair[1].halves[i] - pair[0].halves[i]).powi(2);
                let noise = |pair: &[Stop]| pair[1].noise_of_halves[i] + pair[0].noise_of_halves[i];
                sums[3 + i] += stops.windows(2).map(|pair| change(pair) - noise(pair)).sum::<f64>();
            }
        }
        // Right with chance 5 of 16.
        let variance = 5.0 / 16.0 * 11.0 / 16.0;
        let (unbiased, plain) = (sums[0] / sums[2], sums[1] / sums[2]);
        assert!((unbiased - variance).abs() < 0.012, "{unbiased} {variance}");
        assert!(plain > variance + 0.1, "plain squares are far off: {plain}");
        let halves = [sums[3] / sums[2], sums[4] / sums[2]];
        assert!(halves.iter().all(|half| (half - variance).abs() < 0.025), "{halves:?} {variance}");
    }
}
