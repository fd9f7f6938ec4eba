//! The results of an arm and of its runs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::collect::{Measure, Point, RunRecord};
use super::super::statistics::{self, Mean, Paired};

/// The results of an arm.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ArmSummary {
    /// What it is called.
    pub label: String,
    /// Means over its seeds.
    pub measures: BTreeMap<Measure, Mean>,
    /// Paired differences to the baseline; `None` for the baseline itself.
    pub against_baseline: Option<BTreeMap<Measure, Paired>>,
    /// Paired differences to the arm of its shuffled self; `None` where there is none.
    pub against_shuffled: Option<BTreeMap<Measure, Paired>>,
    /// What its finished runs took, on average; `None` where none is finished.
    pub cost: Option<Cost>,
    /// Its runs by seed.
    pub runs: Vec<RunSummary>,
}

/// What the training of a run took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Cost {
    /// Response tokens sampled.
    pub tokens: f64,
    /// Seconds of training steps.
    pub seconds: f64,
    /// Share of the response tokens that were trained on with an advantage other than 0, where it was measured.
    pub valid_tokens: Option<f64>,
    /// Seconds until as many tokens were sampled as all runs have.
    pub equal_seconds: Option<f64>,
}

/// The results of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunSummary {
    /// Its seed.
    pub seed: u64,
    /// Its folder.
    pub folder: String,
    /// Whether it counts.
    pub finished: bool,
    /// Steps done.
    pub step: u64,
    /// Steps of the recipe.
    pub steps: u64,
    /// What arms are compared by; empty for an unfinished run.
    pub measures: BTreeMap<Measure, f64>,
    /// Share of the response tokens that were trained on with an advantage other than 0, where it was measured.
    pub valid_tokens: Option<f64>,
    /// Its evaluations.
    pub curve: Vec<Point>,
}

impl ArmSummary {
    pub(super) fn new(label: String, mut runs: Vec<RunRecord>, tokens: Option<f64>) -> Self {
        runs.sort_by_key(|run| run.recipe.run.seed);
        let runs: Vec<RunSummary> = runs.into_iter().map(|run| RunSummary::new(run, tokens)).collect();
        let mut arm = Self {
            label,
            measures: BTreeMap::new(),
            against_baseline: None,
            against_shuffled: None,
            cost: None,
            runs: Vec::new(),
        };
        let mean = |value: &dyn Fn(&RunSummary) -> Option<f64>| {
            let finished = runs.iter().filter(|run| run.finished);
            Mean::from_values(&finished.filter_map(value).collect::<Vec<_>>())
        };
        for measure in Measure::ALL {
            arm.measures.extend(mean(&|run| run.measures.get(&measure).copied()).map(|mean| (measure, mean)));
        }
        let end = |run: &RunSummary| run.curve.last().copied();
        let average = |value: &dyn Fn(&RunSummary) -> Option<f64>| mean(value).map(|mean| mean.mean);
        let until_equal = |run: &RunSummary| {
            let times: Vec<(f64, f64)> =
                run.curve.iter().map(|point| (point.tokens, point.seconds)).collect();
            statistics::interpolate(&times, tokens?)
        };
        let all = (average(&|run| Some(end(run)?.tokens)), average(&|run| Some(end(run)?.seconds)));
        if let (Some(tokens), Some(seconds)) = all {
            let (valid_tokens, equal_seconds) = (average(&|run| run.valid_tokens), average(&until_equal));
            arm.cost = Some(Cost { tokens, seconds, valid_tokens, equal_seconds });
        }
        Self { runs, ..arm }
    }

    /// The runs whose numbers count.
    pub(crate) fn finished(&self) -> impl Iterator<Item = &RunSummary> {
        self.runs.iter().filter(|run| run.finished)
    }

    /// Its differences to `other`, seed by seed.
    pub(super) fn against(&self, other: &Self) -> BTreeMap<Measure, Paired> {
        let paired = |measure| {
            let difference = |run: &RunSummary| {
                let other = other.finished().find(|other| other.seed == run.seed)?;
                Some(run.measures.get(&measure)? - other.measures.get(&measure)?)
            };
            Paired::from_differences(&self.finished().filter_map(difference).collect::<Vec<_>>())
        };
        Measure::ALL.into_iter().filter_map(|measure| Some((measure, paired(measure)?))).collect()
    }
}

impl RunSummary {
    fn new(run: RunRecord, tokens: Option<f64>) -> Self {
        let finished = run.is_finished();
        let measures = Measure::ALL.into_iter().filter(|_| finished);
        Self {
            seed: run.recipe.run.seed,
            folder: run.folder.display().to_string(),
            finished,
            step: run.step,
            steps: run.recipe.run.steps,
            measures: measures
                .filter_map(|measure| Some((measure, measure.of(&run.curve, tokens)?)))
                .collect(),
            valid_tokens: run.valid_tokens,
            curve: run.curve,
        }
    }
}
