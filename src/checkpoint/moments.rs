//! The first and second moments of AdamW, f32: `optimizer.safetensors`, `critic_optimizer.safetensors`, `[n_params]` each; or, of
//! several ranks that each keep a piece, a file for each piece: `optimizer-00000-of-00002.safetensors`. Pieces go by the buffer alone, so
//! that any number of ranks reads what any other has written.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tch::Kind;

use super::VerifiedCheckpoint;
use crate::kernel::Owned;
use crate::model::Pieces;
use crate::model::load::StoredWeights;
use crate::model::save::write_vectors;
use crate::optim::AdamWState;

/// Writes the moments, or this rank's piece of them, as `name` into the folder `dir`; the number of updates has to be kept by the
/// caller. Where every rank has all of them, the first one writes.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn save_moments(dir: &Path, name: &str, state: &AdamWState, pieces: &Pieces) -> Result<()> {
    let AdamWState { first, second, updates: _ } = state;
    let path = match pieces.is_cut() {
        true => dir.join(file_name(name, pieces.ranks().rank(), pieces.ranks().size())),
        false if pieces.ranks().is_first() => dir.join(format!("{name}.safetensors")),
        false => return Ok(()),
    };
    write_vectors(&path, &[("first", first), ("second", second)])
}

/// File of the piece of `rank`, one of `size`.
fn file_name(name: &str, rank: usize, size: usize) -> String {
    format!("{name}-{rank:05}-of-{size:05}.safetensors")
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
    let own = usize::try_from(pieces.own().start)?..usize::try_from(pieces.own().end)?;
    let empty = || Owned::empty(&[own.len() as i64], Kind::Float);
    let (mut first, mut second) = (empty(), empty());
    let mut start = 0;
    for path in files(checkpoint, name)? {
        let stored = StoredWeights::open_files(checkpoint.folder(), std::slice::from_ref(&path))?;
        let missing = || format!("{}: tensor `first` is missing", path.display());
        let end = start + stored.length("first")?.with_context(missing)?;
        let shared = own.start.clamp(start, end)..own.end.clamp(start, end);
        if !shared.is_empty() {
            let place = shared.start - own.start..shared.end - own.start;
            for (moment, numbers) in [("first", &mut first), ("second", &mut second)] {
                stored.read_part(moment, shared.start - start, &mut numbers.numbers()?[place.clone()])?;
            }
        }
        start = end;
    }
    let n = usize::try_from(pieces.n())?;
    ensure!(
        start == n,
        "{}: {name} has moments of {start} parameters, expected {n}; this checkpoint is of another model",
        checkpoint.folder().display()
    );
    Ok(AdamWState { first: first.into_tensor(), second: second.into_tensor(), updates })
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
    use tch::Tensor;

    use super::*;
    use crate::ranks::{Ranks, Shard};

    const OPTIMIZER: &str = "optimizer";

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let pieces = Pieces::new(1, Ranks::default(), Shard::None);
        let state = AdamWState {
            first: Tensor::from_slice(&[1f32]),
            second: Tensor::from_slice(&[1f32]),
            updates: 1,
        };
        let error = format!(
            "{:#}",
            save_moments(&dir.path().join("absent"), OPTIMIZER, &state, &pieces).unwrap_err()
        );
        assert!(error.ends_with("optimizer.safetensors: No such file or directory (os error 2)"), "{error}");
    }
}
