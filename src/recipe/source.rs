//! The text of a recipe and its overrides: one document, with the place every key comes from.

use std::collections::BTreeMap;

use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::problem::{Finding, Problem, Problems};

/// A document and where its keys were written.
pub(super) struct Source {
    file: String,
    /// The document, overrides applied.
    pub table: Table,
    /// Line of the file (from 1) or override, by path of the key.
    places: BTreeMap<String, Place>,
}

#[derive(Clone, Debug)]
enum Place {
    Line(usize),
    Override(String),
}

impl Source {
    /// Parses `text`, called `file` in messages, and applies `overrides` of the form `section.key=value`.
    pub fn parse(file: &str, text: &str, overrides: &[String]) -> Result<Self, Problems> {
        let (spans, errors) = DeTable::parse_recoverable(text);
        let problem = |error: toml::de::Error| {
            let line = error.span().map(|span| line(text, span.start));
            let place = line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"));
            let message = format!("not TOML: {}", error.message().replace('\n', ", "));
            Problem { place, key: String::new(), message }
        };
        let mut problems: Vec<_> = errors.into_iter().map(problem).collect();
        let table = match text.parse::<Table>() {
            Ok(table) => table,
            Err(error) => {
                if problems.is_empty() {
                    problems.push(problem(error));
                }
                Table::new()
            }
        };
        let mut source = Self { file: file.to_owned(), table, places: BTreeMap::new() };
        source.note_lines(text, "", spans.get_ref());
        let readable = problems.is_empty();
        for entry in overrides {
            let message = match apply(&mut source.table, entry) {
                Ok(path) => {
                    let below = format!("{path}.");
                    source.places.retain(|key, _| *key != path && !key.starts_with(&below));
                    source.places.insert(path, Place::Override(entry.clone()));
                    continue;
                }
                // Whether the path exists is only known of a document that could be read.
                Err(Refusal::Path(_)) if !readable => continue,
                Err(Refusal::Path(message) | Refusal::Syntax(message)) => message,
            };
            problems.push(Problem { place: format!("--set {entry}"), key: String::new(), message });
        }
        if problems.is_empty() { Ok(source) } else { Err(Problems(problems)) }
    }

    /// Puts findings into their places, in the order of the file.
    pub fn place(&self, findings: Vec<Finding>) -> Problems {
        let mut placed: Vec<_> = findings
            .into_iter()
            .map(|Finding { mut keys, message }| {
                let key = if keys.is_empty() { String::new() } else { keys.swap_remove(0) };
                let (order, place) = match self.find(&key) {
                    Some(Place::Line(line)) => (*line, format!("{}:{line}", self.file)),
                    Some(Place::Override(entry)) => (usize::MAX, format!("--set {entry}")),
                    None => (0, self.file.clone()),
                };
                (order, Problem { place, key, message })
            })
            .collect();
        placed.sort_by_key(|(order, _)| *order);
        Problems(placed.into_iter().map(|(_, problem)| problem).collect())
    }

    /// Place of a key, or of the nearest table around it that was written.
    fn find(&self, key: &str) -> Option<&Place> {
        self.places.get(key).or_else(|| self.find(key.rsplit_once('.')?.0))
    }

    fn note_lines(&mut self, text: &str, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path =
                if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
            self.places.insert(path.clone(), Place::Line(line(text, key.span().start)));
            match value.get_ref() {
                DeValue::Table(inner) => self.note_lines(text, &path, inner),
                DeValue::Array(items) => {
                    for (index, item) in items.iter().enumerate() {
                        let path = format!("{path}.{index}");
                        self.places.insert(path.clone(), Place::Line(line(text, item.span().start)));
                        if let DeValue::Table(inner) = item.get_ref() {
                            self.note_lines(text, &path, inner);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// Why an override was not applied.
enum Refusal {
    /// It is not of the form `section.key=value`.
    Syntax(String),
    /// Its path leads nowhere in this document.
    Path(String),
}

/// Sets the key that `entry` names and returns its path.
fn apply(table: &mut Table, entry: &str) -> Result<String, Refusal> {
    let form = "write --set section.key=value";
    let Some((path, text)) = entry.split_once('=') else {
        return Err(Refusal::Syntax(format!("there is no `=`; {form}")));
    };
    let path = path.trim();
    let mut names = path.split('.').collect::<Vec<_>>();
    let Some(last) = names.pop().filter(|_| !path.split('.').any(str::is_empty)) else {
        return Err(Refusal::Syntax(format!("`{path}` is not a path of keys; {form}")));
    };
    let value = value(text.trim()).map_err(Refusal::Syntax)?;
    let mut walked = String::new();
    let mut slot: Slot<'_> = Slot::Table(table);
    for name in names {
        let next = slot.descend(name).map_err(|reason| Refusal::Path(format!("{walked}{reason}")))?;
        walked = format!("{walked}{name}.");
        slot = next;
    }
    slot.set(last, value).map_err(|reason| Refusal::Path(format!("{walked}{reason}")))?;
    Ok(path.to_owned())
}

/// Something that holds values by name or by number.
enum Slot<'a> {
    Table(&'a mut Table),
    Array(&'a mut Vec<Value>),
}

impl<'a> Slot<'a> {
    fn descend(self, name: &str) -> Result<Self, String> {
        let value = match self {
            Self::Table(table) => table.entry(name).or_insert_with(|| Table::new().into()),
            Self::Array(items) => item(items, name)?,
        };
        match value {
            Value::Table(table) => Ok(Slot::Table(table)),
            Value::Array(items) => Ok(Slot::Array(items)),
            _ => Err(format!("{name} is a value, it has no keys; set it as a whole")),
        }
    }

    fn set(self, name: &str, value: Value) -> Result<(), String> {
        match self {
            Self::Table(table) => {
                table.insert(name.to_owned(), value);
            }
            Self::Array(items) => *item(items, name)? = value,
        }
        Ok(())
    }
}

fn item<'a>(items: &'a mut [Value], name: &str) -> Result<&'a mut Value, String> {
    let length = items.len();
    name.parse::<usize>()
        .ok()
        .and_then(|index| items.get_mut(index))
        .ok_or_else(|| format!("{name} does not exist; this is a list of {length}, counted from 0"))
}

/// A value in TOML's syntax; a bare word is a string.
fn value(text: &str) -> Result<Value, String> {
    match text.parse::<Value>() {
        Ok(value) => Ok(value),
        Err(error) if text.is_empty() || text.starts_with(['"', '\'', '[', '{']) => {
            Err(format!("`{text}` is not a TOML value: {}", error.message().replace('\n', ", ")))
        }
        Err(_) => Ok(Value::String(text.to_owned())),
    }
}

fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}
