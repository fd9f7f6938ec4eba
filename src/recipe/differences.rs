//! Two recipes side by side: what a resumed run may not change.

use std::{collections::BTreeSet, fmt};

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::{Recipe, place::make_whole};
use crate::optim::Schedule;

/// Keys that leave the course of a run alone: where it lies, how it is watched, what is kept of it, how ranks share it, how much memory
/// decoding and training take, which a run that ran out of it must be able to lower, and which servers answer. The precision is compared as it was resolved, see
/// `run::inputs`.
const FREE: &[&str] = &[
    "run.name",
    "checkpoint",
    "observe",
    "parallel",
    "sampling.max_num_seqs",
    "batch.gradient_checkpointing",
    "model.dtype",
    "engine.urls",
    "engine.weights",
    "engine.adapters",
    "engine.model",
    "engine.concurrency",
    "engine.timeout_s",
    "engine.retries",
];

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
    /// `run.name`, `[checkpoint]`, `[observe]`, `[parallel]`, `sampling.max_num_seqs`, `batch.gradient_checkpointing`, `model.dtype` and which servers answer are free. `run.steps`
    /// is free on a constant learning rate, where a longer run begins with exactly the shorter one; a decay ends at the last step, so there its length shapes every step.
    /// `chat.now` is free where one of them leaves it to the other's start. `[eval]` counts, since its metrics would no longer be those of one run.
    ///
    /// # Errors
    /// If a path is not valid UTF-8.
    pub(crate) fn differences(&self, other: &Self) -> Result<Vec<Difference>> {
        let (here, there) = (self.entries()?, other.entries()?);
        let constant = [self, other].iter().all(|recipe| recipe.optim.schedule == Schedule::Constant);
        let free = |key: &str| {
            (constant && key == "run.steps")
                || (key == "chat.now" && [&here, &there].iter().any(|recipe| !recipe.contains_key(key)))
                || FREE.iter().any(|free| {
                    key.strip_prefix(free).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                })
        };
        let absent = || "absent".to_owned();
        let keys: BTreeSet<_> = here.keys().chain(there.keys()).collect();
        let differing =
            keys.into_iter().filter(|key| !free(key) && here.get(*key) != there.get(*key)).map(|key| {
                Difference {
                    key: key.clone(),
                    here: here.get(key).map_or_else(absent, Value::to_string),
                    there: there.get(key).map_or_else(absent, Value::to_string),
                }
            });
        Ok(differing.collect())
    }

    /// Every key with its value, tables opened, by path.
    fn entries(&self) -> Result<Table> {
        let mut entries = Table::new();
        let mut recipe = Table::try_from(self).context("the recipe cannot be written as TOML")?;
        make_whole(&mut recipe);
        flatten("", Value::Table(recipe), &mut entries);
        Ok(entries)
    }
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
