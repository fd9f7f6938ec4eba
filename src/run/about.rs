//! What is said of a run as a whole: at its beginning, and to those who get its rows.

use std::path::Path;

use anyhow::Result;

use super::Setup;
use crate::environment::Environment;
use crate::observe::{About, Console};
use crate::ranks::Ranks;
use crate::run_folder::{RunFolder, RunManifest};
use crate::types::{Step, counted};

/// What those who get rows are told of the run in `folder`, whose rows up to that of `last_row` stay.
pub(super) fn about(
    setup: &Setup,
    folder: &RunFolder,
    manifest: &RunManifest,
    last_row: Step,
) -> Result<About> {
    let recipe = &setup.recipe;
    let k = recipe.eval.samples;
    let withheld = recipe.reward.iter().flat_map(|entry| entry.grader.settings().variables());
    Ok(About {
        withheld: withheld.collect(),
        name: recipe.run.name.clone(),
        id: manifest.run.to_string(),
        folder: folder.root().canonicalize().unwrap_or_else(|_| folder.root().to_owned()),
        steps: recipe.run.steps,
        after: last_row,
        recipe: serde_json::to_value(recipe)?,
        toml: recipe.to_toml()?,
        headlines: setup.data.eval.iter().map(|set| format!("eval/{}/avg@{k}", set.name)).collect(),
    })
}

/// Says what is trained, on what and by how many.
pub(super) fn describe(
    setup: &Setup,
    root: &Path,
    environment: &Environment,
    ranks: &Ranks,
    console: &Console,
) {
    let Environment { backend, threads, .. } = environment;
    let adapters = setup.lora.as_ref().map_or_else(String::new, |layout| {
        format!(" and {:.2} M of adapters, which learn", layout.n_params() as f64 / 1e6)
    });
    let n_ranks = counted(ranks.size(), "rank");
    let together = if ranks.is_alone() { String::new() } else { format!(" each of {n_ranks}") };
    console.note(format!(
        "{}: {:.1} M parameters{adapters}, {}, backend {backend}, {}{together}",
        root.display(),
        setup.model.n_params() as f64 / 1e6,
        setup.placement,
        counted(threads, "thread")
    ));
    console.note(format!(
        "{} training and {}",
        setup.data.train.len(),
        counted(setup.data.n_eval(), "evaluation problem")
    ));
}
