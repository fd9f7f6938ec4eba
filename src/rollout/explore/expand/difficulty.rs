//! More of a hard problem's responses are branched off, fewer of an easy one's (arXiv 2509.26628), with z the share of the G roots
//! that are right (of those among them that were graded; the others come last where some are chosen by kind, and z is 0 where
//! none was):
//!
//! ```text
//! n = ceil(G exp(-z))                        or rounded to the nearest; G where not fewer
//! z = 0       all of them
//! z < 1/2     all right ones, and wrong ones by lot
//! z >= 1/2    all wrong ones, and right ones by lot
//! z = 1       the first n, if the problem's mean FCI is above that of all such problems so far; else it is not trained on
//! ```

use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Expansion, Solved};
use crate::rollout::explore::branch::Root;
use crate::types::{Coordinates, Purpose, Tree};

/// Settings of [`ExpandConfig::Difficulty`](super::ExpandConfig::Difficulty).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DifficultyConfig {
    /// Whether fewer responses of an easier problem are branched off; else all are, where the problem passes.
    pub fewer: bool,
    /// What becomes of the number of responses, G exp(-z) with z the share that is right, where it is not whole.
    pub rounding: Rounding,
    /// Whether the rarer kind, right or wrong, comes first; else the roots do.
    pub rare_first: bool,
    /// Whether problems that are always solved are trained on only if their influence is above the running mean.
    pub filter: bool,
}

impl Default for DifficultyConfig {
    fn default() -> Self {
        Self { fewer: true, rounding: Rounding::Ceil, rare_first: true, filter: true }
    }
}

/// What becomes of a number that is not whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rounding {
    /// The next larger one.
    #[default]
    Ceil,
    /// The nearest.
    Round,
}

impl DifficultyConfig {
    /// Number of the `n` roots, a share `right` of them right, that others branch off.
    #[must_use]
    pub(crate) fn number(&self, n: usize, right: f64) -> usize {
        if !self.fewer {
            return n;
        }
        let number = n as f64 * (-right).exp();
        match self.rounding {
            Rounding::Ceil => number.ceil() as usize,
            Rounding::Round => number.round() as usize,
        }
    }
}

impl Expansion for DifficultyConfig {
    fn reads_influence(&self) -> bool {
        self.filter
    }

