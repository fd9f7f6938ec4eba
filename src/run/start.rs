//! The policy a run starts from: loaded or random, then warmed up by imitation.
//!
//! A finished warm start is kept under `runs/.warm_starts/<key>/`, where the key is a hash of everything that shapes it,
//! and reused by every run with the same seed and settings.

use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::setup::Setup;
use crate::checkpoint::{Store, VerifiedCheckpoint, save_model};
use crate::interrupt::Interrupt;
use crate::learner::WarmupConfig;
use crate::learner::warmup::warm_up;
use crate::model::Policy;
use crate::observe::Console;

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
    let store = Store::new(runs.join(".warm_starts").join(key(setup, config)?), 1)?;
    if let Some(kept) = store.latest()? {
        let checkpoint = VerifiedCheckpoint::open(&kept.folder)
            .context("a kept warm start is damaged; remove its folder to make it anew")?;
        let warmed = Policy::load(&checkpoint.folder().join("model"), setup.model.clone(), setup.placement)?;
        policy.set_master(warmed.master())?;
        console.note(format!("warm start: taken from {}", kept.folder.display()));
        return Ok(true);
    }
    let Some(source) = setup.warmup_source()? else { return Ok(true) };
    let phase = console.phase("warm start", config.steps);
    let finished = warm_up(policy, config, &source, &mut |_, loss| {
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
    });
    let hash = Sha256::digest(serde_json::to_vec(&shape)?);
    Ok(hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}
