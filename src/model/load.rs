//! Weights of a Hugging Face folder into the flat buffer.
//!
//! The folder holds `model.safetensors`, or shards that `model.safetensors.index.json` names. Tensors are read in
//! pieces and converted on the way, so beside the buffer itself a load needs a few MiB.

mod decode;
mod file;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use self::file::{Stored, WeightFile};
use super::layout::{Entry, Layout};

/// Name of the only weight file of a folder.
pub(crate) const SINGLE: &str = "model.safetensors";
/// Name of the file that lists the shards.
pub(crate) const INDEX: &str = "model.safetensors.index.json";

/// Elements converted at a time by one thread: 4 MiB of f32.
const PIECE: usize = 1 << 20;
/// More threads than this wait for memory, not for each other.
const MAX_THREADS: usize = 4;

/// Fills `flat` (`[n_params]`) with the weights in `dir`, which are stored as f32, bf16 or f16.
///
/// `lm_head.weight` of a model whose output projection is its embedding, and the rotary frequencies that old
/// versions stored, are skipped.
///
/// # Errors
/// No weights, a shard missing, a truncated or damaged file; or tensors that do not fit `layout`: all that are
/// missing, unexpected, of another shape or of an unsupported dtype are listed in one error.
/// `flat` is undefined then.
pub fn load_into(dir: &Path, layout: &Layout, flat: &mut [f32]) -> Result<()> {
    ensure!(
        usize::try_from(layout.n_params()) == Ok(flat.len()),
        "the parameter buffer holds {} numbers, expected {}",
        flat.len(),
        layout.n_params()
    );
    let files = open(dir)?;
    let sources = fit_folder(dir, &files, layout)?;
    read_all(layout.entries().iter().zip(sources).collect(), flat)
}

/// Checks that the files of weights in `dir` are whole and fit `layout`; only their headers are read.
///
/// # Errors
/// As [`load_into`].
pub fn check(dir: &Path, layout: &Layout) -> Result<()> {
    fit_folder(dir, &open(dir)?, layout).map(drop)
}

fn open(dir: &Path) -> Result<Vec<WeightFile>> {
    weight_files(dir)?.iter().map(|path| WeightFile::open(path)).collect()
}

fn fit_folder<'a>(dir: &Path, files: &'a [WeightFile], layout: &Layout) -> Result<Vec<Stored<'a>>> {
    fit(files, layout).with_context(|| format!("{}: the weights do not fit config.json", dir.display()))
}

/// The weight files of a folder, sorted by name.
fn weight_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let (single, index) = (dir.join(SINGLE), dir.join(INDEX));
    if single.exists() {
        return Ok(vec![single]);
    }
    ensure!(
        index.exists(),
        "{}: no weights: got neither {SINGLE} nor {INDEX}; fetch them, or convert other formats with transformers' \
         save_pretrained",
        dir.display()
    );
    let here = || format!("{}", index.display());
    let text = fs::read_to_string(&index).with_context(here)?;
    let value: Value =
        serde_json::from_str(&text).context("not JSON; fetch the file again").with_context(here)?;
    let expected = r#"expected { "weight_map": { tensor: file } }; fetch the file again"#;
    let map = value["weight_map"].as_object().with_context(|| format!("{}: {expected}", here()))?;
    let mut names: Vec<&str> = map
        .values()
        .map(|file| file.as_str().with_context(|| format!("{}: got file {file}, {expected}", here())))
        .collect::<Result<_>>()?;
    names.sort_unstable();
    names.dedup();
    let absent: Vec<&str> = names.iter().copied().filter(|name| !dir.join(name).exists()).collect();
    ensure!(
        absent.is_empty(),
        "{}: {} of {} shards missing: {}; fetch them into the same folder",
        here(),
        absent.len(),
        names.len(),
        absent.join(", ")
    );
    Ok(names.iter().map(|name| dir.join(name)).collect())
}

/// The stored tensor of each entry, in the layout's order.
fn fit<'a>(files: &'a [WeightFile], layout: &Layout) -> Result<Vec<Stored<'a>>> {
    let mut problems = Vec::new();
    let mut stored: BTreeMap<&str, Stored<'a>> = BTreeMap::new();
    for tensor in files.iter().flat_map(WeightFile::tensors) {
        if let Some(first) = stored.insert(tensor.name, tensor) {
            problems.push(format!(
                "{}: in {} and again in {}",
                tensor.name,
                first.file.name(),
                tensor.file.name()
            ));
        }
    }
    let (mut sources, mut missing) = (Vec::new(), Vec::new());
    for entry in layout.entries() {
        let Some(tensor) = stored.remove(entry.name.as_str()) else {
            missing.push(entry.name.as_str());
            continue;
        };
        problems.extend(misfit(entry, &tensor));
        sources.push(tensor);
    }
    // An output projection left over here belongs to a model whose projection is its embedding.
    let skipped = |name: &str| name.ends_with("rotary_emb.inv_freq") || name == "lm_head.weight";
    let unexpected: Vec<&str> = stored.into_keys().filter(|name| !skipped(name)).collect();
    for (kind, names) in [("missing", missing), ("unexpected", unexpected)] {
        if !names.is_empty() {
            problems.push(format!("{kind} ({}): {}", names.len(), names.join(", ")));
        }
    }
    if !problems.is_empty() {
        bail!("{}\n  take config.json and the weights from the same model", problems.join("\n  "));
    }
    Ok(sources)
}

/// What is wrong with a tensor that should fill `entry`.
fn misfit(entry: &Entry, tensor: &Stored<'_>) -> Option<String> {
    let here = || format!("{} in {}", entry.name, tensor.file.name());
    let same_shape = entry.shape.iter().copied().eq(tensor.shape.iter().map(|&n| n as i64));
    if !same_shape {
        return Some(format!("{}: got shape {:?}, expected {:?}", here(), tensor.shape, entry.shape));
    }
    if !decode::SUPPORTED.contains(&tensor.dtype) {
        return Some(format!("{}: got dtype {}, expected F32, BF16 or F16", here(), tensor.dtype));
    }
    None
}

/// Reads every tensor to its place; threads take pieces as they become free.
fn read_all(tensors: Vec<(&Entry, Stored<'_>)>, flat: &mut [f32]) -> Result<()> {
    // Entries lie in the buffer one after the other, so each takes the front of what is left.
    let mut rest = flat;
    let mut pieces = Vec::new();
    for (entry, tensor) in tensors {
        let (out, tail) = rest.split_at_mut(usize::try_from(entry.n_elements())?);
        rest = tail;
        pieces.extend(out.chunks_mut(PIECE).enumerate().map(|(i, out)| (tensor, i * PIECE, out)));
    }
    let n_threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let pieces = Mutex::new(pieces.into_iter());
    let next = || pieces.lock().ok()?.next();
    let work = || -> Result<()> {
        let mut bytes = Vec::new();
        while let Some((tensor, offset, out)) = next() {
            tensor.read(offset, out, &mut bytes)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..n_threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        let joined = others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.fold(own, |all, one| all.and(one))
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
