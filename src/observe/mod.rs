//! What a person sees and keeps of a run.
//!
//! `metrics.jsonl` is the truth; TensorBoard and the console are views of the same rows. Nothing here decides
//! anything: metrics are returned by the stages and reach this module from the run loop alone.

mod console;
pub(crate) mod glossary;
mod jsonl;
mod lasting_term;
pub(crate) mod rollouts;
mod step_line;
mod summary;
mod tensorboard;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use console::{Console, Phase, duration};
pub(crate) use jsonl::{Jsonl, Kept, Sound, Steps};
pub(crate) use summary::{Accuracy, Stage, Summary};
pub(crate) use tensorboard::TensorBoard;

use crate::run_folder::RunFolder;
use crate::types::{MetricRow, Step};

/// Somewhere that rows of metrics go.
pub(crate) trait MetricSink {
    /// Takes over the row of `step`; steps come in rising order, each once.
    ///
    /// # Errors
    /// If the row cannot be written.
    fn write(&mut self, step: Step, row: &MetricRow) -> Result<()>;
}

/// What is written beside `metrics.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ObserveConfig {
    /// Whether the metrics are also written for TensorBoard.
    pub tensorboard: bool,
    /// Steps between files of rollouts; 0 writes none.
    pub rollouts_every: u64,
}

impl Default for ObserveConfig {
    fn default() -> Self {
        Self { tensorboard: true, rollouts_every: 1 }
    }
}

impl ObserveConfig {
    /// Opens the sinks of the run in `folder`. A run that continues passes the steps whose rows it keeps: later ones
    /// are removed, and TensorBoard's folder is written anew from those that stay.
    ///
    /// # Errors
    /// If a file cannot be read or written, or `metrics.jsonl` has a broken line.
    pub(crate) fn sinks(self, folder: &RunFolder, kept: Option<Steps>) -> Result<Vec<Box<dyn MetricSink>>> {
        let path = folder.metrics();
        let (jsonl, rows) = match kept {
            None => (Jsonl::create(&path)?, Vec::new()),
            Some(steps) => Jsonl::resume(&path, steps)?,
        };
        let mut sinks: Vec<Box<dyn MetricSink>> = vec![Box::new(jsonl)];
        if self.tensorboard {
            sinks.push(Box::new(TensorBoard::rebuild(&folder.tensorboard(), &rows)?));
        }
        Ok(sinks)
    }

    /// Whether the responses of `step` are written.
    #[must_use]
    pub(crate) fn wants_rollouts(self, step: Step) -> bool {
        self.rollouts_every != 0 && step.is_multiple_of(self.rollouts_every)
    }
}
