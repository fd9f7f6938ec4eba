//! The policy a run starts from: loaded or random, then fine-tuned by imitation (SFT).
//!
//! A finished SFT is kept under `runs/.warm_starts/<key>/`, where the key is a hash of everything that shapes it,
//! and reused by every run with the same seed and settings. One under way is saved now and then, and when it is
//! interrupted, under `<key>.partial/`: weights and moments. Who wants the same SFT next goes on from there, with
//! the same result to the last bit, since every draw is a function of its step.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::Tensor;

use super::inputs::{InputFiles, origin};
use super::setup::Setup;
use crate::checkpoint::{
    Store, VerifiedCheckpoint, load_moments, load_weights, save_model, save_moments, write_together,
};
use crate::files::{Lock, list, remove};
use crate::interrupt::Interrupt;
use crate::learner::SftConfig;
use crate::learner::sft::{SftProgress, fine_tune};
use crate::model::{Policy, Trainable};
use crate::observe::Console;
use crate::optim::AdamWState;
use crate::ranks::Ranks;
use crate::recipe::Recipe;
use crate::types::Step;

/// The policy before its SFT; of a model on the hub, [`Setup::fetch_weights`] comes first.
///
/// # Errors
/// If the weights cannot be loaded.
pub(crate) fn initial_policy(setup: &Setup) -> Result<Policy> {
    let begun = match &setup.source {
        None => Policy::scratch(setup.model.clone(), &setup.random, setup.placement)?,
        Some(source) => Policy::of_source(source, setup.model.clone(), setup.placement)?,
    };
    let mut policy = match (&setup.lora, begun.network.trainable()) {
        (None, Trainable::Whole(_)) | (Some(_), Trainable::Adapters(_)) => begun,
        (None, Trainable::Adapters(_)) => begun.merged()?,
        (Some(layout), Trainable::Whole(_)) => begun.with_fresh_adapters(layout.clone(), &setup.random)?,
    };
    policy.network.scale_heads(&setup.recipe.model.head_scales()?)?;
    Ok(policy)
}

/// Part of every key, because the result of SFT depends on code too. Raise it with every change that alters that
/// result: of the demonstrations, the initial weights, the forward or backward pass, or the optimiser of SFT.
const SFT_FORMAT: u32 = 3;

/// Steps between two savings of SFT under way.
const SAVE_EVERY: Step = 250;

/// What the first rank finds where SFT is kept.
#[derive(Serialize, Deserialize)]
enum Kept {
    /// The result.
    Whole(PathBuf),
    /// What an unfinished one has saved.
    Partly(PathBuf),
    /// Nothing.
    Nothing,
    /// It was stopped before it could look.
    Stopped,
}

/// Where SFT is kept, for the one rank that may write there.
struct Shelf {
    /// The result.
    store: Store,
    /// Models on the way.
    models: Store,
    /// What goes on later.
    unfinished: Store,
    /// The folder of that.
    partial: PathBuf,
    _lock: Lock,
}

