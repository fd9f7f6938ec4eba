//! `metrics.jsonl`: the metrics of a run, one object per step.
//!
//! ```text
//! {"step":40,"advantage/max":1.87,"advantage/mean":0.0, ... ,"time/train":0.81}
//! ```
//!
//! `step` comes first, then the keys of the glossary in order of name. A number that is not finite is written as
//! `null`, for JSON has no other word for it, and is read back as NaN. Every line is on disk before [`Jsonl::write`]
//! returns, so a checkpoint never knows a step that the file does not.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Map, Value};

use super::MetricSink;
use crate::files::{append_to, read_regular};
use crate::types::{MetricRow, Step};

/// Appends rows to `metrics.jsonl`.
#[derive(Debug)]
pub(crate) struct Jsonl {
    path: PathBuf,
    file: File,
    last: Option<Step>,
}

impl Jsonl {
    /// Starts an empty file.
    ///
    /// # Errors
    /// If `path` exists or cannot be created.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(path);
        let file = file.with_context(|| format!("could not create {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file, last: None })
    }

    /// Continues the file after the rows of `steps`: removes what is behind them, and gives the rows that stay.
    ///
    /// # Errors
    /// If the file cannot be cut, or as [`Kept::read`].
    pub(crate) fn resume(path: &Path, steps: impl Into<Steps>) -> Result<(Self, Vec<(Step, MetricRow)>)> {
        let steps @ Steps { last: step, .. } = steps.into();
        let kept = Kept::read(path, steps)?;
        let file = append_to(path).and_then(|file| file.set_len(kept.end as u64).map(|()| file));
        let file = file.with_context(|| format!("could not cut {} after step {step}", path.display()))?;
        let last = kept.rows.last().map(|(step, _)| *step);
        Ok((Self { path: path.to_owned(), file, last }, kept.rows))
    }
}

/// The steps whose rows a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    /// The one behind which they begin: that of its parent's checkpoint, of a run that was forked; else 0.
    pub behind: Step,
    /// The last of them.
    pub last: Step,
}

/// Of a run that began with its first step.
impl From<Step> for Steps {
    fn from(last: Step) -> Self {
        Self { behind: 0, last }
    }
}

/// What of a `metrics.jsonl` a run keeps that goes on after a step.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The rows up to that step.
    pub rows: Vec<(Step, MetricRow)>,
    /// What a person should know of the file.
    pub notes: Vec<String>,
    /// Where the last of them ends, its newline included; bytes.
    end: usize,
}

impl Kept {
    /// Reads the rows at `path` of `steps`, the last of which must be there, each once and in order. They may begin late, or be
    /// missing altogether, where a person has taken the file away: that is noted. What is behind them is not read.
    ///
    /// # Errors
    /// If the file cannot be read; if a row of theirs is broken, missing, doubled or out of order; says what to do.
    pub(crate) fn read(path: &Path, steps: impl Into<Steps>) -> Result<Self> {
        let Steps { behind, last: step } = steps.into();
        let mut kept = Self { rows: Vec::new(), notes: Vec::new(), end: 0 };
        let note = |what: String| format!("{}: {what}", path.display());
        if step <= behind {
            return Ok(kept);
        }
        if path.symlink_metadata().is_err() {
            kept.notes.push(note(format!(
                "missing; the rows up to step {step} are lost, and it begins behind them"
            )));
            return Ok(kept);
        }
        let mut rest = Rows::open(path)?;
        let remedy = || {
            format!(
                "put the file back as it was, or move it away: the run then goes on, and its rows begin behind step {step}"
            )
        };
        while kept.last() < step {
            let Some(row) = rest.next() else { break };
            let row = row.map_err(|error| anyhow!("{error:#}; {}", remedy()))?;
            kept.end = row.end;
            kept.rows.push((row.step, row.metrics));
        }
        let (last, wanted) = (kept.last(), step);
        ensure!(
            last == wanted,
            "{}: the row of step {wanted}, after which the run goes on, is missing: the rows end with step {last}; {}",
            path.display(),
            remedy()
        );
        if let Some((first, _)) = kept.rows.first().filter(|(first, _)| *first > behind + 1) {
            kept.notes.push(note(format!("begins with step {first}; the rows before are lost")));
        }
        if rest.any(|row| row.is_err()) {
            kept.notes.push(note(format!(
                "damaged behind step {step}, after which the run goes on; that part is cut off"
            )));
        }
        Ok(kept)
    }

    fn last(&self) -> Step {
        self.rows.last().map_or(0, |(step, _)| *step)
    }
}

/// What can be read of a `metrics.jsonl`. Whether that is enough is for those to say who know how many steps there were.
#[derive(Debug, Default)]
pub(crate) struct Sound {
    /// The rows up to the first fault.
    pub rows: Vec<(Step, MetricRow)>,
    /// The fault: a line that is broken, or not of the step that comes next.
    pub fault: Option<String>,
}

