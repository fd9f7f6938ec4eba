//! Branching at the steps of a response: before each, from the second on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BranchRule, Root, spread};

/// Settings of [`RuleConfig::Steps`](super::RuleConfig::Steps).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepsConfig {}

impl BranchRule for StepsConfig {
    fn pick(&self, root: &Root<'_>, n: usize) -> Vec<usize> {
        let starts = root.steps.iter().skip(1).map(|step| step.start);
        spread(&starts.filter(|start| (root.from + 1..root.n_tokens).contains(start)).collect::<Vec<_>>(), n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::RunRandom;

    #[test]
    fn places_are_where_steps_begin() {
        let steps = [0..3, 3..4, 4..8, 8..9];
        let root = Root { steps: &steps, ..Root::bare(9, RunRandom::new(0), 1) };
        assert_eq!(StepsConfig {}.pick(&root, 9), [3, 4, 8]);
        assert_eq!(StepsConfig {}.pick(&root, 2), [3, 8]);
        assert_eq!(StepsConfig {}.pick(&Root { from: 3, ..root }, 9), [4, 8]);
        assert_eq!(StepsConfig {}.pick(&Root { steps: &steps[..1], ..root }, 9), [0; 0]);
    }
}
