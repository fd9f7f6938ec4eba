//! A document into a typed value, with every mistake found at once.
//!
//! Each key is judged alone, against the [`Shape`] of its table. What is wrong is reported and replaced by a sample
//! of the right type, so that the whole can be read and checked further; what was replaced is marked as untrusted.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{
    explain::{self, Here},
    fault::{self, Fault},
    paths::Paths,
    problem::Finding,
    schema::{Key, Shape, TYPE, Takes, fits, with},
};

/// What came of reading a document.
pub(super) struct Reading<T> {
    /// The value, samples in the place of what was wrong; `None` where even that did not read.
    pub value: Option<T>,
    /// What is wrong with names, types and choices.
    pub findings: Vec<Finding>,
    /// Paths whose values are not the writer's: missing, wrong, or samples.
    pub untrusted: Paths,
}

/// Reads `document`; `shape` is the shape of `T`.
pub(super) fn document<T: DeserializeOwned>(shape: &Shape, document: &Table) -> Reading<T> {
    let ask = |value| match value {
        Value::Table(document) => fault::read::<T>(&document).map(drop),
        _ => Err(Fault::Other("a document is a table".into())),
    };
    let sections = shape.keys(None).unwrap_or_default();
    let absent = sections.iter().filter(|section| !document.contains_key(section.name)).collect();
    let mut reader = Reader { root: shape, absent, findings: Vec::new(), untrusted: Paths::default() };
    let repaired = reader.table(shape, "", document, &ask);
    let value = fault::read(&repaired).map_err(|fault| reader.report("", fault.to_string())).ok();
    Reading { value, findings: reader.findings, untrusted: reader.untrusted }
}

struct Reader<'a> {
    root: &'a Shape,
    /// Sections that the document does not have.
    absent: Vec<&'a Key>,
    findings: Vec<Finding>,
    untrusted: Paths,
}

/// Puts a value into its place in an otherwise empty document and reads that.
type Ask<'a> = &'a dyn Fn(Value) -> Result<(), Fault>;

impl Reader<'_> {
    /// The entries of one table that are right, samples where a required one is not.
    fn table(&mut self, shape: &Shape, path: &str, table: &Table, ask: Ask<'_>) -> Table {
        let choices = shape.choices();
        let variant = table.get(TYPE).and_then(Value::as_str).filter(|name| choices.contains(name));
        let Some(keys) = shape.keys(variant) else {
            // Which keys belong here depends on the choice, so nothing more can be said of this table.
            let path_of_type = join(path, TYPE);
            self.report(
                &path_of_type,
                match table.get(TYPE) {
                    Some(value) => explain::wrong_choice(&path_of_type, &choices, value),
                    None => explain::missing_choice(&path_of_type, &choices),
                },
            );
            self.untrusted.insert(path.to_owned());
            return shape.sample();
        };
        let swallowed = self.swallowed(keys, variant.is_some(), path, table);
        let mut right = Table::new();
        right.extend(variant.map(|name| (TYPE.to_owned(), name.into())));
        for (name, value) in table.iter().filter(|(name, _)| variant.is_none() || *name != TYPE) {
            if swallowed.contains(&&**name) {
                continue;
            }
            let here = join(path, name);
            let Some(key) = keys.iter().find(|key| key.name == name) else {
                let (message, meant) =
                    explain::unknown_key(self.root, Here { path, shape, variant }, name, value);
                self.report(&here, message);
                // A key written under a wrong name is not missing as well.
                self.untrusted
                    .extend(meant.filter(|meant| !table.contains_key(*meant)).map(|meant| join(path, meant)));
                continue;
            };
            let ask = |value| ask(with(variant, [(key.name, value)]));
            if let Some(value) = self.value(key, &here, value, &ask) {
                right.insert(name.clone(), value);
            } else {
                self.report(&here, explain::wrong_value(&here, &key.takes, value));
                self.untrusted.insert(here);
            }
        }
        for key in keys.iter().filter(|key| key.required) {
            if right.contains_key(key.name) {
                continue;
            }
            let here = join(path, key.name);
            if !self.untrusted.contains(&here) {
                self.report(&here, explain::missing(&here, &key.takes));
                self.untrusted.insert(here);
            }
            right.insert(key.name.to_owned(), key.sample.clone());
        }
        right
    }

    /// The keys of `table`, of which `keys` belong there, and a `type` where one is chosen, that are those of a section without
    /// a heading of its own: with it gone, they belong to the one before. That is reported as the one mistake it is.
    fn swallowed<'t>(&mut self, keys: &[Key], is_typed: bool, path: &str, table: &'t Table) -> Vec<&'t str> {
        let is_stray = |name: &&str, value: &Value| {
            let known = is_typed && *name == TYPE;
            let is_section = path.is_empty() && matches!(value, Value::Table(_) | Value::Array(_));
            !known && !is_section && keys.iter().all(|key| key.name != *name)
        };
        let stray = table.iter().map(|(name, value)| (name.as_str(), value));
        let stray: Vec<&str> =
            stray.filter(|(name, value)| is_stray(name, value)).map(|(name, _)| name).collect();
        let of_section = |section: &Key| {
            let Takes::Tables(shape) = &section.takes else { return Vec::new() };
            let has = |name: &&&str| shape.has(name);
            stray.iter().filter(has).copied().collect::<Vec<_>>()
        };
        let found = self.absent.iter().map(|section| (*section, of_section(section)));
        // One key alone may mean something else where it stands, unless the section could not be without it.
        let needs = |section: &Key, own: &[&str]| match &section.takes {
            Takes::Tables(shape) => section.required && own.iter().all(|key| shape.needs(key)),
            _ => false,
        };
        let found = found.filter(|(section, own)| own.len() >= 2 || (own.len() == 1 && needs(section, own)));
        let Some((section, own)) = found.max_by_key(|(_, own)| own.len()) else { return Vec::new() };
        self.report(&join(path, own[0]), explain::swallowed(section, path, &own));
        self.untrusted.insert(section.name.to_owned());
        let name = section.name;
        self.absent.retain(|other| other.name != name);
        own
    }

    /// The value, repaired within where it is a table; `None` where its type is wrong.
    fn value(&mut self, key: &Key, path: &str, value: &Value, ask: Ask<'_>) -> Option<Value> {
        match (&key.takes, value) {
            (Takes::Tables(shape), Value::Table(table)) if !shape.list => {
                Some(Value::Table(self.table(shape, path, table, ask)))
            }
            (Takes::Tables(shape), Value::Array(items))
                if shape.list && items.iter().all(Value::is_table) =>
            {
                let ask = |value| ask(Value::Array(vec![value]));
                let tables = items.iter().filter_map(Value::as_table).enumerate();
                let read =
                    |(index, table)| Value::Table(self.table(shape, &format!("{path}.{index}"), table, &ask));
                Some(Value::Array(tables.map(read).collect()))
            }
            (Takes::Tables(_), _) => None,
            _ => fits(&ask(value.clone())).then(|| value.clone()),
        }
    }

    fn report(&mut self, path: &str, message: String) {
        self.findings.push(Finding { keys: vec![path.to_owned()], message });
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
