//! What a run folder says about the course of a run: the held-out accuracy by step, tokens and time.
//!
//! ```text
//! step 0      eval/step_000000.json      after SFT
//! step k      metrics.jsonl              rows with eval/<set>/avg@<k>
//! tokens      progress/tokens_generated  response tokens sampled for training, without what lies ready for a
//!                                        step that never comes
//! seconds     Σ time/step                training alone: SFT, evaluations and checkpoints are left out
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use super::past;
use super::sharing::FirstAnswers;
use super::statistics;
use crate::checkpoint::{Latest, is_unfinished};
use crate::files::{read_regular, read_regular_text};
use crate::observe::{Jsonl, Sound};
use crate::recipe::Recipe;
use crate::run::InputFiles;
use crate::run_folder::RunFolder;
use crate::types::{MetricRow, Step};

/// One evaluation of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Point {
    /// After so many training steps.
    pub step: Step,
    /// Response tokens sampled for training until then.
    pub tokens: f64,
    /// Seconds of training steps until then.
    pub seconds: f64,
    /// avg@k: accuracy of the samples, 0 to 1.
    pub avg: f64,
    /// Accuracy of the most likely response, 0 to 1, where measured.
    pub greedy: Option<f64>,
}

/// What there is of a run.
#[derive(Clone, Debug)]
pub(crate) struct RunRecord {
    /// Its folder.
    pub folder: PathBuf,
    /// Its recipe, every default filled in, with the precision that it came to.
    pub recipe: Recipe,
    /// The files that it began with, where it says so.
    pub(crate) inputs: Option<InputFiles>,
    /// The last step that its metrics have; 0 before the first.
    pub step: Step,
    /// What is wrong with the line behind its row, if anything is.
    pub fault: Option<String>,
    /// Seconds from its beginning to that step, pauses left out.
    pub wall_s: f64,
    /// Held-out items.
    pub n_items: Option<u64>,
    /// Its evaluations by step, the one after SFT first.
    pub curve: Vec<Point>,
    /// The answers of the first of them; empty where they are not kept.
    pub first_answers: Vec<FirstAnswers>,
    /// Seconds of each step.
    pub step_seconds: Vec<f64>,
    /// Share of the response tokens that pulled the policy somewhere, mean over the steps; `None` where it was not measured.
    pub valid_tokens: Option<f64>,
    /// Why it diverged, if a comparison has seen it do so.
    pub diverged: Option<String>,
    /// What people changed of it as it went, and what it was forked from, a sentence each.
    pub told: Vec<String>,
}

impl RunRecord {
    /// Reads the run in `folder`; `None` where none has begun.
    ///
    /// Of its rows all that goes on without a fault counts: a run that is not done writes the others anew when it is resumed.
    ///
    /// # Errors
    /// If a file of the run cannot be read as what it should be, or a run that is done lacks rows.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        let files = RunFolder::at(folder);
        if !files.resolved().is_file() {
            return Ok(None);
        }
        let mut recipe = Recipe::load(&files.checked_resolved()?, &[])?;
        let inputs = files.inputs().is_file().then(|| InputFiles::read(&files)).transpose()?;
        if let Some(inputs) = &inputs {
            recipe.model.dtype = inputs.dtype;
        }
        let (first, Sound { rows, fault }) = past::whole(&files, rows(&files, recipe.run.steps)?);
        let (step, wall_s) =
            rows.last().map_or((0, 0.0), |(step, row)| (*step, row.get("progress/wall_s").unwrap_or(0.0)));
        let mut record = Self {
            folder: folder.to_owned(),
            recipe,
            inputs,
            step,
            fault,
            wall_s,
            n_items: None,
            curve: Vec::new(),
            first_answers: Vec::new(),
            step_seconds: rows.iter().filter_map(|(_, row)| row.get("time/step")).collect(),
            valid_tokens: valid_tokens(&rows),
            diverged: divergence(folder)?,
            told: past::told(&files),
        };
        let start = first.eval("step_000000");
        if start.is_file() {
            let (set, results) = start_of(&start)?;
            record.n_items = results["n"].as_u64();
            record.first_answers = first_answers(&first.eval_items("step_000000", &set))?;
            record.curve = curve(&set, record.recipe.eval.samples, &results, &rows)
                .with_context(|| format!("{}: cannot be compared", folder.display()))?;
        }
        Ok(Some(record))
    }

    /// Whether all steps are done and evaluated.
    #[must_use]
    pub(crate) fn is_finished(&self) -> bool {
        let last = self.curve.last().map(|point| point.step);
        self.step == self.recipe.run.steps && last == Some(self.step)
    }
}

/// Whether the run in `files` has the policy after its `steps`, and what that was evaluated to.
///
/// # Errors
/// If what its last checkpoint says of that cannot be read.
pub(super) fn is_done(files: &RunFolder, steps: Step) -> Result<bool> {
    // A checkpoint that is missing, or is being replaced, is for those to judge and to put back who hold the run.
    let Ok(Some(latest)) = Latest::find(&files.checkpoints()) else { return Ok(false) };
    Ok(latest.folder == files.checkpoint(steps) && !is_unfinished(&latest.folder)?)
}

