//! What a file holds whose columns nobody has named: its columns, with an example of each, and the presets that fit them.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Map, Value};

use super::preset::Preset;
use super::report::FileReport;
use super::rows::{Fault, kind, rows};

/// What was found in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Rows, and those that are none.
    pub report: FileReport,
    /// The columns, in the order in which they come up.
    pub columns: Vec<Column>,
    /// The presets that read the file's first rows, see [`Preset::fitting`].
    pub presets: Vec<Preset>,
}

/// A column, or a value within the nested ones of a column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// What a recipe calls it.
    pub path: String,
    /// What it holds, in words.
    pub kind: &'static str,
    /// The first value that is not null, as JSON.
    pub example: Value,
    /// Rows in which it is not null.
    pub n_rows: usize,
}

/// Rows that a preset must be able to read.
const TRIED: usize = 32;

/// What a column of bytes that are no text holds.
const BYTES: &str = "bytes";

/// Most columns, so that a file which makes up columns as it goes on takes no memory.
const MOST: usize = 200;

impl Profile {
    /// Looks at the first `limit` rows of `path`.
    ///
    /// # Errors
    /// If the file cannot be read, or not to its end.
    pub fn of(path: &Path, limit: usize) -> Result<Self> {
        let mut report = FileReport::new(path);
        let mut columns = Vec::new();
        let mut first = Vec::new();
        for row in rows(path)?.take(limit) {
            report.n_rows += 1;
            match row {
                Ok(row) => {
                    visit("", &row.fields, &mut columns);
                    for path in &row.bytes {
                        count(path.clone(), BYTES, &Value::Null, &mut columns);
                    }
                    if first.len() < TRIED {
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
        columns.push(Column { path, kind, example: value.clone(), n_rows: 1 });
    }
}
