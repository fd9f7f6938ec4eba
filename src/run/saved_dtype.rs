//! The precision that a policy is given away in: that of the model which training started from.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::files::model_folder::CONFIG;
use crate::hub::{Files, Hub, source};
use crate::model::{HubModel, ModelSettings, StoredDtype};
use crate::recipe::Recipe;
use crate::run_folder::RunFolder;

/// Runs that a run may have been started from, one behind the other.
const MOST: usize = 16;

/// The precision of the weights that the model of `settings` is published in: of a folder or a model on the hub that of its weights, of
/// a policy that a run has trained that of the run's own model, of random weights f32.
///
/// # Errors
/// If that model is not there any more.
pub(crate) fn saved_dtype(settings: &ModelSettings) -> Result<StoredDtype> {
    let mut settings = settings.clone();
    for _ in 0..MOST {
        let Some(folder) = folder(&settings)? else { return Ok(StoredDtype::F32) };
        match trained_from(&folder) {
            Some(earlier) => settings = earlier,
            None => return StoredDtype::of_folder(&source(&folder)?.folder),
        }
    }
    Ok(StoredDtype::F32)
}

/// The precision of the policy in `folder`, as [`saved_dtype`] says it.
///
/// # Errors
/// As [`saved_dtype`].
pub(crate) fn saved_dtype_of(folder: &Path) -> Result<StoredDtype> {
    match trained_from(folder) {
        Some(settings) => saved_dtype(&settings),
        None => StoredDtype::of_folder(&source(folder)?.folder),
    }
}

/// The model that the run was started from which has trained the policy in `folder`.
fn trained_from(folder: &Path) -> Option<ModelSettings> {
    let run = RunFolder::around(folder)?;
    Some(Recipe::load(&run.resolved(), &[]).ok()?.model)
}

fn folder(settings: &ModelSettings) -> Result<Option<PathBuf>> {
    let Some(model) = HubModel::from_settings(settings)? else { return Ok(settings.path.clone()) };
    let hub = Hub::from_environment()?;
    let folder = hub.fetch(&model, Files::Texts, None)?.folder;
    Ok(folder.join(CONFIG).is_file().then_some(folder))
}
