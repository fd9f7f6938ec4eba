//! Finding the policy that a verb is asked about: a run's newest checkpoint, or a Hugging Face folder.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};

use super::scale_heads::ScaleHeads;
use crate::checkpoint::{VerifiedCheckpoint, is_sealed, model_at, placed, seals};
use crate::files::at_home;
use crate::files::model_folder::{ADAPTER_CONFIG, CONFIG, TOKENIZER};
use crate::hub::{Files, Hub, source};
use crate::model::{
    BackendChoice, DeviceChoice, Dtype, HubModel, ModelConfig, ModelSettings, ModelSource, Placement, Policy,
};
use crate::observe::Console;
use crate::run::Failure;
use crate::text::Tokenizer;

/// A policy ready to answer.
pub(super) struct Loaded {
    /// The weights.
    pub policy: Policy,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// The folder the weights come from.
    pub folder: PathBuf,
}

/// Where and how a verb wishes to compute.
#[derive(Clone, Copy, Default)]
pub(super) struct Choices<'a> {
    /// Device.
    pub device: DeviceChoice,
    /// Compute precision.
    pub dtype: Dtype,
    /// What computes.
    pub backend: BackendChoice,
    /// Heads whose writes are multiplied.
    pub heads: Option<&'a ScaleHeads>,
}

impl Choices<'_> {
    /// Those of a recipe's `[model]`.
    pub(super) fn new(model: &ModelSettings) -> Choices<'static> {
        Choices { device: model.device, dtype: model.dtype, backend: model.backend, heads: None }
    }

    /// What they come to on this machine.
    pub(super) fn resolve(self) -> Result<Placement> {
        Placement::resolve(self.device, self.dtype, self.backend)
    }
}

/// Loads the policy behind `path`: a folder with config.json or adapters, a checkpoint, a run, whose newest checkpoint counts, or
/// `hub:org/name[@revision]`.
pub(super) fn load(path: &Path, choices: Choices<'_>) -> Result<Loaded> {
    let _phase = Console::new().step_phase("load model", 0);
    try_load(path, choices).map_err(Failure::bad_input)
}

/// As [`load`], but a folder without `tokenizer.json` will do.
pub(super) fn load_for_tokens(
    path: &Path,
    choices: Choices<'_>,
) -> Result<(Policy, Option<Tokenizer>, PathBuf)> {
    let (policy, tokenizer, folder, ()) = load_fitting(path, choices, |_| Ok(()))?;
    Ok((policy, tokenizer, folder))
}

/// As [`load_for_tokens`], with what `fit` makes of the model's shape before any weight is loaded.
pub(super) fn load_fitting<T>(
    path: &Path,
    choices: Choices<'_>,
    fit: impl FnOnce(&ModelConfig) -> Result<T>,
) -> Result<(Policy, Option<Tokenizer>, PathBuf, T)> {
    let _phase = Console::new().step_phase("load model", 0);
    let load = || {
        let source = source(&model_folder(path)?)?;
        let files = source.folder_with(TOKENIZER);
        let has_one = files.join(TOKENIZER).is_file();
        let tokenizer = has_one.then(|| Tokenizer::for_texts(files)).transpose()?;
        let shape = shape(&source.folder, tokenizer.as_ref())?;
        let fitting = fit(&shape)?;
        Ok((load_weights(&source, shape, choices)?, tokenizer, source.asked().to_owned(), fitting))
    };
    load().map_err(Failure::bad_input)
}

fn try_load(path: &Path, choices: Choices<'_>) -> Result<Loaded> {
    let source = source(&model_folder(path)?)?;
    let tokenizer = Tokenizer::from_folder(source.folder_with(TOKENIZER))?;
    let shape = shape(&source.folder, Some(&tokenizer))?;
    let policy = load_weights(&source, shape, choices)?;
    Ok(Loaded { policy, tokenizer, folder: source.asked().to_owned() })
}

/// The shape of the model in `folder`, which has a token for each of those of `tokenizer`.
fn shape(folder: &Path, tokenizer: Option<&Tokenizer>) -> Result<ModelConfig> {
    let mut config = ModelConfig::from_folder(folder)?;
    if let Some(tokenizer) = tokenizer {
        let fits = tokenizer.check_fits(usize::try_from(config.vocab_size)?);
        fits.with_context(|| folder.display().to_string())?;
        config = config.with_tokens(tokenizer.has_token());
    }
    Ok(config)
}

fn load_weights(source: &ModelSource, config: ModelConfig, choices: Choices<'_>) -> Result<Policy> {
    let scales = choices.heads.map(|heads| heads.resolve(&config)).transpose().context("--scale-heads")?;
    let mut policy = Policy::of_source(source, config, choices.resolve()?)?;
    if let Some(scales) = scales {
        policy.network.scale_heads(&scales)?;
    }
    Ok(policy)
}

/// The model on the hub that `path` names, as `hub:org/name` or `hub:org/name@revision`.
pub(super) fn on_hub(path: &Path) -> Result<Option<HubModel>> {
    let name = path.to_str().and_then(|path| path.strip_prefix("hub:"));
    name.map(str::parse).transpose().with_context(|| path.display().to_string())
}

/// The folder of a model on the hub, without its weights.
pub(super) fn texts(model: &HubModel) -> Result<PathBuf> {
    Ok(Hub::from_environment()?.fetch(model, Files::Texts, Some(&Console::new()))?.folder)
}

/// What `path` stands for, as [`placed`]; a model on the hub stands for itself.
pub(super) fn place(path: &str) -> Result<PathBuf> {
    if path.starts_with("hub:") {
        return Ok(path.into());
    }
    let at_home = at_home(path);
    // The parser of arguments says the outermost sentence alone.
    placed(at_home.as_deref().unwrap_or(path)).map_err(|error| anyhow!("{error:#}"))
}

/// That there is a folder at `path`, or that it names a model on the hub.
pub(super) fn require_folder(path: &Path) -> Result<()> {
    if on_hub(path)?.is_some() {
        return Ok(());
    }
    let wrong = if path.exists() { "not a folder" } else { "there is no such folder" };
    ensure!(
        path.is_dir(),
        "{}: {wrong}; expected a run, a checkpoint such as RUN@40, a Hugging Face model or hub:ORG/NAME",
        path.display()
    );
    Ok(())
}

/// The folder with the model that `path` stands for, as for [`load`].
pub(super) fn model_folder(path: &Path) -> Result<PathBuf> {
    if let Some(model) = on_hub(path)? {
        let snapshot = Hub::from_environment()?.fetch(&model, Files::All, Some(&Console::new()))?;
        return Ok(snapshot.folder);
    }
    require_folder(path)?;
    let folder = model_at(path)?;
    match folder.parent().filter(|_| folder != path) {
        None => verified_if_sealed(path),
        Some(checkpoint) if is_sealed(checkpoint) => {
            VerifiedCheckpoint::open(checkpoint)?.model_folder("model")
        }
        Some(_) => Ok(folder),
    }
}

/// The model folder `folder`; verified where it is part of a checkpoint.
fn verified_if_sealed(folder: &Path) -> Result<PathBuf> {
    let whole = folder.canonicalize().with_context(|| folder.display().to_string())?;
    if let (Some(checkpoint), Some(name)) = (whole.parent(), whole.file_name().and_then(OsStr::to_str))
        && [CONFIG, ADAPTER_CONFIG].iter().any(|file| seals(checkpoint, &format!("{name}/{file}")))
    {
        VerifiedCheckpoint::open(checkpoint)?.model_folder(name)?;
    }
    Ok(folder.to_owned())
}
