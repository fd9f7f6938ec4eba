//! What a recipe sets otherwise than it would hold anyway.

use serde::Serialize;
use toml::{Table, Value};

use super::walk::{is_number, join, plain};
use super::{Entry, LeftOut, Reference};
use crate::recipe::schema::TYPE;

/// A key whose value is not its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Departure {
    /// Path of the key: `optim.lr`, `reward.0.weight`.
    pub key: String,
    /// Its value, in TOML's syntax.
    pub value: String,
    /// What would hold without it; `None` where nothing would, and of a key that is not known.
    pub default: Option<String>,
}

impl Reference {
    /// The keys of `document`, a recipe with every default written out, whose values are not their defaults. The entries of a list may be
    /// those of a table by their numbers, so that some may be left out.
    #[must_use]
    pub(crate) fn departures(&self, document: &Table) -> Vec<Departure> {
        let mut found = Vec::new();
        self.depart(document, "", "", None, &mut found);
        found
    }

    /// Those of the table at `path`, which is `shown` without the numbers of entries; `own` is the key that it is the value of.
    fn depart(
        &self,
        table: &Table,
        path: &str,
        shown: &str,
        own: Option<&Entry>,
        found: &mut Vec<Departure>,
    ) {
        if table.is_empty() && own.is_some_and(|own| own.left_out == LeftOut::Nothing) {
            found.push(Departure { key: path.to_owned(), value: "{}".to_owned(), default: None });
        }
        let chosen = table.get(TYPE).and_then(Value::as_str);
        for (name, value) in table {
            let key = join(path, name);
            let within = if is_number(name) { shown.to_owned() } else { join(shown, name) };
            let entry = self.entry(shown, chosen, name);
            match value {
                Value::Table(inner) => self.depart(inner, &key, &within, entry, found),
                Value::Array(items) if items.iter().any(Value::is_table) => {
                    for (index, item) in items.iter().enumerate() {
                        let inner = item.as_table().cloned().unwrap_or_default();
                        self.depart(&inner, &join(&key, &index.to_string()), &within, None, found);
                    }
                }
                value => {
                    let default = default(name, entry, own);
                    let value = plain(value);
                    if default.as_ref() != Some(&value) {
                        found.push(Departure { key, value, default });
                    }
                }
            }
        }
    }

    /// What is known of the key `name` of the section at `path` under the choice `chosen`.
    fn entry(&self, path: &str, chosen: Option<&str>, name: &str) -> Option<&Entry> {
        let section = self.sections.iter().find(|section| section.path == path)?;
        let variant = section.variants.iter().find(|variant| variant.name == chosen)?;
        variant.keys.iter().find(|entry| entry.name == name)
    }
}

/// What holds where the key `name` is left out: the choice of a section is what the key says that the section is.
fn default(name: &str, entry: Option<&Entry>, own: Option<&Entry>) -> Option<String> {
    let value = |entry: &Entry| match &entry.left_out {
        LeftOut::Value(value) => Some(value.clone()),
        _ => None,
    };
    if name == TYPE {
        return own.and_then(value)?.strip_prefix(&format!("{TYPE} = ")).map(str::to_owned);
    }
    entry.and_then(value)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn what_has_its_default_is_not_among_them_and_all_else_is() {
        let reference = Reference::of_program().unwrap();
        let changed = [
            "optim.betas=[0.9, 0.95]",
            "loss.policy={type=\"clip\", clip_high=0.28}",
            "credit=[{type=\"rhythm\", gain=1.7}]",
        ];
        let text = include_str!("../../../recipes/countdown.toml");
        let recipe = Recipe::parse("t.toml", text, &changed.map(str::to_owned)).unwrap();
        let document: Table = recipe.to_toml().unwrap().parse().unwrap();
        let found = reference.departures(&document);
        let of = |key: &str| found.iter().find(|one| one.key == key).cloned();
        let departure = |key: &str, value: &str, default: Option<&str>| {
            Some(Departure {
                key: key.to_owned(),
                value: value.to_owned(),
                default: default.map(str::to_owned),
            })
        };
        assert_eq!(of("optim.betas"), departure("optim.betas", "[0.9, 0.95]", Some("[0.9, 0.999]")));
        assert_eq!(of("loss.policy.clip_high"), departure("loss.policy.clip_high", "0.28", Some("0.2")));
        assert_eq!(of("credit.0.gain"), departure("credit.0.gain", "1.7", Some("1.5")));
        assert_eq!(of("credit.0.type"), departure("credit.0.type", "\"rhythm\"", None));
        for absent in ["loss.policy.type", "loss.policy.clip_low", "optim.eps", "run.seed", "sampler.type"] {
            assert_eq!(of(absent), None, "{absent}");
        }
        assert_eq!(of("data.type").unwrap().default, None);
        // A key of a later version.
        let strange: Table = "[optim]\nlr = 1.0\nfuture = 3\n".parse().unwrap();
        let keys: Vec<_> = reference.departures(&strange).into_iter().map(|one| one.key).collect();
        assert_eq!(keys, ["optim.future", "optim.lr"]);
    }
}
