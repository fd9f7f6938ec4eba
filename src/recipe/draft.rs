//! A recipe in the making: what of it can be read, what is wrong with it, and which keys can still be judged.
//!
//! Shape, sense and reality are judged one after the other, each on what the earlier ones left sound, so that one look
//! finds everything that does not follow from something else that is wrong.

use std::{path::Path, sync::LazyLock};

use anyhow::Result;

use super::{
    Recipe,
    paths::Paths,
    problem::{Finding, Problems},
    read,
    schema::{Beside, Shape},
    shipped::Shipped,
    source::Source,
    text::{Layer, Text},
    validate,
};

/// What a recipe may hold.
pub(super) static SHAPE: LazyLock<Option<Shape>> = LazyLock::new(|| {
    const BESIDE: &[Beside] = &[("reward", &["weight"]), ("credit", &["shuffle", "sum", "until"])];
    Shape::learn::<Recipe>(BESIDE)
});

/// A recipe with everything found wrong so far.
pub(crate) struct Draft {
    source: Source,
    /// Samples stand where something is wrong; `None` where even that does not read.
    recipe: Option<Recipe>,
    findings: Vec<Finding>,
    /// Paths of which something is wrong, and those whose values are not the writer's.
    untrusted: Paths,
}

impl Draft {
    /// Reads the recipe at `path` and applies `overrides`, as [`Recipe::load`] does.
    ///
    /// # Errors
    /// If the file cannot be read or is not TOML; all else that is wrong is kept.
    pub(crate) fn load(path: &Path, overrides: &[String]) -> Result<Self, Problems> {
        Self::of_text(&Text::read(path)?, overrides)
    }

    /// As [`Draft::load`], from text that messages call `file`.
    ///
    /// # Errors
    /// If the text is not TOML.
    pub(crate) fn parse(file: &str, text: &str, overrides: &[String]) -> Result<Self, Problems> {
        Self::of_text(&Text::parse(file, text)?, overrides)
    }

    /// The recipe `own`, which comes with the program.
    ///
    /// # Errors
    /// If it is not TOML; all of them are.
    pub(crate) fn of_shipped(own: &'static Shipped) -> Result<Self, Problems> {
        let layer = |own: &Shipped| Layer { file: format!("{}.toml", own.name), text: own.text.to_owned() };
        Self::of_text(&Text { layers: own.chain().into_iter().map(layer).collect() }, &[])
    }

    /// As [`Draft::load`], from text that was read before.
    ///
    /// # Errors
    /// If the text is not TOML.
    pub(crate) fn of_text(text: &Text, overrides: &[String]) -> Result<Self, Problems> {
        let Some(shape) = &*SHAPE else {
            return Err(Problems::alone(
                text.file(),
                "the settings of this program have no readable shape".into(),
            ));
        };
        let source = Source::parse(text, overrides)?;
        let read::Reading { value: recipe, mut findings, mut untrusted } =
            read::document::<Recipe>(shape, &source.table);
        if let Some(recipe) = &recipe {
            let trusted = |finding: &Finding| !finding.keys.iter().any(|key| untrusted.overlap(key));
            findings.extend(validate::sense(recipe).into_iter().filter(trusted));
        }
        untrusted.extend(findings.iter().filter_map(|finding| finding.keys.first().cloned()));
        Ok(Self { source, recipe, findings, untrusted })
    }

    /// The text that it was read from, with all that the recipe stands on.
    #[must_use]
    pub(crate) fn text(&self) -> &str {
        &self.source.text
    }

    /// What a person should know of how it was read, a sentence each.
    #[must_use]
    pub(crate) fn notes(&self) -> Vec<String> {
        self.source.notes.clone()
    }

    /// What `judge` makes of the recipe, where nothing is wrong with `keys`, on which that depends; what it finds wrong
    /// is added as a problem of the first of them.
    pub(crate) fn judge<T>(&mut self, keys: &[&str], judge: impl FnOnce(&Recipe) -> Result<T>) -> Option<T> {
        if !keys.iter().all(|key| self.is_sound(key)) {
            return None;
        }
        let judged = judge(self.recipe.as_ref()?);
        judged.map_err(|error| self.add(keys, format!("{error:#}"))).ok()
    }

    /// Puts in place of what the writer gave what it stands for, where the recipe can be read.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Recipe)) {
        if let Some(recipe) = &mut self.recipe {
            change(recipe);
        }
    }

    /// Adds a problem with `keys`, the first one leading.
    pub(crate) fn add(&mut self, keys: &[&str], message: String) {
        let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        self.untrusted.extend(keys.first().cloned());
        self.findings.push(Finding { keys, message });
    }

    /// The recipe, if nothing is wrong with it.
    ///
    /// # Errors
    /// Every problem found.
    pub(crate) fn finish(self) -> Result<Recipe, Problems> {
        let unreadable = || Problems::alone("recipe", "cannot be read as a recipe".into());
        match self.source.place(self.findings) {
            Some(problems) => Err(problems),
            None => self.recipe.ok_or_else(unreadable),
        }
    }

    /// Whether nothing was found wrong with `key`, a key within it or the table around it.
    pub(super) fn is_sound(&self, key: &str) -> bool {
        !self.untrusted.overlap(key)
    }
}

/// A recipe that has been read already.
impl From<Recipe> for Draft {
    fn from(recipe: Recipe) -> Self {
        let source = Source::nowhere(&recipe.run.name);
        Self { source, recipe: Some(recipe), findings: Vec::new(), untrusted: Paths::default() }
    }
}
