//! The text of a recipe and its overrides: one document, with the place every key comes from.

use std::collections::{BTreeMap, BTreeSet};

use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::{
    place::settle,
    problem::{Finding, Problem, Problems},
    schema::BASE,
    syntax::{Lines, one_line},
    text::{Text, merge},
};

/// Longest path of a key that is worth knowing the place of, bytes.
const LONGEST_PATH: usize = 1000;

/// A document and where its keys were written.
pub(super) struct Source {
    /// The files, the recipe's own first.
    files: Vec<String>,
    /// All of it, as it was before the overrides.
    pub text: String,
    /// The document, overrides applied.
    pub table: Table,
    /// Where each key was written last, by its path.
    places: BTreeMap<String, Place>,
    /// Overrides that could not be applied.
    refused: Vec<(Place, String)>,
    /// What a person should know of how it was read, a sentence each.
    pub notes: Vec<String>,
}

/// Where a key was written; sorts the file before the command line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    File,
    /// In one of the files.
    Line(usize, usize),
    Override(usize, String),
}

impl Source {
    /// Parses `text` and applies `overrides` of the form `section.key=value`.
    ///
    /// # Errors
    /// If the text is not TOML; overrides that cannot be applied are kept for [`Source::place`].
    pub(super) fn parse(text: &Text, overrides: &[String]) -> Result<Self, Problems> {
        let mut source = Self {
            files: text.layers.iter().map(|layer| layer.file.clone()).collect(),
            text: text.whole(),
            ..Self::nowhere("")
        };
        for (index, layer) in text.layers.iter().enumerate().rev() {
            let places = &mut source.places;
            let mut table = layer.table()?;
            let elsewhere = settle(&mut table, &layer.file);
            source.notes.extend(note(&layer.file, elsewhere));
            merge(&mut source.table, table, "", &mut |path| forget(places, path));
            let (spans, _) = DeTable::parse_recoverable(&layer.text);
            source.note_lines(index, &Lines::parse(&layer.text), "", spans.get_ref());
        }
        for (index, entry) in overrides.iter().enumerate() {
            let place = Place::Override(index, entry.clone());
            match apply(&mut source.table, entry) {
                Ok(path) => {
                    forget(&mut source.places, &path);
                    source.places.insert(path, place);
                }
                Err(message) => source.refused.push((place, message)),
            }
        }
        // What is said on the command line begins where that is; there is a home in it, perhaps.
        settle(&mut source.table, "");
        Ok(source)
    }

    /// The source of a recipe that was read before, of which `file` is all that can be said.
    pub(super) fn nowhere(file: &str) -> Self {
        let files = vec![file.to_owned()];
        let (text, table, places) = (String::new(), Table::new(), BTreeMap::new());
        Self { files, text, table, places, refused: Vec::new(), notes: Vec::new() }
    }

    /// Everything wrong with the recipe, the refused overrides included, each in its place; `None` if nothing is.
    pub(super) fn place(self, findings: Vec<Finding>) -> Option<Problems> {
        let found = findings.into_iter().map(|Finding { keys, message }| {
            // Of several keys that do not go together, the one changed last is the likeliest culprit.
            let places = keys.iter().filter_map(|key| self.find(key));
            let changed = places.filter(|place| matches!(place, Place::Override(..))).max();
            let key = keys.first().cloned().unwrap_or_default();
            let place = changed.or_else(|| self.find(&key)).unwrap_or(&Place::File);
            (place.clone(), key, message)
        });
        let mut problems: Vec<_> = found.collect();
        problems.extend(self.refused.into_iter().map(|(place, message)| (place, String::new(), message)));
        problems.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let problems = problems.into_iter().map(|(place, key, message)| {
            let place = match place {
                Place::File => self.files[0].clone(),
                Place::Line(file, line) => format!("{}:{line}", self.files[file]),
                Place::Override(_, entry) => format!("--set {entry}"),
            };
            Problem { place, key, message }
        });
        let problems: Vec<_> = problems.collect();
        (!problems.is_empty()).then_some(Problems(problems))
    }

    /// Place of a key or something within it, or of the nearest table around it that was written.
    fn find(&self, key: &str) -> Option<&Place> {
        let below = format!("{key}.");
        let within =
            || self.places.range(below.clone()..).next().filter(|(path, _)| path.starts_with(&below));
        let here = self.places.get(key).or_else(|| within().map(|(_, place)| place));
        here.or_else(|| self.find(key.rsplit_once('.')?.0))
    }

