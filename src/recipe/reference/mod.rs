//! What a recipe may say, as a value: every section, every choice of `type`, every key.
//!
//! ```text
//! names, types, choices    `schema`, learnt from serde
//! defaults, ranges         the smallest recipe that has the section: what is written of it, and its rules
//! sentences                doc comments of the settings types, by way of their JSON schema
//! ```

mod departures;
mod find;
mod show;
#[cfg(test)]
mod tests;
mod walk;
mod words;

use anyhow::{Result, anyhow};
use schemars::schema_for;

pub(crate) use self::departures::Departure;
pub(crate) use self::find::Meant;
use self::{walk::Walk, words::Words};
use super::{Recipe, draft::SHAPE, explain::heading};

/// All that can be said of a recipe.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    /// The document itself first, each section before those within it.
    pub sections: Vec<Section>,
}

/// A table of a recipe, or a list of such tables.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// `optim`, `loss.policy`; empty for the document itself.
    pub path: String,
    /// Whether a recipe has a list of them.
    pub is_list: bool,
    /// What it is.
    pub about: String,
    /// For each choice of `type` its keys; a single one without a name where nothing is chosen.
    pub variants: Vec<Variant>,
}

/// What a section holds under one choice of `type`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Variant {
    /// The choice.
    pub name: Option<&'static str>,
    /// What it is; empty where nothing is chosen.
    pub about: String,
    /// Its keys.
    pub keys: Vec<Entry>,
}

/// A key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What it takes, in words.
    pub takes: String,
    /// The values that have a meaning of their own, as they are written, with that meaning.
    pub choices: Vec<(String, String)>,
    /// What holds where it is left out.
    pub left_out: LeftOut,
    /// All that its value has to be.
    pub range: Vec<String>,
    /// What it does.
    pub about: String,
    /// Path of the section that it is, where it takes a table.
    pub section: Option<String>,
}

/// What holds where a key is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// The recipe is refused.
    Refused,
    /// This value, as it is written.
    Value(String),
    /// The defaults of the section that the key is.
    Defaults,
    /// Nothing: what the key asks for does not happen, or its meaning says what does.
    Nothing,
}

impl Section {
    /// As a recipe opens it: `[optim]`, `[[credit]]`.
    #[must_use]
    pub(crate) fn heading(&self) -> String {
        heading(&self.path, self.is_list)
    }
}

impl Reference {
    /// The reference of this program.
    ///
    /// # Errors
    /// If a settings type is none that serde describes; the tests hold that all are.
    pub(crate) fn of_program() -> Result<Self> {
        let shape = SHAPE.as_ref().ok_or_else(|| anyhow!("recipe: its settings have no readable shape"))?;
        let schema = schema_for!(Recipe).to_value();
        let mut walk = Walk::default();
        walk.section(shape, Words::new(&schema), "", &|document| document)?;
        Ok(Self { sections: walk.sections })
    }
}
