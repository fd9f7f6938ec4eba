//! Steps of a response, and where branches would leave it.

use std::ops::Range;

use anyhow::Result;
use serde::Serialize;

use crate::batch::Sequence;
use crate::measure::Measurer;
use crate::rollout::explore::branch::{AttentionConfig, BranchRule, Root, RuleConfig};
use crate::rollout::explore::{ExploreConfig, TreeConfig};
use crate::signal::{Segmenter, influence};
use crate::types::RunRandom;

/// A response in S steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Steps {
    /// First token of each step and the one behind its last.
    pub steps: Vec<(usize, usize)>,
    /// Forward context influence of each step, `[S]`.
    pub fci: Vec<f32>,
    /// Steps that branches begin before, counted from 1.
    pub branch_before_step: Vec<usize>,
}

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

    /// The steps of each of `sequences`, as the policy of `measurer` reads them.
    pub(super) fn steps(&self, measurer: &Measurer<'_>, sequences: &[Sequence<'_>]) -> Result<Vec<Steps>> {
        let steps: Vec<_> = sequences.iter().map(|s| self.segmenter.steps(s.response)).collect();
        let ends: Vec<_> = sequences.iter().map(|s| self.segmenter.end_of_thinking(s.response)).collect();
        let (policy, distance) = (measurer.policy, self.rule.distance);
        let influence = influence(policy, sequences, &steps, &ends, distance, measurer.max_tokens)?;
        let of_sequence = |((s, steps), fci): ((&Sequence<'_>, Vec<Range<usize>>), Vec<f32>)| Steps {
            branch_before_step: self.points(s.prompt.len(), &steps, &fci),
            steps: steps.iter().map(|step| (step.start, step.end)).collect(),
            fci,
        };
        Ok(sequences.iter().zip(steps).zip(influence).map(of_sequence).collect())
    }

    /// Steps that branches begin before, counted from 1, in a response to a prompt of `n_prompt` tokens.
    fn points(&self, n_prompt: usize, steps: &[Range<usize>], influence: &[f32]) -> Vec<usize> {
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
