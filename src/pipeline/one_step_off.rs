//! One step off (arXiv 2509.26628): a single call per step serves the branches of the last step's roots and the
//! roots of the next prompts.
//!
//! ```text
//! step k     one call under the weights that it starts with:   branches off roots of k - 1   |   roots for k + 1
//!            trained on:                                       trees of roots of k - 1
//! ```
//!
//! Before the first step roots take a call of their own. A path holds tokens of two policies; each keeps the log-probability
//! under its own.

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::collect::{CollectContext, Collector, PendingBranches, Timings};
use super::{Discarded, RolloutBatch, RolloutSource, ScheduleSettings, SourceState};
use crate::model::Policy;
use crate::types::{Attention, Completion, GenRequest, Progress, Step};

/// Settings of [`PipelineConfig::OneStepOff`](super::PipelineConfig::OneStepOff): none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OneStepOffConfig {}

impl ScheduleSettings for OneStepOffConfig {
    fn is_off_policy(&self) -> bool {
        true
    }

    fn has_one_call(&self) -> bool {
        true
    }

    fn build(&self, collector: Collector, n_prompts: usize, _: usize) -> Box<dyn RolloutSource> {
        Box::new(OneStepOff { collector, n_prompts, pending: None })
    }
}

/// Generates one step ahead.
pub(crate) struct OneStepOff {
    /// Asks and judges.
    pub collector: Collector,
    /// Prompts per step.
    pub n_prompts: usize,
    /// Roots that wait for their branches; `None` before the first step.
    pub pending: Option<PendingBranches>,
}

impl RolloutSource for OneStepOff {
    fn next(&mut self, policy: &Policy, step: Step, progress: &mut Progress<'_>) -> Result<RolloutBatch> {
        let (mut timings, mut discarded) = (Timings::default(), Discarded::default());
        let mut context = CollectContext { policy, step, progress, timings: &mut timings };
        // Roots of the first step come from the weights that their branches come from.
        let age = Step::from(self.pending.is_some());
        let pending = match self.pending.take() {
            Some(pending) => pending,
            None => {
                // In the name of the step before, so that a prompt that comes again is answered anew.
                context.step = step.saturating_sub(1);
                self.answer(&mut context, &[], &mut discarded)?.1
            }
        };
        context.step = step;
        let requests = pending.requests();
        let (completions, next) = self.answer(&mut context, &requests, &mut discarded)?;
        self.pending = Some(next);
        let trees = self.collector.grown(pending, requests, completions, &mut context)?;
        self.collector.finish(&trees);
        // Half of a path is of older weights, whose attention nobody asks for.
        Ok(RolloutBatch {
            ages: vec![age; trees.len()],
            trees,
            attention: Attention::unread(),
            discarded,
            timings,
        })
    }

    fn state(&mut self) -> Result<SourceState> {
        Ok(self.collector.state(self.pending.as_ref()))
    }

    fn restore(&mut self, state: SourceState) -> Result<()> {
        self.pending = self.collector.restore(state)?.0;
        Ok(())
    }
}

impl OneStepOff {
    /// What `branches` are answered, and new roots, in one call.
    fn answer(
        &mut self,
        context: &mut CollectContext<'_>,
        branches: &[GenRequest],
        discarded: &mut Discarded,
    ) -> Result<(Vec<Completion>, PendingBranches)> {
        let prompts = self.collector.sampler.draw(self.n_prompts);
        let requests = [branches, &self.collector.open(&prompts)].concat();
        let mut completions = self.collector.ask(context, &requests)?.completions;
        let of_roots = completions.split_off(branches.len());
        let trees = self.collector.score(requests[branches.len()..].to_vec(), of_roots, context)?;
        Ok((completions, self.collector.branch(context, trees, 0, discarded)?))
    }
}
