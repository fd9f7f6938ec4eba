//! `metrics.jsonl`: the metrics of a run, one object per step.
//!
//! ```text
//! {"step":40,"advantage/max":1.87,"advantage/mean":0.0, ... ,"time/train":0.81}
//! ```
//!
//! `step` comes first, then the keys of the glossary in order of name. A number that is not finite is written as
//! `null`, for JSON has no other word for it, and is read back as NaN. Every line is on disk before [`Jsonl::write`]
//! returns, so a checkpoint never knows a step that the file does not.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

use super::{MetricSink, glossary};
use crate::types::{MetricRow, Step};

/// Appends rows to `metrics.jsonl`.
#[derive(Debug)]
pub struct Jsonl {
    path: PathBuf,
    file: File,
    last: Option<Step>,
}

impl Jsonl {
    /// Starts an empty file.
    ///
    /// # Errors
    /// If `path` exists or cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(path);
        let file = file.with_context(|| format!("could not create {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file, last: None })
    }

    /// Continues the file after the row of `step`: removes later rows and a half-written last line. Returns the rows
    /// that stay.
    ///
    /// # Errors
    /// If the file cannot be read or cut, or a line other than the last is broken.
    pub fn resume(path: &Path, step: Step) -> Result<(Self, Vec<(Step, MetricRow)>)> {
        let (mut rows, mut end) = (Vec::new(), 0);
        for row in parse(path)? {
            if row.step > step {
                break;
            }
            end = row.end;
            rows.push((row.step, row.metrics));
        }
        let file = OpenOptions::new().append(true).open(path);
        let file = file.and_then(|file| file.set_len(end as u64).map(|()| file));
        let file = file.with_context(|| format!("could not cut {} after step {step}", path.display()))?;
        let last = rows.last().map(|(step, _)| *step);
        Ok((Self { path: path.to_owned(), file, last }, rows))
    }
}

impl Jsonl {
    /// The rows in the file at `path`; a half-written last line is left out.
    ///
    /// # Errors
    /// If the file cannot be read, or a line other than the last is broken.
    pub fn read(path: &Path) -> Result<Vec<(Step, MetricRow)>> {
        Ok(parse(path)?.into_iter().map(|row| (row.step, row.metrics)).collect())
    }
}

impl MetricSink for Jsonl {
    fn write(&mut self, step: Step, row: &MetricRow) -> Result<()> {
        debug_assert_eq!(glossary::unknown_keys(row), [""; 0], "metrics without an entry in the glossary");
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

/// The rows of a `metrics.jsonl`; a half-written last line is left out. Fails where a line is broken: not an object of
/// numbers with a rising `step`.
fn parse(path: &Path) -> Result<Vec<Row>> {
    let text = fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    let (mut rows, mut end, mut last) = (Vec::new(), 0, None);
    for (i, line) in text.split_inclusive('\n').enumerate() {
        let Some(complete) = line.strip_suffix('\n') else { break };
        end += line.len();
        let place = || format!("{}, line {}", path.display(), i + 1);
        let (step, metrics) = parse_line(complete).with_context(place)?;
        ensure!(last < Some(step), "{}: step {step} after step {}", place(), last.unwrap_or_default());
        last = Some(step);
        rows.push(Row { step, metrics, end });
    }
    Ok(rows)
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
        let rows = parse(&path).unwrap();
        assert_eq!(rows.len(), 5);
        assert_eq!((rows[1].step, &rows[1].metrics), (2, &row(2.0 / 3.0)));
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
    fn a_broken_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        for (broken, reason) in [
            ("{\"step\":2", "not a JSON object"),
            ("{\"reward/mean\":1}", "expected `step`, a whole number"),
            ("{\"step\":2,\"reward/mean\":\"high\"}", "reward/mean: expected a number, got \"high\""),
            ("{\"step\":1}", "step 1 after step 1"),
        ] {
            fs::write(&path, format!("{{\"step\":1}}\n{broken}\n{{\"step\":3}}\n")).unwrap();
            let error = format!("{:#}", parse(&path).err().unwrap());
            assert!(error.contains("metrics.jsonl, line 2: ") && error.contains(reason), "{error}");
        }
    }
}
