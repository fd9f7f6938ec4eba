//! From a file and overrides to a [`Recipe`], and back to text.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Draft, Problems, Recipe, place::make_whole};

impl Recipe {
    /// Reads the recipe at `path`, applies `overrides` of the form `section.key=value` in order, and checks names, types,
    /// ranges and the sense of the whole; nothing is read but the file itself and those it stands on.
    ///
    /// A value is written as in TOML; a bare word is a string; entries of a list are counted from 0: `reward.0.weight=0.5`.
    ///
    /// # Errors
    /// Every problem found, with its place in the file or the override it came from.
    pub(crate) fn load(path: &Path, overrides: &[String]) -> Result<Self, Problems> {
        Draft::load(path, overrides)?.finish()
    }

    /// As [`Recipe::load`], from text that messages call `file`.
    ///
    /// # Errors
    /// Every problem found.
    pub(crate) fn parse(file: &str, text: &str, overrides: &[String]) -> Result<Self, Problems> {
        Draft::parse(file, text, overrides)?.finish()
    }

    /// The same with whole paths, so that it means the same wherever it is read.
    ///
    /// # Errors
    /// As [`Recipe::to_toml`].
    pub(crate) fn lasting(&self) -> Result<Self> {
        let mut table = toml::Table::try_from(self).context("the recipe cannot be written as TOML")?;
        make_whole(&mut table);
        table.try_into().context("the recipe cannot be read back")
    }

    /// The recipe as TOML with every default written out; loads back equal.
    ///
    /// # Errors
    /// If a path is not valid UTF-8.
    pub(crate) fn to_toml(&self) -> Result<String> {
        toml::to_string(self).context("the recipe cannot be written as TOML")
    }
}
