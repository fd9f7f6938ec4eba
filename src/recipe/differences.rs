//! Two recipes side by side.

use std::{collections::BTreeSet, fmt};

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::change::Effect;
use super::{Recipe, place::make_whole};

/// Stands for the value of a key that a recipe has not.
pub(super) const ABSENT: &str = "absent";

/// A key that two recipes set differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Path of the key: `optim.lr`.
    pub key: String,
    /// Its value in this recipe, in TOML's syntax; "absent" where it has none.
    pub here: String,
    /// Its value in the other recipe.
    pub there: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} here, {} there", self.key, self.here, self.there)
    }
}

impl Recipe {
    /// The keys in which the courses of two runs differ, defaults filled in, sorted.
    ///
    /// Left out are keys of [`Effect::Nothing`]. `run.steps` is one where no step goes by how many there are, since a longer run then
    /// begins with exactly the shorter one; a decay ends at the last step, so there its length shapes every step. `[eval]` counts, since
    /// its metrics would no longer be those of one run.
    ///
    /// # Errors
    /// If a path is not valid UTF-8.
    pub(crate) fn differences(&self, other: &Self) -> Result<Vec<Difference>> {
        let counts = |found: &Difference| self.effect(&found.key, other) != Effect::Nothing;
        Ok(differing(self, other)?.into_iter().filter(counts).collect())
    }

    /// Every key with its value, tables opened, by path.
    pub(super) fn entries(&self) -> Result<Table> {
        let mut recipe = Table::try_from(self).context("the recipe cannot be written as TOML")?;
        make_whole(&mut recipe);
        Ok(opened(recipe))
    }
}

/// Every key of a document with its value, tables opened, by path.
#[must_use]
pub(crate) fn opened(document: Table) -> Table {
    let mut entries = Table::new();
    flatten("", Value::Table(document), &mut entries);
    entries
}

/// Every key in which `one` differs from `other`, sorted; `chat.now` does where neither leaves it to the other's start.
pub(super) fn differing(one: &Recipe, other: &Recipe) -> Result<Vec<Difference>> {
    let (here, there) = (one.entries()?, other.entries()?);
    let absent = || ABSENT.to_owned();
    let keys: BTreeSet<_> = here.keys().chain(there.keys()).collect();
    let is_left_open = |key: &str| key == "chat.now" && (!here.contains_key(key) || !there.contains_key(key));
    let differ = |key: &&String| here.get(*key) != there.get(*key) && !is_left_open(key);
    let differing = keys.into_iter().filter(differ).map(|key| Difference {
        key: key.clone(),
        here: here.get(key).map_or_else(absent, Value::to_string),
        there: there.get(key).map_or_else(absent, Value::to_string),
    });
    Ok(differing.collect())
}

/// Whether `key` is `known` or lies within it.
#[must_use]
pub(crate) fn reaches(known: &str, key: &str) -> bool {
    key.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What [`Recipe::entries`] came from: tables in tables, and lists where all keys of one are numbers from 0 on.
pub(super) fn unflattened(entries: Table) -> Result<Table> {
    Ok(nested(entries)?.into_iter().map(|(key, value)| (key, with_lists(value))).collect())
}

/// `entries` as tables in tables, those of a list by their numbers.
pub(super) fn nested(entries: Table) -> Result<Table> {
    let mut whole = Table::new();
    for (path, value) in entries {
        let mut table = &mut whole;
        let (parents, last) = path.rsplit_once('.').map_or((None, path.as_str()), |(a, b)| (Some(a), b));
        for name in parents.into_iter().flat_map(|parents| parents.split('.')) {
            let inner = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
            table = inner.as_table_mut().with_context(|| format!("{path}: {name} is no table"))?;
        }
        table.insert(last.to_owned(), value);
    }
    Ok(whole)
}

fn with_lists(value: Value) -> Value {
    let Value::Table(table) = value else { return value };
    let mut numbered: Vec<(usize, Value)> = Vec::new();
    for (key, value) in &table {
        match key.parse() {
            Ok(number) => numbered.push((number, value.clone())),
            Err(_) => {
                return Value::Table(
                    table.into_iter().map(|(key, value)| (key, with_lists(value))).collect(),
                );
            }
        }
    }
    if numbered.is_empty() {
        return Value::Table(table);
    }
    numbered.sort_by_key(|(number, _)| *number);
    Value::Array(numbered.into_iter().map(|(_, value)| with_lists(value)).collect())
}

fn flatten(path: &str, value: Value, entries: &mut Table) {
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        // An empty section, such as [chat], is not the same as none.
        Value::Table(table) if !table.is_empty() => {
            for (key, value) in table {
                flatten(&join(&key), value, entries);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_table) => {
            for (index, value) in items.into_iter().enumerate() {
                flatten(&join(&index.to_string()), value, entries);
            }
        }
        value => {
            entries.insert(path.to_owned(), value);
        }
    }
}
