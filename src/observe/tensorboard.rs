//! `tb/`: the metrics as TensorBoard reads them; a view of `metrics.jsonl`.
//!
//! Each row is one event with a scalar per key, stored in single precision. The event's time is that of the run's
//! clock (`progress/wall_s`), counted back from the moment of opening, so that a folder written anew keeps its time
//! axis.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use protobuf::Message;
use tensorboard_proto::event::Event;
use tensorboard_proto::summary::Summary;
use tensorboard_rs::record_writer::RecordWriter;
use tensorboard_rs::summary::scalar;

use super::MetricSink;
use crate::types::{MetricRow, Step};

const PREFIX: &str = "events.out.tfevents.";
const CLOCK: &str = "progress/wall_s";

/// Writes rows as TensorBoard events.
pub struct TensorBoard {
    path: PathBuf,
    file: BufWriter<File>,
    /// Unix time of the run's second 0.
    start: f64,
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
        let mut this = Self { path, file: BufWriter::new(file), start: now - elapsed.unwrap_or(0.0) };

        let mut header = Event::new();
        header.set_wall_time(this.start);
        header.set_file_version("brain.Event:2".to_owned());
        this.append(&header)?;
        for (step, row) in rows {
            this.append(&this.event(*step, row))?;
        }
        this.flush()?;
        Ok(this)
    }

    fn event(&self, step: Step, row: &MetricRow) -> Event {
        let mut summary = Summary::new();
        for (key, value) in row.iter() {
            // As in `metrics.jsonl`, whatever is not finite becomes NaN.
            let value = if value.is_finite() { value as f32 } else { f32::NAN };
            summary.mut_value().extend(scalar(key, value).take_value());
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
        self.append(&self.event(step, row))?;
        self.flush()
    }
}

/// Seconds since 1970.
fn unix_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
