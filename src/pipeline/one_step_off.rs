//! One step off (arXiv 2509.26628): a single call per step serves the branches of the last step's first responses and the
//! first responses of the next prompts.
//!
//! ```text
//! step k     one call under the weights that it starts with:   branches off roots of k - 1   |   roots for k + 1
//!            trained on:                                       trees of roots of k - 1
//! ```
//!
//! Before the first step roots take a call of their own. A path holds tokens of two policies; each keeps the log-probability
//! under its own.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::gather::{Call, Gatherer, Spent, Sprouts};
use super::{Discarded, Harvest, RolloutSource, ScheduleSettings, SourceState};
use crate::model::Policy;
use crate::types::{Completion, GenRequest, Progress, Step};

/// Settings of [`PipelineConfig::OneStepOff`](super::PipelineConfig::OneStepOff): none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneStepOffConfig {}

impl ScheduleSettings for OneStepOffConfig {
    fn is_off_policy(&self) -> bool {
        true
    }

    fn has_one_call(&self) -> bool {
        true
    }

    fn build(&self, gatherer: Gatherer, n_prompts: usize, _: usize) -> Box<dyn RolloutSource> {
        Box::new(OneStepOff { gatherer, n_prompts, pending: None })
    }
}

/// Generates one step ahead.
pub struct OneStepOff {
    /// Asks and judges.
    pub gatherer: Gatherer,
    /// Prompts per step.
    pub n_prompts: usize,
    /// First responses that wait for their branches; `None` before the first step.
    pub pending: Option<Sprouts>,
}

impl RolloutSource for OneStepOff {
    fn next(&mut self, policy: &Policy, step: Step, progress: &mut Progress<'_>) -> Result<Harvest> {
        let (mut spent, mut discarded) = (Spent::default(), Discarded::default());
        let mut call = Call { policy, step, progress, spent: &mut spent };
        // Roots of the first step come from the weights that their branches come from.
        let age = Step::from(self.pending.is_some());
        let sprouts = match self.pending.take() {
            Some(sprouts) => sprouts,
            None => {
                // In the name of the step before, so that a prompt that comes again is answered anew.
                call.step = step.saturating_sub(1);
                self.answer(&mut call, &[], &mut discarded)?.1
            }
        };
        call.step = step;
        let branches = sprouts.requests();
        let (completions, next) = self.answer(&mut call, &branches, &mut discarded)?;
        self.pending = Some(next);
        let trees = self.gatherer.grown(sprouts, branches, completions, &mut call)?;
        self.gatherer.finish(&trees);
        // Half of a path is of older weights, whose attention nobody asks for.
        Ok(Harvest { ages: vec![age; trees.len()], trees, signals: Vec::new(), discarded, spent })
    }

    fn state(&mut self) -> Result<SourceState> {
        Ok(self.gatherer.state(self.pending.as_ref()))
    }

    fn restore(&mut self, state: SourceState) -> Result<()> {
        self.pending = self.gatherer.restore(state)?.0;
        Ok(())
    }
}

impl OneStepOff {
    /// What `branches` are answered, and new first responses, in one call.
    fn answer(
        &mut self,
        call: &mut Call<'_>,
        branches: &[GenRequest],
        discarded: &mut Discarded,
    ) -> Result<(Vec<Completion>, Sprouts)> {
        let prompts = self.gatherer.sampler.draw(self.n_prompts);
        let requests = [branches, &self.gatherer.open(&prompts)].concat();
        let mut completions = self.gatherer.ask(call, &requests)?.completions;
        let of_roots = completions.split_off(branches.len());
        let trees = self.gatherer.graft(requests[branches.len()..].to_vec(), of_roots, call)?;
        Ok((completions, self.gatherer.sprout(call, (trees, 0), discarded)?))
    }
}
