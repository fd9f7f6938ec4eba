//! `optimizer.safetensors`, `critic_optimizer.safetensors`: the first and second moments of AdamW, f32 `[n_params]` each.

use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use tch::Tensor;

use super::VerifiedCheckpoint;
use crate::files::could_not_write;
use crate::optim::AdamWState;

/// Writes the moments as file `name` into the folder `dir`; the number of updates has to be kept by the caller.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn save_moments(dir: &Path, name: &str, state: AdamWState) -> Result<()> {
    let AdamWState { first, second, updates: _ } = state;
    let path = dir.join(name);
    Tensor::write_safetensors(&[("first", first), ("second", second)], &path).map_err(|error| {
        could_not_write(&path, os_error(&error.to_string()).map_or(error.into(), Into::into))
    })
}

/// The failure of the operating system that is hidden in the debug format `said`, the only form in which the bindings
/// pass it on.
fn os_error(said: &str) -> Option<io::Error> {
    let (_, code) = said.split_once("Os { code: ")?;
    code.split(',').next()?.parse().ok().map(io::Error::from_raw_os_error)
}

/// The state after `updates`, with the moments in file `name` of a verified checkpoint.
///
/// # Errors
/// If the file is missing, cannot be read or lacks a moment.
pub(crate) fn load_moments(checkpoint: &VerifiedCheckpoint, name: &str, updates: u64) -> Result<AdamWState> {
    let path = checkpoint.file(name)?;
    let moments =
        Tensor::read_safetensors(&path).with_context(|| format!("could not read {}", path.display()))?;
    let moment = |name: &str| {
        let found = moments.iter().find(|(n, _)| n == name).map(|(_, tensor)| tensor.shallow_clone());
        found.with_context(|| format!("{}: tensor `{name}` is missing", path.display()))
    };
    Ok(AdamWState { first: moment("first")?, second: moment("second")?, updates })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const OPTIMIZER: &str = "optimizer.safetensors";

    #[test]
    fn a_full_disk_is_told_from_what_the_bindings_say() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", dir.path().join(OPTIMIZER)).unwrap();
        let state = AdamWState {
            first: Tensor::from_slice(&[1f32]),
            second: Tensor::from_slice(&[1f32]),
            updates: 1,
        };
        let error = format!("{:#}", save_moments(dir.path(), OPTIMIZER, state.shallow_clone()).unwrap_err());
        assert!(
            error.ends_with("optimizer.safetensors: the disk is full; make room, then try again"),
            "{error}"
        );
        let error = format!("{:#}", save_moments(&dir.path().join("absent"), OPTIMIZER, state).unwrap_err());
        assert!(error.ends_with("optimizer.safetensors: No such file or directory (os error 2)"), "{error}");
    }
}
