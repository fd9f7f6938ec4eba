//! `manifest.json`: the size and SHA-256 of every file of a checkpoint.
//!
//! ```text
//! {"step": 40, "files": {"model/config.json": {"size": 612, "sha256": "9f86d0..."}, ...}}
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::files::{list, sync_folder, write_whole};
use crate::types::Step;

const MANIFEST: &str = "manifest.json";

/// A checkpoint whose every file has the size and hash of its manifest.
#[derive(Clone, Debug)]
pub struct VerifiedCheckpoint {
    folder: PathBuf,
    manifest: Manifest,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Manifest {
    step: Step,
    /// By path within the folder, with `/` between names.
    files: BTreeMap<String, Fingerprint>,
}

/// What a file holds, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
}

/// Fingerprints and syncs everything in `folder` and writes its manifest: the last file of a checkpoint.
pub(super) fn seal(folder: &Path, step: Step) -> Result<()> {
    let mut files = BTreeMap::new();
    add_files(folder, "", &mut files)?;
    let manifest = Manifest { step, files };
    write_whole(&folder.join(MANIFEST), |mut w| {
        serde_json::to_writer_pretty(&mut w, &manifest)?;
        Ok(writeln!(w)?)
    })
}

/// Whether `folder` was sealed.
pub(super) fn is_complete(folder: &Path) -> bool {
    folder.join(MANIFEST).is_file()
}

impl VerifiedCheckpoint {
    /// Checks every file of the checkpoint in `folder` against its manifest.
    ///
    /// # Errors
    /// If the folder or a file is missing, or differs from the manifest in size or hash; the file is named.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        let manifest = Manifest::read(&folder)?;
        for (name, expected) in &manifest.files {
            expected.check(&folder.join(name)).map_err(|error| anyhow!("{error:#}; {}", remedy(&folder)))?;
        }
        Ok(Self { folder, manifest })
    }

    /// The step after which it was written.
    #[must_use]
    pub fn step(&self) -> Step {
        self.manifest.step
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Names of its files, with `/` between folders and files.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.manifest.files.keys().map(String::as_str)
    }

    /// Where the verified file `name` lies.
    ///
    /// # Errors
    /// If the checkpoint has no such file.
    pub fn file(&self, name: &str) -> Result<PathBuf> {
        ensure!(
            self.manifest.files.contains_key(name),
            "{}: no file {name} in this checkpoint",
            self.folder.display()
        );
        Ok(self.folder.join(name))
    }
}

impl Manifest {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let text = fs::read(&path).with_context(|| {
            format!("{}: no checkpoint, its {MANIFEST} could not be read", folder.display())
        })?;
        serde_json::from_slice(&text)
            .map_err(|error| anyhow!("{}: damaged: {error}; {}", path.display(), remedy(folder)))
    }
}

impl Fingerprint {
    /// The fingerprint of the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(path: &Path) -> Result<Self> {
        let read = || -> std::io::Result<Self> {
            let mut file = File::open(path)?;
            let (mut hash, mut size) = (Sha256::new(), 0);
            let mut buffer = vec![0; 1 << 20];
            loop {
                match file.read(&mut buffer)? {
                    0 => break,
                    n => {
                        hash.update(&buffer[..n]);
                        size += n as u64;
                    }
                }
            }
            let sha256 = format!("{:x}", hash.finalize());
            Ok(Self { size, sha256 })
        };
        read().with_context(|| format!("could not read {}", path.display()))
    }

    fn check(&self, path: &Path) -> Result<()> {
        // The size first: it says more than two hashes where a file was cut off.
        let size = fs::metadata(path).with_context(|| format!("{}: missing", path.display()))?.len();
        ensure!(size == self.size, "{}: damaged: {size} bytes, expected {}", path.display(), self.size);
        let sha256 = Self::of(path)?.sha256;
        ensure!(
            sha256 == self.sha256,
            "{}: damaged: SHA-256 {sha256}, expected {}",
            path.display(),
            self.sha256
        );
        Ok(())
    }
}

/// What to do about the damaged checkpoint in `folder`.
fn remedy(folder: &Path) -> String {
    let others = list(folder.parent().unwrap_or(Path::new("."))).unwrap_or_default();
    let others = others.into_iter().filter(|other| is_complete(&other.path()) && other.path() != folder);
    match others.map(|other| other.file_name()).max() {
        Some(other) => format!(
            "to continue from {} write that name into {}",
            other.display(),
            folder.with_file_name("latest").display()
        ),
        None => "there is no other checkpoint beside it; start the run anew".to_owned(),
    }
}

fn add_files(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Fingerprint>) -> Result<()> {
    for entry in list(folder)? {
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            bail!("{}: the name is not UTF-8", path.display());
        };
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            add_files(&path, &format!("{name}/"), files)?;
        } else {
            let fingerprint = Fingerprint::of(&path)?;
            File::open(&path)
                .and_then(|file| file.sync_all())
                .with_context(|| format!("could not sync {}", path.display()))?;
            files.insert(name, fingerprint);
        }
    }
    sync_folder(folder)
}
