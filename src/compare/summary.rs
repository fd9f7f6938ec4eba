//! The results of a comparison: what `compare.json` holds and `compare.md` shows.
//!
//! ```text
//! {
//!   "format": 2,
//!   "title": "countdown",
//!   "partial": false,                       whether runs are missing or unfinished
//!   "n_finished": 12, "n_runs": 12,
//!   "shared": {                             what the runs of each seed have in common; null where no seed has two
//!     "policy": true,                       that they start from
//!     "prompts": true,                      that they train on
//!     "items": true                         held out
//!   },
//!   "commands": ["rlcredit compare ..."],   in order; further ones added arms or seeds
//!   "quick": ["run.steps=30", ...],         overrides by --quick
//!   "baseline": "uniform",
//!   "equal_tokens": 3100000.0,              that all runs have sampled; null where none has sampled notably more
//!   "samples": 4, "items": 512,             k of avg@k, held-out items; null where runs differ in them
//!   "notes": [...],                         what a reader should know of single runs
//!   "arms": [{
//!     "label": "rhythm",
//!     "measures": {                         over the seeds of finished runs
//!       "final_avg": {"n": 5, "mean": 0.5, "ci95": [0.48, 0.52]},        avg@k after the last step; ci95 null below 3 seeds
//!       "area_avg": ...,                                                 its mean height over the steps
//!       "final_greedy": ..., "area_greedy": ...,                         the same of greedy accuracy
//!       "equal_avg": ..., "equal_greedy": ...                            where equal_tokens were sampled
//!     },
//!     "against_baseline": {                 arm - baseline over the seeds that both have; null for the baseline
//!       "final_avg": {"n": 5, "mean": 0.01, "ci95": [-0.01, 0.03], "p": 0.21}, ...     both null below 3 seeds
//!     },
//!     "against_shuffled": {...},            the same, to the arm of its shuffled self; null where there is none
//!     "cost": {                             of a finished run's training, on average
//!       "tokens": 3100000.0, "seconds": 410.0,
//!       "valid_tokens": 0.61,               share of the tokens with an advantage other than 0; null in older runs
//!       "equal_seconds": 390.0              until equal_tokens were sampled; null without these
//!     },
//!     "runs": [{
//!       "seed": 0, "folder": "...", "finished": true, "step": 140, "steps": 140,
//!       "measures": {"final_avg": 0.49, ...},
//!       "curve": [{"step": 0, "tokens": 0.0, "seconds": 0.0, "avg": 0.19, "greedy": 0.25}, ...]
//!     }, ...]
//!   }, ...]
//! }
//! ```
//!
//! Intervals and p are null where a single seed cannot give them. Accuracies are shares, 0 to 1.

mod arm;

use anyhow::Result;
use serde::Serialize;

use super::collect::RunRecord;
use super::notes::notes;
use super::sharing::{Apart, Shared};
use crate::credit::strategy::CreditEntry;
pub(crate) use arm::{ArmSummary, Cost, RunSummary};

/// Where the runs come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// What is compared, in a word or two.
    pub title: String,
    /// The commands that made the runs.
    pub commands: Vec<String>,
    /// Overrides by the quick setting.
    pub quick: Vec<String>,
    /// Label of the arm that the others are compared with.
    pub baseline: String,
    /// Runs that belong to the comparison, made or not.
    pub n_runs: usize,
}

/// The results.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    /// Version of this format.
    pub format: u32,
    /// What is compared.
    pub title: String,
    /// Whether runs are missing or unfinished.
    pub partial: bool,
    /// Runs that the numbers are made of.
    pub n_finished: usize,
    /// Runs that belong to the comparison.
    pub n_runs: usize,
    /// What the runs of each seed have in common; `None` where no seed has two.
    pub shared: Option<Shared>,
    /// The commands that made the runs.
    pub commands: Vec<String>,
    /// Overrides by the quick setting.
    pub quick: Vec<String>,
    /// Label of the arm that the others are compared with.
    pub baseline: String,
    /// k of avg@k, if all runs share it.
    pub samples: Option<usize>,
    /// Response tokens that every finished run has sampled at least, where some have sampled notably more.
    pub equal_tokens: Option<f64>,
    /// Held-out items, if all runs share their number.
    pub items: Option<u64>,
    /// What a reader should know of single runs.
    pub notes: Vec<String>,
    /// The arms in order.
    pub arms: Vec<ArmSummary>,
}

