//! Overlapped: while the learner trains on one rollout batch, a worker with a copy of the weights gathers the next.
//!
//! ```text
//! learner    step k on the rollout batch of the weights before step k - 1    |   step k + 1 on ...
//! worker     gathers under the weights before step k                   |   ...
//! ```
//!
//! The first step waits for a rollout batch of its own. Every later one is exactly one update old, however fast either side is, so
//! that a run is the same each time.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Collector, OnPolicy, RolloutBatch, RolloutSource, ScheduleSettings, SourceState};
use crate::model::Policy;
use crate::types::{Progress, Step};

/// Updates between the weights that a rollout batch comes from and those that learn from it.
pub(super) const AGE: Step = 1;

const LOST: &str = "earlier rollouts failed, and what gathers is lost";

/// Settings of [`PipelineConfig::Overlapped`](super::PipelineConfig::Overlapped).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OverlappedConfig {
    /// Whether importance sampling, where the recipe has no section for it, corrects with its defaults.
    pub correct: bool,
}

impl Default for OverlappedConfig {
    fn default() -> Self {
        Self { correct: true }
    }
}

impl ScheduleSettings for OverlappedConfig {
    fn is_off_policy(&self) -> bool {
        true
    }

    fn corrects(&self) -> bool {
        self.correct
    }

    fn build(&self, collector: Collector, n_prompts: usize, refill_rounds: usize) -> Box<dyn RolloutSource> {
        Box::new(Overlapped::new(OnPolicy { collector, n_prompts, refill_rounds }))
    }
}

/// Gathers one step ahead.
pub(crate) struct Overlapped {
    /// What gathers, while no worker has it.
    idle: Option<OnPolicy>,
    worker: Option<JoinHandle<Worked>>,
    /// The next rollout batch, if it is there already.
    ready: Option<RolloutBatch>,
    /// Whether what the worker gathers is not wanted any more.
    is_abandoned: Arc<AtomicBool>,
    /// Threads that the two share while both compute.
    n_threads: i32,
}

/// What a worker gives back: its tools, and the rollout batch.
type Worked = (OnPolicy, Result<RolloutBatch>);

impl Overlapped {
    /// A source that gathers as `source` does.
    #[must_use]
    pub(crate) fn new(source: OnPolicy) -> Self {
        Self {
            idle: Some(source),
            worker: None,
            ready: None,
            is_abandoned: Arc::default(),
            n_threads: tch::get_num_threads(),
        }
    }

    /// Waits for the worker, if there is one, and takes its threads back.
    fn join(&mut self) -> Option<std::thread::Result<Worked>> {
        let worked = self.worker.take()?.join();
        tch::set_num_threads(self.n_threads);
        Some(worked)
    }

    /// Makes what the worker gathered, if there is one, the next rollout batch.
    fn settle(&mut self) -> Result<()> {
        let Some(worked) = self.join() else { return Ok(()) };
        let (source, rollouts) = worked.map_err(|panic| {
            anyhow!("the worker that gathers the next responses died: {}", cause(panic.as_ref()))
        })?;
        self.idle = Some(source);
        let mut rollouts = rollouts.context("gathering the next responses")?;
        rollouts.ages.fill(AGE);
        self.ready = Some(rollouts);
        Ok(())
    }

    fn idle(&mut self) -> Result<&mut OnPolicy> {
        self.idle.as_mut().context(LOST)
    }
}

impl Drop for Overlapped {
    fn drop(&mut self) {
        // A process must not end beneath a thread that computes. What it gathered is not missed, nor why it could not.
        self.is_abandoned.store(true, Ordering::Relaxed);
        let _ = self.join();
    }
}

impl RolloutSource for Overlapped {
    fn next(&mut self, policy: &Policy, step: Step, progress: &mut Progress<'_>) -> Result<RolloutBatch> {
        self.settle()?;
        let rollouts = match self.ready.take() {
            Some(rollouts) => rollouts,
            None => self.idle()?.next(policy, step, progress)?,
        };
        let copy = policy.copy_to_answer()?;
        let mut source = self.idle.take().context(LOST)?;
        // Threads that wait for one without a core of its own cost many times more than they bring.
        let of_worker = (self.n_threads / 2).max(1);
        tch::set_num_threads((self.n_threads - of_worker).max(1));
        let is_abandoned = Arc::clone(&self.is_abandoned);
        let work = move || {
            tch::set_num_threads(of_worker);
            let go_on = &mut |_| {
                ensure!(!is_abandoned.load(Ordering::Relaxed), "nobody waits for it");
                Ok(())
            };
            let rollouts = source.next(&copy, step + 1, go_on);
            (source, rollouts)
        };
        let thread = std::thread::Builder::new().name(String::from("gather"));
        self.worker = Some(thread.spawn(work).context("the worker that gathers cannot be started")?);
        Ok(rollouts)
    }

    fn state(&mut self) -> Result<SourceState> {
        self.settle()?;
        let source = self.idle.as_ref().context(LOST)?;
        Ok(source.collector.state_ahead(self.ready.as_ref()))
    }

    fn restore(&mut self, state: SourceState) -> Result<()> {
        self.ready = self.idle()?.collector.restore(state)?.1;
        Ok(())
    }
}

/// What a panic said.
fn cause(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}
