//! Weights of a Hugging Face folder into the flat buffer.
//!
//! The folder holds `model.safetensors`, or shards that `model.safetensors.index.json` names. Headers are read first, and
//! what `config.json` says of sizes is compared with the shapes there before memory is taken; then tensors are read in pieces
//! and converted on the way, so beside the buffer itself a load needs a few MiB.
//!
//! Shards lie in the folder itself. Links are followed wherever they lead, since the cache of Hugging Face's tools is made of
//! them, but only to files.

mod decode;
mod file;
mod fit;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use tch::{Kind, Tensor};

use self::file::{MAX_HEADER_BYTES, Stored, WeightFile};
use super::config::ModelConfig;
use super::json;
use super::layout::{Entry, Layout};
use super::lora::{ModelSource, StoredAdapter};
use super::save::StoredDtype;
use super::trainable::Trainable;
use crate::files::model_folder::{WEIGHTS, WEIGHTS_INDEX};
use crate::files::read_regular;
use crate::kernel::{Owned, n_threads};

/// Largest index that is read; those of published models have some 100 kB.
pub(crate) const MAX_INDEX_BYTES: u64 = 8 << 20;
/// Elements converted at a time by one thread: 4 MiB of f32.
const PIECE: usize = 1 << 20;
/// More threads than this wait for memory, not for each other.
const MAX_THREADS: usize = 4;

/// The weights in a folder: files whose headers were read, and numbers, stored as f32, bf16 or f16, that were not.
pub(crate) struct StoredWeights {
    dir: PathBuf,
    files: Vec<WeightFile>,
}

/// Checks that the files of weights at `source` are whole and are those of a policy of shape `config`.
///
/// # Errors
/// As [`StoredWeights::open`] and [`StoredWeights::layout`]; as [`StoredAdapter::open`] and [`StoredAdapter::check`].
pub(crate) fn check(source: &ModelSource, config: &ModelConfig) -> Result<()> {
    let whole = StoredWeights::open(&source.folder)?.layout(config)?;
    let Some(folder) = &source.adapter else { return Ok(()) };
    let stored = StoredAdapter::open(folder)?;
    stored.check(&stored.layout(config, &whole)?)
}

