//! What stands for a model: a model folder, a checkpoint, a run, whose newest one counts, or a checkpoint of a run by its name.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::files::model_folder::CONFIG;
use crate::model::is_adapter;
use crate::run_folder::{AtStep, RunAt, RunFolder};
use crate::types::Step;

/// Name of the folder of the model in a checkpoint.
const MODEL: &str = "model";

/// The folder that `path` stands for where it names a checkpoint of a run, as `RUN@40`, `RUN@best` or `RUN/checkpoints/latest`: that of
/// the checkpoint, or that around a kept model. All else stands for itself.
///
/// # Errors
/// If there is no such checkpoint.
pub(crate) fn placed(path: &str) -> Result<PathBuf> {
    if Path::new(path).is_dir() {
        return Ok(path.into());
    }
    let at = RunAt::parse(path)?;
    let is_folder = at.step == AtStep::Latest && at.folder.root() == Path::new(path);
    if is_folder { Ok(path.into()) } else { at.model() }
}

/// The step in the name of a folder of checkpoints or kept models.
#[must_use]
pub(crate) fn step_of(path: &Path) -> Option<Step> {
    path.file_name()?.to_str()?.strip_prefix("step_")?.parse().ok()
}

/// The model folder of `path`, a folder: a model, a checkpoint or a run. What lies there is not looked into.
///
/// # Errors
/// If it is none of these, or a run without a checkpoint.
pub(crate) fn model_at(path: &Path) -> Result<PathBuf> {
    let is_model = |path: &Path| path.join(CONFIG).is_file() || is_adapter(path);
    if is_model(path) {
        return Ok(path.to_owned());
    }
    if path.join("checkpoints").is_dir() {
        let latest = RunAt { folder: RunFolder::at(path), step: AtStep::Latest };
        return Ok(latest.checkpoint()?.join(MODEL));
    }
    let model = path.join(MODEL);
    ensure!(
        is_model(&model),
        "{}: neither config.json nor checkpoints/ in there; expected a run, a checkpoint or a Hugging Face model",
        path.display()
    );
    Ok(model)
}
