//! Branching of SPO-chain (arXiv 2505.23564): at tokens that the policy was not sure of, so many of them to a stretch.
//!
//! ```text
//! candidates  tokens t with pi(y_t | before) < below;  places: before every interval-th of them
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BranchRule, Root, spread};
use crate::types::Rules;

/// Settings of [`RuleConfig::LowProb`](super::RuleConfig::LowProb).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LowProbConfig {
    /// A token is a candidate if the sampler gave it a smaller probability.
    pub below: f64,
    /// Candidates from one place to the next.
    pub interval: usize,
}

impl Default for LowProbConfig {
    fn default() -> Self {
        Self { below: 0.9, interval: 5 }
    }
}

impl BranchRule for LowProbConfig {
    fn pick(&self, root: &Root<'_>, n: usize) -> Vec<usize> {
        let is_candidate = |t: &usize| f64::from(root.logprobs[*t]).exp() < self.below;
        let candidates = (root.from + 1..root.logprobs.len()).filter(is_candidate);
        spread(&candidates.skip(self.interval - 1).step_by(self.interval).collect::<Vec<_>>(), n)
    }

    fn rules(&self) -> Rules {
        let Self { below, interval } = *self;
        let mut rules = Rules::default();
        rules.expect("below", below, "a probability, above 0 and at most 1", below > 0.0 && below <= 1.0);
        rules.positive("interval", interval);
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::RunRandom;

    #[test]
    fn places_are_before_every_so_manieth_unsure_token() {
        let p = [0.5f32, 0.95, 0.2, 0.89, 0.99, 0.1, 0.3];
        let logprobs = p.map(f32::ln);
        let root = Root { logprobs: &logprobs, ..Root::bare(7, RunRandom::new(0), 1) };
        let pick = |interval, n| LowProbConfig { below: 0.9, interval }.pick(&root, n);
        // Nothing can be cut off before the first token.
        assert_eq!(pick(1, 9), [2, 3, 5, 6]);
        assert_eq!(pick(2, 9), [3, 6]);
        assert_eq!(pick(1, 2), [2, 6]);
        assert_eq!(pick(5, 9), [0; 0]);
        assert_eq!(LowProbConfig { below: 0.25, interval: 1 }.pick(&root, 9), [2, 5]);
        let problems = LowProbConfig { below: 0.0, interval: 0 }.rules().problems();
        assert!(problems[0].starts_with("below: ") && problems[1].starts_with("interval: "), "{problems:?}");
    }
}
