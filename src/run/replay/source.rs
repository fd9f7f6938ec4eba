//! A rollout source that has one step ready: nothing is generated.

use anyhow::{Context, Result};

use crate::model::Policy;
use crate::pipeline::{Discarded, RolloutBatch, RolloutSource, SourceState, Timings};
use crate::types::{Attention, Progress, Signals, Step, Tree};

/// The responses that were kept of a step.
pub(super) struct KeptSource {
    batch: Option<RolloutBatch>,
    state: SourceState,
}

impl KeptSource {
    /// `trees`, and their attention where the step had measured it; `state` is where the run's own source stood before.
    pub(super) fn new(trees: Vec<Tree>, signals: Option<Vec<Signals>>, state: SourceState) -> Self {
        let (ages, discarded, timings) = (vec![0; trees.len()], Discarded::default(), Timings::default());
        let attention = signals.map_or_else(Attention::unread, Attention::Averaged);
        Self { batch: Some(RolloutBatch { trees, attention, ages, discarded, timings }), state }
    }
}

impl RolloutSource for KeptSource {
    fn next(&mut self, _: &Policy, step: Step, _: &mut Progress<'_>) -> Result<RolloutBatch> {
        self.batch.take().with_context(|| format!("step {step}: its responses were given before"))
    }

    fn state(&mut self) -> Result<SourceState> {
        Ok(self.state.clone())
    }

    fn restore(&mut self, state: SourceState) -> Result<()> {
        self.state = state;
        Ok(())
    }
}
