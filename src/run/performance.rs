//! How fast a step was: `time/*` and `perf/*`.
//!
//! ```text
//! mfu = operations / (seconds * operations per second of the fastest matrix product)
//! operations: generation, each measuring pass, and three forward passes' worth per epoch of training, policy and critic
//! ```

use std::time::Instant;

use crate::batch::TrainSample;
use crate::files::peak_rss_gb;
use crate::model::{Arithmetic, Policy};
use crate::types::{CreditedTree, MetricRow};

/// Seconds of the parts of a step.
pub(super) struct Times {
    pub generate: f64,
    pub score: f64,
    pub measure: f64,
    pub credit: f64,
    pub train: f64,
    /// The whole step, without evaluation and checkpoint.
    pub step: f64,
    /// Share of the step that threads were kept waiting for a processor which others had.
    pub waited: f64,
}

/// Seconds since the last look and since the start.
pub(super) struct Clock {
    start: Instant,
    last: Instant,
}

impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        let now = Instant::now();
        Self { start: now, last: now }
    }

    /// Seconds since the last lap.
    pub fn lap(&mut self) -> f64 {
        let now = Instant::now();
        let lap = (now - self.last).as_secs_f64();
        self.last = now;
        lap
    }

    /// Seconds since the start.
    pub fn total(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

/// What was worked on.
pub(super) struct Work<'a> {
    pub policy: &'a Policy,
    pub trees: &'a [CreditedTree],
    pub samples: &'a [TrainSample],
    /// Forward passes over all responses before the update.
    pub measurements: usize,
    /// Passes of the policy's update over `samples`.
    pub epochs: usize,
    /// Passes of the critic's, each step after one forward pass for the values; `None` without one.
    pub critic_epochs: Option<usize>,
    /// Floating-point operations per second of this machine.
    pub peak: f64,
}

/// The metrics of a step that took `times`.
pub(super) fn row(times: &Times, work: &Work<'_>) -> MetricRow {
    let Times { generate, score, measure, credit, train, step, waited } = *times;
    let trees = work.trees.iter().map(|tree| &tree.measured.tree);
    let generated: usize = trees.clone().map(|tree| tree.n_sampled_tokens()).sum();
    let trained: usize = work.samples.iter().map(|s| s.prompt.tokens.len() + s.tokens.len()).sum();
    [
        ("time/generate", generate),
        ("time/score", score),
        ("time/measure", measure),
        ("time/credit", credit),
        ("time/train", train),
        ("time/step", step),
        // What a checkpoint brought took no time in this process.
        ("perf/generate_tokens_per_s", if generate > 0.0 { generated as f64 / generate } else { 0.0 }),
        (
            "perf/train_tokens_per_s",
            (trained * work.epochs.max(work.critic_epochs.unwrap_or(0))) as f64 / train,
        ),
        ("perf/tokens_per_s", generated as f64 / step),
        ("perf/mfu", work.operations() / step / work.peak),
        ("perf/waited_frac", waited),
        ("perf/rss_peak_gb", peak_rss_gb()),
    ]
    .into_iter()
    .collect()
}

impl Work<'_> {
    /// Floating-point operations of the step.
    fn operations(&self) -> f64 {
        let trees = || self.trees.iter().map(|tree| &tree.measured.tree);
        let prompts: usize = trees().map(|tree| tree.prompt.tokens.len()).sum();
        let generated: usize = trees().map(|tree| tree.n_sampled_tokens()).sum();
        let rows: usize = trees().map(|tree| tree.leaves.len()).sum();
        let in_rows: usize = trees().map(|tree| tree.leaves.len() * tree.prompt.tokens.len()).sum();
        let trained_on: usize = self.samples.iter().map(|s| s.tokens.len()).sum();
        let of_trees = self.samples.chunk_by(|a, b| a.place.0 == b.place.0);
        let trained: usize = of_trees.map(|tree| tree[0].prompt.tokens.len()).sum::<usize>() + trained_on;

        let length = (in_rows + generated) as f64 / rows.max(1) as f64;
        let cost = Arithmetic::of(&self.policy.config, &self.policy.layout, length);
        // A prompt counts once, though a group that is split over two micro-batches reads it again.
        let read = cost.forward((prompts + generated) as f64, generated as f64);
        // A critic predicts no words.
        let critic = self.critic_epochs.map_or(0.0, |epochs| {
            cost.forward((prompts + generated) as f64, 0.0) + epochs as f64 * cost.train(trained as f64, 0.0)
        });
        read * (1.0 + self.measurements as f64)
            + self.epochs as f64 * cost.train(trained as f64, trained_on as f64)
            + critic
    }
}
