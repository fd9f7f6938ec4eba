//! Branching of TreeRL (arXiv 2506.11902): before the tokens whose distribution had the highest entropy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BranchRule, Root, RootNeeds};

/// Settings of [`RuleConfig::Entropy`](super::RuleConfig::Entropy).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntropyConfig {}

impl BranchRule for EntropyConfig {
    fn needs(&self) -> RootNeeds {
        RootNeeds { entropies: true, ..RootNeeds::default() }
    }

    fn pick(&self, root: &Root<'_>, n: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (root.from + 1..root.entropies.len()).collect();
        // Stable: of equal entropies the earlier counts.
        places.sort_by(|a, b| root.entropies[*b].total_cmp(&root.entropies[*a]));
        places.truncate(n);
        places.sort_unstable();
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::RunRandom;

    #[test]
    fn the_least_sure_tokens_are_taken_and_never_the_first() {
        let root = Root { entropies: &[9.0, 0.1, 0.7, 0.7, 0.2], ..Root::bare(5, RunRandom::new(0), 1) };
        assert_eq!(EntropyConfig {}.pick(&root, 1), [2]);
        assert_eq!(EntropyConfig {}.pick(&root, 3), [2, 3, 4]);
        assert_eq!(EntropyConfig {}.pick(&root, 9), [1, 2, 3, 4]);
        assert_eq!(EntropyConfig {}.pick(&Root { from: 2, ..root }, 9), [3, 4]);
    }
}
