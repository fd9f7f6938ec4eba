//! Steps of a response, and where branches would leave it.

use std::ops::Range;

use anyhow::Result;
use serde::Serialize;

use super::{Lens, Subject};
use crate::batch::Sequence;
use crate::measure::TokenStats;
use crate::rollout::explore::branch::{AttentionConfig, Root, RuleConfig};
use crate::rollout::explore::{ExploreConfig, TreeConfig};
use crate::signal::{Segmented, Segmenter, influence};
use crate::types::RunRandom;

/// A response in S steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Steps {
    /// First token of each step and the one behind its last.
    pub steps: Vec<(usize, usize)>,
    /// Forward context influence of each step, `[S]`.
    pub fci: Vec<f32>,
    /// Tokens that branches begin before.
    pub branch_at: Vec<usize>,
    /// Steps that branches begin before, where they begin between steps, counted from 1.
    pub branch_before_step: Vec<usize>,
}

/// How responses are cut into steps, and where branches would leave them.
pub(crate) struct Branching {
    /// Cuts.
    pub segmenter: Segmenter,
    /// The rule; a lottery's places are not told.
    pub rule: RuleConfig,
    /// Branch points per response.
    pub n: usize,
}

impl Branching {
    /// As the trees of `explore` branch; where there are none, as AttnRL's do.
    #[must_use]
    pub(crate) fn new(explore: &ExploreConfig, segmenter: Segmenter) -> Self {
        let default = TreeConfig::default();
        let tree = if let ExploreConfig::Tree(tree) = explore { tree } else { &default };
        Self { segmenter, rule: tree.rule, n: tree.branches }
    }

    /// The steps of each of `subjects`, whose tokens have these `stats`, as `lens` shows them.
    pub(super) fn steps(
        &self,
        lens: &Lens<'_>,
        subjects: &[Subject],
        stats: &TokenStats,
    ) -> Result<Vec<Steps>> {
        let sequences: Vec<Sequence<'_>> = subjects.iter().map(Subject::sequence).collect();
        let segmented: Vec<Segmented> =
            subjects.iter().map(|subject| self.segmenter.segment(&subject.response)).collect();
        let own = self.rule.settings().needs().influence;
        let distance = own.unwrap_or(AttentionConfig::default().distance);
        let Lens { policy, passes, .. } = *lens;
        let influence = influence(policy, &sequences, &segmented, distance, passes.max_tokens, passes.check)?;
        let tokens = stats.entropies.iter().zip(&stats.logprobs);
        let each = subjects.iter().zip(&segmented).zip(influence).zip(tokens);
        Ok(each
            .map(|(((subject, own), fci), (entropies, logprobs))| {
                self.of_subject(subject, own, fci, entropies, logprobs)
            })
            .collect())
    }

    fn of_subject(
        &self,
        subject: &Subject,
        segmented: &Segmented,
        fci: Vec<f32>,
        entropies: &[f32],
        logprobs: &[f32],
    ) -> Steps {
        let steps = &segmented.steps;
        let root = Root {
            from: subject.sampled.as_ref().and_then(|sampled| sampled.fork_at).unwrap_or(0),
            n_prompt: subject.prompt.len(),
            steps,
            influence: &fci,
            entropies,
            logprobs,
            ..Root::bare(subject.response.len(), RunRandom::new(0), 0)
        };
        let rule = self.rule.settings();
        let branch_at = if rule.is_lot() { Vec::new() } else { rule.pick(&root, self.n) };
        let before = |(step, _): &(&Range<usize>, usize)| branch_at.contains(&step.start);
        let branch_before_step = steps.iter().zip(1..).filter(before).map(|(_, number)| number).collect();
        Steps {
            steps: steps.iter().map(|step| (step.start, step.end)).collect(),
            fci,
            branch_at,
            branch_before_step,
        }
    }
}
