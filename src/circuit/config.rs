//! `[circuit]`: how circuits are found.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::Rules;

/// What pairs of Countdown problems are called.
pub(crate) const COUNTDOWN: &str = "countdown";
/// What pairs of a chat template with thinking on and off are called.
pub(crate) const THINK: &str = "think";

/// How circuits are found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CircuitConfig {
    /// Steps between the corrupted and the clean embeddings over which gradients are averaged; the paper takes 100.
    pub steps: usize,
    /// Edges of the largest scores that are kept before the circuit is pruned.
    pub edges: usize,
    /// Smallest magnitude of an edge's score, in units of the loss.
    pub threshold: f64,
    /// What is attributed.
    pub metric: MetricKind,
    /// How scores of several pairs become one magnitude.
    pub aggregate: Aggregate,
    /// Steps from one measurement of all heads' cheap scores to the next while the run trains; 0: none.
    pub every: u64,
    /// What pairs are made of, "countdown": held-out problems, a number of the prompt exchanged for another; "think": held-out problems, by
    /// the chat template with thinking on and off; or a file of pairs.
    pub pairs: PathBuf,
    /// How many pairs are made of problems.
    pub n_pairs: usize,
    /// Whether the shorter prompt of a pair gets as many tokens before it as it lacks; else both must be as long.
    pub align: bool,
}

/// A loss at the last position, low on the clean run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MetricKind {
    /// The divergence from the clean run's distribution over the next token.
    #[default]
    Kl,
    /// The logit of the corrupted run's answer less that of the clean run's; pairs must have both.
    LogitDiff,
}

/// How the scores of pairs become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aggregate {
    /// The mean of their absolute values.
    #[default]
    MeanAbs,
    /// The absolute value of their mean.
    AbsMean,
}

impl MetricKind {
    /// Whether pairs must say what follows them.
    #[must_use]
    pub(crate) fn needs_answers(self) -> bool {
        self == Self::LogitDiff
    }
}

impl Default for CircuitConfig {
    fn default() -> Self {
        Self {
            steps: 8,
            edges: 5000,
            threshold: 0.0,
            metric: MetricKind::default(),
            aggregate: Aggregate::default(),
            every: 0,
            pairs: "countdown".into(),
            n_pairs: 16,
            align: false,
        }
    }
}

/// What pairs are made of that are in no file.
pub(crate) const MADE: [&str; 2] = [COUNTDOWN, THINK];

impl CircuitConfig {
    /// The file of pairs, where they are not made of problems.
    #[must_use]
    pub(crate) fn file(&self) -> Option<&Path> {
        Some(self.pairs.as_path()).filter(|pairs| !MADE.map(Path::new).contains(pairs))
    }

    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { steps, edges, threshold, metric, aggregate: _, every, pairs: _, n_pairs, align: _ } = self;
        let mut rules = Rules::default();
        rules.positive("steps", *steps);
        rules.positive("edges", *edges);
        rules.positive("n_pairs", *n_pairs);
        let is_nothing = *every > 0 && *steps == 1 && *metric == MetricKind::Kl;
        rules.forbid(is_nothing, &["steps", "metric"], || {
            ": got 1, expected at least 2 with `metric` = \"kl\", whose gradient at the clean run is 0"
                .to_owned()
        });
        let is_magnitude = threshold.is_finite() && *threshold >= 0.0;
        rules.expect("threshold", threshold, "at least 0", is_magnitude);
        rules
    }
}
