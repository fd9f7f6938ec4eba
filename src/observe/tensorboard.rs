//! `tb/`: the metrics as TensorBoard reads them; a view of `metrics.jsonl`.
//!
//! Each row is one event with a scalar per key, stored in single precision. The event's time is that of the run's
//! clock (`progress/wall_s`), counted back from the moment of opening, so that a folder written anew keeps its time
//! axis. The glossary's sentences come along as descriptions.
//!
//! A file is a sequence of TFRecords: the event's length (8 bytes, little endian), the length's checksum (4), the
//! event, its checksum (4); a checksum is the CRC-32C, rotated and shifted by a constant. An event is a protocol
//! buffer, of which the messages here name the fields that are written (numbers as in TensorFlow's `event.proto` and
//! `summary.proto`). They stand here because the crate made for it, `tensorboard-rs`, has no feature that leaves out
//! what it pulls in: `image` 0.23 with its codecs, and `protobuf` 2, neither maintained any more.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use prost::Message;

use super::{MetricSink, glossary};
use crate::types::{MetricRow, Step};

const PREFIX: &str = "events.out.tfevents.";
const CLOCK: &str = "progress/wall_s";

/// `tensorflow.Event`: what happened at a step.
#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = 1)]
    wall_time: f64,
    #[prost(int64, tag = 2)]
    step: i64,
    /// Only in a file's first event.
    #[prost(string, optional, tag = 3)]
    file_version: Option<String>,
    #[prost(message, optional, tag = 5)]
    summary: Option<Summary>,
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = 1)]
    value: Vec<Value>,
}

/// `tensorflow.Summary.Value`: one scalar.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = 1)]
    tag: String,
    /// Optional because a value of 0 has to be written too.
    #[prost(float, optional, tag = 2)]
    simple_value: Option<f32>,
    #[prost(message, optional, tag = 9)]
    metadata: Option<SummaryMetadata>,
}

/// `tensorflow.SummaryMetadata`: what TensorBoard shows beside a scalar's curve.
#[derive(Clone, PartialEq, Message)]
struct SummaryMetadata {
    #[prost(message, optional, tag = 1)]
    plugin_data: Option<PluginData>,
    #[prost(string, tag = 3)]
    summary_description: String,
    #[prost(enumeration = "DataClass", tag = 4)]
    data_class: i32,
}

/// `tensorflow.SummaryMetadata.PluginData`.
#[derive(Clone, PartialEq, Message)]
struct PluginData {
    #[prost(string, tag = 1)]
    plugin_name: String,
}

/// `tensorflow.DataClass`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
enum DataClass {
    Unknown = 0,
    Scalar = 1,
}

/// Writes rows as TensorBoard events.
pub(crate) struct TensorBoard {
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
    pub(crate) fn rebuild(folder: &Path, rows: &[(Step, MetricRow)]) -> Result<Self> {
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
        let file = File::create_new(&path).with_context(|| format!("could not create {}", path.display()))?;
        let elapsed = rows.last().and_then(|(_, row)| row.get(CLOCK)).filter(|s| s.is_finite());
        let mut this = Self {
            path,
            file: BufWriter::new(file),
            start: now - elapsed.unwrap_or(0.0),
            explained: BTreeSet::new(),
        };

        let file_version = Some("brain.Event:2".to_owned());
        this.append(&Event { wall_time: this.start, file_version, ..Event::default() })?;
        for (step, row) in rows {
            let event = this.event(*step, row);
            this.append(&event)?;
        }
        this.flush()?;
        Ok(this)
    }

    fn event(&mut self, step: Step, row: &MetricRow) -> Event {
        let mut value = Vec::new();
        for (key, number) in row.iter() {
            // As in `metrics.jsonl`, whatever is not finite becomes NaN.
            let number = if number.is_finite() { number as f32 } else { f32::NAN };
            let metadata = if self.explained.insert(key.to_owned()) { explanation(key) } else { None };
            value.push(Value { tag: key.to_owned(), simple_value: Some(number), metadata });
        }
        Event {
            wall_time: row.get(CLOCK).map_or_else(unix_time, |elapsed| self.start + elapsed),
            step: step.cast_signed(),
            file_version: None,
            summary: Some(Summary { value }),
        }
    }

