//! `tb/`: the metrics as TensorBoard reads them; a view of `metrics.jsonl`.
//!
//! Each row is one event with a scalar per key, stored in single precision. The event's time is that of the run's
//! clock (`progress/wall_s`), counted back from the moment of opening, so that a folder written anew keeps its time
//! axis. The glossary's sentences come along as descriptions; beside the curves there are the recipe and samples as texts, the
//! settings of the run (`hparams`), and a page of the curves that people look at first (`layout`).

mod events;
mod hparams;
mod layout;
mod text;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use prost::Message;

use self::events::{DataClass, Event, PluginData, Summary, SummaryMetadata, Value, record};
use super::{About, Ending, MetricSink, Sample, glossary};
use crate::types::{MetricRow, Step};

const PREFIX: &str = "events.out.tfevents.";
const CLOCK: &str = "progress/wall_s";

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
    /// Replaces the events in `folder` by those of the run `about` with its `rows` and `samples` so far, none for a new run.
    ///
    /// # Errors
    /// If the folder cannot be created, emptied or written.
    pub(crate) fn rebuild(
        folder: &Path,
        about: &About,
        rows: &[(Step, MetricRow)],
        samples: &[Sample],
    ) -> Result<Self> {
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
        let metrics = ["root/reward_mean", "root/correct_mean"].map(str::to_owned).into_iter();
        let metrics: Vec<String> = metrics.chain(about.headlines.iter().cloned()).collect();
        let mut values = hparams::begin(about, &metrics, this.start).to_vec();
        values.extend([layout::value(), text::recipe(&about.toml)]);
        this.append_texts(0, this.start, values)?;
        let mut samples = samples.iter().peekable();
        for (step, row) in rows {
            let event = this.event(*step, row);
            while let Some(sample) = samples.next_if(|sample| sample.step <= *step) {
                this.append_texts(sample.step, event.wall_time, vec![text::sample(sample)])?;
            }
            this.append(&event)?;
        }
        for sample in samples {
            this.append_texts(sample.step, now, vec![text::sample(sample)])?;
        }
        this.flush()?;
        Ok(this)
    }

    /// Writes what is no row.
    fn append_texts(&mut self, step: Step, wall_time: f64, value: Vec<Value>) -> Result<()> {
        let summary = Some(Summary { value });
        self.append(&Event { wall_time, step: step.cast_signed(), file_version: None, summary })
    }

    fn event(&mut self, step: Step, row: &MetricRow) -> Event {
        let mut value = Vec::new();
        for (key, number) in row.iter() {
            // As in `metrics.jsonl`, whatever is not finite becomes NaN.
            let number = if number.is_finite() { number as f32 } else { f32::NAN };
            let metadata = if self.explained.insert(key.to_owned()) { explanation(key) } else { None };
            let scalar = Value { tag: key.to_owned(), simple_value: Some(number), metadata, tensor: None };
            value.push(scalar);
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

    fn sample(&mut self, sample: &Sample) -> Result<()> {
        self.append_texts(sample.step, unix_time(), vec![text::sample(sample)])?;
        self.flush()
    }

    fn end(&mut self, ending: &Ending) {
        let now = unix_time();
        // A run that has ended well does not fail over this.
        _ = self.append_texts(0, now, vec![hparams::end(ending, now)]).and_then(|()| self.flush());
    }
}

/// The glossary's sentence for `key`, which TensorBoard looks for beside the key's first value.
fn explanation(key: &str) -> Option<SummaryMetadata> {
    let entry = glossary::explain(key)?;
    let unit = if entry.unit.is_empty() { String::new() } else { format!(" [{}]", entry.unit) };
    Some(SummaryMetadata {
        plugin_data: Some(PluginData { plugin_name: "scalars".to_owned(), content: Vec::new() }),
        summary_description: format!("{}{unit}", entry.meaning),
        data_class: DataClass::Scalar.into(),
    })
}

/// Seconds since 1970.
fn unix_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn about() -> About {
        About {
            name: "tiny".into(),
            toml: "[run]\nname = \"tiny\"".into(),
            recipe: serde_json::json!({"optim": {"lr": 0.5}}),
            headlines: vec!["eval/heldout/avg@4".into()],
            ..About::default()
        }
    }

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
        let sample = |step| Sample { step, prompt: "asked".into(), gold: "7".into(), ..Sample::default() };
        let samples = [sample(2)];
        let mut board = TensorBoard::rebuild(folder.path(), &about(), &[], &[]).unwrap();
        (1..9).for_each(|step| board.write(step, &row(1.0, 0.0)).unwrap());
        drop(board);
        let mut board = TensorBoard::rebuild(folder.path(), &about(), &rows, &samples).unwrap();
        board.sample(&sample(3)).unwrap();
        board.write(3, &row(0.75, 30.0)).unwrap();
        board.end(&Ending::Done);

        let mut events = events(folder.path());
        assert_eq!(events[0].file_version(), "brain.Event:2");
        let of = |event: &Event| (event.step, event.summary.clone().unwrap().value[0].tag.clone());
        let texts: Vec<_> = events
            .extract_if(1.., |event| !of(event).1.contains('/') || of(event).1.starts_with('_'))
            .collect();
        let told: Vec<_> = texts.iter().map(of).collect();
        let expected =
            [(0, "_hparams_/experiment"), (2, "samples"), (3, "samples"), (0, "_hparams_/session_end_info")];
        assert_eq!(told, expected.map(|(step, tag)| (step, tag.to_owned())));
        let asked = String::from_utf8(
            texts[1].summary.clone().unwrap().value[0].tensor.clone().unwrap().string_val[0].clone(),
        );
        assert!(asked.unwrap().contains("\n    asked\n"));
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
            plugin_data: Some(PluginData { plugin_name: "scalars".to_owned(), content: Vec::new() }),
            summary_description: "Mean.".to_owned(),
            data_class: DataClass::Scalar.into(),
        };
        let value = vec![Value {
            tag: "reward/mean".to_owned(),
            simple_value: Some(0.0),
            metadata: Some(metadata),
            tensor: None,
        }];
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
        TensorBoard::rebuild(folder.path(), &about(), &[], &[]).unwrap();
        assert!(folder.path().join("notes.txt").exists());
    }
}
