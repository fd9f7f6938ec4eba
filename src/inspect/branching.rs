//! Steps of a response, and where branches would leave it.

use std::ops::Range;

use crate::rollout::explore::branch::{AttentionConfig, BranchRule, Root, RuleConfig};
use crate::rollout::explore::{ExploreConfig, TreeConfig};
use crate::signal::Segmenter;
use crate::types::RunRandom;

/// How responses are cut into steps, and where branches would leave them.
pub struct Branching {
    /// Cuts.
    pub segmenter: Segmenter,
    /// The rule.
    pub rule: AttentionConfig,
    /// Branch points per response.
    pub n: usize,
}

impl Branching {
    /// As the trees of `explore` branch, where they go by attention; else as AttnRL does.
    #[must_use]
    pub fn of(explore: &ExploreConfig, segmenter: Segmenter) -> Self {
        let default = TreeConfig::default();
        let tree = if let ExploreConfig::Tree(tree) = explore { tree } else { &default };
        let rule =
            if let RuleConfig::Attention(rule) = tree.rule { rule } else { AttentionConfig::default() };
        Self { segmenter, rule, n: tree.branches }
    }

    /// Steps that branches begin before, counted from 1, in a response to a prompt of `n_prompt` tokens.
    pub(super) fn points(&self, n_prompt: usize, steps: &[Range<usize>], influence: &[f32]) -> Vec<usize> {
        let n_tokens = steps.last().map_or(0, |step| step.end);
        let root = Root { n_prompt, steps, influence, ..Root::bare(n_tokens, RunRandom::new(0), 0) };
        let places = self.rule.pick(&root, self.n);
        steps
            .iter()
            .zip(1..)
            .filter(|(step, _)| places.contains(&step.start))
            .map(|(_, number)| number)
            .collect()
    }
}
