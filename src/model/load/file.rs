//! One safetensors file: 8 bytes with the header's length, a JSON header, the tensors' bytes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::decode::decode;

/// What safetensors allows.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// An open file whose header was read and whose length was checked.
pub struct WeightFile {
    path: PathBuf,
    file: File,
    data_start: u64, // bytes
    tensors: Vec<(String, TensorInfo)>,
}

/// A tensor in a file.
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    pub file: &'a WeightFile,
    pub name: &'a str,
    pub dtype: Dtype,
    pub shape: &'a [usize],
    start: u64, // byte of the file
}

impl WeightFile {
    /// Opens `path` and reads its header.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_inner(path).with_context(|| path.display().to_string())
    }

    fn open_inner(path: &Path) -> Result<Self> {
        let mut file = File::open(path).context("cannot open")?;
        let n_bytes = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        ensure!(n_bytes >= 8, "truncated: got {n_bytes} bytes, expected at least 8; fetch the file again");
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let n_header = u64::from_le_bytes(length);
        ensure!(
            n_header <= MAX_HEADER_BYTES,
            "no safetensors file: its header would have {n_header} bytes, expected at most {MAX_HEADER_BYTES}; fetch \
             the file again (a Git LFS pointer looks like this)"
        );
        let data_start = 8 + n_header;
        ensure!(
            data_start <= n_bytes,
            "truncated: got {n_bytes} bytes, expected {data_start} for the header alone; fetch the file again"
        );
        let mut header = vec![0; usize::try_from(n_header)?];
        file.read_exact(&mut header)?;
        // Checks as well that the tensors lie one after the other and that each has the bytes its shape calls for.
        let metadata: Metadata = serde_json::from_slice(&header)
            .context("damaged: the header is no safetensors header; fetch the file again")?;
        let expected = data_start.saturating_add(metadata.data_len() as u64);
        let kind = if n_bytes < expected { "truncated" } else { "damaged" };
        ensure!(
            n_bytes == expected,
            "{kind}: got {n_bytes} bytes, expected {expected}; fetch the file again"
        );
        let tensors = metadata
            .offset_keys()
            .into_iter()
            .filter_map(|name| metadata.info(&name).cloned().map(|info| (name, info)))
            .collect();
        Ok(Self { path: path.to_owned(), file, data_start, tensors })
    }

    /// Name of the file within its folder.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Every tensor in the file.
    pub fn tensors(&self) -> impl Iterator<Item = Stored<'_>> {
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
    pub fn read(&self, offset: usize, out: &mut [f32], bytes: &mut Vec<u8>) -> Result<()> {
        let width = self.dtype.bitsize() / 8;
        bytes.resize(out.len() * width, 0);
        self.file
            .file
            .read_exact_at(bytes, self.start + (offset * width) as u64)
            .with_context(|| format!("{}: cannot read {}", self.file.path.display(), self.name))?;
        decode(self.dtype, bytes, out);
        Ok(())
    }
}
