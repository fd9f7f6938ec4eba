//! The policy a run starts from: loaded or random, then warmed up by imitation.
//!
//! A finished warm start is kept under `runs/.warm_starts/<key>/`, where the key is a hash of everything that shapes it,
//! and reused by every run with the same seed and settings.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::setup::Setup;
use crate::checkpoint::{Store, VerifiedCheckpoint, save_model};
use crate::data::DataConfig;
use crate::data::supervised::SourceConfig;
use crate::files::{Lock, list};
use crate::interrupt::Interrupt;
use crate::learner::WarmupConfig;
use crate::learner::warmup::warm_up;
use crate::model::Policy;
use crate::observe::Console;
use crate::recipe::Recipe;

/// The policy before its warm start.
///
/// # Errors
/// If the weights cannot be loaded.
pub fn initial_policy(setup: &Setup) -> Result<Policy> {
    let Some(path) = &setup.recipe.model.path else {
        return Policy::scratch(setup.model.clone(), &setup.random, setup.placement);
    };
    Policy::load(path, setup.model.clone(), setup.placement)
}

/// Warms `policy` up as the recipe says, or takes the result of an earlier run with the same settings. Gives false if an
/// interrupt cut it short.
///
/// # Errors
/// If the texts cannot be made, the loss stops being finite, or the result cannot be kept.
pub fn warm_start(
    setup: &Setup,
    config: &WarmupConfig,
    policy: &mut Policy,
    runs: &Path,
    console: &Console,
    interrupt: &Interrupt,
) -> Result<bool> {
    let folder = runs.join(".warm_starts").join(key(setup, config)?);
    fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    let Some(_lock) = wait_for_lock(&folder, console, interrupt)? else { return Ok(false) };
    let store = Store::new(folder, 1)?;
    if let Some(kept) = store.latest()? {
        let _phase = console.step_phase("load warm start", 0);
        let checkpoint = VerifiedCheckpoint::open(&kept.folder)
            .context("a kept warm start is damaged; remove its folder to make it anew")?;
        let warmed = Policy::load(&checkpoint.folder().join("model"), setup.model.clone(), setup.placement)?;
        policy.set_master(warmed.master())?;
        console.note(format!("warm start: taken from {}", kept.folder.display()));
        return Ok(true);
    }
    let Some(source) = &setup.warmup_source else { return Ok(true) };
    let phase = console.phase("warm start", config.steps);
    let finished = warm_up(policy, config, source, &mut |_, loss| {
        phase.advance(1, format!("loss {loss:.3}"));
        interrupt.requested().is_none()
    })?;
    if finished {
        phase.finish();
        store.write(config.steps, |dir| {
            save_model(&dir.join("model"), &policy.config, &policy.layout, policy.master(), &setup.tokenizer)
        })?;
    }
    Ok(finished)
}

/// The sole right to make the warm start in `folder`; `None` if an interrupt came while another process had it.
fn wait_for_lock(folder: &Path, console: &Console, interrupt: &Interrupt) -> Result<Option<Lock>> {
    let mut waiting = false;
    while interrupt.requested().is_none() {
        if let Some(lock) = Lock::try_acquire(&folder.join(".lock"))? {
            return Ok(Some(lock));
        }
        if !std::mem::replace(&mut waiting, true) {
            console.note("warm start: another run is making the same one; waiting for it");
        }
        thread::sleep(Duration::from_millis(200));
    }
    Ok(None)
}

/// Size and time of the last change of every file that shapes a warm start.
fn stamps(recipe: &Recipe) -> Result<Vec<String>> {
    let mut files = Vec::new();
    if let Some(folder) = &recipe.model.path {
        files = list(folder)?.iter().map(DirEntry::path).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
        files.sort();
    }
    if let DataConfig::Jsonl(data) = &recipe.data {
        files.push(data.path.clone());
    }
    if let Some(SourceConfig::Jsonl(source)) = recipe.warmup.as_ref().map(|warmup| &warmup.source) {
        files.push(source.path.clone());
    }
    let stamp = |path: &PathBuf| {
        let stamp = fs::metadata(path).and_then(|file| Ok(format!("{} {:?}", file.len(), file.modified()?)));
        stamp.with_context(|| path.display().to_string())
    };
    files.iter().map(stamp).collect()
}

/// A hash of everything that shapes the result of a warm start.
fn key(setup: &Setup, config: &WarmupConfig) -> Result<String> {
    let recipe = &setup.recipe;
    let shape = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "seed": recipe.run.seed,
        "warmup": config,
        "data": recipe.data,
        "model": format!("{:?} {:?}", recipe.model.path, setup.model),
        "kind": format!("{:?}", setup.placement.kind),
        "files": stamps(recipe)?,
    });
    let hash = Sha256::digest(serde_json::to_vec(&shape)?);
    Ok(hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}