    fn choose(&self, tree: &Tree, roots: &[Root<'_>], solved: &mut Solved) -> Option<Vec<usize>> {
        let n_graded = tree.graded().count();
        let n_right = tree.graded().filter(|leaf| leaf.verdict.correct()).count();
        if n_graded > 0 && n_right == n_graded && self.filter && !solved.passes(roots) {
            return None;
        }
        let mut chosen: Vec<usize> = (0..tree.leaves.len()).collect();
        let is_mixed = (1..n_graded).contains(&n_right);
        if let Some(first) = roots.first().filter(|_| is_mixed && self.rare_first) {
            let rare = 2 * n_right < n_graded; // right ones are
            // Shuffled and then sorted by kind: of the one that fills up, some by lot.
            let Coordinates { step, prompt, .. } = first.coordinates;
            chosen.shuffle(&mut first.random.stream(Purpose::Expand, &[step, prompt]));
            chosen.sort_by_key(|leaf| {
                let leaf = &tree.leaves[*leaf];
                (!leaf.is_graded, leaf.verdict.correct() != rare)
            });
        }
        chosen.truncate(self.number(tree.leaves.len(), n_right as f64 / n_graded.max(1) as f64));
        chosen.sort_unstable();
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credit::advantage::testing::group;
    use crate::types::RunRandom;

    fn tree(right: &[bool]) -> Tree {
        let rewards: Vec<f64> = right.iter().map(|right| f64::from(u8::from(*right))).collect();
        let mut tree = group(&rewards).tree;
        for (leaf, reward) in tree.leaves.iter_mut().zip(rewards) {
            leaf.verdict.parts.insert(rewards::CORRECT.to_owned(), reward);
        }
        tree
    }

    fn choose(config: DifficultyConfig, right: &[bool], step: u64) -> Vec<usize> {
        let tree = tree(right);
        let roots: Vec<Root<'_>> = right.iter().map(|_| Root::bare(3, RunRandom::new(0), step)).collect();
        config.choose(&tree, &roots, &mut Solved::default()).unwrap_or_default()
    }

    /// 6 exp(-z) for z = 0/6 .. 6/6: 6, 5.08, 4.30, 3.64, 3.08, 2.61, 2.21.
    #[test]
    fn easier_problems_are_expanded_less() {
        let of = |rounding| {
            let config = DifficultyConfig { rounding, ..DifficultyConfig::default() };
            (0..=6).map(|right| config.number(6, f64::from(right) / 6.0)).collect::<Vec<_>>()
        };
        assert_eq!(of(Rounding::Ceil), [6, 6, 5, 4, 4, 3, 3]);
        assert_eq!(of(Rounding::Round), [6, 5, 4, 4, 3, 3, 2]);
        assert_eq!(DifficultyConfig { fewer: false, ..DifficultyConfig::default() }.number(6, 0.8), 6);
    }

    #[test]
    fn the_rarer_kind_is_expanded_first() {
        let config = DifficultyConfig { rounding: Rounding::Round, ..DifficultyConfig::default() };
        let (wrong, right) = (false, true);
        assert_eq!(choose(config, &[wrong; 6], 1), [0, 1, 2, 3, 4, 5]);
        assert_eq!(choose(config, &[right; 6], 1), [0, 1]);
        let mut others = std::collections::BTreeSet::new();
        for step in 0..40 {
            let few = choose(config, &[wrong, wrong, right, wrong, right, wrong], step); // 4: both right ones
            assert!(few.len() == 4 && few.contains(&2) && few.contains(&4), "{few:?}");
            let most = choose(config, &[right, right, wrong, right, wrong, right], step); // 3: both wrong ones
            assert!(most.len() == 3 && most.contains(&2) && most.contains(&4), "{most:?}");
            others.extend(most.into_iter().filter(|leaf| ![2, 4].contains(leaf)));
            let half = choose(config, &[right, wrong, right, wrong, right, wrong], step); // 4: the wrong ones
            assert!([1, 3, 5].iter().all(|leaf| half.contains(leaf)), "{half:?}");
        }
        assert_eq!(others.into_iter().collect::<Vec<_>>(), [0, 1, 3, 5], "by lot");
        let plain = DifficultyConfig { rare_first: false, ..config };
        assert_eq!(choose(plain, &[right, right, wrong, right, wrong, right], 1), [0, 1, 2]);
    }

    #[test]
    fn what_was_not_graded_is_neither_right_nor_wrong() {
        let config = DifficultyConfig { rounding: Rounding::Round, ..DifficultyConfig::default() };
        let choose = |right: &[bool], ungraded: &[usize]| {
            let mut tree = tree(right);
            ungraded.iter().for_each(|leaf| tree.leaves[*leaf].is_graded = false);
            let influence = [0.0, 0.0];
            let root = Root { influence: &influence, ..Root::bare(3, RunRandom::new(0), 1) };
            let roots = vec![root; right.len()];
            let mut solved = Solved { n: 1, influence: 1.0 };
            config.choose(&tree, &roots, &mut solved)
        };
        // Two of four are right: 6 exp(-1/2) is 4, the wrong ones first, and none of those that nobody judged.
        let chosen = choose(&[true, false, false, true, false, false], &[4, 5]).unwrap_or_default();
        assert_eq!(chosen, [0, 1, 2, 3]);
        // All that were judged are right, so the problem is solved, and its influence too small.
        assert_eq!(choose(&[true, true, false], &[2]), None);
        assert_eq!(choose(&[false, false], &[0, 1]), Some(vec![0, 1]), "nothing is known");
    }

    #[test]
    fn solved_problems_pass_above_the_mean_of_those_before_them() {
        let tree = tree(&[true, true]);
        let mut solved = Solved::default();
        let mut passes = |config: DifficultyConfig, a: f32, b: f32| {
            let (a, b) = ([a, 0.0], [b, 0.0]);
            let root = |influence| Root { influence, ..Root::bare(3, RunRandom::new(0), 1) };
            config.choose(&tree, &[root(&a), root(&b)], &mut solved).is_some()
        };
        let config = DifficultyConfig::default();
        assert!(passes(config, 0.4, 0.4), "the first"); // 0.2
        assert!(!passes(config, 0.2, 0.2)); // 0.1: the mean is 0.15 now
        assert!(passes(config, 0.5, 0.3)); // 0.2
        assert!(!passes(config, 0.3, 0.3), "0.15 is not above 0.167");
        assert!(passes(DifficultyConfig { filter: false, ..config }, 0.0, 0.0));
        assert_eq!((solved.n, (solved.influence * 1e6).round()), (4, 650_000.0));
    }
}
