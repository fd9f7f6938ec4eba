//! What a person sees and keeps of a run.
//!
//! `metrics.jsonl` is the truth; TensorBoard and the console are views of the same rows. Nothing here decides
//! anything: metrics are returned by the stages and reach this module from the run loop alone.

mod console;
mod forecast;
pub(crate) mod glossary;
mod jsonl;
mod lasting_term;
pub(crate) mod log;
mod phase;
pub(crate) mod rollouts;
mod sample;
mod screen;
mod sink;
mod step_line;
mod summary;
mod tensorboard;

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use console::Console;
pub(crate) use forecast::{Forecast, Schedule};
pub(crate) use jsonl::{Jsonl, Kept, Sound, Steps};
pub(crate) use phase::{Phase, duration};
pub(crate) use sample::{Sample, Samples};
pub(crate) use sink::SinkConfig;
pub(crate) use summary::{Accuracy, Stage, Summary};
pub(crate) use tensorboard::TensorBoard;

use crate::run_folder::RunFolder;
use crate::types::{MetricRow, Rules, Step};

/// Somewhere that rows of metrics go.
pub(crate) trait MetricSink {
    /// Takes over the row of `step`; steps come in rising order, each once.
    ///
    /// # Errors
    /// If the row cannot be written.
    fn write(&mut self, step: Step, row: &MetricRow) -> Result<()>;

    /// Takes over responses of a step, before its row.
    ///
    /// # Errors
    /// If they cannot be written.
    fn sample(&mut self, sample: &Sample) -> Result<()> {
        let _ = sample;
        Ok(())
    }

    /// Nothing more comes, since the run has ended.
    fn end(&mut self, ending: &Ending) {
        let _ = ending;
    }
}

/// What those who hear of a run's rows are told of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct About {
    /// Its name.
    pub name: String,
    /// What tells it from all others.
    pub id: String,
    /// Its folder, from the root.
    pub folder: PathBuf,
    /// Steps in all.
    pub steps: Step,
    /// The last step whose row does not come again; 0 of a new run.
    pub after: Step,
    /// The resolved recipe, without secrets.
    pub recipe: serde_json::Value,
    /// The same as a run keeps it.
    pub toml: String,
    /// The metrics of evaluations that it is judged by.
    pub headlines: Vec<String>,
    /// Variables of the environment whose values are sent to graders, and are nobody else's business.
    pub withheld: Vec<String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All steps are done.
    Done,
    /// Before that, and it may go on.
    Stopped,
    /// Over this.
    Failed(String),
}

/// What is written about a run beside `metrics.jsonl`, and who else gets it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ObserveConfig {
    /// Whether the metrics are also written for TensorBoard.
    pub tensorboard: bool,
    /// Steps between files of rollouts; 0 writes none.
    pub rollouts_every: u64,
    /// Steps between samples, the first step's among them: responses of the step that the console shows, with prompt, answer, gold
    /// answer and reward, and that `samples.jsonl` keeps; 0 shows none.
    pub samples: u64,
    /// Who gets every row as the run goes on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sink: Vec<SinkConfig>,
}

impl Default for ObserveConfig {
    fn default() -> Self {
        Self { tensorboard: true, rollouts_every: 1, samples: 20, sink: Vec::new() }
    }
}

/// Where a run's rows go, and what of them there is already.
pub(crate) struct Opened {
    /// Whoever gets them.
    pub sinks: Vec<Box<dyn MetricSink>>,
    /// Where samples are kept.
    pub samples: Samples,
    /// The rows that the run keeps.
    pub rows: Vec<(Step, MetricRow)>,
}

impl ObserveConfig {
    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        let mut names = HashSet::new();
        for (index, sink) in self.sink.iter().enumerate() {
            rules.part(&format!("sink.{index}"), sink.settings().rules());
            let name = sink.settings().name();
            rules.forbid(!names.insert(name), &[&format!("sink.{index}.name")], || {
                format!(": got {name:?} a second time, expected a name of its own for each sink, whose log it names")
            });
        }
        rules
    }

    /// Opens the sinks of the run `about` in `folder`, whose rows begin behind step `behind`. A run that continues behind step
    /// `resumed_at` keeps the rows up to [`About::after`]: later ones are removed, and TensorBoard's folder is written anew from those
    /// that stay.
    ///
    /// # Errors
    /// If a file cannot be read or written, or `metrics.jsonl` has a broken line.
    pub(crate) fn open(
        &self,
        folder: &RunFolder,
        about: &About,
        behind: Step,
        resumed_at: Option<Step>,
    ) -> Result<Opened> {
        let path = folder.metrics();
        let (jsonl, rows) = match resumed_at {
            None => (Jsonl::create(&path)?, Vec::new()),
            Some(_) => Jsonl::resume(&path, Steps { behind, last: about.after })?,
        };
        let (samples, shown) = Samples::open(&folder.samples(), resumed_at.unwrap_or(0))?;
        let mut sinks: Vec<Box<dyn MetricSink>> = vec![Box::new(jsonl)];
        if self.tensorboard {
            sinks.push(Box::new(TensorBoard::rebuild(&folder.tensorboard(), about, &rows, &shown)?));
        }
        let said = folder.sinks();
        sinks.extend(self.sink.iter().map(|sink| sink.settings().open(about, &said)));
        Ok(Opened { sinks, samples, rows })
    }

    /// Whether the responses of `step` are written.
    #[must_use]
    pub(crate) fn wants_rollouts(&self, step: Step) -> bool {
        self.rollouts_every != 0 && step.is_multiple_of(self.rollouts_every)
    }

    /// Whether responses of `step` are shown.
    #[must_use]
    pub(crate) fn wants_sample(&self, step: Step) -> bool {
        self.samples != 0 && (step == 1 || step.is_multiple_of(self.samples))
    }
}