    fn note_lines(&mut self, file: usize, lines: &Lines, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path =
                if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
            self.places.insert(path.clone(), Place::Line(file, lines.of_offset(key.span().start)));
            match value.get_ref() {
                // No key of ours is that long, so nothing below it will be looked for.
                _ if path.len() > LONGEST_PATH => {}
                DeValue::Table(inner) => self.note_lines(file, lines, &path, inner),
                DeValue::Array(items) => {
                    for (index, item) in items.iter().enumerate() {
                        let path = format!("{path}.{index}");
                        let line = lines.of_offset(item.span().start);
                        self.places.insert(path.clone(), Place::Line(file, line));
                        if let DeValue::Table(inner) = item.get_ref() {
                            self.note_lines(file, lines, &path, inner);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// That `elsewhere` are taken from the working directory, where `file` is in another folder.
fn note(file: &str, elsewhere: BTreeSet<String>) -> Option<String> {
    let paths: Vec<&str> = elsewhere.iter().map(String::as_str).collect();
    (!paths.is_empty()).then(|| {
        format!(
            "{file}: paths begin at its folder, where these are not; taken from the working directory: {}",
            paths.join(", ")
        )
    })
}

/// Drops the places of what lies within `path`.
fn forget(places: &mut BTreeMap<String, Place>, path: &str) {
    let below = format!("{path}.");
    let within = places.range(below.clone()..).map(|(key, _)| key.clone());
    let within: Vec<String> = within.take_while(|key| key.starts_with(&below)).collect();
    within.iter().for_each(|key| _ = places.remove(key));
}

/// Sets the key that `entry` names and returns its path; the error says why it could not.
fn apply(table: &mut Table, entry: &str) -> Result<String, String> {
    let form = "write --set section.key=value";
    let (path, text) = entry.split_once('=').ok_or_else(|| format!("there is no `=`; {form}"))?;
    let path = path.trim();
    if path == BASE {
        return Err(format!("`{BASE}` is said in a file; name a file that says it"));
    }
    let mut names = path.split('.').collect::<Vec<_>>();
    let last = names.pop().filter(|last| !last.is_empty() && !names.contains(&""));
    let last = last.ok_or_else(|| format!("`{path}` is not the path of a key; {form}"))?;
    let value = value(text.trim())?;
    let mut walked = String::new();
    let mut slot = Slot::Table(table);
    for (at, name) in names.iter().enumerate() {
        let of_list = names.get(at + 1).unwrap_or(&last).parse::<usize>().is_ok();
        slot = slot.descend(name, of_list).map_err(|reason| format!("`{walked}{name}` {reason}"))?;
        walked = format!("{walked}{name}.");
    }
    slot.set(last, value).map_err(|reason| format!("`{path}` {reason}"))?;
    Ok(path.to_owned())
}

/// Something that holds values by name or by number.
enum Slot<'a> {
    Table(&'a mut Table),
    Array(&'a mut Vec<Value>),
}

impl<'a> Slot<'a> {
    /// What is called `name`, where it is missing an empty table; `of_list` says that an entry of a list is wanted of it.
    fn descend(self, name: &str, of_list: bool) -> Result<Self, String> {
        let value = match self {
            Self::Table(table) if of_list && !table.contains_key(name) => {
                return Err(format!(
                    "is not in the recipe, so it has no entries; set it as a whole: --set '{name}=[{{...}}]'"
                ));
            }
            Self::Table(table) => table.entry(name).or_insert_with(|| Table::new().into()),
            Self::Array(items) => item(items, name)?,
        };
        match value {
            Value::Table(table) => Ok(Slot::Table(table)),
            Value::Array(items) => Ok(Slot::Array(items)),
            _ => Err("is a value without keys; set it as a whole".to_owned()),
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
        .ok_or_else(|| format!("does not exist; the list has {length}, counted from 0"))
}

/// A value in TOML's syntax; a bare word is a string.
fn value(text: &str) -> Result<Value, String> {
    match text.parse::<Value>() {
        Ok(value) => Ok(value),
        Err(_) if text.parse::<f64>().is_ok() => {
            Err(format!("`{text}` is not a number that TOML can write; as text, put it in quotes"))
        }
        Err(error) if text.is_empty() || text.starts_with(['"', '\'', '[', '{']) => {
            Err(format!("`{text}` is not a TOML value: {}", one_line(&error)))
        }
        Err(_) => Ok(Value::String(text.to_owned())),
    }
}
