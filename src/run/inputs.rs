//! `inputs.json`: what shapes a run besides its recipe, which a resumed run may not change either.
//!
//! ```text
//! {"dtype": "bf16", "files": {"/home/me/data/train.jsonl": {"size": 91002, "sha256": "9f86d0..."}, ...}}
//! ```
//!
//! Files are the recipe's data, the texts of its SFT, its circuit and pairs, and of a model folder everything but the weights; where
//! adapters learn, these too. Weights that learn are listed apart: once there is a checkpoint nothing is read of them. A model of the hub
//! is known by its commit. The precision is the one that `[model] dtype = "auto"` came to.

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

use super::{Failure, Setup};

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
    /// The weights that it began with, where they all learn; `None` in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<BTreeMap<String, Fingerprint>>,
}

impl InputFiles {
    /// What the run reads and how it computes now.
    pub(crate) fn of_now(setup: &Setup) -> Result<Self> {
        let mut now = Self::before_training(setup)?;
        let source = setup.source.as_ref().filter(|_| setup.recipe.model.hub.is_none());
        let origin = setup.recipe.model.path.clone().unwrap_or_default();
        let found = source.map(ModelSource::fingerprints).transpose()?.unwrap_or_default();
        let weights =
            found.into_iter().filter(|(name, _)| name.ends_with(".safetensors") || name == ADAPTER_CONFIG);
        let weights = weights.map(|(name, file)| (origin.join(name).display().to_string(), file)).collect();
        // Checkpoints hold all weights but those that stay.
        match setup.lora {
            Some(_) => now.files.extend::<BTreeMap<_, _>>(weights),
            None => now.weights = Some(weights),
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
        Ok(Self { dtype: setup.placement.dtype(), files: files.collect::<Result<_>>()?, weights: None })
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

    /// Whether they are those that the run in `folder` began with. Of weights that nothing is read of, since the run goes on from a
    /// `checkpoint`, it is no error that they changed; what there is to say of that is given.
    pub(crate) fn check_unchanged(&self, folder: &RunFolder, has_checkpoint: bool) -> Result<Option<String>> {
        // Runs of earlier versions have paths from the working directory.
        let (before, now) = (Self::read(folder)?.lasting(), self.lasting());
        let mut changes = changed_files(&now.files, &before.files);
        let weights = before.weights.as_ref().zip(now.weights.as_ref());
        let weights = weights.map(|(before, now)| changed_files(now, before)).unwrap_or_default();
        let note = (has_checkpoint && !weights.is_empty()).then(|| {
            format!(
                "the weights that the run began with have changed, and it goes on from its checkpoint, which has its own:\n  {}",
                weights.join("\n  ")
            )
        });
        if !has_checkpoint {
            changes.extend(weights);
        }
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
        Ok(note)
    }

    /// The same by whole paths.
    pub(super) fn lasting(&self) -> Self {
        let whole = |name: &String| match name.starts_with("hub:") {
            true => name.clone(),
            false => recipe::whole(Path::new(name)).display().to_string(),
        };
        let lasting = |files: &BTreeMap<String, Fingerprint>| {
            files.iter().map(|(name, file)| (whole(name), file.clone())).collect()
        };
        Self { dtype: self.dtype, files: lasting(&self.files), weights: self.weights.as_ref().map(lasting) }
    }
}

impl InputFiles {
    /// Whether files of problems are others than those that the run in `parent` began with, though they are called the same: their order
    /// begins anew in a fork of it.
    ///
    /// # Errors
    /// If files of the model are, which a fork goes on with.
    pub(super) fn check_fork(&self, setup: &Setup, parent: &RunFolder) -> Result<bool> {
        let before = Self::read(parent).map_err(Failure::bad_input)?.lasting();
        let own = self.lasting();
        let common = |files: &BTreeMap<String, Fingerprint>, other: &BTreeMap<String, Fingerprint>| {
            let both = files.iter().filter(|(name, _)| other.contains_key(*name));
            both.map(|(name, file)| (name.clone(), file.clone())).collect::<BTreeMap<_, _>>()
        };
        let (now, then) = (common(&own.files, &before.files), common(&before.files, &own.files));
        let changed: Vec<&String> = now.keys().filter(|name| now.get(*name) != then.get(*name)).collect();
        let origin = origin(&setup.recipe)?.map(|origin| recipe::whole(&origin));
        let is_of_model =
            |name: &&&String| origin.as_ref().is_some_and(|origin| Path::new(name).starts_with(origin));
        if let Some(file) = changed.iter().find(is_of_model) {
            let text = format!(
                "{file}: another file than when {} began, and a fork goes on with its model; put it back",
                parent.root().display()
            );
            return Err(Failure::BadInput(text).into());
        }
        Ok(!changed.is_empty())
    }
}

/// What differs between the files `now` and `before`, a sentence each.
fn changed_files(now: &BTreeMap<String, Fingerprint>, before: &BTreeMap<String, Fingerprint>) -> Vec<String> {
    let paths = now.keys().chain(before.keys().filter(|path| !now.contains_key(*path)));
    let begins = |file: Option<&Fingerprint>| match file {
        Some(file) => format!("SHA-256 {}...", file.sha256.get(..12).unwrap_or_default()),
        None => "absent".to_owned(),
    };
    let changed = paths.filter(|path| now.get(*path) != before.get(*path));
    changed
        .map(|path| {
            let shown = recipe::shown(Path::new(path)).display();
            format!("{shown}: {} now, {} when the run began", begins(now.get(path)), begins(before.get(path)))
        })
        .collect()
}
