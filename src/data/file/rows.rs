//! Rows of data files, one at a time: JSONL, JSON and Parquet, by the ending of the name.
//!
//! ```text
//! .jsonl .ndjson   an object in each line; blank lines are passed over
//! .json            an array of objects, read as a whole
//! .parquet         row groups, one after the other
//! ```

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Error, Result, anyhow, bail};
use parquet::file::reader::SerializedFileReader;
use serde_json::{Map, Value};

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Where it was read: `file:number`, the number of its line or, where there are no lines, of the row, from 1.
    pub place: String,
    /// Its values by column.
    pub fields: Map<String, Value>,
}

/// Rows as they are read, each with what is wrong with it if it cannot be.
pub type Rows = Box<dyn Iterator<Item = Result<Row>>>;

/// Endings of the names of files that can be read.
const ENDINGS: &str = ".jsonl, .ndjson, .json or .parquet";

/// The rows of the file `path`.
///
/// # Errors
/// If the file cannot be opened or its name ends in nothing known; then, row by row, what is wrong with each. What cannot
/// be read on is the last of them.
pub fn rows(path: &Path) -> Result<Rows> {
    let name = path.display().to_string();
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    let open = || File::open(path).with_context(|| format!("{name}: cannot be read"));
    match ending.as_str() {
        "jsonl" | "ndjson" => Ok(Box::new(lines(BufReader::new(open()?), name))),
        "json" => {
            let values: Vec<Value> = serde_json::from_reader(BufReader::new(open()?))
                .with_context(|| format!("{name}: expected one array of objects"))?;
            let numbered = (1..).zip(values);
            Ok(Box::new(numbered.map(move |(number, value)| row(format!("{name}:{number}"), value))))
        }
        "parquet" => Ok(Box::new(parquet(open()?, name)?)),
        _ => bail!("{name}: the name ends in no format that can be read; expected {ENDINGS}"),
    }
}

fn row(place: String, value: Value) -> Result<Row> {
    match value {
        Value::Object(fields) => Ok(Row { place, fields }),
        other => Err(anyhow!("{place}: got {}, expected an object", kind(&other))),
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

fn lines(mut reader: impl BufRead, name: String) -> impl Iterator<Item = Result<Row>> {
    let mut number = 0;
    let mut line = Vec::new();
    let mut next = move || -> Option<Result<Row>> {
        loop {
            number += 1;
            line.clear();
            let place = format!("{name}:{number}");
            match reader.read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => {
                    let value = serde_json::from_slice(&line);
                    return Some(value.map_err(|e| without_line(&place, &e)).and_then(|v| row(place, v)));
                }
                Err(error) => return Some(Err(unreadable(&place, error))),
            }
        }
    };
    let mut failed = false;
    std::iter::from_fn(move || {
        let row = if failed { None } else { next() };
        // After a fault of the disk nothing that follows can be trusted to be a line.
        failed = matches!(&row, Some(Err(error)) if error.is::<io::Error>());
        row
    })
}

fn unreadable(place: &str, error: io::Error) -> Error {
    Error::new(error).context(format!("{place}: cannot be read"))
}

/// The message of `error` with its column only: its line counts within the one line that was read.
fn without_line(place: &str, error: &serde_json::Error) -> Error {
    let message = error.to_string();
    let reason = message.rsplit_once(" at line ").map_or(message.as_str(), |(reason, _)| reason);
    anyhow!("{place}: {reason} at column {}", error.column())
}

fn parquet(file: File, name: String) -> Result<impl Iterator<Item = Result<Row>>> {
    let reader = SerializedFileReader::new(file).with_context(|| format!("{name}: not a Parquet file"))?;
    let mut rows = (1..).zip(reader);
    let mut failed = false;
    Ok(std::iter::from_fn(move || {
        let (number, read) = rows.next().filter(|_| !failed)?;
        let place = format!("{name}:{number}");
        failed = read.is_err();
        Some(match read {
            Ok(read) => row(place, read.to_json_value()),
            Err(error) => Err(anyhow!("{place}: cannot be read: {error}")),
        })
    }))
}