/// The rows of the run in `files`, none where they are missing.
///
/// # Errors
/// If the file cannot be read, or the run has done its `steps` and the rows do not go so far.
fn rows(files: &RunFolder, steps: Step) -> Result<Sound> {
    if !files.metrics().is_file() {
        return Ok(Sound::default());
    }
    let sound = Jsonl::read(&files.metrics())?;
    let Some(fault) = &sound.fault else { return Ok(sound) };
    let last = sound.rows.last().map_or(0, |(step, _)| *step);
    ensure!(
        last >= steps || !is_done(files, steps)?,
        "{fault}; the run has done its {steps} steps, and without the rows behind step {last} it cannot be compared: put \
         the file back as it was, or remove {} and make the run again",
        files.root().display()
    );
    Ok(sound)
}

/// The set and its results in the evaluation at `path`.
fn start_of(path: &Path) -> Result<(String, Value)> {
    let text = read_regular(path, u64::MAX).with_context(|| format!("could not read {}", path.display()))?;
    let sets: serde_json::Map<String, Value> =
        serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
    let first = sets.into_iter().next();
    first.with_context(|| format!("{}: no set was evaluated, expected one", path.display()))
}

/// The answers in the evaluation at `path`, item by item; none where there is no such file.
fn first_answers(path: &Path) -> Result<Vec<FirstAnswers>> {
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text =
        read_regular_text(path, u64::MAX).with_context(|| format!("could not read {}", path.display()))?;
    let items: Result<_, _> = text.lines().map(serde_json::from_str).collect();
    items.with_context(|| path.display().to_string())
}

/// Where a comparison keeps why its run in `folder` diverged.
pub(super) fn divergence_file(folder: &Path) -> PathBuf {
    folder.join("diverged.txt")
}

/// Why the run in `folder` diverged, if a comparison has seen it do so.
pub(super) fn divergence(folder: &Path) -> Result<Option<String>> {
    let path = divergence_file(folder);
    let text =
        || read_regular_text(&path, u64::MAX).with_context(|| format!("could not read {}", path.display()));
    path.is_file().then(text).transpose()
}

fn valid_tokens(rows: &[(Step, MetricRow)]) -> Option<f64> {
    let shares: Vec<f64> = rows.iter().filter_map(|(_, row)| row.get("advantage/valid_token_frac")).collect();
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}

/// The curve of `set`, whose evaluation before the first step is `start`. The samples of an item may have changed as the run went: avg@k
/// is an estimate of the same for every k.
fn curve(set: &str, k: usize, start: &Value, rows: &[(Step, MetricRow)]) -> Result<Vec<Point>> {
    let own = start["k"].as_u64().unwrap_or(k as u64);
    let avg = start[&format!("avg@{own}")].as_f64();
    let avg = avg.with_context(|| format!("eval/step_000000.json: `avg@{own}` is missing"))?;
    let prefix = format!("eval/{set}/avg@");
    let greedy = start["greedy"].as_f64();
    let mut curve = vec![Point { step: 0, tokens: 0.0, seconds: 0.0, avg, greedy }];
    let mut seconds = 0.0;
    for (step, row) in rows {
        let of = |key: &str| {
            row.get(key).with_context(|| format!("metrics.jsonl, step {step}: `{key}` is missing"))
        };
        seconds += of("time/step")?;
        let Some((key, avg)) = row.iter().find(|(key, _)| key.starts_with(&prefix)) else { continue };
        ensure!(avg.is_finite(), "metrics.jsonl, step {step}: {key} is not finite");
        let tokens = of("progress/tokens_generated")?;
        curve.push(Point {
            step: *step,
            tokens,
            seconds,
            avg,
            greedy: row.get(&format!("eval/{set}/greedy")),
        });
    }
    Ok(curve)
}

/// One number about a curve that arms are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measure {
    /// avg@k at the end.
    FinalAvg,
    /// Mean height of the curve of avg@k over the steps.
    AreaAvg,
    /// Greedy accuracy at the end.
    FinalGreedy,
    /// Mean height of the curve of greedy accuracy over the steps.
    AreaGreedy,
    /// avg@k between the evaluations, where as many tokens were sampled as every run has sampled.
    EqualAvg,
    /// Greedy accuracy there.
    EqualGreedy,
}

