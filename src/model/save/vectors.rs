//! Tensors to files from wherever they are, a few MiB at a time.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use safetensors::Dtype;
use tch::{Device, Kind, Tensor};

use super::{PIECE, header, write_new};
use crate::model::layout::Entry;

/// Creates the file of tensors `path` with `vectors`, f32 `[n]` each, by their names, and syncs it.
///
/// # Errors
/// If it exists already, or cannot be written.
pub(crate) fn write_vectors(path: &Path, vectors: &[(&str, &Tensor)]) -> Result<()> {
    let entry =
        |(name, vector): &(&str, &Tensor)| Entry { name: (*name).to_owned(), shape: vector.size(), start: 0 };
    let entries: Vec<Entry> = vectors.iter().map(entry).collect();
    let header = header(&entries, Dtype::F32).with_context(|| path.display().to_string())?;
    write_new(path, |file| {
        file.write_all(&header)?;
        vectors.iter().try_for_each(|(_, vector)| write_numbers(file, vector, Kind::Float))
    })
}

/// Writes the numbers of `flat`, which has one dimension, as those of `kind`, f32 or bf16, the lowest byte first.
pub(super) fn write_numbers(file: &mut File, flat: &Tensor, kind: Kind) -> io::Result<()> {
    let _guard = tch::no_grad_guard();
    flat.split(PIECE as i64, 0)
        .iter()
        .try_for_each(|piece| file.write_all(&bytes(piece, kind).map_err(io::Error::other)?))
}

fn bytes(piece: &Tensor, kind: Kind) -> Result<Vec<u8>> {
    let piece = piece.to_kind(kind).to_device(Device::Cpu);
    Ok(match kind {
        Kind::BFloat16 => {
            let words = Vec::<i16>::try_from(piece.view_dtype(Kind::Int16))?;
            words.into_iter().flat_map(i16::to_le_bytes).collect()
        }
        _ => Vec::<f32>::try_from(piece)?.into_iter().flat_map(f32::to_le_bytes).collect(),
    })
}
