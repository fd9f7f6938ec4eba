//! What a person asks the reference for: `optim`, `optim.lr`, `credit.rhythm`, `credit.rhythm.gain`.

use anyhow::{Result, bail};
use toml::Value;

use super::{Entry, Reference, Section, Variant, show};
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
        let steps: Vec<&str> = path.split('.').filter(|step| step.parse::<usize>().is_err()).collect();
        let starts = (1..=steps.len()).rev().map(|n| (steps[..n].join("."), &steps[n..]));
        let is_at = |path: &str| self.sections.iter().find(|section| section.path == path);
        let Some((section, rest)) = starts.filter_map(|(path, rest)| Some((is_at(&path)?, rest))).next()
        else {
            let meant = self.called(path);
            if meant.is_empty() {
                bail!(unknown(&self.sections[0], None, steps[0]));
            }
            let shown: Result<Vec<String>> = meant.iter().map(|path| self.explain(path)).collect();
            return Ok(shown?.join("\n"));
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

    /// The paths of the keys that a person may mean by `name`: a path, what a key is called in any section, or what another trainer
    /// calls it.
    pub(crate) fn called(&self, name: &str) -> Vec<String> {
        let name = name.replace('-', "_");
        let (table, key) = name.rsplit_once('.').unwrap_or(("", &name));
        let has = |section: &&Section| section.variants.iter().any(|variant| variant.key(key).is_some());
        let is_there =
            |section: &&Section| !section.path.is_empty() && (table.is_empty() || section.path == table);
        let own = self.sections.iter().filter(is_there).filter(has);
        let own: Vec<String> = own.map(|section| format!("{}.{key}", section.path)).collect();
        match elsewhere::key(table, key) {
            Some(known) if own.is_empty() => known.homes.iter().map(|&home| home.to_owned()).collect(),
            _ => own,
        }
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
    let value = if path.is_empty() { Value::Table(toml::Table::new()) } else { Value::from(true) };
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