/// Fine-tunes `policy` as the recipe's `[sft]` says, or takes the result of an earlier run with the same settings. Gives false if an
/// interrupt cut it short.
///
/// # Errors
/// If the texts cannot be made, the loss stops being finite, or the result cannot be kept.
pub(crate) fn run_sft(
    setup: &Setup,
    config: &SftConfig,
    policy: &mut Policy,
    runs: &Path,
    console: &Console,
    interrupt: &Interrupt,
) -> Result<bool> {
    let ranks = &setup.teams.main;
    let mut shelf = None;
    let kept = ranks.first(|| {
        let (own, kept) = open_shelf(setup, config, runs, console, interrupt)?;
        shelf = own;
        Ok(kept)
    })?;
    let begun = match kept {
        Kept::Stopped => {
            console.note("stopped before SFT");
            return Ok(false);
        }
        Kept::Whole(folder) => {
            let _phase = console.step_phase("load SFT", 0);
            let weights = open(ranks, &folder).and_then(|found| learnt(policy, &found));
            let weights = weights.context("a kept SFT is damaged; remove its folder to make it anew");
            policy.network.set_master(&ranks.all_well_at_leisure(weights)?)?;
            console.note(format!("SFT: taken from {}", folder.display()));
            return Ok(true);
        }
        Kept::Partly(folder) => take_up(ranks, policy, &folder, console)?,
        Kept::Nothing => None,
    };
    let Some(source) = &setup.sft_source else { return Ok(true) };
    let phase = console.phase("SFT", config.steps);
    phase.skip(begun.as_ref().map_or(0, |state| state.updates));
    let keep = |store: Option<&Store>, step, policy: &Policy, optimizer: Option<&AdamWState>| {
        let (network, weights) = (&policy.network, policy.network.to_first()?);
        let fill = |dir: &Path| {
            let weights = weights.context("the first rank has no weights")?;
            save_model(&dir.join(MODEL), &network.config, network.trainable(), &weights, &setup.tokenizer)
        };
        let share = |dir: &Path| {
            let save = |state: &AdamWState| save_moments(dir, OPTIMIZER, state, network.pieces());
            optimizer.map_or(Ok(()), save)
        };
        write_together(ranks, store, step, fill, share)
    };
    let finished = fine_tune(policy, config, source, begun, &mut |progress| {
        let SftProgress { step, loss, policy, optimizer } = progress;
        phase.advance(1, format!("loss {loss:.3}"));
        if config.keep_model_every != 0 && step.is_multiple_of(config.keep_model_every) {
            keep(shelf.as_ref().map(|shelf| &shelf.models), step, policy, None)?;
        }
        let asked = ranks.exchange(Ok(interrupt.requested().is_some()))?;
        let stop = asked.contains(&true) && step < config.steps;
        if stop || (step.is_multiple_of(SAVE_EVERY) && step < config.steps) {
            keep(shelf.as_ref().map(|shelf| &shelf.unfinished), step, policy, Some(optimizer))?;
        }
        if stop {
            console.note(format!("stopped in SFT, saved after step {step} of {}", config.steps));
        }
        Ok(!stop)
    })?;
    if finished {
        phase.finish();
        keep(shelf.as_ref().map(|shelf| &shelf.store), config.steps, policy, None)?;
        ranks.first(|| shelf.map_or(Ok(()), |shelf| remove(&shelf.partial)))?;
    }
    Ok(finished)
}

/// Takes the place where SFT is kept, and looks what is there.
fn open_shelf(
    setup: &Setup,
    config: &SftConfig,
    runs: &Path,
    console: &Console,
    interrupt: &Interrupt,
) -> Result<(Option<Shelf>, Kept)> {
    let folder = folder(setup, config, runs)?;
    let mut partial = folder.clone().into_os_string();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    let Some(lock) = wait_for_lock(&folder, console, interrupt)? else {
        return Ok((None, Kept::Stopped));
    };
    let models = Store::new(folder.join(MODELS), 0)?;
    let store = Store::new(folder, 1)?;
    if let Some(kept) = store.latest()? {
        return Ok((None, Kept::Whole(kept.folder)));
    }
    let unfinished = Store::new(&partial, 1)?;
    let kept = unfinished.latest().ok().flatten().map_or(Kept::Nothing, |saved| Kept::Partly(saved.folder));
    Ok((Some(Shelf { store, models, unfinished, partial, _lock: lock }), kept))
}

/// Where the models are that the SFT of `setup` has kept on its way, among those of `runs`; `None` of a recipe without SFT.
///
/// # Errors
/// If a file that shapes it cannot be read.
pub(crate) fn sft_models(setup: &Setup, runs: &Path) -> Result<Option<PathBuf>> {
    let folder = |config| Ok(folder(setup, config, runs)?.join(MODELS));
    setup.recipe.sft.as_ref().map(folder).transpose()
}

/// Where SFT is kept.
fn folder(setup: &Setup, config: &SftConfig, runs: &Path) -> Result<PathBuf> {
    Ok(runs.join(".warm_starts").join(key(setup, config)?))
}

/// Folder of the models that are kept on the way.
const MODELS: &str = "models";
/// Folder of the weights within what is kept.
const MODEL: &str = "model";
/// File of the optimiser's memory beside it.
const OPTIMIZER: &str = "optimizer";

/// The checkpoint in `folder`, which the first rank verifies.
fn open(ranks: &Ranks, folder: &Path) -> Result<VerifiedCheckpoint> {
    match ranks.is_first() {
        true => VerifiedCheckpoint::open(folder),
        false => VerifiedCheckpoint::verified_elsewhere(folder),
    }
}

