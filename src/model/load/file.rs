//! One safetensors file: 8 bytes with the header's length, a JSON header, the tensors' bytes.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::PIECE;
use super::decode::decode;
use crate::files::open_regular;
use crate::model::json::{OF_REASON, OF_VALUE, short};

/// Largest header, and largest sum of those of all shards. Those of published models stay below 1 MB, and a header takes some
/// ten times its size in memory.
pub(super) const MAX_HEADER_BYTES: u64 = 16 << 20;

/// An open file whose header was read and whose length was checked.
pub(super) struct WeightFile {
    path: PathBuf,
    file: File,
    data_start: u64, // bytes
    tensors: Vec<(String, TensorInfo)>,
}

/// A tensor in a file.
#[derive(Clone, Copy)]
pub(super) struct Stored<'a> {
    pub file: &'a WeightFile,
    pub name: &'a str,
    pub dtype: Dtype,
    pub shape: &'a [usize],
    start: u64, // byte of the file
}

impl WeightFile {
    /// Opens `path` and reads its header, whose size is taken from `budget`.
    pub(super) fn open(path: &Path, budget: &mut u64) -> Result<Self> {
        Self::open_inner(path, budget).with_context(|| path.display().to_string())
    }

    fn open_inner(path: &Path, budget: &mut u64) -> Result<Self> {
        let mut file = open_regular(path).context("cannot open")?;
        let n_bytes = file.metadata()?.len();
        ensure!(n_bytes >= 8, "truncated: got {n_bytes} bytes, expected at least 8; fetch the file again");
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let n_header = u64::from_le_bytes(length);
        let left = budget.checked_sub(n_header);
        *budget = left.with_context(|| {
            format!(
                "no safetensors file: its header would have {n_header} bytes, expected at most {MAX_HEADER_BYTES} in all \
                 files together; fetch the file again (a Git LFS pointer looks like this)"
            )
        })?;
        let data_start = 8 + n_header;
        ensure!(
            data_start <= n_bytes,
            "truncated: got {n_bytes} bytes, expected {data_start} for the header alone; fetch the file again"
        );
        let mut header = vec![0; usize::try_from(n_header)?];
        file.read_exact(&mut header)?;
        let damaged = |why: &dyn fmt::Display| {
            let why = short(&why.to_string(), OF_REASON);
            anyhow!("damaged: the header is no safetensors header; fetch the file again: {why}")
        };
        let Header(mut tensors) = serde_json::from_slice(&header).map_err(|error| damaged(&error))?;
        tensors.sort_by_key(|(_, info)| info.data_offsets);
        // Checks that the tensors lie one after the other and that each has the bytes its shape calls for.
        let metadata = Metadata::new(None, tensors.clone()).map_err(|error| damaged(&error))?;
        let expected = data_start.saturating_add(metadata.data_len() as u64);
        let kind = if n_bytes < expected { "truncated" } else { "damaged" };
        ensure!(
            n_bytes == expected,
            "{kind}: got {n_bytes} bytes, expected {expected}; fetch the file again"
        );
        Ok(Self { path: path.to_owned(), file, data_start, tensors })
    }

    /// Name of the file within its folder.
    pub(super) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().escape_debug().to_string()
    }

    /// Every tensor in the file.
    pub(super) fn tensors(&self) -> impl Iterator<Item = Stored<'_>> {
        self.tensors.iter().map(|(name, info)| Stored {
            file: self,
            name,
            dtype: info.dtype,
            shape: &info.shape,
            start: self.data_start + info.data_offsets.0 as u64,
        })
    }
}

impl Stored<'_> {
    /// Reads elements `offset..offset + out.len()`; `bytes` is scratch space.
    pub(super) fn read(&self, offset: usize, out: &mut [f32], bytes: &mut Vec<u8>) -> Result<()> {
        let width = self.dtype.bitsize() / 8;
        bytes.resize(out.len() * width, 0);
        self.file
            .file
            .read_exact_at(bytes, self.start + (offset * width) as u64)
            .with_context(|| format!("{}: cannot read {}", self.file.path.display(), self.name))?;
        decode(self.dtype, bytes, out);
        if out.iter().fold(false, |found, x| found | !x.is_finite()) {
            let place = offset + out.iter().position(|x| !x.is_finite()).unwrap_or(0);
            bail!(
                "{}: {}: element {place} of {:?} is {}, expected finite numbers; fetch the file again, or take weights from \
                 before they broke",
                self.file.path.display(),
                self.name,
                self.shape,
                out[place - offset]
            );
        }
        Ok(())
    }

    /// Whether `other` holds the same numbers in the same shape.
    pub(super) fn equals(&self, other: &Self) -> Result<bool> {
        if self.shape != other.shape {
            return Ok(false);
        }
        let n: usize = self.shape.iter().product();
        let (mut own, mut others, mut bytes) = (vec![0.0; n.min(PIECE)], vec![0.0; n.min(PIECE)], Vec::new());
        for start in (0..n).step_by(PIECE) {
            let len = PIECE.min(n - start);
            self.read(start, &mut own[..len], &mut bytes)?;
            other.read(start, &mut others[..len], &mut bytes)?;
            if own[..len] != others[..len] {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The tensors that a header lists, each name once.
struct Header(Vec<(String, TensorInfo)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Tensors).map(Self)
    }
}

struct Tensors;

impl<'de> Visitor<'de> for Tensors {
    type Value = Vec<(String, TensorInfo)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tensors by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let (mut tensors, mut names) = (Vec::new(), HashSet::new());
        while let Some(name) = entries.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format!("{:?} stands twice", short(&name, OF_VALUE))));
            }
            if name == "__metadata__" {
                entries.next_value::<IgnoredAny>()?;
            } else {
                tensors.push((name, entries.next_value()?));
            }
        }
        Ok(tensors)
    }
}