impl Summary {
    /// The results of `arms`: labels, no two of them the same, with the runs that there are.
    ///
    /// # Errors
    /// If the recipe of a run cannot be written as TOML.
    pub(crate) fn new(origin: Origin, arms: Vec<(String, Vec<RunRecord>)>) -> Result<Self> {
        let records = || arms.iter().flat_map(|(_, runs)| runs);
        let samples = common(records().map(|run| Some(run.recipe.eval.samples)));
        let items = common(records().map(|run| run.n_items));
        let n_finished = records().filter(|run| run.is_finished()).count();
        let apart = Apart::from_arms(&arms)?;
        let notes = notes(&arms, &origin.baseline, &apart);
        let equal_tokens = equal_tokens(arms.iter().flat_map(|(_, runs)| runs));
        let mut arms: Vec<ArmSummary> =
            arms.into_iter().map(|(label, runs)| ArmSummary::new(label, runs, equal_tokens)).collect();
        let Origin { title, commands, quick, baseline, n_runs } = origin;
        if let Some(base) = arms.iter().find(|arm| arm.label == baseline).cloned() {
            for arm in arms.iter_mut().filter(|arm| arm.label != baseline) {
                arm.against_baseline = Some(arm.against(&base));
            }
        }
        let all = arms.clone();
        for arm in &mut arms {
            let shuffled = CreditEntry::control_of(&arm.label);
            let control = all.iter().find(|other| Some(&other.label) == shuffled.as_ref());
            arm.against_shuffled = control.map(|control| arm.against(control));
        }
        Ok(Self {
            format: 2,
            title,
            partial: n_finished < n_runs,
            n_finished,
            n_runs,
            shared: apart.shared(),
            commands,
            quick,
            baseline,
            samples,
            equal_tokens,
            items,
            notes,
            arms,
        })
    }

    /// `avg@4`, or `avg` where the runs differ in the number of samples.
    #[must_use]
    pub(crate) fn avg_name(&self) -> String {
        self.samples.map_or_else(|| String::from("avg"), |k| format!("avg@{k}"))
    }
}

/// The fewest response tokens that a finished run has sampled, if another has sampled at least a fiftieth more.
fn equal_tokens<'r>(runs: impl Iterator<Item = &'r RunRecord>) -> Option<f64> {
    let ends: Vec<f64> =
        runs.filter(|run| run.is_finished()).filter_map(|run| Some(run.curve.last()?.tokens)).collect();
    let fewest = ends.iter().copied().fold(f64::INFINITY, f64::min);
    ends.iter().any(|tokens| *tokens > 1.02 * fewest).then_some(fewest)
}

/// The value that all have, if they do.
fn common<T: PartialEq>(mut values: impl Iterator<Item = Option<T>>) -> Option<T> {
    let first = values.next()??;
    values.all(|value| value.as_ref() == Some(&first)).then_some(first)
}

#[cfg(test)]
pub(super) mod testing {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::path::Path;

    use super::super::testing::made_up;
    use super::*;

