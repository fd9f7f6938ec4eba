//! What a file holds, in short: enough to know it again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{hash_of, open_regular};

/// Endings of the files of a model's folder that shape what it answers.
const OF_MODEL: [&str; 3] = ["safetensors", "json", "jinja"];

/// What a file holds, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fingerprint {
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
}

impl Fingerprint {
    /// The fingerprint of the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let read = || -> std::io::Result<Self> {
            let (sha256, size) = hash_of(Sha256::new(), open_regular(path)?)?;
            Ok(Self { size, sha256 })
        };
        read().with_context(|| format!("could not read {}", path.display()))
    }

    /// By name, the fingerprints of everything in the model folder `folder` that shapes what the model answers.
    ///
    /// # Errors
    /// If it cannot be listed, or one of its files cannot be read.
    pub(crate) fn of_model(folder: &Path) -> Result<BTreeMap<String, Self>> {
        let paths = fs::read_dir(folder)
            .and_then(|all| all.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>())
            .with_context(|| format!("could not list {}", folder.display()))?;
        let shapes = |path: &PathBuf| {
            let ending = path.extension().unwrap_or_default().to_string_lossy();
            path.is_file() && OF_MODEL.contains(&&*ending)
        };
        let of = |path: PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok((name, Self::read(&path)?))
        };
        paths.into_iter().filter(shapes).map(of).collect()
    }

    /// Whether the file at `path` is the one that this is of.
    ///
    /// # Errors
    /// If it is missing, cannot be read, or has another size or hash.
    pub(crate) fn check(&self, path: &Path) -> Result<()> {
        // The size first: it says more than two hashes where a file was cut off.
        let size = fs::metadata(path).with_context(|| format!("{}: missing", path.display()))?.len();
        ensure!(size == self.size, "{}: damaged: {size} bytes, expected {}", path.display(), self.size);
        let sha256 = Self::read(path)?.sha256;
        ensure!(
            sha256 == self.sha256,
            "{}: damaged: SHA-256 {sha256}, expected {}",
            path.display(),
            self.sha256
        );
        Ok(())
    }
}
