//! `inputs.json`: what shapes a run besides its recipe, which a resumed run may not change either.
//!
//! ```text
//! {"dtype": "bf16", "files": {"/home/me/data/train.jsonl": {"size": 91002, "sha256": "9f86d0..."}, ...}}
//! ```
//!
//! Files are the recipe's data, the texts of its SFT, its circuit and pairs, and of a model folder everything but the weights, which the
//! checkpoints hold; where adapters learn, these too. The precision is the one that `[model] dtype = "auto"` came to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::files::model_folder::{ADAPTER_CONFIG, shaping};
use crate::files::{Fingerprint, read_regular, write_whole};
use crate::model::Dtype;
use crate::model::{HubModel, ModelSource};
use crate::recipe::{self, Recipe};
use crate::run_folder::RunFolder;

use super::Setup;

/// What stands for the folder of the model in what a run writes down: its path, or its name and commit on the hub. `None`
/// for random weights.
///
/// # Errors
/// If the recipe's name of a model cannot be one.
pub(crate) fn origin(recipe: &Recipe) -> Result<Option<PathBuf>> {
    let hub = HubModel::from_settings(&recipe.model)?;
    Ok(hub.map(|model| model.place()).or_else(|| recipe.model.path.clone()))
}

/// Fingerprints of the files that a recipe names, and the precision it computes in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InputFiles {
    /// The precision that the run computes in.
    pub dtype: Dtype,
    /// By path, as the recipe has it; written down, from the root of the file system.
    pub files: BTreeMap<String, Fingerprint>,
}

impl InputFiles {
    /// What the run reads and how it computes now.
    pub(crate) fn of_now(setup: &Setup) -> Result<Self> {
        let mut now = Self::before_training(setup)?;
        // Checkpoints hold all weights but those that stay.
        let stays =
            setup.source.as_ref().filter(|_| setup.lora.is_some() && setup.recipe.model.hub.is_none());
        for (name, file) in stays.map(ModelSource::fingerprints).transpose()?.unwrap_or_default() {
            if name.ends_with(".safetensors") || name == ADAPTER_CONFIG {
                let origin = setup.recipe.model.path.clone().unwrap_or_default();
                now.files.insert(origin.join(name).display().to_string(), file);
            }
        }
        for (_, path) in setup.recipe.circuit_files() {
            now.files.insert(path.display().to_string(), Fingerprint::read(path)?);
        }
        Ok(now)
    }

    /// What shapes the policy that the run starts from.
    pub(super) fn before_training(setup: &Setup) -> Result<Self> {
        let recipe = &setup.recipe;
        // What is written down and where it lies: a model on the hub is the same one in every cache.
        let mut paths: Vec<(PathBuf, PathBuf)> = Vec::new();
        if let (Some(source), Some(origin)) = (&setup.source, origin(recipe)?) {
            let files = shaping().map(|name| (origin.join(name), source.folder_with(name).join(name)));
            paths.extend(files.filter(|(_, path)| path.is_file()));
        }
        let as_named = |path: &PathBuf| (path.clone(), path.clone());
        paths.extend(recipe.data.settings().files().concat().into_iter().map(|file| as_named(&file.path)));
        let imitated = recipe.sft.iter().flat_map(|sft| sft.source.settings().files());
        paths.extend(imitated.map(|path| as_named(&path.to_owned())));
        let files =
            paths.iter().map(|(name, path)| Ok((name.display().to_string(), Fingerprint::read(path)?)));
        Ok(Self { dtype: setup.placement.dtype(), files: files.collect::<Result<_>>()? })
    }

    /// Writes them into the folder of a new run.
    pub(crate) fn write(&self, folder: &RunFolder) -> Result<()> {
        write_whole(&folder.inputs(), |mut w| {
            serde_json::to_writer_pretty(&mut w, &self.lasting())?;
            Ok(w.write_all(b"\n")?)
        })
    }

    /// Those that the run in `folder` began with.
    pub(crate) fn read(folder: &RunFolder) -> Result<Self> {
        let path = folder.inputs();
        let remedy = "put it back, or start another run with --name";
        let text = read_regular(&path, u64::MAX)
            .with_context(|| format!("{}: cannot be read; {remedy}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{}: damaged; {remedy}", path.display()))
    }

    /// Whether they are those that the run in `folder` began with.
    pub(crate) fn check_unchanged(&self, folder: &RunFolder) -> Result<()> {
        // Runs of earlier versions have paths from the working directory.
        let before = Self::read(folder)?.lasting();
        let mut changes = self.lasting().changed_files(&before);
        if self.dtype != before.dtype {
            let name = |dtype| serde_json::to_value(dtype).unwrap_or_default();
            let (now, then) = (name(self.dtype), name(before.dtype));
            let then = then.as_str().unwrap_or_default();
            changes.push(format!(
                "[model] `dtype`: computes in {} here, in {then} in the run so far; add --set model.dtype={then}",
                now.as_str().unwrap_or_default()
            ));
        }
        ensure!(
            changes.is_empty(),
            "{}: what the run began with has changed:\n  {}\nset these back, or start another run with --name",
            folder.root().display(),
            changes.join("\n  ")
        );
        Ok(())
    }

    /// The same by whole paths.
    pub(super) fn lasting(&self) -> Self {
        let whole = |name: &String| match name.starts_with("hub:") {
            true => name.clone(),
            false => recipe::whole(Path::new(name)).display().to_string(),
        };
        let files = self.files.iter().map(|(name, file)| (whole(name), file.clone()));
        Self { dtype: self.dtype, files: files.collect() }
    }

    fn changed_files(&self, before: &Self) -> Vec<String> {
        let paths =
            self.files.keys().chain(before.files.keys().filter(|path| !self.files.contains_key(*path)));
        let begins = |file: Option<&Fingerprint>| match file {
            Some(file) => format!("SHA-256 {}...", file.sha256.get(..12).unwrap_or_default()),
            None => "absent".to_owned(),
        };
        let changed = paths.filter(|path| self.files.get(*path) != before.files.get(*path));
        changed
            .map(|path| {
                let (now, then) = (begins(self.files.get(path)), begins(before.files.get(path)));
                let path = recipe::shown(Path::new(path)).display();
                format!("{path}: {now} now, {then} when the run began")
            })
            .collect()
    }
}