impl Measure {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::FinalAvg,
        Self::AreaAvg,
        Self::FinalGreedy,
        Self::AreaGreedy,
        Self::EqualAvg,
        Self::EqualGreedy,
    ];

    /// Its value for a curve that begins after SFT, with `tokens` that every run has sampled; `None` where it was
    /// not measured, or there is no such number.
    #[must_use]
    pub(crate) fn of(self, curve: &[Point], tokens: Option<f64>) -> Option<f64> {
        let by_tokens = |value: fn(&Point) -> Option<f64>| -> Option<Vec<(f64, f64)>> {
            curve.iter().map(|point| Some((point.tokens, value(point)?))).collect()
        };
        let by_step = |value: fn(&Point) -> Option<f64>| -> Option<Vec<(f64, f64)>> {
            curve.iter().map(|point| Some((point.step as f64, value(point)?))).collect()
        };
        match self {
            Self::FinalAvg => curve.last().map(|point| point.avg),
            Self::FinalGreedy => curve.last()?.greedy,
            Self::AreaAvg => statistics::area(&by_step(|point| Some(point.avg))?),
            Self::AreaGreedy => statistics::area(&by_step(|point| point.greedy)?),
            Self::EqualAvg => statistics::interpolate(&by_tokens(|point| Some(point.avg))?, tokens?),
            Self::EqualGreedy => statistics::interpolate(&by_tokens(|point| point.greedy)?, tokens?),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::fs;

    use super::super::testing::made_up;
    use super::*;

    #[test]
    fn a_run_folder_is_read_as_a_curve() {
        let dir = tempfile::tempdir().unwrap();
        let run =
            RunRecord::read(&made_up(&dir.path().join("a"), 3, &[], &[0.2, 0.4, 0.5])).unwrap().unwrap();
        assert_eq!((run.recipe.run.seed, run.step, run.n_items, run.wall_s), (3, 4, Some(32), 62.0));
        assert!(run.is_finished());
        let expected = [(0, 0.0, 0.0, 0.2), (2, 200.0, 6.0, 0.4), (4, 400.0, 12.0, 0.5)];
        let points: Vec<_> = run.curve.iter().map(|p| (p.step, p.tokens, p.seconds, p.avg)).collect();
        assert_eq!(points, expected);
        // (0.3 · 2 + 0.45 · 2) / 4
        let values = Measure::ALL.map(|measure| measure.of(&run.curve, Some(300.0)).unwrap());
        for (value, expected) in values.into_iter().zip([0.5, 0.375, 0.25, 0.1875, 0.45, 0.225]) {
            assert!((value - expected).abs() < 1e-12, "{value}, expected {expected}");
        }
    }

    #[test]
    fn a_run_under_way_is_not_finished() {
        let dir = tempfile::tempdir().unwrap();
        let folder = made_up(&dir.path().join("a"), 0, &[], &[0.2, 0.4]);
        let run = RunRecord::read(&folder).unwrap().unwrap();
        assert!(run.step == 2 && run.curve.len() == 2 && !run.is_finished());
        // Before its first evaluation a run has no curve, before its recipe is written it has not begun.
        fs::remove_file(folder.join("eval/step_000000.json")).unwrap();
        assert!(RunRecord::read(&folder).unwrap().unwrap().curve.is_empty());
        assert!(RunRecord::read(&dir.path().join("none")).unwrap().is_none());
    }

    /// What a loss of power leaves behind the rows that were on disk.
    #[test]
    fn rows_count_up_to_the_first_fault_unless_the_run_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let folder = made_up(&dir.path().join("a"), 0, &[], &[0.2, 0.4, 0.5]);
        let path = folder.join("metrics.jsonl");
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{whole}\0\0\0\n")).unwrap();
        let run = RunRecord::read(&folder).unwrap().unwrap();
        assert!(run.is_finished() && run.fault.unwrap().contains("metrics.jsonl, line 5: not a JSON object"));

        fs::write(&path, whole.replace("{\"step\":3,", "\0")).unwrap();
        let run = RunRecord::read(&folder).unwrap().unwrap();
        assert!(run.step == 2 && run.curve.len() == 2 && !run.is_finished());
        assert!(run.fault.unwrap().contains("metrics.jsonl, line 3: not a JSON object"));

        let last = folder.join("checkpoints/step_000004");
        fs::create_dir_all(&last).unwrap();
        fs::write(last.join("manifest.json"), "{}").unwrap();
        let error = format!("{:#}", RunRecord::read(&folder).unwrap_err());
        let said = [
            "metrics.jsonl, line 3: not a JSON object",
            "done its 4 steps",
            "behind step 2",
            "put the file back",
            "or remove ",
        ];
        assert!(said.iter().all(|part| error.contains(part)), "{error}");
        fs::write(last.join("state.json"), r#"{"unfinished":{}}"#).unwrap();
        assert_eq!(RunRecord::read(&folder).unwrap().unwrap().step, 2);
    }

    #[test]
    fn an_accuracy_that_was_not_measured_has_no_measures() {
        let dir = tempfile::tempdir().unwrap();
        let folder = made_up(&dir.path().join("a"), 0, &[], &[0.2, 0.4, 0.5]);
        let path = folder.join("metrics.jsonl");
        fs::write(&path, fs::read_to_string(&path).unwrap().replace("heldout/greedy", "heldout/ci95"))
            .unwrap();
        let run = RunRecord::read(&folder).unwrap().unwrap();
        assert_eq!(
            Measure::ALL.map(|measure| measure.of(&run.curve, None).is_some()),
            [true, true, false, false, false, false]
        );
        fs::write(&path, "{\"step\":1}\n").unwrap();
        let error = format!("{:#}", RunRecord::read(&folder).unwrap_err());
        assert!(error.contains("metrics.jsonl, step 1: `time/step` is missing"), "{error}");
    }
}
