//! Branching at even distances.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BranchRule, Root, spread};
use crate::types::Rules;

/// Settings of [`RuleConfig::Every`](super::RuleConfig::Every).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EveryConfig {
    /// Tokens from one place to the next.
    pub tokens: usize,
}

impl Default for EveryConfig {
    fn default() -> Self {
        Self { tokens: 16 }
    }
}

impl BranchRule for EveryConfig {
    fn pick(&self, root: &Root<'_>, n: usize) -> Vec<usize> {
        let places = (root.from..root.n_tokens).step_by(self.tokens).skip(1);
        spread(&places.collect::<Vec<_>>(), n)
    }

    fn idle(&self, max_new_tokens: usize) -> Option<String> {
        let Self { tokens } = self;
        (*tokens >= max_new_tokens).then(|| {
            format!(
                "`tokens` = {tokens} is no less than any response has ([sampling] `max_new_tokens` = {max_new_tokens}), so \
                 there is no place"
            )
        })
    }

    fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        rules.positive("tokens", self.tokens);
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::RunRandom;

    #[test]
    fn places_are_evenly_apart() {
        let root = Root::bare(10, RunRandom::new(0), 1);
        assert_eq!(EveryConfig { tokens: 3 }.pick(&root, 9), [3, 6, 9]);
        assert_eq!(EveryConfig { tokens: 3 }.pick(&root, 2), [3, 9]);
        assert_eq!(EveryConfig { tokens: 5 }.pick(&root, 9), [5]);
        assert_eq!(EveryConfig { tokens: 10 }.pick(&root, 9), [0; 0]);
        assert_eq!(EveryConfig { tokens: 3 }.pick(&Root { from: 4, ..root }, 9), [7]);
        assert!(
            EveryConfig { tokens: 10 }.idle(10).is_some() && EveryConfig { tokens: 9 }.idle(10).is_none()
        );
        assert_eq!(EveryConfig { tokens: 0 }.rules().problems(), ["tokens: got 0, expected at least 1"]);
    }
}
