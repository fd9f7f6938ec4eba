//! What a run was evaluated to: `eval/*.json`, which have the ends of the intervals, and the metrics where those files are gone.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::course::rounded;
use crate::files::{list, read_regular};
use crate::run_folder::RunFolder;
use crate::types::{MetricRow, Step};

/// Largest file of results that is read; bytes.
const MOST_BYTES: u64 = 64 << 20;

/// One evaluation of one set.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Evaluation {
    /// The set.
    pub set: String,
    /// Behind which step; `None` of that before SFT.
    pub step: Option<Step>,
    /// Problems of the set, where known.
    pub n: Option<u64>,
    /// Responses to each, where known.
    pub k: Option<u64>,
    /// Accuracy of the sampled responses.
    pub avg: Option<Estimate>,
    /// Accuracy of the most likely response.
    pub greedy: Option<Estimate>,
    /// Share of the problems that one of k responses solves.
    pub pass: Option<Estimate>,
}

/// A share with its 95 % interval where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Estimate {
    /// The share, 0 to 1.
    pub mean: f64,
    /// Both ends.
    pub ci95: Option<(f64, f64)>,
}

/// Every evaluation of the run in `folder` whose rows are `rows`, in order of steps, that before SFT first; and what could not be read.
pub(super) fn evaluations(folder: &RunFolder, rows: &[(Step, MetricRow)]) -> (Vec<Evaluation>, Vec<String>) {
    let mut found: BTreeMap<(Option<Step>, String), Evaluation> = BTreeMap::new();
    for (step, row) in rows {
        for one in of_row(*step, row) {
            found.insert((one.step, one.set.clone()), one);
        }
    }
    let mut notes = Vec::new();
    // A file of a later step is of a course that the run has left.
    let last = rows.last().map(|(step, _)| *step);
    for (step, path) in files(folder) {
        if step.zip(last).is_some_and(|(step, last)| step > last) {
            continue;
        }
        let read = || Ok::<Value, anyhow::Error>(serde_json::from_slice(&read_regular(&path, MOST_BYTES)?)?);
        match read() {
            Ok(Value::Object(sets)) => {
                for (set, results) in &sets {
                    let one = of_results(step, set, results);
                    if one.avg.is_some() {
                        found.insert((step, set.clone()), one);
                    }
                }
            }
            Ok(_) => {
                notes.push(format!("{}: expected an object with the results of each set", path.display()))
            }
            Err(error) => notes.push(format!("{}: {error:#}", path.display())),
        }
    }
    (found.into_values().collect(), notes)
}

/// The files of results and the steps behind which they were made.
fn files(folder: &RunFolder) -> Vec<(Option<Step>, std::path::PathBuf)> {
    let evals = folder.eval("any").parent().map(std::path::Path::to_owned).unwrap_or_default();
    let entries = list(&evals).unwrap_or_default();
    let found = entries.iter().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let moment = name.strip_suffix(".json")?;
        let step = match moment {
            "before_sft" => None,
            _ => Some(moment.strip_prefix("step_")?.parse().ok()?),
        };
        Some((step, entry.path()))
    });
    found.collect()
}

fn of_results(step: Option<Step>, set: &str, results: &Value) -> Evaluation {
    let k = results["k"].as_u64();
    let estimate = |key: &str, ends: &str| {
        let mean = results[key].as_f64().filter(|mean| mean.is_finite())?;
        let ends = results[ends].as_array();
        let end = |index: usize| ends?.get(index)?.as_f64().map(rounded);
        Some(Estimate { mean: rounded(mean), ci95: end(0).zip(end(1)) })
    };
    let of_k = |name: &str| k.map(|k| format!("{name}@{k}")).unwrap_or_default();
    Evaluation {
        set: set.to_owned(),
        step,
        n: results["n"].as_u64(),
        k,
        avg: estimate(&of_k("avg"), "ci95"),
        greedy: estimate("greedy", "greedy_ci95"),
        pass: estimate(&of_k("pass"), &format!("{}_ci95", of_k("pass"))),
    }
}

/// The evaluations whose accuracies are in the row of `step`.
fn of_row(step: Step, row: &MetricRow) -> Vec<Evaluation> {
    let mut sets: BTreeMap<&str, Evaluation> = BTreeMap::new();
    for (key, value) in row.iter().filter(|(_, value)| value.is_finite()) {
        let Some((set, name)) = key.strip_prefix("eval/").and_then(|rest| rest.rsplit_once('/')) else {
            continue;
        };
        let within = |half: &str| {
            let half = row.get(&format!("eval/{set}/{half}")).filter(|half| half.is_finite())?;
            Some((rounded((value - half).max(0.0)), rounded((value + half).min(1.0))))
        };
        let one = sets.entry(set).or_insert_with(|| Evaluation {
            set: set.to_owned(),
            step: Some(step),
            ..Evaluation::default()
        });
        let mean = rounded(value);
        let k = |prefix: &str| name.strip_prefix(prefix).and_then(|k| k.parse::<u64>().ok());
        if let Some(k) = k("avg@") {
            (one.k, one.avg) = (Some(k), Some(Estimate { mean, ci95: within("ci95") }));
        } else if name == "greedy" {
            one.greedy = Some(Estimate { mean, ci95: within("greedy_ci95") });
        } else if k("pass@").is_some_and(|k| row.get(&format!("eval/{set}/avg@{k}")).is_some()) {
            one.pass = Some(Estimate { mean, ci95: None });
        }
    }
    sets.into_values().filter(|one| one.avg.is_some()).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::fs;

    use super::*;

    #[test]
    fn files_tell_the_ends_of_intervals_and_rows_stand_in_for_those_that_are_gone() {
        let runs = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(runs.path(), "run").unwrap();
        let results = r#"{"a/b": {"n": 8, "k": 2, "avg@2": 0.5, "ci95": [0.2, 0.7], "greedy": 0.25, "greedy_ci95": [0.1, 0.6],
                          "pass@2": 0.75, "pass@2_ci95": [0.4, 0.9]}}"#;
        for moment in ["before_sft", "step_000000", "step_000009"] {
            fs::write(folder.eval(moment), results).unwrap();
        }
        fs::write(folder.eval("step_000002"), "{").unwrap();
        let row = [
            ("eval/a/b/avg@2", 0.95),
            ("eval/a/b/ci95", 0.1),
            ("eval/a/b/pass@2", 1.0),
            ("eval/a/b/maj@2", 0.3),
            ("reward/mean", 1.0),
        ];
        let rows = [(1, MetricRow::default()), (2, row.into_iter().collect())];
        let (found, notes) = evaluations(&folder, &rows);
        assert_eq!(found.iter().map(|one| one.step).collect::<Vec<_>>(), [None, Some(0), Some(2)]);
        assert_eq!((found[0].n, found[0].k), (Some(8), Some(2)));
        assert_eq!(found[0].avg, Some(Estimate { mean: 0.5, ci95: Some((0.2, 0.7)) }));
        assert_eq!(found[0].greedy, Some(Estimate { mean: 0.25, ci95: Some((0.1, 0.6)) }));
        assert_eq!(found[0].pass, Some(Estimate { mean: 0.75, ci95: Some((0.4, 0.9)) }));
        assert_eq!(found[2].avg, Some(Estimate { mean: 0.95, ci95: Some((0.85, 1.0)) }));
        assert_eq!((found[2].pass, found[2].greedy), (Some(Estimate { mean: 1.0, ci95: None }), None));
        assert!(notes.len() == 1 && notes[0].contains("step_000002.json: "), "{notes:?}");
    }
}
