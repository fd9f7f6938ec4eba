//! The way through the shape of a recipe, its sentences and its defaults at once.

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::{Entry, LeftOut, Section, Variant, words::Words};
use crate::{
    recipe::{
        Recipe,
        explain::heading,
        fault::read,
        schema::{Key, Shape, TYPE, Takes},
    },
    types::Rules,
};

/// What was seen on the way.
#[derive(Default)]
pub(super) struct Walk {
    pub sections: Vec<Section>,
}

/// Puts the table of a section into a document that holds little else.
type Place<'a> = &'a dyn Fn(Table) -> Table;

/// The smallest recipe that has a section, seen from that section.
struct Smallest {
    /// What is written of the section, defaults included.
    written: Table,
    /// What the keys of the whole recipe may be.
    rules: Rules,
    /// Path of the section in rules, which number the entries of lists.
    path: String,
}

impl Walk {
    /// The section of `shape` at `path`, a list's first entry as `reward.0`, and those within it.
    ///
    /// # Errors
    /// If the smallest section is none that can be read and written.
    pub(super) fn section(
        &mut self,
        shape: &Shape,
        words: Words<'_>,
        path: &str,
        place: Place<'_>,
    ) -> Result<()> {
        let words = words.within();
        let at = self.sections.len();
        let (shown, about) = (without_numbers(path), words.sentence());
        self.sections.push(Section { path: shown, is_list: shape.list, about, variants: Vec::new() });
        for (name, keys) in &shape.variants {
            // A choice without words is none of the program's but one that its tests add.
            let Some(own) = name.map_or(Some(words), |name| words.variant(name)) else { continue };
            let field = |key: &Key| own.field(key.name).or(words.field(key.name));
            let table = smallest(*name, keys);
            let recipe = Smallest::new(place(table.clone()), path)
                .with_context(|| format!("the reference of {}", heading(path, shape.list)))?;
            let about = name.map(|_| own.sentence()).unwrap_or_default();
            let entries = keys.iter().map(|key| recipe.entry(key, field(key))).collect();
            self.sections[at].variants.push(Variant { name: *name, about, keys: entries });
            for key in keys {
                let (Takes::Tables(inner), Some(words)) = (&key.takes, field(key)) else { continue };
                let path = join(path, key.name) + if inner.list { ".0" } else { "" };
                let place_within = |within| place(put(&table, key.name, within, inner.list));
                self.section(inner, words, &path, &place_within)?;
            }
        }
        Ok(())
    }
}

impl Smallest {
    fn new(document: Table, path: &str) -> Result<Self> {
        let recipe: Recipe = read(&document)?;
        let written = Value::try_from(&recipe)?;
        let mut steps = path.split('.').filter(|step| !step.is_empty());
        let section = steps.try_fold(&written, |value, step| match step.parse::<usize>() {
            Ok(index) => value.get(index),
            Err(_) => value.get(step),
        });
        let written = section.and_then(Value::as_table).cloned().unwrap_or_default();
        Ok(Self { written, rules: recipe.rules(), path: path.to_owned() })
    }

    fn entry(&self, key: &Key, words: Option<Words<'_>>) -> Entry {
        let path = join(&self.path, key.name);
        let (takes, section) = match &key.takes {
            Takes::Tables(shape) if shape.list => {
                ("a list of tables".to_owned(), Some(without_numbers(&path)))
            }
            Takes::Tables(_) => ("a table".to_owned(), Some(without_numbers(&path))),
            Takes::Choice(_) => ("a name".to_owned(), None),
            Takes::Plain(takes) => (takes.clone(), None),
        };
        let range: Vec<String> = self.rules.of(&path).map(str::to_owned).collect();
        // A rule says it better than the type.
        let takes = if range.is_empty() { takes } else { takes.replace(", 0 or more", "") };
        Entry {
            name: key.name,
            takes,
            choices: words
                .filter(|_| section.is_none())
                .map(|words| words.within().choices())
                .unwrap_or_default(),
            left_out: self.left_out(key),
            range,
            about: words.map(Words::sentence).unwrap_or_default(),
            section,
        }
    }

    fn left_out(&self, key: &Key) -> LeftOut {
        match self.written.get(key.name) {
            _ if key.required => LeftOut::Refused,
            None => LeftOut::Nothing,
            Some(Value::Table(table)) => match table.get(TYPE) {
                Some(chosen) => LeftOut::Value(format!("{TYPE} = {chosen}")),
                None => LeftOut::Defaults,
            },
            Some(value) => LeftOut::Value(plain(value)),
        }
    }
}

/// A value that is no table, as the reference writes it.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        // With an exponent where that is shorter.
        Value::Float(number) => format!("{number:?}"),
        value => value.to_string(),
    }
}

/// The table of one choice of `type` that holds no more than it has to.
fn smallest(variant: Option<&str>, keys: &[Key]) -> Table {
    let required = keys.iter().filter(|key| key.required);
    let entries = required.map(|key| (key.name.to_owned(), key.sample.clone()));
    variant.map(|name| (TYPE.to_owned(), name.into())).into_iter().chain(entries).collect()
}

/// `table` with the table `within` it, or a list of that, as `key`.
fn put(table: &Table, key: &str, within: Table, is_list: bool) -> Table {
    let within = Value::Table(within);
    let within = if is_list { Value::Array(vec![within]) } else { within };
    table.clone().into_iter().chain([(key.to_owned(), within)]).collect()
}

/// Text on one line, in quotes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Whether `step` of a path is the number of an entry.
pub(super) fn is_number(step: &str) -> bool {
    step.parse::<usize>().is_ok()
}

/// A path without the numbers of entries.
pub(super) fn without_numbers(path: &str) -> String {
    path.split('.').filter(|step| !is_number(step)).collect::<Vec<_>>().join(".")
}
