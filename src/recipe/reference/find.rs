//! What a person asks the reference for: `optim`, `optim.lr`, `credit.rhythm`, `credit.rhythm.gain`.

use anyhow::{Result, bail};
use toml::Value;

use super::walk::{is_number, without_numbers};
use super::{Entry, LeftOut, Reference, Section, Variant, show};
use crate::recipe::{
    draft::SHAPE,
    elsewhere,
    explain::{Here, unknown_key, wrong_choice},
    schema::{Shape, TYPE, Takes},
};
use crate::types::nearest;

impl Reference {
    /// What there is to say of the section, choice or key at `path`, for a terminal.
    ///
    /// # Errors
    /// If there is none of that name; the message has the likeliest one.
    pub(crate) fn explain(&self, path: &str) -> Result<String> {
        let steps: Vec<&str> = path.split('.').filter(|step| !is_number(step)).collect();
        let starts = (1..=steps.len()).rev().map(|n| (steps[..n].join("."), &steps[n..]));
        let is_at = |path: &str| self.sections.iter().find(|section| section.path == path);
        let Some((section, rest)) = starts.filter_map(|(path, rest)| Some((is_at(&path)?, rest))).next()
        else {
            let meant = self.called(path);
            if meant.is_empty() {
                bail!(unknown(&self.sections[0], None, steps[0]));
            }
            let shown = meant.iter().map(|Meant { path, remark }| {
                let remark = if remark.is_empty() { String::new() } else { format!("    {remark}\n") };
                Ok(self.explain(path)? + &remark)
            });
            return Ok(shown.collect::<Result<Vec<_>>>()?.join("\n"));
        };
        match *rest {
            [] | [TYPE] => Ok(show::section(section)),
            [name] => match section.variant(name) {
                Some(variant) => Ok(show::variant(section, variant)),
                None => section.explain_key(name),
            },
            [name, key] => match section.variant(name) {
                Some(variant) => match variant.key(key) {
                    Some(entry) => Ok(show::key(section, variant, entry)),
                    None => bail!(unknown(section, Some(name), key)),
                },
                None => bail!(unknown(section, None, name)),
            },
            [name, ..] => bail!(unknown(section, None, name)),
        }
    }

    /// What a person may mean by `name`: a path, what a key is called in any section, or what another trainer calls it.
    pub(crate) fn called(&self, name: &str) -> Vec<Meant> {
        let name = name.replace('-', "_");
        let (table, key) = name.rsplit_once('.').unwrap_or(("", &name));
        let plain = without_numbers(table);
        let has = |section: &&Section| section.variants.iter().any(|variant| variant.key(key).is_some());
        let is_there = |section: &&Section| match table {
            // A section of that name is another matter than a key of another one.
            "" => !section.path.is_empty() && self.section(key).is_none(),
            _ => section.path == plain,
        };
        let own = self.sections.iter().filter(is_there).filter(has);
        let own: Vec<Meant> =
            own.map(|section| Meant { path: within(section, table, key), remark: "" }).collect();
        match elsewhere::key(table, key) {
            Some(known) if own.is_empty() => {
                let meant = |home: &&str| Meant { path: self.written(home), remark: known.remark };
                known.homes.iter().map(meant).collect()
            }
            _ => own,
        }
    }

    /// The section at `path`.
    pub(crate) fn section(&self, path: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.path == path)
    }

    /// The innermost section around `key` that is there only where somebody asks for it.
    pub(crate) fn asked_for<'k>(&self, key: &'k str) -> Option<&'k str> {
        let around = std::iter::successors(key.rsplit_once('.'), |(path, _)| path.rsplit_once('.'));
        let is_asked_for = |path: &&str| {
            let plain = without_numbers(path);
            let (table, name) = plain.rsplit_once('.').unwrap_or(("", &plain));
            let entries = self.section(table).into_iter().flat_map(|section| &section.variants);
            let mut entries = entries.filter_map(|variant| variant.key(name));
            path.rsplit('.').next().is_none_or(|last| !is_number(last))
                && entries.any(|entry| entry.left_out == LeftOut::Nothing)
        };
        around.map(|(path, _)| path).find(is_asked_for)
    }

    /// The path `home` of a key as a person sets it: in the first entry of a list.
    fn written(&self, home: &str) -> String {
        let (table, key) = home.rsplit_once('.').unwrap_or(("", home));
        self.section(table).map_or_else(|| home.to_owned(), |section| within(section, table, key))
    }
}

/// A key that a person may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meant {
    /// Its path, or that of a section.
    pub path: String,
    /// What tells it from what another trainer has under the name; empty where nothing does.
    pub remark: &'static str,
}

/// The path of `key` in `section`, which was called `table`; of a list in its first entry, unless the name has another.
fn within(section: &Section, table: &str, key: &str) -> String {
    match section.path.as_str() {
        "" => key.to_owned(),
        path if table.len() > path.len() => format!("{table}.{key}"),
        path if section.is_list => format!("{path}.0.{key}"),
        path => format!("{path}.{key}"),
    }
}

impl Section {
    fn variant(&self, name: &str) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.name == Some(name))
    }

    /// What is said of the key `name`, under every choice that has it.
    fn explain_key(&self, name: &str) -> Result<String> {
        let found = self.variants.iter().filter_map(|variant| Some((variant, variant.key(name)?)));
        let shown: Vec<String> = found.map(|(variant, entry)| show::key(self, variant, entry)).collect();
        if shown.is_empty() {
            bail!(unknown(self, None, name));
        }
        Ok(shown.join("\n"))
    }
}

impl Variant {
    fn key(&self, name: &str) -> Option<&Entry> {
        self.keys.iter().find(|entry| entry.name == name)
    }
}

/// That `section` has no `name` under the choice `variant`, in the words of a recipe that asks for it.
fn unknown(section: &Section, variant: Option<&str>, name: &str) -> String {
    let Section { path, .. } = section;
    let Some((root, shape)) = SHAPE.as_ref().and_then(|root| Some((root, at(root, path)?))) else {
        return format!("{path}: has no `{name}`");
    };
    let choices = shape.choices();
    let is_near = |variant: &Option<&str>| {
        let keys: Vec<&str> = shape.keys(*variant).unwrap_or_default().iter().map(|key| key.name).collect();
        nearest(name, &keys).is_some()
    };
    // Where nothing was chosen, the name may be that of a choice or of a key that one of them has.
    let meant = match variant {
        None => choices.iter().copied().map(Some).find(is_near).flatten(),
        chosen => chosen,
    };
    if meant.is_none() && !choices.is_empty() {
        return wrong_choice(&format!("{path}.{TYPE}"), &choices, &Value::from(name));
    }
    let is_section = path.is_empty() && elsewhere::key("run", name).is_none();
    let value = if is_section { Value::Table(toml::Table::new()) } else { Value::from(true) };
    unknown_key(root, Here { path, shape, variant: meant }, name, &value).0
}

/// The shape of the section at `path`, under whatever choice has it.
fn at<'a>(shape: &'a Shape, path: &str) -> Option<&'a Shape> {
    path.split('.').filter(|step| !step.is_empty()).try_fold(shape, |shape, step| {
        let mut keys = shape.variants.iter().flat_map(|(_, keys)| keys);
        keys.find_map(|key| match &key.takes {
            Takes::Tables(inner) if key.name == step => Some(inner),
            _ => None,
        })
    })
}
