//! A tree: roots, the first responses to a prompt, and others that branch off them (arXiv 2509.26628, TreeRL's arXiv
//! 2506.11902).
//!
//! ```text
//! roots responses;  of each: branches places;  at each: continuations new responses with all before it in common
//! each round beyond the first: the same of each response that the round before it brought, behind the place where it left
//! ```

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::branch::{Root, RootNeeds, RuleConfig};
use super::expand::{ExpandConfig, Solved};
use super::group::fresh;
use super::{ExploreSettings, Explorer, ExplorerState, Growth};
use crate::types::{Fork, GenRequest, Prompt, Rules, Tree};

/// More responses to a prompt are a slip of the pen: each round multiplies them.
const MOST: usize = 10_000;

/// Settings of [`ExploreConfig::Tree`](super::ExploreConfig::Tree).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TreeConfig {
    /// Roots, the first responses, per prompt.
    pub roots: usize,
    /// Branch points per root.
    pub branches: usize,
    /// New responses per branch point.
    pub continuations: usize,
    /// How often a tree grows: beyond the first round, from the responses of the round before.
    pub rounds: usize,
    /// Whether roots that nothing branches off from are trained on; they are compared with all the same.
    pub train_unbranched: bool,
    /// GB of keys and values that responses leave for those that branch off them; beyond it prefixes are read anew.
    pub kept_gb: f64,
    /// Where in a response others branch off.
    pub rule: RuleConfig,
    /// Which roots others branch off.
    pub expand: ExpandConfig,
}

impl Default for TreeConfig {
    fn default() -> Self {
        let (rule, expand) = (RuleConfig::default(), ExpandConfig::default());
        Self {
            roots: 6,
            branches: 2,
            continuations: 2,
            rounds: 1,
            train_unbranched: false,
            kept_gb: 4.0,
            rule,
            expand,
        }
    }
}

/// Opens trees and lets them grow.
struct TreeExplorer {
    config: TreeConfig,
    solved: Solved,
}

impl Explorer for TreeExplorer {
    fn open(&self, prompt: &Arc<Prompt>) -> Vec<GenRequest> {
        fresh(prompt, self.config.roots)
    }

    fn rounds(&self) -> usize {
        self.config.rounds
    }

    fn needs(&self) -> RootNeeds {
        self.config.rule.settings().needs()
    }

    fn grow(&mut self, tree: &Tree, roots: &[Root<'_>]) -> Growth {
        let TreeConfig { branches, continuations, rule, expand, .. } = self.config;
        // A problem is judged once, by its roots.
        let is_first = roots.first().is_some_and(|root| root.from == 0);
        let chosen = match is_first {
            true => expand.settings().choose(tree, roots, &mut self.solved),
            false => Some((0..roots.len()).collect()),
        };
        let Some(chosen) = chosen else { return Growth { forks: Vec::new(), is_dropped: true } };
        let forks = chosen.into_iter().flat_map(|chosen| {
            let (root, parent) = (&roots[chosen], roots[chosen].leaf);
            rule.settings().pick(root, branches).into_iter().map(move |at| Fork { parent, at })
        });
        let forks = forks.flat_map(|fork| std::iter::repeat_n(fork, continuations)).collect();
        Growth { forks, is_dropped: false }
    }

    fn state(&self) -> ExplorerState {
        ExplorerState { solved: self.solved }
    }

    fn restore(&mut self, state: ExplorerState) {
        self.solved = state.solved;
    }
}

impl ExploreSettings for TreeConfig {
    fn most(&self) -> usize {
        let each = self.branches.saturating_mul(self.continuations);
        let of_one = (0..self.rounds).fold(1usize, |below, _| each.saturating_mul(below).saturating_add(1));
        self.roots.saturating_mul(of_one)
    }

    fn rounds(&self) -> usize {
        self.rounds
    }

    fn trains_unbranched(&self) -> bool {
        self.train_unbranched
    }

    fn kept_bytes(&self) -> usize {
        (self.kept_gb * 1e9) as usize
    }

    fn build(&self) -> Box<dyn Explorer> {
        Box::new(TreeExplorer { config: *self, solved: Solved::default() })
    }

