//! A tree: first responses, and others that branch off them (arXiv 2509.26628, TreeRL's arXiv 2506.11902).
//!
//! ```text
//! roots first responses;  of each: branches places;  at each: continuations new responses with all before it in common
//! ```

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Explorer;
use super::branch::{Root, RootNeeds, RuleConfig};
use super::group::fresh;
use crate::types::{Fork, GenRequest, Prompt};

/// Settings of [`ExploreConfig::Tree`](super::ExploreConfig::Tree).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TreeConfig {
    /// First responses per prompt.
    pub roots: usize,
    /// Branch points per first response.
    pub branches: usize,
    /// New responses per branch point.
    pub continuations: usize,
    /// Where they branch off.
    pub rule: RuleConfig,
}

impl Default for TreeConfig {
    fn default() -> Self {
        Self { roots: 6, branches: 2, continuations: 2, rule: RuleConfig::default() }
    }
}

impl Explorer for TreeConfig {
    fn open(&self, prompt: &Arc<Prompt>) -> Vec<GenRequest> {
        fresh(prompt, self.roots)
    }

    fn needs(&self) -> Option<RootNeeds> {
        (self.branches > 0).then(|| self.rule.rule().needs())
    }

    fn grow(&self, roots: &[Root<'_>]) -> Vec<Fork> {
        let places = roots.iter().enumerate().flat_map(|(parent, root)| {
            self.rule.rule().pick(root, self.branches).into_iter().map(move |at| Fork { parent, at })
        });
        places.flat_map(|fork| std::iter::repeat_n(fork, self.continuations)).collect()
    }
}

impl TreeConfig {
    /// Most responses to a prompt.
    #[must_use]
    pub fn most(&self) -> usize {
        self.roots.saturating_mul(1 + self.branches.saturating_mul(self.continuations))
    }

    /// What cannot work, each as `key: got ..., expected ...`.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let Self { roots, branches, continuations, rule } = self;
        let counts = [("roots", roots), ("branches", branches), ("continuations", continuations)];
        let none = counts.into_iter().filter(|(_, n)| **n == 0);
        let mut problems: Vec<String> =
            none.map(|(key, _)| format!("{key}: got 0, expected at least 1")).collect();
        problems.extend(rule.rule().problems().into_iter().map(|problem| format!("rule.{problem}")));
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::explore::branch::EntropyConfig;
    use crate::types::RunRandom;

    #[test]
    fn every_branch_point_of_every_root_is_continued() {
        let config = TreeConfig {
            roots: 2,
            branches: 2,
            continuations: 2,
            rule: RuleConfig::Entropy(EntropyConfig {}),
        };
        let root = |entropies| Root { entropies, ..Root::bare(4, RunRandom::new(0), 1) };
        let roots = [root(&[0.0, 0.5, 0.1, 0.9]), root(&[3.0, 0.5][..])];
        let forks: Vec<(usize, usize)> =
            config.grow(&roots).iter().map(|fork| (fork.parent, fork.at)).collect();
        assert_eq!(forks, [(0, 1), (0, 1), (0, 3), (0, 3), (1, 1), (1, 1)]);
        assert_eq!((config.most(), config.needs().map(|needs| needs.entropies)), (10, Some(true)));
        let none = TreeConfig { roots: 0, ..config }.problems();
        assert_eq!(none, ["roots: got 0, expected at least 1"]);
    }
}