impl StoredWeights {
    /// Reads the headers of the weights in `dir`.
    ///
    /// # Errors
    /// No weights, or both a single file and shards of it; a shard that is missing, or named outside of the folder; a file
    /// that is none, is truncated or damaged, or whose header lies.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        Self::open_files(dir, &weight_files(dir)?)
    }

    /// As [`StoredWeights::open`], of these files of `dir` alone.
    ///
    /// # Errors
    /// As [`StoredWeights::open`].
    pub(crate) fn open_files(dir: &Path, files: &[PathBuf]) -> Result<Self> {
        let mut budget = MAX_HEADER_BYTES;
        let open = |path: &PathBuf| WeightFile::open(path, &mut budget);
        let files = files.iter().map(open).collect::<Result<_>>()?;
        Ok(Self { dir: dir.to_owned(), files })
    }

    /// The layout of a policy of shape `config`, into which these weights fit.
    ///
    /// # Errors
    /// Sizes of `config` that are not those of the weights, by their keys; else every tensor that is missing, unexpected, of
    /// another shape or of an unsupported dtype. An output projection beside an embedding that `config` says it is, with
    /// other numbers.
    pub(crate) fn layout(&self, config: &ModelConfig) -> Result<Layout> {
        let fits = || -> Result<Layout> {
            let tensors = self.tensors()?;
            fit::check_sizes(config, &tensors)?;
            let layout = Layout::new(config);
            fit::sources(layout.entries(), tensors.clone())?;
            if config.tie_word_embeddings {
                fit::check_tied(&tensors)?;
            }
            Ok(layout)
        };
        fits().with_context(|| self.misfit())
    }

    /// The flat buffer of `layout`, `[n_params]` on the host.
    ///
    /// The rotary frequencies that old versions stored are skipped, and an output projection where `layout` has none.
    ///
    /// # Errors
    /// As [`StoredWeights::layout`] of tensors; a file that cannot be read; a number that is not finite.
    pub(crate) fn read(&self, layout: &Layout) -> Result<Tensor> {
        let sources = fit::sources(layout.entries(), self.tensors()?).with_context(|| self.misfit())?;
        self.check_room(layout.n_params())?;
        let mut flat = Owned::empty(&[layout.n_params()], Kind::Float);
        read_all(layout.entries().iter().zip(sources).collect(), flat.numbers()?)?;
        Ok(flat.into_tensor())
    }

    /// The precision of most of the numbers; `None` where there are none, or that is none that is written here.
    #[must_use]
    pub(crate) fn dtype(&self) -> Option<StoredDtype> {
        let mut counts = BTreeMap::new();
        for tensor in self.files.iter().flat_map(WeightFile::tensors) {
            let dtype = StoredDtype::from_header(tensor.dtype);
            *counts.entry(dtype).or_default() += tensor.shape.iter().product::<usize>();
        }
        counts.into_iter().max_by_key(|(_, n): &(_, usize)| *n)?.0
    }

    fn check_room(&self, n_params: i64) -> Result<()> {
        check_room(n_params, &fs::read_to_string("/proc/meminfo").unwrap_or_default())
            .with_context(|| self.dir.display().to_string())
    }

    /// Checks that these are the weights of `entries`.
    ///
    /// # Errors
    /// Every tensor that is missing, unexpected, of another shape or of an unsupported dtype.
    pub(super) fn check(&self, entries: &[Entry]) -> Result<()> {
        fit::sources(entries, self.tensors()?).map(drop)
    }

    /// The numbers of what `learnt` says, in its order.
    ///
    /// # Errors
    /// As [`StoredWeights::read`].
    pub(crate) fn read_learnt(&self, learnt: Trainable<'_>) -> Result<Tensor> {
        match learnt {
            Trainable::Whole(layout) => self.read(layout),
            Trainable::Adapters(layout) => Ok(Tensor::from_slice(&self.read_entries(layout.entries())?)),
        }
    }

    /// The flat buffer of `entries`.
    ///
    /// # Errors
    /// As [`StoredWeights::check`]; a file that cannot be read; a number that is not finite.
    pub(super) fn read_entries(&self, entries: &[Entry]) -> Result<Vec<f32>> {
        let sources = fit::sources(entries, self.tensors()?)?;
        let n_params = entries.iter().map(Entry::n_elements).sum();
        self.check_room(n_params)?;
        let mut flat = vec![0f32; usize::try_from(n_params)?];
        read_all(entries.iter().zip(sources).collect(), &mut flat)?;
        Ok(flat)
    }

    /// Elements of the tensor `name`, if it is there.
    ///
    /// # Errors
    /// If a tensor stands twice.
    pub(crate) fn length(&self, name: &str) -> Result<Option<usize>> {
        Ok(self.tensors()?.get(name).map(|tensor| tensor.shape.iter().product()))
    }

    /// Fills `part` with the elements of the tensor `name` from number `start` on, row by row.
    ///
    /// # Errors
    /// If it is not there or has fewer; a file that cannot be read; a number that is not finite.
    pub(crate) fn read_part(&self, name: &str, start: usize, part: &mut [f32]) -> Result<()> {
        let (tensors, end) = (self.tensors()?, start + part.len());
        let tensor = tensors.get(name).filter(|tensor| end <= tensor.shape.iter().product());
        let tensor = tensor.with_context(|| {
            format!("{}: tensor `{name}` is missing, or shorter than {} numbers", self.dir.display(), end)
        })?;
        let mut bytes = Vec::new();
        part.chunks_mut(PIECE)
            .enumerate()
            .try_for_each(|(i, piece)| tensor.read(start + i * PIECE, piece, &mut bytes))
    }

    fn misfit(&self) -> String {
        format!("{}: the weights do not fit config.json", self.dir.display())
    }

    /// Every tensor by its name.
    fn tensors(&self) -> Result<BTreeMap<&str, Stored<'_>>> {
        let mut tensors: BTreeMap<&str, Stored<'_>> = BTreeMap::new();
        for tensor in self.files.iter().flat_map(WeightFile::tensors) {
            if let Some(first) = tensors.insert(tensor.name, tensor) {
                let (name, first, again) = (tensor.name, first.file.name(), tensor.file.name());
                bail!(
                    "{}: in {first} and again in {again}; take config.json and the weights from the same model",
                    fit::listed([name])
                );
            }
        }
        Ok(tensors)
    }
}

