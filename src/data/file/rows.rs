//! Rows of data files, one at a time: JSONL, JSON and Parquet, by the ending of the name.
//!
//! ```text
//! .jsonl .ndjson   an object in each line; blank lines are passed over
//! .json            an array of objects, read as a whole
//! .parquet         row groups, one after the other, a batch of values of each column at a time
//! ```

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use anyhow::{Context, Error, Result, anyhow, bail};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::TreeBuilder;
use serde_json::{Map, Value};

use crate::data::jsonl::without_line;

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Where it was read: `file:number`, the number of its line or, where there are no lines, of the row, from 1.
    pub place: String,
    /// Its values by column.
    pub fields: Map<String, Value>,
}

/// Why there is no row where one was looked for; both name the place.
#[derive(Debug)]
pub enum Fault {
    /// It is no row; those behind it can be read.
    Row(Error),
    /// The file cannot be read on.
    File(Error),
}

/// Rows as they are read. Nothing follows a [`Fault::File`].
pub type Rows = Box<dyn Iterator<Item = Result<Row, Fault>>>;

/// Endings of the names of files that can be read.
const ENDINGS: &str = ".jsonl, .ndjson, .json or .parquet";

/// With which some programs begin a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The rows of the file `path`.
///
/// # Errors
/// If the file cannot be opened, its name ends in nothing known, or it is not what its name says.
pub fn rows(path: &Path) -> Result<Rows> {
    let name = path.display().to_string();
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    let unreadable = || format!("{name}: cannot be read");
    match ending.as_str() {
        "jsonl" | "ndjson" => {
            let file = File::open(path).with_context(unreadable)?;
            Ok(Box::new(lines(BufReader::new(file), name)))
        }
        "json" => {
            let content = fs::read(path).with_context(unreadable)?;
            let values: Vec<Value> = serde_json::from_slice(without_mark(&content))
                .with_context(|| format!("{name}: expected one array of objects"))?;
            let numbered = (1..).zip(values);
            Ok(Box::new(numbered.map(move |(number, value)| row(format!("{name}:{number}"), value))))
        }
        "parquet" => {
            let file = File::open(path).with_context(unreadable)?;
            Ok(Box::new(Parquet::new(file, name)?))
        }
        _ => bail!("{name}: the name ends in no format that can be read; expected {ENDINGS}"),
    }
}

fn row(place: String, value: Value) -> Result<Row, Fault> {
    match value {
        Value::Object(fields) => Ok(Row { place, fields }),
        other => Err(Fault::Row(anyhow!("{place}: got {}, expected an object", kind(&other)))),
    }
}

/// What `value` is, in words.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn without_mark(content: &[u8]) -> &[u8] {
    content.strip_prefix(BYTE_ORDER_MARK).unwrap_or(content)
}

fn lines(mut reader: impl BufRead, name: String) -> impl Iterator<Item = Result<Row, Fault>> {
    let mut number = 0;
    let mut line = Vec::new();
    let mut failed = false;
    std::iter::from_fn(move || {
        while !failed {
            number += 1;
            line.clear();
            let place = format!("{name}:{number}");
            let end = match reader.read_until(b'\n', &mut line) {
                Ok(end) => end,
                Err(error) => {
                    failed = true;
                    let error = Error::new(error).context(format!("{place}: cannot be read"));
                    return Some(Err(Fault::File(error)));
                }
            };
            if end == 0 {
                return None;
            }
            let content = if number == 1 { without_mark(&line) } else { &line };
            let content = content.trim_ascii_end();
            if !content.is_empty() {
                let broken = |error| Fault::Row(anyhow!("{place}: {}", without_line(&error)));
                let value = serde_json::from_slice(content).map_err(broken);
                return Some(value.and_then(|value| row(place, value)));
            }
        }
        None
    })
}

/// Rows of a Parquet file.
struct Parquet {
    reader: SerializedFileReader<File>,
    name: String,
    /// The next row group.
    group: usize,
    /// Rows of the current one.
    rows: Box<dyn Iterator<Item = Result<parquet::record::Row, ParquetError>>>,
    /// Rows read so far.
    number: usize,
    failed: bool,
}

impl Parquet {
    fn new(file: File, name: String) -> Result<Self> {
        let reader = SerializedFileReader::new(file).with_context(|| {
            format!("{name}: not a whole Parquet file; if it was downloaded, download it again")
        })?;
        Ok(Self { reader, name, group: 0, rows: Box::new(std::iter::empty()), number: 0, failed: false })
    }

    /// Opens the next row group; `None` behind the last.
    fn advance(&mut self) -> Option<Result<(), ParquetError>> {
        let metadata = self.reader.metadata();
        let open = |group| {
            let reader = self.reader.get_row_group(group)?;
            TreeBuilder::new().as_iter(metadata.file_metadata().schema_descr_ptr(), &*reader)
        };
        let rows = (self.group < metadata.num_row_groups()).then(|| open(self.group))?;
        self.group += 1;
        Some(rows.map(|rows| self.rows = Box::new(rows)))
    }

    /// The next row as it is stored; `None` behind the last.
    fn read(&mut self) -> Option<Result<parquet::record::Row, ParquetError>> {
        loop {
            if let Some(read) = self.rows.next() {
                return Some(read);
            }
            if let Err(error) = self.advance()? {
                return Some(Err(error));
            }
        }
    }
}

impl Iterator for Parquet {
    type Item = Result<Row, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        // The crate panics over some damages. Nothing is read of it after that.
        let read = panic::catch_unwind(AssertUnwindSafe(|| self.read()));
        let damaged = |_| Some(Err(ParquetError::General("the file is damaged".to_owned())));
        let read = read.unwrap_or_else(damaged)?;
        self.number += 1;
        let place = format!("{}:{}", self.name, self.number);
        Some(match read {
            Ok(read) => row(place, read.to_json_value()),
            Err(error) => {
                self.failed = true;
                Err(Fault::File(anyhow!("{place}: cannot be read: {error}")))
            }
        })
    }
}
