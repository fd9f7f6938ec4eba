//! When two recipes train the same.
//!
//! ```text
//! recipe --precision as this machine resolves it--> --what has no effect taken back--> course
//! ```
//!
//! Runs of equal courses differ in nothing but their seeds: they are of one arm, and two arms of one course are one arm
//! too many.

use anyhow::Result;

use crate::model::Placement;
use crate::recipe::{Difference, Recipe};
use crate::signal::SignalConfig;

/// `recipe` with the precision that it comes to on this machine.
pub(super) fn resolved(mut recipe: Recipe) -> Result<Recipe> {
    recipe.model.dtype = Placement::from_settings(&recipe.model)?.dtype();
    Ok(recipe)
}

/// `recipe` without what has no effect: strategies that leave advantages as they are, and how attention is read where no
/// strategy asks for it.
pub(super) fn course(recipe: &Recipe) -> Recipe {
    let mut course = recipe.clone();
    course.credit.retain(|config| !config.strategy.is_uniform());
    if !reads_attention(recipe) {
        course.signals = SignalConfig::default();
    }
    course
}

/// Whether a strategy of `recipe` asks for attention, so that `[signals]` has an effect.
pub(super) fn reads_attention(recipe: &Recipe) -> bool {
    recipe.credit.iter().any(|config| config.needs().signals())
}

/// What keeps two recipes from being the same side of a comparison, their seeds aside. Other than for a run that is
/// continued, the number of steps counts always: accuracies after different numbers of them are not compared. So does
/// the precision.
pub(super) fn differences(one: &Recipe, other: &Recipe) -> Result<Vec<Difference>> {
    let mut same_seed = one.clone();
    same_seed.run.seed = other.run.seed;
    let mut found = same_seed.differences(other)?;
    let dtype =
        |recipe: &Recipe| Ok::<_, anyhow::Error>(toml::Value::try_from(recipe.model.dtype)?.to_string());
    for (key, here, there) in [
        ("run.steps", one.run.steps.to_string(), other.run.steps.to_string()),
        ("model.dtype", dtype(one)?, dtype(other)?),
    ] {
        if here != there && found.iter().all(|difference| difference.key != key) {
            found.push(Difference { key: key.to_owned(), here, there });
        }
    }
    Ok(found)
}

/// Why two recipes train the same, seeds aside; `None` where they don't.
pub(super) fn why_same(one: &Recipe, other: &Recipe) -> Result<Option<&'static str>> {
    if !differences(&course(one), &course(other))?.is_empty() {
        return Ok(None);
    }
    let mut named_alike = one.clone();
    named_alike.run = other.run.clone();
    Ok(Some(if named_alike == *other {
        "their recipes are equal"
    } else if one.signals != other.signals {
        "no strategy of theirs reads attention, so [signals] has no effect"
    } else {
        "what they set differently has no effect on what is learned"
    }))
}