    fn rules(&self) -> Rules {
        let Self { roots, branches, continuations, rounds, train_unbranched: _, kept_gb, rule, expand } =
            self;
        let mut rules = Rules::default();
        rules.positive("roots", *roots);
        rules.positive("branches", *branches);
        rules.positive("continuations", *continuations);
        rules.positive("rounds", *rounds);
        let most = self.most();
        rules.forbid(most > MOST, &["rounds", "roots", "branches", "continuations"], || {
            format!(": got {rounds}, with which a prompt may have {most} responses, expected at most {MOST} of them")
        });
        let is_size = kept_gb.is_finite() && *kept_gb >= 0.0;
        rules.expect("kept_gb", format_args!("{kept_gb:?}"), "a finite number, at least 0", is_size);
        rules.part("rule", rule.settings().rules());
        rules.part("expand", expand.settings().rules());
        let filter = expand.settings().reads_influence();
        let blind = filter && rule.settings().needs().influence.is_none();
        rules.forbid(blind, &["expand.filter", "rule.type"], || {
            ": got true, expected false, or rule.type = \"attention\", whose influence it goes by".to_owned()
        });
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credit::advantage::testing::group;
    use crate::rollout::explore::branch::EntropyConfig;
    use crate::rollout::explore::expand::DifficultyConfig;
    use crate::types::RunRandom;

    const ENTROPY: RuleConfig = RuleConfig::Entropy(EntropyConfig {});

    #[test]
    fn every_branch_point_of_every_root_is_continued() {
        let config = TreeConfig { roots: 2, rule: ENTROPY, ..TreeConfig::default() };
        let root = |entropies| Root { entropies, ..Root::bare(4, RunRandom::new(0), 1) };
        let roots = [root(&[0.0, 0.5, 0.1, 0.9]), Root { leaf: 1, ..root(&[3.0, 0.5][..]) }];
        let tree = group(&[1.0, 0.0]).tree;
        let mut explorer = TreeExplorer { config, solved: Solved::default() };
        let growth = explorer.grow(&tree, &roots);
        let forks: Vec<(usize, usize)> = growth.forks.iter().map(|fork| (fork.parent, fork.at)).collect();
        assert_eq!((forks, growth.is_dropped), (vec![(0, 1), (0, 1), (0, 3), (0, 3), (1, 1), (1, 1)], false));
        assert_eq!((config.most(), explorer.needs().entropies), (10, true));
        assert_eq!(TreeConfig { rounds: 3, ..config }.most(), 2 * (1 + 4 + 16 + 64));

        // Branches branch off behind the place where they left.
        let branch = Root { leaf: 5, from: 2, ..root(&[0.0, 0.5, 0.9, 0.1]) };
        let forks = explorer.grow(&tree, &[branch]).forks;
        assert_eq!(forks, [Fork { parent: 5, at: 3 }, Fork { parent: 5, at: 3 }]);
        assert_eq!(
            TreeConfig { roots: 0, ..config }.rules().problems(),
            ["roots: got 0, expected at least 1"]
        );
        let filtered = TreeConfig { expand: ExpandConfig::Difficulty(DifficultyConfig::default()), ..config };
        assert!(filtered.rules().problems()[0].starts_with("expand.filter: got true, expected false"));
    }

    #[test]
    fn what_was_learnt_of_solved_problems_goes_on_from_a_state() {
        let expand = ExpandConfig::Difficulty(DifficultyConfig::default());
        let config = TreeConfig { expand, ..TreeConfig::default() };
        let mut tree = group(&[1.0, 1.0]).tree;
        for leaf in &mut tree.leaves {
            leaf.verdict.parts.insert(rewards::CORRECT.to_owned(), 1.0);
        }
        let step = 0..3;
        let steps = std::slice::from_ref(&step);
        let roots = |influence| [Root { steps, influence, ..Root::bare(3, RunRandom::new(0), 1) }; 2];
        let mut explorer = TreeExplorer { config, solved: Solved::default() };
        assert!(!explorer.grow(&tree, &roots(&[0.4])).is_dropped, "the first passes");
        let mut other = TreeExplorer { config, solved: Solved::default() };
        other.restore(explorer.state());
        assert_eq!(other.state().solved.n, 1);
        for explorer in [&mut explorer, &mut other] {
            assert!(explorer.grow(&tree, &roots(&[0.2])).is_dropped, "below the mean of those before it");
        }
        assert_eq!(other.state(), explorer.state());
    }
}
