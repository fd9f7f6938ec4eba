//! `optimizer.safetensors`: the first and second moments of AdamW, f32 `[n_params]` each.

use std::path::Path;

use anyhow::{Context, Result};
use tch::Tensor;

use super::VerifiedCheckpoint;
use crate::optim::AdamWState;

const OPTIMIZER: &str = "optimizer.safetensors";

/// Writes the moments into the folder `dir`; the number of updates has to be kept by the caller.
///
/// # Errors
/// If the file cannot be written.
pub fn save_moments(dir: &Path, state: AdamWState) -> Result<()> {
    let AdamWState { first, second, updates: _ } = state;
    let path = dir.join(OPTIMIZER);
    Tensor::write_safetensors(&[("first", first), ("second", second)], &path)
        .with_context(|| format!("could not write {}; is the disk full?", path.display()))
}

/// The state after `updates`, with the moments of a verified checkpoint.
///
/// # Errors
/// If the file is missing, cannot be read or lacks a moment.
pub fn load_moments(checkpoint: &VerifiedCheckpoint, updates: u64) -> Result<AdamWState> {
    let path = checkpoint.file(OPTIMIZER)?;
    let moments =
        Tensor::read_safetensors(&path).with_context(|| format!("could not read {}", path.display()))?;
    let moment = |name: &str| {
        let found = moments.iter().find(|(n, _)| n == name).map(|(_, tensor)| tensor.shallow_clone());
        found.with_context(|| format!("{}: tensor `{name}` is missing", path.display()))
    };
    Ok(AdamWState { first: moment("first")?, second: moment("second")?, updates })
}
