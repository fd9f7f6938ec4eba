//! The flat buffer to a folder that transformers loads: `config.json` and `model.safetensors`, or shards and their index.
//!
//! Tensors are converted and written in pieces: beside the buffer itself a save needs a few MiB. Every file is synced
//! before the function returns.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::json;

mod published;
mod stored;
mod vectors;

pub(crate) use published::{publish_adapter, publish_folder};
pub(crate) use stored::StoredDtype;
pub(crate) use vectors::write_vectors;

use super::config::{ModelConfig, SpecialIds};
use super::layout::{Entry, Layout, Output};
use super::lora::save_adapter;
use super::trainable::Trainable;
use crate::files::could_not_write;
use crate::files::model_folder::{CONFIG, WEIGHTS, WEIGHTS_INDEX};

/// Largest shard, in bytes of tensors; transformers' limit. A single larger tensor gets a shard of its own.
const SHARD_BYTES: u64 = 5_000_000_000;
/// Elements converted at a time: 4 MiB.
const PIECE: usize = 1 << 20;

/// Writes the numbers `flat` of what `learnt` says into `dir`, which is created if absent: a model of shape `config` in `dtype`, or
/// adapters of one, which are always f32.
///
/// # Errors
/// As [`save_folder`].
pub(crate) fn save(
    dir: &Path,
    config: &ModelConfig,
    learnt: Trainable<'_>,
    flat: &[f32],
    special: &SpecialIds,
    dtype: StoredDtype,
) -> Result<()> {
    match learnt {
        Trainable::Whole(layout) => save_folder_in(dir, config, layout, flat, special, dtype),
        Trainable::Adapters(layout) => save_adapter(dir, layout, flat),
    }
}

/// As [`save_folder_in`], in f32.
///
/// # Errors
/// The same.
#[cfg(test)]
pub(crate) fn save_folder(
    dir: &Path,
    config: &ModelConfig,
    layout: &Layout,
    flat: &[f32],
    special: &SpecialIds,
) -> Result<()> {
    save_folder_in(dir, config, layout, flat, special, StoredDtype::F32)
}

/// Writes `config.json` and the weights `flat` (`[n_params]`) as numbers of `dtype` into `dir`, which is created if absent.
///
/// # Errors
/// One of the files exists already (nothing is overwritten), the disk is full, or another failure to write; names the
/// file. Files finished until then stay, an unfinished one is removed. A number too large for `dtype`.
fn save_folder_in(
    dir: &Path,
    config: &ModelConfig,
    layout: &Layout,
    flat: &[f32],
    special: &SpecialIds,
    dtype: StoredDtype,
) -> Result<()> {
    ensure!(
        usize::try_from(layout.n_params()) == Ok(flat.len()),
        "the parameter buffer holds {} numbers, expected {}",
        flat.len(),
        layout.n_params()
    );
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let json = match layout.output {
        Output::Tied | Output::Vocabulary(_) => config.to_json_in(special, dtype.in_config()),
        Output::Value { .. } => config.to_critic_json(special),
    };
    write_new(&dir.join(CONFIG), |file| file.write_all(json.as_bytes()))?;
    save_weights(dir, layout, flat, SHARD_BYTES, dtype)?;
    sync(dir)
}

/// Syncs `dir` itself: a new name is only safe on disk once its folder is.
pub(super) fn sync(dir: &Path) -> Result<()> {
    File::open(dir)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("cannot sync {}", dir.display()))
}

fn save_weights(
    dir: &Path,
    layout: &Layout,
    flat: &[f32],
    shard_bytes: u64,
    dtype: StoredDtype,
) -> Result<()> {
    let shards = split(layout.entries(), shard_bytes, dtype.width());
    if let [entries] = shards.as_slice() {
        return write_tensors(&dir.join(WEIGHTS), entries, flat, dtype);
    }
    let mut weight_map = serde_json::Map::new();
    for (i, entries) in (1..).zip(&shards) {
        let name = format!("model-{i:05}-of-{:05}.safetensors", shards.len());
        write_tensors(&dir.join(&name), entries, flat, dtype)?;
        weight_map.extend(entries.iter().map(|entry| (entry.name.clone(), json!(name))));
    }
    let total = flat.len() * dtype.width();
    let index = json!({ "metadata": { "total_size": total }, "weight_map": weight_map });
    write_new(&dir.join(WEIGHTS_INDEX), |file| writeln!(file, "{index:#}"))
}

/// Cuts the entries into runs of at most `shard_bytes`, at least one entry each.
fn split(entries: &[Entry], shard_bytes: u64, width: usize) -> Vec<&[Entry]> {
    let (mut shards, mut rest) = (Vec::new(), entries);
    while !rest.is_empty() {
        let mut filled = 0;
        let fits = |entry: &&Entry| {
            filled += entry.n_elements() as u64 * width as u64;
            filled <= shard_bytes
        };
        let (shard, tail) = rest.split_at(rest.iter().take_while(fits).count().max(1));
        shards.push(shard);
        rest = tail;
    }
    shards
}

/// Creates the file of tensors `path` with `entries`, neighbours in the buffer `flat`, as numbers of `dtype`.
///
/// # Errors
/// As [`save_folder`].
pub(super) fn write_tensors(path: &Path, entries: &[Entry], flat: &[f32], dtype: StoredDtype) -> Result<()> {
    let header = header(entries, dtype.in_header()).with_context(|| path.display().to_string())?;
    let start = entries.first().map_or(0, |entry| entry.start) as usize;
    let n_elements: usize = entries.iter().map(|entry| entry.n_elements() as usize).sum();
    let numbers = &flat[start..start + n_elements]; // a run of entries is a run of the buffer
    write_new(path, |file| {
        file.write_all(&header)?;
        let mut bytes = vec![0; PIECE.min(numbers.len()) * dtype.width()];
        for piece in numbers.chunks(PIECE) {
            let bytes = &mut bytes[..piece.len() * dtype.width()];
            if let Some(large) = dtype.encode(piece, bytes) {
                return Err(io::Error::other(format!(
                    "{dtype} cannot hold the weight {large}; take a precision of more range"
                )));
            }
            file.write_all(bytes)?;
        }
        Ok(())
    })
}

/// Length, JSON, and blanks up to a multiple of 8 so that the numbers are aligned.
fn header(entries: &[Entry], dtype: Dtype) -> Result<Vec<u8>> {
    let mut end = 0;
    let mut tensors = Vec::new();
    for entry in entries {
        let start = end;
        end += usize::try_from(entry.n_elements())? * dtype.bitsize() / 8;
        let shape = entry.shape.iter().map(|&n| usize::try_from(n)).collect::<Result<_, _>>()?;
        let info = TensorInfo { dtype, shape, data_offsets: (start, end) };
        tensors.push((entry.name.clone(), info));
    }
    // transformers asks for the format.
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let mut json = serde_json::to_vec(&Metadata::new(Some(format), tensors)?)?;
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut header = (json.len() as u64).to_le_bytes().to_vec();
    header.append(&mut json);
    Ok(header)
}

/// Creates `path`, lets `fill` write it, syncs it; an unfinished file is removed.
///
/// # Errors
/// If it exists already, or cannot be written.
pub(super) fn write_new(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    let written = File::create_new(path).and_then(|mut file| {
        fill(&mut file).and_then(|()| file.sync_all()).inspect_err(|_| {
            // The first error is the one to report.
            let _ = fs::remove_file(path);
        })
    });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => anyhow!(
            "could not write {}, which exists; nothing is overwritten: remove it or save elsewhere",
            path.display()
        ),
        _ => could_not_write(path, error.into()),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
