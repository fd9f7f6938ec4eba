//! The first and second moments of AdamW, f32: `optimizer.safetensors`, `critic_optimizer.safetensors`, `[n_params]` each; or, of
//! several ranks that each keep a piece, a file for each piece: `optimizer-00000-of-00002.safetensors`. Pieces go by the buffer alone, so
//! that any number of ranks reads what any other has written.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tch::Tensor;

use super::VerifiedCheckpoint;
use crate::files::could_not_write;
use crate::model::Pieces;
use crate::model::load::StoredWeights;
use crate::optim::AdamWState;

/// Writes the moments, or this rank's piece of them, as `name` into the folder `dir`; the number of updates has to be kept by the
/// caller. Where every rank has all of them, the first one writes.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn save_moments(dir: &Path, name: &str, state: AdamWState, pieces: &Pieces) -> Result<()> {
    let AdamWState { first, second, updates: _ } = state;
    let path = match pieces.is_cut() {
        true => dir.join(file_name(name, pieces.ranks().rank(), pieces.ranks().size())),
        false if pieces.ranks().is_first() => dir.join(format!("{name}.safetensors")),
        false => return Ok(()),
    };
    Tensor::write_safetensors(&[("first", first), ("second", second)], &path).map_err(|error| {
        could_not_write(&path, os_error(&error.to_string()).map_or(error.into(), Into::into))
    })
}

/// File of the piece of `rank`, one of `size`.
fn file_name(name: &str, rank: usize, size: usize) -> String {
    format!("{name}-{rank:05}-of-{size:05}.safetensors")
}

/// The failure of the operating system that is hidden in the debug format `said`, the only form in which the bindings
/// pass it on.
fn os_error(said: &str) -> Option<io::Error> {
    let (_, code) = said.split_once("Os { code: ")?;
    code.split(',').next()?.parse().ok().map(io::Error::from_raw_os_error)
}

/// The state after `updates`, with the moments `name` of a verified checkpoint, or with this rank's piece of them, whoever has cut them
/// how.
///
/// # Errors
/// If a file is missing, cannot be read, or lacks a moment; if there are more or fewer numbers than parameters.
pub(crate) fn load_moments(
    checkpoint: &VerifiedCheckpoint,
    name: &str,
    updates: u64,
    pieces: &Pieces,
) -> Result<AdamWState> {
    let files = files(checkpoint, name)?;
    let mut first = Vec::new();
    let mut second = Vec::new();
    let wanted = usize::try_from(pieces.own().start)?..usize::try_from(pieces.own().end)?;
    let mut start = 0;
    for path in files {
        let stored = StoredWeights::open_files(checkpoint.folder(), std::slice::from_ref(&path))?;
        let missing = || format!("{}: tensor `first` is missing", path.display());
        let end = start + stored.length("first")?.with_context(missing)?;
        let part = wanted.start.clamp(start, end) - start..wanted.end.clamp(start, end) - start;
        first.extend(stored.part("first", part.clone())?);
        second.extend(stored.part("second", part)?);
        start = end;
    }
    let n = usize::try_from(pieces.n())?;
    ensure!(
        start == n,
        "{}: {name} has moments of {start} parameters, expected {n}; this checkpoint is of another model",
        checkpoint.folder().display()
    );
    let tensor = |numbers: Vec<f32>| Tensor::from_slice(&numbers);
    Ok(AdamWState { first: tensor(first), second: tensor(second), updates })
}

/// The files that the moments `name` lie in, in their order.
fn files(checkpoint: &VerifiedCheckpoint, name: &str) -> Result<Vec<PathBuf>> {
    let is_piece = |file: &&str| {
        file.strip_prefix(name).is_some_and(|rest| rest.starts_with('-') && rest.ends_with(".safetensors"))
    };
    let pieces: Vec<&str> = checkpoint.files().filter(is_piece).collect();
    if pieces.is_empty() {
        return Ok(vec![checkpoint.file(&format!("{name}.safetensors"))?]);
    }
    (0..pieces.len()).map(|rank| checkpoint.file(&file_name(name, rank, pieces.len()))).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::ranks::{Ranks, Shard};

    const OPTIMIZER: &str = "optimizer";

    #[test]
    fn a_full_disk_is_told_from_what_the_bindings_say() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", dir.path().join("optimizer.safetensors")).unwrap();
        let pieces = Pieces::new(1, Ranks::default(), Shard::None);
        let state = AdamWState {
            first: Tensor::from_slice(&[1f32]),
            second: Tensor::from_slice(&[1f32]),
            updates: 1,
        };
        let error =
            format!("{:#}", save_moments(dir.path(), OPTIMIZER, state.shallow_clone(), &pieces).unwrap_err());
        assert!(
            error.ends_with("optimizer.safetensors: the disk is full; make room, then try again"),
            "{error}"
        );
        let error =
            format!("{:#}", save_moments(&dir.path().join("absent"), OPTIMIZER, state, &pieces).unwrap_err());
        assert!(error.ends_with("optimizer.safetensors: No such file or directory (os error 2)"), "{error}");
    }
}
