//! What a file holds whose columns nobody has named: its columns, with an example of each, and the presets that fit them.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Map, Value};

use super::preset::Preset;
use super::report::FileReport;
use super::rows::{Fault, Row, kind, rows};
use crate::types::floor_boundary;

/// What was found in a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Profile {
    /// Rows, and those that are none.
    pub report: FileReport,
    /// The columns, in the order in which they come up.
    pub columns: Vec<Column>,
    /// The presets that read the file's first rows, see [`Preset::fitting`].
    pub presets: Vec<Preset>,
}

/// A column, or a value within the nested ones of a column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Column {
    /// What a recipe calls it.
    pub path: String,
    /// What it holds, in words.
    pub kind: &'static str,
    /// The first value that is not null, as JSON.
    pub example: Value,
    /// Rows in which it is not null.
    pub n_rows: usize,
}

/// Rows that a preset must be able to read, and bytes that they may have.
const TRIED: usize = 32;
const TRIED_BYTES: usize = 64 << 20;

/// Most bytes of an example.
const EXAMPLE: usize = 1 << 20;

/// What a column of bytes that are no text holds.
const BYTES: &str = "bytes";

/// What one holds that is too large to be read.
const TOO_LARGE: &str = "too large to be read here";

/// Most columns, so that a file which makes up columns as it goes on takes no memory.
const MOST: usize = 200;

impl Profile {
    /// Looks at the first `limit` rows of `path`.
    ///
    /// # Errors
    /// If the file cannot be read, or not to its end.
    pub(crate) fn read(path: &Path, limit: usize) -> Result<Self> {
        let mut report = FileReport::new(path);
        let mut columns = Vec::new();
        let (mut first, mut bytes_left) = (Vec::new(), TRIED_BYTES);
        for row in rows(path)?.take(limit) {
            report.n_rows += 1;
            match row {
                Ok(row) => {
                    visit("", &row.fields, &mut columns);
                    for path in &row.bytes {
                        count(path.clone(), BYTES, &Value::Null, &mut columns);
                    }
                    for name in left_out(&row) {
                        count(name.to_owned(), TOO_LARGE, &Value::Null, &mut columns);
                    }
                    if first.len() < TRIED && bytes_left > 0 {
                        bytes_left = bytes_left.saturating_sub(row.fields.values().map(size).sum());
                        first.push(row);
                    }
                }
                Err(Fault::Row(error)) => report.add_broken(&error),
                Err(Fault::File(error)) => return Err(error),
            }
        }
        Ok(Self { report, columns, presets: Preset::fitting(&first) })
    }
}

/// The names of the columns that were not read.
fn left_out(row: &Row) -> impl Iterator<Item = &str> {
    let names = row.columns.iter().flat_map(|columns| columns.iter());
    names.map(String::as_str).filter(|name| !row.fields.contains_key(*name))
}

/// Bytes of the texts within `value`, and some for each value.
fn size(value: &Value) -> usize {
    let inner = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + size(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    inner + size_of::<Value>()
}

/// `value` as far as `left` bytes go.
fn cut(value: &Value, left: &mut usize) -> Value {
    let taken = size_of::<Value>();
    *left = left.saturating_sub(taken);
    match value {
        Value::String(text) => {
            let end = floor_boundary(text, *left);
            *left -= end.min(*left);
            Value::String(text[..end].to_owned())
        }
        Value::Array(items) => items.iter().map_while(|item| (*left > 0).then(|| cut(item, left))).collect(),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map_while(|(name, value)| (*left > name.len()).then(|| (name.clone(), cut(value, left))));
            fields.collect()
        }
        other => other.clone(),
    }
}

/// Counts the values of `fields`, which lie behind `prefix`. Of lists the first item is looked into where it is nested.
fn visit(prefix: &str, fields: &Map<String, Value>, columns: &mut Vec<Column>) {
    for (name, value) in fields {
        let path = format!("{prefix}{name}");
        match value {
            Value::Null => {}
            Value::Object(inner) => visit(&format!("{path}."), inner, columns),
            Value::Array(items) => match items.first() {
                Some(Value::Object(inner)) => visit(&format!("{path}.0."), inner, columns),
                _ => count(path, kind(value), value, columns),
            },
            _ => count(path, kind(value), value, columns),
        }
    }
}

fn count(path: String, kind: &'static str, value: &Value, columns: &mut Vec<Column>) {
    if let Some(column) = columns.iter_mut().find(|column| column.path == path) {
        column.n_rows += 1;
    } else if columns.len() < MOST {
        let mut left = EXAMPLE;
        columns.push(Column { path, kind, example: cut(value, &mut left), n_rows: 1 });
    }
}
