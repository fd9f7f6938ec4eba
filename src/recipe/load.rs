//! From a file and overrides to a [`Recipe`], and back to text.

use std::{fs, path::Path, sync::LazyLock};

use anyhow::{Context, Result};

use super::{
    Recipe,
    problem::{Finding, Problem, Problems},
    read,
    schema::{Beside, Shape},
    source::Source,
    validate,
};

/// What a recipe may hold.
static SHAPE: LazyLock<Option<Shape>> = LazyLock::new(|| {
    const BESIDE: &[Beside] = &[("reward", &["weight"])];
    Shape::of::<Recipe>(BESIDE)
});

impl Recipe {
    /// Reads the recipe at `path`, applies `overrides` of the form `section.key=value` in order, and checks names, types,
    /// ranges and the sense of the whole; nothing but the file itself is touched.
    ///
    /// A value is written as in TOML; a bare word is a string; entries of a list are counted from 0: `reward.0.weight=0.5`.
    ///
    /// # Errors
    /// Every problem found, with its place in the file or the override it came from.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, Problems> {
        let file = path.display().to_string();
        let text =
            fs::read_to_string(path).map_err(|error| alone(&file, format!("cannot be read: {error}")))?;
        Self::parse(&file, &text, overrides)
    }

    /// As [`Recipe::load`], from text that messages call `file`.
    ///
    /// # Errors
    /// Every problem found.
    pub fn parse(file: &str, text: &str, overrides: &[String]) -> Result<Self, Problems> {
        let Some(shape) = &*SHAPE else {
            return Err(alone(file, "the settings of this program have no readable shape".into()));
        };
        let source = Source::parse(file, text, overrides)?;
        let read::Reading { value, mut findings, untrusted } = read::document::<Self>(shape, &source.table);
        if let Some(recipe) = &value {
            let trusted = |finding: &Finding| {
                !finding.keys.iter().any(|key| untrusted.iter().any(|path| overlap(key, path)))
            };
            findings.extend(validate::sense(recipe).into_iter().filter(trusted));
        }
        match value {
            Some(recipe) if findings.is_empty() => Ok(recipe),
            _ => Err(source.place(findings)),
        }
    }

    /// The recipe as TOML with every default written out; loads back equal.
    ///
    /// # Errors
    /// If a path is not valid UTF-8.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).context("the recipe cannot be written as TOML")
    }
}

fn alone(place: &str, message: String) -> Problems {
    Problems(vec![Problem { place: place.to_owned(), key: String::new(), message }])
}

/// Whether one path is the other or lies within it.
fn overlap(a: &str, b: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        outer.is_empty()
            || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    within(a, b) || within(b, a)
}