    fn append(&mut self, event: &Event) -> Result<()> {
        self.file
            .write_all(&record(&event.encode_to_vec()))
            .with_context(|| format!("could not write {}", self.path.display()))
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

/// The glossary's sentence for `key`, which TensorBoard looks for beside the key's first value.
fn explanation(key: &str) -> Option<SummaryMetadata> {
    let entry = glossary::explain(key)?;
    let unit = if entry.unit.is_empty() { String::new() } else { format!(" [{}]", entry.unit) };
    Some(SummaryMetadata {
        plugin_data: Some(PluginData { plugin_name: "scalars".to_owned() }),
        summary_description: format!("{}{unit}", entry.meaning),
        data_class: DataClass::Scalar.into(),
    })
}

/// `data` as a TFRecord.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &checksum(&length), data, &checksum(data)].concat()
}

/// The CRC-32C of `data`, masked: the checksum of bytes that hold checksums themselves would be a weak one.
fn checksum(data: &[u8]) -> [u8; 4] {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
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

    /// The masked CRC-32C bit by bit, by its polynomial.
    fn plain_checksum(data: &[u8]) -> [u8; 4] {
        let mut crc = u32::MAX;
        for byte in data {
            crc ^= u32::from(*byte);
            (0..8).for_each(|_| crc = (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 });
        }
        let crc = !crc;
        crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
    }

    /// The events of the one file in `folder`, every checksum tried.
    fn events(folder: &Path) -> Vec<Event> {
        let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        let (bytes, mut events) = (fs::read(&files[0]).unwrap(), Vec::new());
        let mut rest = &bytes[..];
        while let Some((size, _)) = rest.split_first_chunk() {
            let end = 12 + u64::from_le_bytes(*size) as usize;
            assert_eq!(rest[8..12], plain_checksum(&rest[..8]), "of the length");
            assert_eq!(rest[end..end + 4], plain_checksum(&rest[12..end]), "of the event");
            events.push(Event::decode(&rest[12..end]).unwrap());
            rest = &rest[end + 4..];
        }
        assert_eq!(rest, b"", "whole records");
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
        assert_eq!(events[0].file_version(), "brain.Event:2");
        let steps: Vec<i64> = events[1..].iter().map(|event| event.step).collect();
        assert_eq!(steps, [1, 2, 3]);
        let value = |event: &Event, key: &str| {
            let values = event.summary.clone().unwrap().value;
            values.into_iter().find(|value| value.tag == key).unwrap()
        };
        let reward = |event: &Event| value(event, "reward/mean").simple_value.unwrap();
        assert_eq!(reward(&events[1]), 0.25);
        let sentence = |event: &Event| {
            let metadata = value(event, "reward/mean").metadata;
            metadata.map_or_else(String::new, |metadata| metadata.summary_description)
        };
        assert_eq!(
            sentence(&events[1]),
            "Mean reward of the step's responses, those left out that a grader could not judge."
        );
        assert_eq!(sentence(&events[2]), "", "once is enough");
        assert!(reward(&events[2]).is_nan());
        assert_eq!(reward(&events[3]), 0.75);
        for pair in events[1..].windows(2) {
            assert!((pair[1].wall_time - pair[0].wall_time - 10.0).abs() < 1e-3, "the run's clock");
        }
        assert!((events[2].wall_time - unix_time()).abs() < 5.0, "the last row that stays is now");
    }

    /// The bytes are those of TensorBoard's own writer (`tensorboard.compat.proto`, `RecordWriter`).
    #[test]
    fn an_event_has_the_bytes_that_tensorboard_writes() {
        let metadata = SummaryMetadata {
            plugin_data: Some(PluginData { plugin_name: "scalars".to_owned() }),
            summary_description: "Mean.".to_owned(),
            data_class: DataClass::Scalar.into(),
        };
        let value =
            vec![Value { tag: "reward/mean".to_owned(), simple_value: Some(0.0), metadata: Some(metadata) }];
        let event = Event { wall_time: 1.5, step: 7, file_version: None, summary: Some(Summary { value }) };
        let hex: String = record(&event.encode_to_vec()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "3700000000000000e7e8ca5909000000000000f83f10072a2a0a280a0b7265776172642f6d65616e\
             15000000004a140a090a077363616c6172731a054d65616e2e2001e3b49a81"
        );
    }

    #[test]
    fn files_of_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        TensorBoard::rebuild(folder.path(), &[]).unwrap();
        assert!(folder.path().join("notes.txt").exists());
    }
}