/// Refuses weights that no memory of this machine holds, as its `meminfo` has it: files with holes may say that they have
/// terabytes.
fn check_room(n_params: i64, meminfo: &str) -> Result<()> {
    let kilobytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    let Some(memory) = kilobytes("MemTotal:") else { return Ok(()) };
    let there = (memory + kilobytes("SwapTotal:").unwrap_or(0.0)) / 1e6;
    let wanted = 4.0 * n_params as f64 / 1e9;
    ensure!(
        wanted <= there,
        "{n_params} parameters take {wanted:.1} GB in single precision, this machine has {there:.1} GB of memory; choose a \
         smaller model"
    );
    Ok(())
}

/// The weight files of a folder, sorted by name.
fn weight_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let (single, index) = (dir.join(WEIGHTS), dir.join(WEIGHTS_INDEX));
    let shards = index.exists().then(|| shards(&index)).transpose()?;
    let there = |name: &String| dir.join(name).exists();
    match shards {
        None => {
            ensure!(
                single.exists(),
                "{}: no weights: got neither {WEIGHTS} nor {WEIGHTS_INDEX}; fetch them, or convert other formats with \
                 transformers' save_pretrained",
                dir.display()
            );
            Ok(vec![single])
        }
        // What is left of another form of the same model cannot be read anyway.
        Some(names) if single.exists() && !names.iter().any(|name| name != WEIGHTS && there(name)) => {
            Ok(vec![single])
        }
        Some(names) => {
            ensure!(
                !single.exists(),
                "{}: got both {WEIGHTS} and {WEIGHTS_INDEX} with its shards, whose weights may differ; remove one or the other",
                dir.display()
            );
            let absent: Vec<&String> = names.iter().filter(|name| !there(name)).collect();
            ensure!(
                absent.is_empty(),
                "{}: {} of {} shards missing: {}; fetch them into the same folder",
                index.display(),
                absent.len(),
                names.len(),
                fit::listed(absent.iter().map(|name| name.as_str()))
            );
            Ok(names.iter().map(|name| dir.join(name)).collect())
        }
    }
}

/// The files that an index names, each once, sorted.
///
/// # Errors
/// If it cannot be read, is ambiguous, or names no files, or other ones than those of a folder.
pub(crate) fn shards(index: &Path) -> Result<Vec<String>> {
    const EXPECTED: &str = r#"expected { "weight_map": { tensor: file } }; fetch the file again"#;
    let read = || -> Result<Vec<String>> {
        let value = json::parse(&read_regular(index, MAX_INDEX_BYTES)?)?;
        let map = value["weight_map"].as_object().context(EXPECTED)?;
        let name = |file: &serde_json::Value| match file.as_str() {
            None => bail!("got file {}, {EXPECTED}", fit::listed([file.to_string().as_str()])),
            Some(name) if is_plain(name) => Ok(name.to_owned()),
            Some(name) => bail!(
                "got file {}, expected the name of a file in the same folder; fetch the file again",
                fit::listed([name])
            ),
        };
        let mut names: Vec<String> = map.values().map(name).collect::<Result<_>>()?;
        ensure!(!names.is_empty(), "got no files, {EXPECTED}");
        names.sort_unstable();
        names.dedup();
        Ok(names)
    };
    read().with_context(|| index.display().to_string())
}

/// Whether `name` names something in a folder itself.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!(parts.next(), Some(Component::Normal(part)) if part == name) && parts.next().is_none()
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
    let n_threads = n_threads().min(MAX_THREADS);
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
