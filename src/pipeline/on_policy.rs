//! On-policy: every response of a step comes from the weights that the step starts with. Trees take two calls, one for first
//! responses and one for those that branch off, and one more for each further round.
//!
//! Where zero-variance groups are refilled (dynamic sampling of DAPO), further rounds sample as many new prompts as groups
//! with variance are missing, until there are enough or no round is left; then zero-variance groups fill the rest.

use std::collections::BTreeSet;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::gather::{Call, Gatherer, Spent};
use super::{Discarded, Harvest, RolloutSource, ScheduleSettings, SourceState};
use crate::model::Policy;
use crate::rollout::Generated;
use crate::types::{HeadSignals, Progress, Step, Tree};

/// Settings of [`PipelineConfig::OnPolicy`](super::PipelineConfig::OnPolicy): none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnPolicyConfig {}

impl ScheduleSettings for OnPolicyConfig {
    fn build(&self, gatherer: Gatherer, n_prompts: usize, refill_rounds: usize) -> Box<dyn RolloutSource> {
        Box::new(OnPolicy { gatherer, n_prompts, refill_rounds })
    }
}

/// Draw prompts, open their trees, generate, score, graft, let grow.
pub struct OnPolicy {
    /// Asks and judges.
    pub gatherer: Gatherer,
    /// Prompts per step.
    pub n_prompts: usize,
    /// Rounds beyond the first that a step may spend on replacing zero-variance groups.
    pub refill_rounds: usize,
}

impl RolloutSource for OnPolicy {
    fn next(&mut self, policy: &Policy, step: Step, progress: &mut Progress<'_>) -> Result<Harvest> {
        let (mut spent, mut discarded) = (Spent::default(), Discarded::default());
        let mut call = Call { policy, step, progress, spent: &mut spent };
        let (mut trees, mut flat): (Vec<Read>, Vec<Read>) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for round in 0..=self.refill_rounds {
            let missing = self.n_prompts.saturating_sub(trees.len());
            let new = self.round(&mut call, missing, &mut seen, &mut discarded)?;
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
        let signals = signals.into_iter().flatten().collect();
        Ok(Harvest { ages: vec![0; trees.len()], trees, signals, discarded, spent })
    }

    fn state(&mut self) -> Result<SourceState> {
        Ok(self.gatherer.state(None))
    }

    fn restore(&mut self, state: SourceState) -> Result<()> {
        self.gatherer.restore(state).map(drop)
    }
}

/// A tree, and the attention of the sampler over its leaves where it was read.
type Read = (Tree, Vec<HeadSignals>);

impl OnPolicy {
    /// The scored trees of `n` new prompts; those `seen` in the step already are passed over, since their responses would be
    /// the same again.
    fn round(
        &mut self,
        call: &mut Call<'_>,
        n: usize,
        seen: &mut BTreeSet<u64>,
        discarded: &mut Discarded,
    ) -> Result<Vec<Read>> {
        let mut prompts = self.gatherer.sampler.draw(n);
        prompts.retain(|prompt| seen.insert(prompt.id));
        let requests = self.gatherer.open(&prompts);
        let Generated { completions, signals, .. } = self.gatherer.ask(call, &requests)?;
        let mut trees = self.gatherer.graft(requests, completions, call)?;
        for generation in 0..self.gatherer.explorer.rounds() {
            let sprouts = self.gatherer.sprout(call, (trees, generation), discarded)?;
            let requests = sprouts.requests();
            let completions = if requests.is_empty() {
                Vec::new()
            } else {
                self.gatherer.ask(call, &requests)?.completions
            };
            trees = self.gatherer.grown(sprouts, requests, completions, call)?;
        }
        self.gatherer.finish(&trees);
        let mut signals = signals.into_iter();
        let read = |tree: Tree| {
            let own = signals.by_ref().take(tree.leaves.len()).collect();
            (tree, own)
        };
        Ok(trees.into_iter().map(read).collect())
    }
}