/// What was learnt up to `checkpoint`.
fn learnt(policy: &Policy, checkpoint: &VerifiedCheckpoint) -> Result<Tensor> {
    load_weights(checkpoint, MODEL, policy.network.trainable())
}

/// Puts `policy` where an unfinished SFT left it in `folder` and gives the optimiser's memory of that moment; `None`, and
/// `policy` as it was, where a rank cannot read it.
fn take_up(
    ranks: &Ranks,
    policy: &mut Policy,
    folder: &Path,
    console: &Console,
) -> Result<Option<AdamWState>> {
    let read = || {
        let checkpoint = open(ranks, folder)?;
        let state = load_moments(&checkpoint, OPTIMIZER, checkpoint.step(), policy.network.pieces())?;
        Ok::<_, anyhow::Error>((learnt(policy, &checkpoint)?, state))
    };
    let read = read();
    let troubles = ranks.exchange(Ok(read.as_ref().err().map(|error| format!("{error:#}"))))?;
    if let Some(trouble) = troubles.into_iter().flatten().next() {
        console.note(format!("SFT: what was saved of it cannot be used, so it begins again: {trouble}"));
        return Ok(None);
    }
    let (weights, state) = read?;
    policy.network.set_master(&weights)?;
    console.note(format!("SFT: going on after step {} from {}", state.updates, folder.display()));
    Ok(Some(state))
}

/// The sole right to make SFT in `folder`; `None` if an interrupt came while another process had it.
fn wait_for_lock(folder: &Path, console: &Console, interrupt: &Interrupt) -> Result<Option<Lock>> {
    let mut waiting = false;
    while interrupt.requested().is_none() {
        if let Some(lock) = Lock::try_acquire(&folder.join(".lock"))? {
            return Ok(Some(lock));
        }
        if !std::mem::replace(&mut waiting, true) {
            console.note("SFT: another run is making the same one; waiting for it");
        }
        thread::sleep(Duration::from_millis(200));
    }
    Ok(None)
}

/// Size and time of the last change of the files of weights in the model's folder. Those of a commit on the hub do not change.
fn stamps(recipe: &Recipe) -> Result<Vec<String>> {
    let Some(folder) = &recipe.model.path else { return Ok(Vec::new()) };
    let mut files: Vec<PathBuf> = list(folder)?.iter().map(DirEntry::path).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    files.sort();
    let stamp = |path: &PathBuf| {
        let stamp = fs::metadata(path).and_then(|file| Ok(format!("{} {:?}", file.len(), file.modified()?)));
        stamp.with_context(|| path.display().to_string())
    };
    files.iter().map(stamp).collect()
}

/// A hash of everything that shapes the result of SFT. The files that the recipe names, the tokenizer's among
/// them, count by their content; weights, which can be large, by size and time.
fn key(setup: &Setup, config: &SftConfig) -> Result<String> {
    // It is found again from another folder, too.
    let recipe = &setup.recipe.lasting()?;
    let mut shape = serde_json::json!({
        "format": SFT_FORMAT,
        "version": env!("CARGO_PKG_VERSION"),
        "seed": recipe.run.seed,
        "sft": config,
        "data": recipe.data,
        "model": format!("{:?} {:?}", origin(recipe)?, setup.model),
        "device": format!("{:?}", setup.placement.device),
        "backend": setup.backend(),
        "inputs": InputFiles::before_training(setup)?.lasting(),
        "weights": stamps(recipe)?,
    });
    // Absent like in keys from before there was a choice.
    if let Some(scales) = &recipe.model.scale_heads {
        shape["scale_heads"] = serde_json::json!(scales);
    }
    if let Some(lora) = &setup.lora {
        shape["lora"] = serde_json::json!(lora.settings);
    }
    // Gradients are summed up in another order then.
    if !setup.teams.main.is_alone() {
        shape["ranks"] = serde_json::json!(setup.teams.main.size());
    }
    if config.keep_model_every == 0 {
        shape["sft"].as_object_mut().map(|sft| sft.remove("keep_model_every"));
    }
    let hash = Sha256::digest(serde_json::to_vec(&shape)?);
    Ok(hex::encode(&hash[..8]))
}
