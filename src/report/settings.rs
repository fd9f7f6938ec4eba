//! What runs were told: keys that differ from their defaults, and those in which runs differ.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde::Serialize;
use toml::{Table, Value};

use crate::files::read_regular_text;
use crate::recipe::{Departure, Reference, opened};
use crate::run_folder::RunFolder;
use crate::types::masked;

/// Keys of which everybody knows that runs differ in them.
const EXPECTED: &str = "run.name";

/// A key in which runs differ.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Differing {
    /// Its path.
    pub key: String,
    /// Its value in each of the runs, in TOML's syntax; `None` where it has none.
    pub values: Vec<Option<String>>,
}

/// The recipe of the run in `folder`, every default filled in.
///
/// # Errors
/// If it cannot be read.
pub(super) fn resolved(folder: &RunFolder) -> Result<Table> {
    let path = folder.resolved();
    let text = read_regular_text(&path, 64 << 20).with_context(|| path.display().to_string())?;
    // The whole message of the parser would quote the line.
    text.parse().map_err(|error: toml::de::Error| anyhow::anyhow!("{}: {}", path.display(), error.message()))
}

/// The keys of the recipe `document` that differ from their defaults.
///
/// # Errors
/// If the program cannot say what its defaults are.
pub(super) fn departures(document: &Table) -> Result<Vec<Departure>> {
    let mut found = Reference::of_program()?.departures(document);
    for one in &mut found {
        one.value = masked(&one.value);
    }
    Ok(found)
}

/// The keys in which the recipes differ; `None` stands for one that is not known.
pub(super) fn differing(recipes: &[Option<Table>]) -> Vec<Differing> {
    let known: Vec<Option<Table>> = recipes.iter().map(|one| one.clone().map(opened)).collect();
    let keys: BTreeSet<&String> = known.iter().flatten().flat_map(Table::keys).collect();
    let differs = |key: &str| {
        let mut values = known.iter().flatten().map(|one| one.get(key));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let of = |key: &str| {
        let shown = |value: &Value| masked(&value.to_string());
        let value = |one: &Option<Table>| one.as_ref().and_then(|one| one.get(key)).map(shown);
        Differing { key: key.to_owned(), values: known.iter().map(value).collect() }
    };
    keys.into_iter().filter(|key| *key != EXPECTED && differs(key)).map(|key| of(key)).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn keys_in_which_runs_differ_are_told_side_by_side() {
        let recipe = |text: &str| Some(text.parse::<Table>().unwrap());
        let recipes = [
            recipe("[run]\nname = \"a\"\nsteps = 3\n[optim]\nlr = 0.1\n"),
            None,
            recipe("[run]\nname = \"b\"\nsteps = 3\n[optim]\nlr = 0.2\n[[credit]]\ntype = \"rhythm\"\n"),
        ];
        let found: Vec<(String, Vec<Option<String>>)> =
            differing(&recipes).into_iter().map(|one| (one.key, one.values)).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            [
                ("credit.0.type".to_owned(), vec![None, None, some("\"rhythm\"")]),
                ("optim.lr".to_owned(), vec![some("0.1"), None, some("0.2")])
            ]
        );
        assert_eq!(differing(&recipes[..2]), []);
    }
}
