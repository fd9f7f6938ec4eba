//! What a document may hold, learnt by asking serde: which keys, which types, which choices, which are required.
//!
//! Every settings struct stays the only description of itself. The questions are tiny documents that hold one
//! section with one key, and the answers are the [`Fault`]s they fail with; a recipe takes a few hundred of
//! them, about a millisecond.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{
    explain::human,
    fault::{Fault, read},
};

/// No key and no choice has this name.
const NOBODY: &str = "\0";

/// Key that names the chosen variant of a part.
pub(super) const TYPE: &str = "type";

/// The key that names the recipe below; its path starts at the folder of the file that names it.
pub(super) const BASE: &str = "base";

/// Keys of a list entry that stand beside a flattened part, which serde's own list of keys leaves out.
pub(super) type Beside = (&'static str, &'static [&'static str]);

/// A table of the document.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Whether the document holds a list of such tables.
    pub list: bool,
    /// The keys, for each choice of `type`; a single entry without a name where nothing is chosen.
    pub variants: Vec<(Option<&'static str>, Vec<Key>)>,
}

/// A key of a table.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// Its name.
    pub name: &'static str,
    /// Whether the table cannot do without it.
    pub required: bool,
    /// What it takes.
    pub takes: Takes,
    /// A value of the right type, to go on reading with where the right value is not known.
    pub sample: Value,
}

/// What a key takes.
#[derive(Clone, Debug)]
pub(super) enum Takes {
    /// A table, or a list of tables.
    Tables(Shape),
    /// One of these names.
    Choice(&'static [&'static str]),
    /// A plain value, described in words.
    Plain(String),
}

impl Shape {
    /// Shape of a whole `T`; `None` where `T` is no struct or tagged enum with checked keys.
    pub(super) fn learn<T: DeserializeOwned>(beside: &[Beside]) -> Option<Self> {
        let whole = |value| match value {
            Value::Table(document) => read::<T>(&document).map(drop),
            _ => Err(Fault::Other("a document is a table".into())),
        };
        Self::ask(&whole, "", beside)
    }

    /// Names of the choices of `type`; empty where nothing is chosen.
    pub(super) fn choices(&self) -> Vec<&'static str> {
        self.variants.iter().filter_map(|(name, _)| *name).collect()
    }

    /// The keys under one choice of `type`.
    pub(super) fn keys(&self, variant: Option<&str>) -> Option<&[Key]> {
        let (_, keys) = self.variants.iter().find(|(name, _)| *name == variant)?;
        Some(keys)
    }

    /// Whether it has a key `name`, under any choice of `type`.
    pub(super) fn has(&self, name: &str) -> bool {
        let own = self.variants.iter().any(|(_, keys)| keys.iter().any(|key| key.name == name));
        own || (name == TYPE && !self.choices().is_empty())
    }

    /// Whether it cannot be without a key `name`, or without its `type`, under any choice of that.
    pub(super) fn needs(&self, name: &str) -> bool {
        let own =
            self.variants.iter().any(|(_, keys)| keys.iter().any(|key| key.name == name && key.required));
        own || (name == TYPE && !self.choices().is_empty())
    }

    /// The smallest table that reads.
    pub(super) fn sample(&self) -> Table {
        let mut table = Table::new();
        if let Some((variant, keys)) = self.variants.first() {
            table.extend(variant.map(|name| (TYPE.to_owned(), name.into())));
            let required = keys.iter().filter(|key| key.required);
            table.extend(required.map(|key| (key.name.to_owned(), key.sample.clone())));
        }
        table
    }

    /// Learns the shape of what `ask` judges: it puts a value into its place and reads the document.
    fn ask(ask: &dyn Fn(Value) -> Result<(), Fault>, name: &str, beside: &[Beside]) -> Option<Self> {
        if let Some(variants) = Self::ask_variants(ask, name, beside) {
            return Some(Self { list: false, variants });
        }
        let entry = |value| ask(Value::Array(vec![value]));
        let variants = Self::ask_variants(&entry, name, beside)?;
        Some(Self { list: true, variants })
    }

    fn ask_variants(
        ask: &dyn Fn(Value) -> Result<(), Fault>,
        name: &str,
        beside: &[Beside],
    ) -> Option<Vec<(Option<&'static str>, Vec<Key>)>> {
        let bases = match ask(table([(TYPE, NOBODY.into())])) {
            Err(Fault::NoChoice(choices)) => choices.iter().copied().map(Some).collect(),
            _ => vec![None],
        };
        let variant = |base: Option<&'static str>| {
            let keys = Key::ask_all(&|key, value| ask(with(base, [(key, value)])), name, beside)?;
            let all = |skip: &str| {
                let keys = keys.iter().filter(|key| key.name != skip);
                ask(with(base, keys.map(|key| (key.name, key.sample.clone()))))
            };
            let complete = all(NOBODY).err();
            let required: Vec<bool> = keys
                .iter()
                .map(|key| {
                    let missing = Some(Fault::Missing(key.name));
                    missing != complete && missing == all(key.name).err()
                })
                .collect();
            let keys = keys.into_iter().zip(required);
            Some((base, keys.map(|(key, required)| Key { required, ..key }).collect()))
        };
        bases.into_iter().map(variant).collect()
    }
}

