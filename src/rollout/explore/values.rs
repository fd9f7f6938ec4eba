//! `[values]`: what prefixes of responses are worth, by continuing them.
//!
//! ```text
//! V(prefix) = mean reward of `continuations` responses that begin with it, drawn as all responses are
//! ```
//!
//! They are branches of the responses, so that keys and values of what they share are used again; a prefix that several
//! responses have in common is continued once. They say what the responses are worth and are not trained on.

use std::collections::HashSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::branch::{Root, RootNeeds, RuleConfig, StepsConfig};
use super::{ExploreConfig, ExploreSettings, Explorer, Growth};
use crate::types::{Fork, GenRequest, Prompt, Rules, TokenId, Tree};

/// Where responses are cut, and how often they are continued.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ValuesConfig {
    /// Most cuts of a response, M.
    pub cuts: usize,
    /// Continuations from each cut, K.
    pub continuations: usize,
    /// GB of keys and values that responses leave for their continuations; beyond it prefixes are read anew.
    pub kept_gb: f64,
    /// Where responses are cut.
    pub rule: RuleConfig,
}

impl Default for ValuesConfig {
    fn default() -> Self {
        Self { cuts: 8, continuations: 9, kept_gb: 4.0, rule: RuleConfig::Steps(StepsConfig {}) }
    }
}

impl ValuesConfig {
    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { cuts, continuations, kept_gb, rule } = self;
        let mut rules = Rules::default();
        rules.positive("cuts", *cuts);
        let expected = "at least 2, from which the noise of a value can be told";
        rules.expect("continuations", continuations, expected, *continuations >= 2);
        let is_size = kept_gb.is_finite() && *kept_gb >= 0.0;
        rules.expect("kept_gb", format_args!("{kept_gb:?}"), "a finite number, at least 0", is_size);
        rules.part("rule", rule.settings().rules());
        rules
    }

    /// Most responses of a prompt with `roots` of them before their continuations.
    #[must_use]
    pub(crate) fn most(&self, roots: usize) -> usize {
        roots.saturating_mul(self.cuts.saturating_mul(self.continuations).saturating_add(1))
    }

    /// Bytes of keys and values that responses leave.
    fn kept_bytes(&self) -> usize {
        (self.kept_gb * 1e9) as usize
    }
}

/// How responses come about, and with values what continues them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exploration<'a> {
    /// The responses.
    pub explore: &'a ExploreConfig,
    /// What is asked of their beginnings.
    pub values: Option<&'a ValuesConfig>,
}

impl ExploreSettings for Exploration<'_> {
    fn rules(&self) -> Rules {
        self.explore.settings().rules()
    }

    fn most(&self) -> usize {
        let roots = self.explore.settings().most();
        self.values.map_or(roots, |values| values.most(roots))
    }

    fn rounds(&self) -> usize {
        self.values.map_or(self.explore.settings().rounds(), |_| 1)
    }

    fn trains_unbranched(&self) -> bool {
        self.values.is_some() || self.explore.settings().trains_unbranched()
    }

    fn kept_bytes(&self) -> usize {
        self.values.map_or(self.explore.settings().kept_bytes(), ValuesConfig::kept_bytes)
    }

    fn build(&self) -> Box<dyn Explorer> {
        let explorer = self.explore.settings().build();
        match self.values {
            Some(config) => Box::new(Continued { config: *config, explorer }),
            None => explorer,
        }
    }
}

/// Responses, and what comes of their beginnings.
struct Continued {
    config: ValuesConfig,
    explorer: Box<dyn Explorer>,
}

impl Explorer for Continued {
    fn open(&self, prompt: &Arc<Prompt>) -> Vec<GenRequest> {
        self.explorer.open(prompt)
    }

    fn rounds(&self) -> usize {
        1
    }

    fn needs(&self) -> RootNeeds {
        self.config.rule.settings().needs()
    }

    fn grow(&mut self, tree: &Tree, roots: &[Root<'_>]) -> Growth {
        let ValuesConfig { cuts, continuations, rule, .. } = self.config;
        let mut seen: HashSet<&[TokenId]> = HashSet::new();
        let mut forks = Vec::new();
        for root in roots {
            let tokens = &tree.leaves[root.leaf].tokens;
            for at in rule.settings().pick(root, cuts) {
                if seen.insert(&tokens[..at]) {
                    forks.extend(std::iter::repeat_n(Fork { parent: root.leaf, at }, continuations));
                }
            }
        }
        Growth { forks, is_dropped: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credit::advantage::testing::group;
    use crate::rollout::explore::GroupConfig;
    use crate::rollout::explore::branch::EveryConfig;
    use crate::types::RunRandom;

    #[test]
    fn what_responses_have_in_common_is_continued_once() {
        let mut tree = group(&[1.0, 0.0, 0.0]).tree;
        for (leaf, tokens) in
            tree.leaves.iter_mut().zip([[1u32, 2, 3, 4, 5], [1, 2, 3, 9, 5], [1, 7, 3, 4, 5]])
        {
            leaf.tokens = tokens.to_vec();
        }
        let rule = RuleConfig::Every(EveryConfig { tokens: 2 });
        let config = ValuesConfig { continuations: 2, rule, ..ValuesConfig::default() };
        let explore = ExploreConfig::Group(GroupConfig { size: 3 });
        let exploration = Exploration { explore: &explore, values: Some(&config) };
        let mut explorer = exploration.build();
        let root = |leaf| Root { leaf, ..Root::bare(5, RunRandom::new(0), 1) };
        let growth = explorer.grow(&tree, &[root(0), root(1), root(2)]);
        let forks: Vec<(usize, usize)> = growth.forks.iter().map(|fork| (fork.parent, fork.at)).collect();
        // The second has (1, 2) in common with the first, and the third nothing but 1.
        let expected = [(0, 2), (0, 4), (1, 4), (2, 2), (2, 4)];
        assert_eq!(forks, expected.into_iter().flat_map(|fork| [fork, fork]).collect::<Vec<_>>());
        assert_eq!((explorer.rounds(), exploration.rounds(), exploration.most()), (1, 1, 3 * 17));
        assert!(explorer.open(&tree.prompt).len() == 3 && exploration.trains_unbranched());
        let plain = Exploration { values: None, ..exploration };
        assert_eq!((plain.rounds(), plain.most(), plain.kept_bytes()), (0, 3, 0));
    }

    #[test]
    fn what_cannot_give_a_value_is_refused() {
        let broken = ValuesConfig { cuts: 0, continuations: 1, kept_gb: -1.0, ..ValuesConfig::default() };
        let problems = broken.rules().problems();
        let keys: Vec<_> = problems.iter().filter_map(|problem| problem.split(':').next()).collect();
        assert_eq!(keys, ["cuts", "continuations", "kept_gb"]);
        assert!(ValuesConfig::default().rules().problems().is_empty());
    }
}
