//! `tb/`: the metrics as TensorBoard reads them; a view of `metrics.jsonl`.
//!
//! Each row is one event with a scalar per key, stored in single precision. The event's time is that of the run's
//! clock (`progress/wall_s`), counted back from the moment of opening, so that a folder written anew keeps its time
//! axis. The glossary's sentences come along as descriptions.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use protobuf::Message;
use tensorboard_proto::event::Event;
use tensorboard_proto::summary::{Summary, Summary_Value, SummaryMetadata};
use tensorboard_rs::record_writer::RecordWriter;
use tensorboard_rs::summary::scalar;

use super::{MetricSink, glossary};
use crate::types::{MetricRow, Step};

const PREFIX: &str = "events.out.tfevents.";
const CLOCK: &str = "progress/wall_s";

/// Writes rows as TensorBoard events.
pub struct TensorBoard {
    path: PathBuf,
    file: BufWriter<File>,
    /// Unix time of the run's second 0.
    start: f64,
    /// Keys whose sentence of the glossary is in the file.
    explained: BTreeSet<String>,
}

impl TensorBoard {
    /// Replaces the events in `folder` by those of `rows`, none for a new run.
    ///
    /// # Errors
    /// If the folder cannot be created, emptied or written.
    pub fn rebuild(folder: &Path, rows: &[(Step, MetricRow)]) -> Result<Self> {
        let prepare = || {
            fs::create_dir_all(folder)?;
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok::<_, std::io::Error>(())
        };
        prepare().with_context(|| format!("could not prepare {}", folder.display()))?;

        let now = unix_time();
        // A TensorBoard that is watching moves on to the next name in order; time makes this name the last.
        let path = folder.join(format!("{PREFIX}{:020.9}.rlcredit", now));
        let file = File::create(&path).with_context(|| format!("could not create {}", path.display()))?;
        let elapsed = rows.last().and_then(|(_, row)| row.get(CLOCK)).filter(|s| s.is_finite());
        let mut this = Self {
            path,
            file: BufWriter::new(file),
            start: now - elapsed.unwrap_or(0.0),
            explained: BTreeSet::new(),
        };

        let mut header = Event::new();
        header.set_wall_time(this.start);
        header.set_file_version("brain.Event:2".to_owned());
        this.append(&header)?;
        for (step, row) in rows {
            let event = this.event(*step, row);
            this.append(&event)?;
        }
        this.flush()?;
        Ok(this)
    }

    fn event(&mut self, step: Step, row: &MetricRow) -> Event {
        let mut summary = Summary::new();
        for (key, value) in row.iter() {
            // As in `metrics.jsonl`, whatever is not finite becomes NaN.
            let value = if value.is_finite() { value as f32 } else { f32::NAN };
            let mut values = scalar(key, value).take_value();
            if self.explained.insert(key.to_owned()) {
                values.iter_mut().for_each(|value| explain(value, key));
            }
            summary.mut_value().extend(values);
        }
        let mut event = Event::new();
        event.set_wall_time(row.get(CLOCK).map_or_else(unix_time, |elapsed| self.start + elapsed));
        event.set_step(step.cast_signed());
        event.set_summary(summary);
        event
    }

    fn append(&mut self, event: &Event) -> Result<()> {
        let place = || format!("could not write {}", self.path.display());
        let bytes = event.write_to_bytes().with_context(place)?;
        RecordWriter::new(&mut self.file).write(&bytes).with_context(place)
    }

    fn flush(&mut self) -> Result<()> {
        self.file.flush().with_context(|| format!("could not write {}", self.path.display()))
    }
}

impl MetricSink for TensorBoard {
    fn write(&mut self, step: Step, row: &MetricRow) -> Result<()> {
        let event = self.event(step, row);
        self.append(&event)?;
        self.flush()
    }
}

/// Puts the glossary's sentence beside the first value of `key`, where TensorBoard looks for it.
fn explain(value: &mut Summary_Value, key: &str) {
    if let Some(entry) = glossary::explain(key) {
        let mut metadata = SummaryMetadata::new();
        let unit = if entry.unit.is_empty() { String::new() } else { format!(" [{}]", entry.unit) };
        metadata.set_summary_description(format!("{}{unit}", entry.meaning));
        metadata.mut_plugin_data().set_plugin_name("scalars".to_owned());
        // `data_class = DATA_CLASS_SCALAR`, a field that the crate's definition is too old to name.
        metadata.mut_unknown_fields().add_varint(4, 1);
        value.set_metadata(metadata);
    }
}

/// Seconds since 1970.
fn unix_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn row(reward: f64, wall_s: f64) -> MetricRow {
        [("reward/mean", reward), (CLOCK, wall_s)].into_iter().collect()
    }

    /// The events of the one file in `folder`.
    fn events(folder: &Path) -> Vec<Event> {
        let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        let (bytes, mut events) = (fs::read(&files[0]).unwrap(), Vec::new());
        let mut rest = &bytes[..];
        while let Some((size, _)) = rest.split_first_chunk() {
            // A record: length (8 bytes), its checksum (4), the event, its checksum (4).
            let end = 12 + u64::from_le_bytes(*size) as usize;
            let mut event = Event::new();
            event.merge_from_bytes(&rest[12..end]).unwrap();
            events.push(event);
            rest = &rest[end + 4..];
        }
        events
    }

    #[test]
    fn rows_become_events_and_a_resumed_run_starts_from_the_rows_that_stay() {
        let folder = tempfile::tempdir().unwrap();
        let rows = [(1, row(0.25, 10.0)), (2, row(f64::INFINITY, 20.0))];
        let mut board = TensorBoard::rebuild(folder.path(), &[]).unwrap();
        (1..9).for_each(|step| board.write(step, &row(1.0, 0.0)).unwrap());
        drop(board);
        let mut board = TensorBoard::rebuild(folder.path(), &rows).unwrap();
        board.write(3, &row(0.75, 30.0)).unwrap();

        let events = events(folder.path());
        assert_eq!(events[0].get_file_version(), "brain.Event:2");
        let steps: Vec<i64> = events[1..].iter().map(Event::get_step).collect();
        assert_eq!(steps, [1, 2, 3]);
        let reward = |event: &Event| {
            let values = event.get_summary().get_value().iter();
            values.clone().find(|value| value.get_tag() == "reward/mean").unwrap().get_simple_value()
        };
        assert_eq!(reward(&events[1]), 0.25);
        let sentence = |event: &Event| {
            let metadata = event.get_summary().get_value()[1].get_metadata();
            metadata.get_summary_description().to_owned()
        };
        assert_eq!(
            sentence(&events[1]),
            "Mean reward of the step's responses, those left out that a grader could not judge."
        );
        assert_eq!(sentence(&events[2]), "", "once is enough");
        assert!(reward(&events[2]).is_nan());
        assert_eq!(reward(&events[3]), 0.75);
        for pair in events[1..].windows(2) {
            assert!(
                (pair[1].get_wall_time() - pair[0].get_wall_time() - 10.0).abs() < 1e-3,
                "the run's clock"
            );
        }
        assert!((events[2].get_wall_time() - unix_time()).abs() < 5.0, "the last row that stays is now");
    }

    #[test]
    fn files_of_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        TensorBoard::rebuild(folder.path(), &[]).unwrap();
        assert!(folder.path().join("notes.txt").exists());
    }
}
