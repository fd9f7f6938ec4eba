//! A recipe that the runs of a comparison are made from.
//!
//! Its text is read once, so that an edit of the file while the runs go on changes none of them.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::eval::EvalConfig;
use crate::recipe::{Draft, Recipe, Text};
use crate::run::Failure;

/// A recipe with what all arms set.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    /// Where the recipe was read.
    pub file: PathBuf,
    /// Its text, with all that it stands on.
    pub text: Text,
    /// The recipe with the overrides of all arms and none of a single one.
    pub recipe: Recipe,
    /// Overrides of all arms.
    common: Vec<String>,
    /// Those of them that come from [`quick`].
    pub quick: Vec<String>,
}

impl Base {
    /// Reads the recipe in `file`; `overrides` are those of all arms, to which the quick setting adds its own.
    ///
    /// # Errors
    /// If it cannot be read, and [`Problems`](crate::recipe::Problems) of the recipe.
    pub(crate) fn read(file: &Path, overrides: &[String], is_quick: bool) -> Result<Self> {
        let text = Text::read(file).map_err(|problems| Failure::bad_input(problems.into()))?;
        let mut shortened = Vec::new();
        if is_quick {
            shortened = quick(&Draft::of_text(&text, overrides)?.finish()?);
            // What a person sets counts more.
            let key = |set: &str| set.split('=').next().unwrap_or_default().trim().to_owned();
            shortened.retain(|quick| overrides.iter().all(|own| key(own) != key(quick)));
        }
        let common = [&shortened, overrides].concat();
        let recipe = Draft::of_text(&text, &common)?.finish()?;
        Ok(Self { file: file.to_owned(), text, recipe, common, quick: shortened })
    }

    /// The recipe with further overrides, not yet finished.
    pub(super) fn draft(&self, overrides: &[String]) -> Result<Draft> {
        let overrides = [&self.common, overrides].concat();
        Ok(Draft::of_text(&self.text, &overrides)?)
    }
}

/// That every run of `recipe` is measured before it learns and after the same number of steps.
///
/// # Errors
/// What keeps it from that.
pub(super) fn check_measured(recipe: &Recipe) -> Result<()> {
    let EvalConfig { every, before, patience, .. } = recipe.eval;
    ensure!(
        every > 0,
        "[eval] `every`: got 0, which measures nothing, and a comparison is of accuracies; add --set eval.every=10"
    );
    ensure!(
        before,
        "[eval] `before`: got false, and a comparison says what the policies began with; add --set eval.before=true"
    );
    ensure!(
        patience == 0,
        "[eval] `patience`: got {patience}, and a comparison is of runs of the same number of steps; add --set eval.patience=0"
    );
    Ok(())
}

/// The overrides of `--quick`: at most 30 steps, evaluated every 10 with at most 2 samples per item. SFT stays,
/// so that a full comparison finds it ready. For `recipes/countdown.toml`, two strategies and two seeds take about a
/// quarter of an hour on two cores, nearly half of it SFT runs.
#[must_use]
pub(crate) fn quick(recipe: &Recipe) -> Vec<String> {
    let cap = |key: &str, now: u64, most: u64| (now == 0 || now > most).then(|| format!("{key}={most}"));
    let steps = cap("run.steps", recipe.run.steps, 30);
    let every = cap("eval.every", recipe.eval.every, 10);
    let samples = cap("eval.samples", recipe.eval.samples as u64, 2);
    [steps, every, samples].into_iter().flatten().collect()
}