    /// Two arms with seeds 0 to 2, of which the second has not finished the last.
    pub(crate) fn arms(dir: &Path) -> Vec<(String, Vec<RunRecord>)> {
        let run = |name: &str, seed, accuracies: &[f64]| {
            RunRecord::read(&made_up(&dir.join(name), seed, &[], accuracies)).unwrap().unwrap()
        };
        let uniform = vec![
            run("u0", 0, &[0.2, 0.3, 0.4]),
            run("u1", 1, &[0.1, 0.3, 0.5]),
            run("u2", 2, &[0.1, 0.1, 0.1]),
        ];
        let rhythm =
            vec![run("r1", 1, &[0.1, 0.4, 0.8]), run("r0", 0, &[0.2, 0.4, 0.5]), run("r2", 2, &[0.1, 0.2])];
        vec![(String::from("uniform"), uniform), (String::from("rhythm"), rhythm)]
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::super::collect::Measure;
    use super::super::testing::made_up;
    use super::testing::arms;
    use super::*;

    #[test]
    fn differences_are_taken_seed_by_seed_over_finished_runs() {
        let dir = tempfile::tempdir().unwrap();
        let origin = Origin { baseline: String::from("uniform"), n_runs: 6, ..Origin::default() };
        let summary = Summary::new(origin, arms(dir.path())).unwrap();
        assert!(summary.partial && summary.n_finished == 5);
        assert_eq!((summary.samples, summary.items), (Some(4), Some(32)));
        assert_eq!(summary.notes, ["rhythm, seed 2: left out, step 2 of 4"]);
        let [uniform, rhythm] = &summary.arms[..] else { panic!("{:?}", summary.arms) };
        assert!(uniform.against_baseline.is_none());
        assert_eq!((uniform.measures[&Measure::FinalAvg].n, rhythm.measures[&Measure::FinalAvg].n), (3, 2));
        assert!((uniform.measures[&Measure::FinalAvg].mean - 1.0 / 3.0).abs() < 1e-12);
        // 0.5 - 0.4 and 0.8 - 0.5, whatever the order of the runs.
        let paired = rhythm.against_baseline.as_ref().unwrap()[&Measure::FinalAvg];
        assert!((paired.difference.mean - 0.2).abs() < 1e-12 && paired.difference.n == 2);
        // Of two seeds nothing can be told.
        assert!(paired.p.is_none(), "{paired:?}");
        let cost = rhythm.cost.unwrap();
        assert_eq!((cost.tokens, cost.seconds, cost.equal_seconds), (400.0, 12.0, None));
        assert!((cost.valid_tokens.unwrap() - 0.75).abs() < 1e-12);
    }

    #[test]
    fn runs_that_sampled_more_are_read_where_all_have_sampled_as_much() {
        let dir = tempfile::tempdir().unwrap();
        let run = |name: &str, accuracies: &[f64]| {
            let steps = format!("run.steps={}", 2 * (accuracies.len() - 1));
            RunRecord::read(&made_up(&dir.path().join(name), 0, &[&steps], accuracies)).unwrap().unwrap()
        };
        let summary = |other: &[f64]| {
            let arms = vec![
                (String::from("uniform"), vec![run("u", &[0.2, 0.3, 0.4])]),
                (String::from("tree"), vec![run("t", other)]),
            ];
            Summary::new(Origin { baseline: "uniform".into(), n_runs: 2, ..Origin::default() }, arms).unwrap()
        };
        let same = summary(&[0.2, 0.5, 0.6]);
        assert!(same.equal_tokens.is_none() && !same.arms[1].measures.contains_key(&Measure::EqualAvg));
        let more = summary(&[0.2, 0.5, 0.6, 0.9]);
        assert_eq!((more.equal_tokens, more.arms[1].measures[&Measure::EqualAvg].mean), (Some(400.0), 0.6));
        let difference = more.arms[1].against_baseline.as_ref().unwrap()[&Measure::EqualAvg].difference;
        assert!((difference.mean - 0.2).abs() < 1e-12, "{difference:?}");
        let text = super::super::report::markdown(&more);
        assert!(text.contains("Where 0.4 k response tokens were sampled"), "{text}");
        let cells = text.split('|').map(str::trim).collect::<Vec<_>>().join("|");
        assert!(cells.contains("|tree|0.6 k|75.0|18s|12s|"), "{text}");
        assert!(cells.contains("|arm|seeds|avg@4|difference to uniform|p|greedy accuracy|"), "{text}");
    }

    #[test]
    fn strategies_are_compared_with_their_shuffled_selves() {
        let dir = tempfile::tempdir().unwrap();
        let [(_, control), (_, rhythm)] = arms(dir.path()).try_into().unwrap();
        let arms = vec![("rhythm".to_owned(), rhythm), ("shuffled_rhythm".to_owned(), control)];
        let origin = Origin { baseline: String::from("rhythm"), n_runs: 6, ..Origin::default() };
        let summary = Summary::new(origin, arms).unwrap();
        let [rhythm, control] = &summary.arms[..] else { panic!("{:?}", summary.arms) };
        let found = rhythm.against_shuffled.as_ref().unwrap()[&Measure::FinalAvg].difference;
        assert!((found.mean - 0.2).abs() < 1e-12 && control.against_shuffled.is_none());
        let text = super::super::report::markdown(&summary);
        let cells = text.split('|').map(str::trim).collect::<Vec<_>>().join("|");
        assert!(cells.contains("|arm to its shuffled self|seeds|avg@4 at the end|p|"), "{text}");
        assert!(cells.contains("|rhythm|2|+20.0|–|"), "{text}");
    }

    #[test]
    fn the_json_is_as_documented() {
        let dir = tempfile::tempdir().unwrap();
        let origin = Origin { baseline: String::from("uniform"), n_runs: 6, ..Origin::default() };
        let json = serde_json::to_value(Summary::new(origin, arms(dir.path())).unwrap()).unwrap();
        let rhythm = &json["arms"][1];
        assert_eq!(json["arms"][0]["against_baseline"], serde_json::Value::Null);
        for measure in ["final_avg", "area_avg", "final_greedy", "area_greedy"] {
            let difference = &rhythm["against_baseline"][measure];
            // Of two seeds.
            assert_eq!(
                (&difference["ci95"], &difference["p"]),
                (&serde_json::Value::Null, &serde_json::Value::Null),
                "{difference}"
            );
            assert_eq!(rhythm["measures"][measure]["n"], 2);
            let of_three = &json["arms"][0]["measures"][measure];
            assert!(of_three["n"] == 3 && of_three["ci95"][1].is_number(), "{of_three}");
        }
        assert_eq!(json["shared"], serde_json::json!({"policy": true, "prompts": true, "items": true}));
        assert_eq!(rhythm["against_shuffled"], serde_json::Value::Null);
        assert_eq!(rhythm["runs"][2]["finished"], false);
        assert_eq!(rhythm["runs"][2]["measures"], serde_json::json!({}));
        assert_eq!(rhythm["runs"][0]["curve"][1]["tokens"], 200.0);
    }
}
