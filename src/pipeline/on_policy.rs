//! On-policy: every response of a step comes from the weights that the step starts with. Trees take two calls, one for roots
//! and one for what branches off, and one more for each further round.
//!
//! Where zero-variance groups are refilled (dynamic sampling of DAPO), further rounds sample as many new prompts as groups
//! with variance are missing, until there are enough or no round is left; then zero-variance groups fill the rest.

use std::collections::BTreeSet;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::collect::{CollectContext, Collector, Timings};
use super::{Discarded, RolloutBatch, RolloutSource, ScheduleSettings, SourceState};
use crate::model::Policy;
use crate::rollout::Generated;
use crate::types::{Attention, HeadSignals, Progress, Step, Tree};

/// Settings of [`PipelineConfig::OnPolicy`](super::PipelineConfig::OnPolicy): none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnPolicyConfig {}

impl ScheduleSettings for OnPolicyConfig {
    fn build(&self, collector: Collector, n_prompts: usize, refill_rounds: usize) -> Box<dyn RolloutSource> {
        Box::new(OnPolicy { collector, n_prompts, refill_rounds })
    }
}

/// Draw prompts, open their trees, generate, score, let grow.
pub(crate) struct OnPolicy {
    /// Asks and judges.
    pub collector: Collector,
    /// Prompts per step.
    pub n_prompts: usize,
    /// Rounds beyond the first that a step may spend on replacing zero-variance groups.
    pub refill_rounds: usize,
}

impl RolloutSource for OnPolicy {
    fn next(&mut self, policy: &Policy, step: Step, progress: &mut Progress<'_>) -> Result<RolloutBatch> {
        let (mut timings, mut discarded) = (Timings::default(), Discarded::default());
        let mut context = CollectContext { policy, step, progress, timings: &mut timings };
        let (mut trees, mut flat): (Vec<Read>, Vec<Read>) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for round in 0..=self.refill_rounds {
            let missing = self.n_prompts.saturating_sub(trees.len());
            let new = self.round(&mut context, missing, &mut seen, &mut discarded)?;
            let (signal, without): (Vec<_>, Vec<_>) =
                new.into_iter().partition(|(tree, _)| tree.has_signal() || self.refill_rounds == 0);
            trees.extend(signal);
            flat.extend(without);
            discarded.rounds = round as u64;
            if trees.len() >= self.n_prompts {
                break;
            }
        }
        let missing = self.n_prompts.saturating_sub(trees.len()).min(flat.len());
        flat.split_off(missing).iter().for_each(|(tree, _)| discarded.add(tree));
        trees.extend(flat);
        let (trees, signals): (Vec<_>, Vec<_>) = trees.into_iter().unzip();
        let attention = Attention::Heads(signals.into_iter().flatten().collect());
        Ok(RolloutBatch { ages: vec![0; trees.len()], trees, attention, discarded, timings })
    }

    fn state(&mut self) -> Result<SourceState> {
        Ok(self.collector.state(None))
    }

    fn restore(&mut self, state: SourceState) -> Result<()> {
        self.collector.restore(state).map(drop)
    }
}

/// A tree, and the attention of the sampler over its leaves where it was read.
type Read = (Tree, Vec<HeadSignals>);

impl OnPolicy {
    /// The scored trees of `n` new prompts; those `seen` in the step already are passed over, since their responses would be
    /// the same again.
    fn round(
        &mut self,
        context: &mut CollectContext<'_>,
        n: usize,
        seen: &mut BTreeSet<u64>,
        discarded: &mut Discarded,
    ) -> Result<Vec<Read>> {
        let mut prompts = self.collector.sampler.draw(n);
        prompts.retain(|prompt| seen.insert(prompt.id));
        let requests = self.collector.open(&prompts);
        let Generated { completions, signals, .. } = self.collector.ask(context, &requests)?;
        let mut trees = self.collector.score(requests, completions, context)?;
        for depth in 0..self.collector.explorer.rounds() {
            let branches = self.collector.branch(context, trees, depth, discarded)?;
            let requests = branches.requests();
            let completions = if requests.is_empty() {
                Vec::new()
            } else {
                self.collector.ask(context, &requests)?.completions
            };
            trees = self.collector.grown(branches, requests, completions, context)?;
        }
        self.collector.finish(&trees);
        let mut signals = signals.into_iter();
        let read = |tree: Tree| {
            let own = signals.by_ref().take(tree.leaves.len()).collect();
            (tree, own)
        };
        Ok(trees.into_iter().map(read).collect())
    }
}
