//! Rows of data files, one at a time: JSONL, JSON and Parquet, by the ending of the name.
//!
//! ```text
//! .jsonl .ndjson   an object in each line; blank lines are passed over; standard input too
//! .json            an array of objects, an item at a time
//! .parquet         row groups, one after the other, a batch of values of each column at a time
//! ```

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use serde_json::{Map, Value};

use super::array::Items;
use super::parquet::Parquet;
pub(crate) use crate::data::jsonl::Fault;
use crate::data::jsonl::Lines;
use crate::files::STDIN;

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// Where it was read: `file:number`, the number of its line or, where there are no lines, of the row, from 1.
    pub place: String,
    /// Its values by column.
    pub fields: Map<String, Value>,
    /// Paths of values that are bytes and no text; among `fields` they are null.
    pub bytes: Vec<String>,
    /// The names of all columns of the file, where not all are read.
    pub columns: Option<Arc<[String]>>,
}

impl Row {
    /// The names of the columns.
    pub(crate) fn names(&self) -> Vec<&str> {
        match &self.columns {
            Some(columns) => columns.iter().map(String::as_str).collect(),
            None => self.fields.keys().map(String::as_str).collect(),
        }
    }
}

/// Rows as they are read. Nothing follows a [`Fault::File`].
pub(crate) type Rows = Box<dyn Iterator<Item = Result<Row, Fault>>>;

/// Endings of the names of files that can be read.
const ENDINGS: &str = ".jsonl, .ndjson, .json or .parquet";

/// The rows of the file `path`, with all columns but those too large to be read.
///
/// # Errors
/// If it is no file or cannot be opened, its name ends in nothing known, or it is not what its name says.
pub(crate) fn rows(path: &Path) -> Result<Rows> {
    open(path, None)
}

/// The rows of the file `path`, with the columns at least whose names are `wanted`.
///
/// # Errors
/// As of [`rows`], or if one of these is too large to be read.
pub(crate) fn rows_with(path: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Rows> {
    open(path, Some(wanted))
}

fn open(path: &Path, wanted: Option<&dyn Fn(&str) -> bool>) -> Result<Rows> {
    // Standard input has no name that says what it is.
    if path == Path::new(STDIN) {
        return Ok(Box::new(Lines::open(path)?.map(row)));
    }
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "jsonl" | "ndjson" => Ok(Box::new(Lines::open(path)?.map(row))),
        "json" => Ok(Box::new(Items::open(path)?.map(row))),
        "parquet" => Ok(Box::new(Parquet::open(path, wanted)?)),
        _ => {
            let name = path.display();
            bail!("{name}: the name ends in no format that can be read; expected {ENDINGS}")
        }
    }
}

fn row(read: Result<(String, Value), Fault>) -> Result<Row, Fault> {
    match read? {
        (place, Value::Object(fields)) => Ok(Row { place, fields, bytes: Vec::new(), columns: None }),
        (place, other) => Err(Fault::Row(anyhow!("{place}: got {}, expected an object", kind(&other)))),
    }
}

/// What `value` is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