impl Jsonl {
    /// The rows in the file at `path` up to the first fault; a half-written last line is left out, and is none.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn read(path: &Path) -> Result<Sound> {
        let mut sound = Sound::default();
        for row in Rows::open(path)? {
            match row {
                Ok(row) => sound.rows.push((row.step, row.metrics)),
                Err(fault) => {
                    sound.fault = Some(format!("{fault:#}"));
                    break;
                }
            }
        }
        Ok(sound)
    }
}

impl MetricSink for Jsonl {
    fn write(&mut self, step: Step, row: &MetricRow) -> Result<()> {
        ensure!(
            self.last.is_none_or(|last| step > last),
            "{}: the row of step {step} would follow that of step {}",
            self.path.display(),
            self.last.unwrap_or_default()
        );
        // One write per line: a killed process leaves a whole line or the beginning of one.
        self.file
            .write_all(line(step, row).as_bytes())
            .and_then(|()| self.file.sync_data())
            .with_context(|| format!("could not write step {step} to {}", self.path.display()))?;
        self.last = Some(step);
        Ok(())
    }
}

struct Row {
    step: Step,
    metrics: MetricRow,
    /// Where the line ends in the file, its newline included; bytes.
    end: usize,
}

/// The rows of a `metrics.jsonl`, each one step behind the one before; a half-written last line is left out. Fails where a
/// line is broken: not an object of numbers, or not of the step that comes next.
struct Rows {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Bytes and lines read so far, and the step of the last row.
    end: usize,
    line: usize,
    last: Option<Step>,
}

impl Rows {
    fn open(path: &Path) -> Result<Self> {
        let bytes =
            read_regular(path, u64::MAX).with_context(|| format!("could not read {}", path.display()))?;
        Ok(Self { path: path.to_owned(), bytes, end: 0, line: 0, last: None })
    }

    fn parse(&mut self, start: usize) -> Result<Row> {
        let line = self.bytes.get(start..self.end.saturating_sub(1)).unwrap_or_default();
        let place = || format!("{}, line {}", self.path.display(), self.line);
        let text = std::str::from_utf8(line).context("not UTF-8").with_context(place)?;
        let (step, metrics) = parse_line(text).with_context(place)?;
        ensure!(
            self.last.is_none_or(|last| step == last + 1) && step > 0,
            "{}: step {step} after step {}",
            place(),
            self.last.unwrap_or_default()
        );
        self.last = Some(step);
        Ok(Row { step, metrics, end: self.end })
    }
}

impl Iterator for Rows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        let start = self.end;
        self.end += 1 + self.bytes.get(start..)?.iter().position(|byte| *byte == b'\n')?;
        self.line += 1;
        Some(self.parse(start))
    }
}

fn parse_line(line: &str) -> Result<(Step, MetricRow)> {
    let mut object: Map<String, Value> = serde_json::from_str(line).context("not a JSON object")?;
    let step = object.shift_remove("step").and_then(|step| step.as_u64());
    let step = step.context("expected `step`, a whole number")?;
    let metrics = object.into_iter().map(|(key, value)| match value {
        Value::Null => Ok((key, f64::NAN)),
        _ => {
            value.as_f64().with_context(|| format!("{key}: expected a number, got {value}")).map(|v| (key, v))
        }
    });
    Ok((step, metrics.collect::<Result<_>>()?))
}