impl Key {
    /// Whether it takes a list of tables.
    pub(super) fn is_list(&self) -> bool {
        matches!(&self.takes, Takes::Tables(shape) if shape.list)
    }

    /// Learns the keys of one table; `ask` judges a table of that one key.
    fn ask_all(
        ask: &dyn Fn(&str, Value) -> Result<(), Fault>,
        table: &str,
        beside: &[Beside],
    ) -> Option<Vec<Self>> {
        let Err(Fault::UnknownKey(names)) = ask(NOBODY, 0.into()) else { return None };
        let flattened = beside.iter().filter(|(name, _)| *name == table).flat_map(|(_, keys)| *keys);
        names
            .iter()
            .chain(flattened)
            .map(|&key| Self::ask(key, &|value| ask(key, value), beside))
            .collect::<Option<Vec<_>>>()
    }

    /// Learns what one key takes.
    fn ask(name: &'static str, ask: &dyn Fn(Value) -> Result<(), Fault>, beside: &[Beside]) -> Option<Self> {
        let (takes, sample) = if let Some(shape) = Shape::ask(ask, name, beside) {
            let sample = Value::Table(shape.sample());
            let sample = if shape.list { Value::Array(vec![sample]) } else { sample };
            (Takes::Tables(shape), sample)
        } else if let Err(Fault::NoChoice(choices)) = ask(NOBODY.into()) {
            (Takes::Choice(choices), (*choices.first()?).into())
        } else {
            let entry = table([("name", "x".into())]);
            let circuit = table([("circuit", "x".into())]);
            let samples = [1.into(), "x".into(), true.into(), 0.5.into(), pair(1), pair("x"), entry, circuit];
            let sample = samples.into_iter().find(|sample| fits(&ask(sample.clone())))?;
            let refused = |value| match ask(value) {
                Err(Fault::WrongType(expected)) => human(&expected),
                _ => human("a boolean"),
            };
            let takes = refused(true.into());
            let takes = match sample {
                Value::Array(_) => format!("{takes}, each {}", refused(pair(true))),
                Value::Table(_) => match ask(table([("name", true.into())])) {
                    Err(Fault::WrongType(expected)) => format!("{takes}, each {}", human(&expected)),
                    _ => takes,
                },
                _ => takes,
            };
            (Takes::Plain(takes), sample)
        };
        Some(Self { name, required: false, takes, sample })
    }
}

/// Whether nothing is wrong with a lone value: what else is missing is no fault of its own.
pub(super) fn fits(answer: &Result<(), Fault>) -> bool {
    matches!(answer, Ok(()) | Err(Fault::Missing(_)))
}

/// A table that chooses `variant` and holds `entries`.
pub(super) fn with<'a>(variant: Option<&str>, entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let variant = variant.map(|name| (TYPE, Value::from(name)));
    table(variant.into_iter().chain(entries))
}

fn table<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::Table(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn pair(item: impl Into<Value> + Clone) -> Value {
    Value::Array(vec![item.clone().into(), item.into()])
}
