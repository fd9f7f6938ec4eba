//! A document into a typed value, with every mistake found at once.
//!
//! Each key is judged alone, against the [`Shape`] of its table. What is wrong is reported and replaced by a sample
//! of the right type, so that the whole can be read and checked further; what was replaced is marked as untrusted.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{
    explain,
    fault::{self, Fault},
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
    pub untrusted: Vec<String>,
}

/// Reads `document`; `shape` is the shape of `T`.
pub(super) fn document<T: DeserializeOwned>(shape: &Shape, document: &Table) -> Reading<T> {
    let ask = |value| match value {
        Value::Table(document) => fault::read::<T>(&document).map(drop),
        _ => Err(Fault::Other("a document is a table".into())),
    };
    let mut reader = Reader { root: shape, findings: Vec::new(), untrusted: Vec::new() };
    let repaired = reader.table(shape, "", document, &ask);
    let value = fault::read(&repaired).map_err(|fault| reader.report("", fault.to_string())).ok();
    Reading { value, findings: reader.findings, untrusted: reader.untrusted }
}

struct Reader<'a> {
    root: &'a Shape,
    findings: Vec<Finding>,
    untrusted: Vec<String>,
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
            self.untrusted.push(path.to_owned());
            return shape.sample();
        };
        let mut right = Table::new();
        right.extend(variant.map(|name| (TYPE.to_owned(), name.into())));
        for (name, value) in table.iter().filter(|(name, _)| variant.is_none() || *name != TYPE) {
            let here = join(path, name);
            let Some(key) = keys.iter().find(|key| key.name == name) else {
                let (message, meant) = explain::unknown_key(self.root, (path, shape, variant), (name, value));
                self.report(&here, message);
                self.untrusted.extend(meant);
                continue;
            };
            let ask = |value| ask(with(variant, [(key.name, value)]));
            if let Some(value) = self.value(key, &here, value, &ask) {
                right.insert(name.clone(), value);
            } else {
                self.report(&here, explain::wrong_value(&here, &key.takes, value));
                self.untrusted.push(here);
            }
        }
        for key in keys.iter().filter(|key| key.required) {
            if right.contains_key(key.name) {
                continue;
            }
            let here = join(path, key.name);
            if !self.untrusted.contains(&here) {
                self.report(&here, explain::missing(&here, &key.takes));
                self.untrusted.push(here);
            }
            right.insert(key.name.to_owned(), key.sample.clone());
        }
        right
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
