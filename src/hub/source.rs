//! Where the weights behind a model folder lie: in it, or, where it holds adapters, also in the folder of their base.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{Files, Hub};
use crate::files::model_folder::ADAPTER_CONFIG;
use crate::model::{HubModel, LoraBase, ModelSource, StoredAdapter, is_adapter};
use crate::observe::Console;
use crate::types::program;

/// The model in `folder`: itself, or the base that the adapters in there name, in its folder or fetched from the hub.
///
/// # Errors
/// If the adapters cannot be read, or there is no such base.
pub(crate) fn source(folder: &Path) -> Result<ModelSource> {
    if !is_adapter(folder) {
        return Ok(ModelSource::of_whole(folder));
    }
    let base = find(&StoredAdapter::open(folder)?.base)
        .and_then(|base| {
            ensure!(
                !is_adapter(&base),
                "{} holds adapters itself; expected a model, such as {} export makes of them",
                base.display(),
                program()
            );
            Ok(base)
        })
        .with_context(|| format!("{}: base_model_name_or_path", folder.join(ADAPTER_CONFIG).display()))?;
    Ok(ModelSource { folder: base, adapter: Some(folder.to_owned()) })
}

fn find(base: &LoraBase) -> Result<PathBuf> {
    let path = PathBuf::from(&base.name);
    if path.is_dir() {
        return Ok(path);
    }
    ensure!(
        path.is_relative() && !path.starts_with("."),
        "there is no folder {}; put the model back that the adapters were trained on, or write its place into the file",
        path.display()
    );
    let model = HubModel::new(&base.name, base.revision.as_deref())?;
    Ok(Hub::from_environment()?.fetch(&model, Files::All, Some(&Console::new()))?.folder)
}
