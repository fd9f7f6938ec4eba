//! What a file holds, in short: enough to know it again.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{hash_of, open_regular};

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