/// The row as a line, newline included.
fn line(step: Step, row: &MetricRow) -> String {
    let mut object = Map::from_iter([("step".to_owned(), Value::from(step))]);
    // `Value::from` turns what is not finite into null.
    object.extend(row.iter().map(|(key, value)| (key.to_owned(), Value::from(value))));
    format!("{}\n", Value::Object(object))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::fs;

    use super::*;

    fn row(reward: f64) -> MetricRow {
        [("reward/mean", reward), ("optim/lr", 5e-5)].into_iter().collect()
    }

    fn five_steps(path: &Path) {
        let mut jsonl = Jsonl::create(path).unwrap();
        for step in 1..=5 {
            jsonl.write(step, &row(step as f64 / 3.0)).unwrap();
        }
    }

    #[test]
    fn a_line_has_the_step_first_and_then_sorted_keys() {
        assert_eq!(line(40, &row(0.1)), "{\"step\":40,\"optim/lr\":0.00005,\"reward/mean\":0.1}\n");
        assert_eq!(line(1, &row(f64::INFINITY)), "{\"step\":1,\"optim/lr\":0.00005,\"reward/mean\":null}\n");
    }

    #[test]
    fn rows_are_read_back_to_the_last_bit_and_null_as_nan() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        five_steps(&path);
        let Sound { rows, fault } = Jsonl::read(&path).unwrap();
        assert_eq!((rows.len(), fault), (5, None));
        assert_eq!((rows[1].0, &rows[1].1), (2, &row(2.0 / 3.0)));
        let (_, nan) = parse_line("{\"step\":1,\"reward/mean\":null}").unwrap();
        assert!(nan.get("reward/mean").unwrap().is_nan());
    }

    #[test]
    fn resuming_gives_the_file_of_a_run_that_never_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        five_steps(&path);
        let expected = fs::read(&path).unwrap();
        for torn in ["", "{\"step\":6,\"rew", "{\"step\":6}"] {
            let mut file = OpenOptions::new().append(true).open(&path).unwrap();
            file.write_all(torn.as_bytes()).unwrap();
            let (mut jsonl, rows) = Jsonl::resume(&path, 3).unwrap();
            assert_eq!(rows.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [1, 2, 3]);
            for step in 4..=5 {
                jsonl.write(step, &row(step as f64 / 3.0)).unwrap();
            }
            assert_eq!(fs::read(&path).unwrap(), expected, "after {torn:?}");
        }
    }

    #[test]
    fn a_step_comes_once_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        five_steps(&path);
        assert!(Jsonl::create(&path).is_err(), "an existing file is never overwritten");
        let (mut jsonl, _) = Jsonl::resume(&path, 5).unwrap();
        let error = jsonl.write(5, &row(0.0)).unwrap_err().to_string();
        assert!(error.ends_with("the row of step 5 would follow that of step 5"), "{error}");
    }

    #[test]
    fn a_broken_line_is_named_behind_the_rows_that_are_sound() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        for (broken, reason) in [
            ("{\"step\":2", "not a JSON object"),
            ("{\"reward/mean\":1}", "expected `step`, a whole number"),
            ("{\"step\":2,\"reward/mean\":\"high\"}", "reward/mean: expected a number, got \"high\""),
            ("{\"step\":1}", "step 1 after step 1"),
            ("{\"step\":3}", "step 3 after step 1"),
            ("{\"step\":0}", "step 0 after step 1"),
        ] {
            fs::write(&path, format!("{{\"step\":1}}\n{broken}\n{{\"step\":3}}\n")).unwrap();
            let Sound { rows, fault } = Jsonl::read(&path).unwrap();
            let fault = fault.unwrap();
            assert!(fault.contains("metrics.jsonl, line 2: ") && fault.contains(reason), "{fault}");
            assert_eq!(rows.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [1]);
        }
    }

    /// Rows in front of the checkpoint are the run's; what is behind it is written anew anyway.
    #[test]
    fn lost_doubled_and_reordered_rows_are_noticed_in_front_of_the_checkpoint_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let write = |steps: &[u64]| {
            let lines: Vec<String> = steps.iter().map(|step| line(*step, &row(1.0))).collect();
            fs::write(&path, lines.concat()).unwrap();
        };
        for (steps, said) in [
            (&[1, 3, 4][..], "line 2: step 3 after step 1; put the file back"),
            (&[1, 2, 2, 3], "line 3: step 2 after step 2; put"),
            (&[2, 1, 3], "line 2: step 1 after step 2; put"),
            (
                &[1, 2],
                "the row of step 3, after which the run goes on, is missing: the rows end with step 2; put",
            ),
            (&[], "the rows end with step 0; put"),
        ] {
            write(steps);
            let error = format!("{:#}", Kept::read(&path, 3).unwrap_err());
            assert!(
                error.contains(said) && error.contains("or move it away: the run then goes on"),
                "{error}"
            );
            assert!(Jsonl::resume(&path, 3).is_err());
        }
        let steps = |kept: &Kept| kept.rows.iter().map(|(step, _)| *step).collect::<Vec<_>>();
        for (behind, n_notes) in
            [("", 0), ("{\"step\":4}\n", 0), ("{\"step\":9}\n", 1), ("\u{0}\n{}\n", 1), ("{\"st", 0)]
        {
            write(&[1, 2, 3]);
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, format!("{text}{behind}")).unwrap();
            let kept = Kept::read(&path, 3).unwrap();
            assert_eq!(
                (steps(&kept), kept.notes.len()),
                (vec![1, 2, 3], n_notes),
                "{behind:?}: {:?}",
                kept.notes
            );
            drop(Jsonl::resume(&path, 3).unwrap());
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        write(&[3]);
        let kept = Kept::read(&path, 3).unwrap();
        assert!(steps(&kept) == [3] && kept.notes[0].contains("begins with step 3"), "{:?}", kept.notes);
        fs::remove_file(&path).unwrap();
        assert!(Kept::read(&path, 3).unwrap().notes[0].contains("missing; the rows up to step 3 are lost"));
        let (mut jsonl, rows) = Jsonl::resume(&path, 3).unwrap();
        jsonl.write(4, &row(1.0)).unwrap();
        assert!(rows.is_empty() && Kept::read(&path, 4).unwrap().notes.len() == 1);
    }
}
