//! Folders of checkpoints that are complete or absent.
//!
//! ```text
//! checkpoints/.step_000040.tmp-PID/   being written; a leftover of a killed process is removed at the next start
//! checkpoints/step_000040/            files, and manifest.json with the size and SHA-256 of each
//! checkpoints/latest                  one line: the name of the newest complete folder
//! ```
//!
//! A write goes: files, manifest, sync, rename of the folder, rename of `latest`, and only then are old folders
//! removed. Killed anywhere in between, `latest` still names a complete checkpoint.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::files::{is_temporary, sync_folder, temporary_beside, write_whole};
use crate::types::Step;

const MANIFEST: &str = "manifest.json";
const LATEST: &str = "latest";

/// `[checkpoint]`: when to save and how much to keep. One is always written at the end and on SIGINT or SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointConfig {
    /// Steps between checkpoints; 0 saves only at the end.
    pub every: u64,
    /// Number of newest checkpoints kept; 0 keeps all.
    pub keep: usize,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every: 50, keep: 2 }
    }
}

/// The checkpoints of one run.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    keep: usize,
}

/// The checkpoint to continue from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latest {
    /// Its folder; [`VerifiedCheckpoint::open`] looks into it.
    pub folder: PathBuf,
    /// What was wrong with the file `latest`, where another folder than the one it names is taken.
    pub note: Option<String>,
}

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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Fingerprint {
    size: u64,
    sha256: String,
}

impl Store {
    /// The store in `folder`, which is created where missing; leftovers of killed writes are removed.
    ///
    /// `keep` is [`CheckpointConfig::keep`].
    ///
    /// # Errors
    /// If the folder cannot be created, listed or cleaned.
    pub fn new(folder: impl Into<PathBuf>, keep: usize) -> Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
        for entry in list(&folder)? {
            if is_temporary(&entry.file_name().to_string_lossy()) {
                remove(&entry.path())?;
            }
        }
        Ok(Self { folder, keep })
    }

    /// Writes the checkpoint of `step`, whose files `fill` puts into the folder it is given; returns its final folder.
    ///
    /// Where `step` already has a checkpoint that verifies, that one is kept and `fill` is not called.
    ///
    /// # Errors
    /// If a file cannot be written or `fill` fails. The checkpoints that were there, and `latest`, are then untouched.
    pub fn write(&self, step: Step, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let target = self.folder.join(folder_name(step));
        if VerifiedCheckpoint::open(&target).is_err() {
            let temporary = temporary_beside(&target);
            let written = write_folder(&temporary, &target, step, fill);
            if written.is_err() {
                // Best effort, to give a full disk its space back; the next start would remove it too.
                let _ = fs::remove_dir_all(&temporary);
            }
            written.with_context(|| self.failed(step))?;
        }
        let name = folder_name(step);
        write_whole(&self.folder.join(LATEST), |w| Ok(writeln!(w, "{name}")?))
            .with_context(|| self.failed(step))?;
        self.prune(step)?;
        Ok(target)
    }

    /// The checkpoint to continue from: the one that `latest` names, else the newest complete one; `None` where the
    /// run has none.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub fn latest(&self) -> Result<Option<Latest>> {
        let path = self.folder.join(LATEST);
        let named = fs::read_to_string(&path).unwrap_or_default();
        let named = named.trim();
        if step_of(named).is_some() && is_complete(&self.folder.join(named)) {
            let folder = self.folder.join(named);
            return Ok(Some(Latest { folder, note: None }));
        }
        let newest = self.complete()?.into_iter().max();
        Ok(newest.map(|(_, folder)| {
            let note = format!(
                "{} names `{named}`, which is not a complete checkpoint; taking the newest complete one, {}",
                path.display(),
                folder.display()
            );
            Latest { folder, note: Some(note) }
        }))
    }

    /// Removes the oldest checkpoints beyond `keep`, never that of `newest`.
    fn prune(&self, newest: Step) -> Result<()> {
        if self.keep == 0 {
            return Ok(());
        }
        let mut others = self.complete()?;
        others.retain(|(step, _)| *step != newest);
        others.sort();
        let surplus = (others.len() + 1).saturating_sub(self.keep);
        for (_, folder) in others.into_iter().take(surplus) {
            // Renamed first: a removal that is cut short must not leave something that looks complete.
            let condemned = temporary_beside(&folder);
            fs::rename(&folder, &condemned)
                .with_context(|| format!("could not remove {}", folder.display()))?;
            remove(&condemned)?;
        }
        Ok(())
    }

    /// Folders that hold a manifest, with their steps, in no order.
    fn complete(&self) -> Result<Vec<(Step, PathBuf)>> {
        let entries = list(&self.folder)?.into_iter().filter_map(|entry| {
            let step = step_of(&entry.file_name().to_string_lossy())?;
            is_complete(&entry.path()).then(|| (step, entry.path()))
        });
        Ok(entries.collect())
    }

    fn failed(&self, step: Step) -> String {
        let kept = match self.latest() {
            Ok(Some(latest)) => format!("{} is untouched", latest.folder.display()),
            _ => "there is no earlier one".to_owned(),
        };
        format!(
            "the checkpoint of step {step} could not be written into {} ({kept}); \
             make room or repair the cause, then continue with --resume",
            self.folder.display()
        )
    }
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
            let path = folder.join(name);
            let remedy = "use an earlier checkpoint by name, or start the run anew";
            // The size first: it says more than two hashes where a file was cut off.
            let size =
                fs::metadata(&path).with_context(|| format!("{}: missing; {remedy}", path.display()))?.len();
            ensure!(
                size == expected.size,
                "{}: damaged: {size} bytes, expected {}; {remedy}",
                path.display(),
                expected.size
            );
            let sha256 = fingerprint(&path)?.sha256;
            ensure!(
                sha256 == expected.sha256,
                "{}: damaged: SHA-256 {sha256}, expected {}; {remedy}",
                path.display(),
                expected.sha256
            );
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
            format!("{}: not a complete checkpoint: {MANIFEST} could not be read", folder.display())
        })?;
        serde_json::from_slice(&text)
            .with_context(|| format!("{}: damaged; use an earlier checkpoint by name", path.display()))
    }

    /// Fingerprints and syncs everything in `folder`.
    fn of_folder(folder: &Path, step: Step) -> Result<Self> {
        let mut files = BTreeMap::new();
        add_files(folder, "", &mut files)?;
        Ok(Self { step, files })
    }
}

/// `step_000040`.
fn folder_name(step: Step) -> String {
    format!("step_{step:06}")
}

/// The step in a name that [`folder_name`] gives.
fn step_of(name: &str) -> Option<Step> {
    let step = name.strip_prefix("step_")?.parse().ok()?;
    (folder_name(step) == name).then_some(step)
}

/// The manifest is the last file written, before the folder gets its final name.
fn is_complete(folder: &Path) -> bool {
    folder.join(MANIFEST).is_file()
}

fn write_folder(
    temporary: &Path,
    target: &Path,
    step: Step,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    if temporary.exists() {
        remove(temporary)?;
    }
    fs::create_dir(temporary).with_context(|| format!("could not create {}", temporary.display()))?;
    fill(temporary)?;
    let manifest = Manifest::of_folder(temporary, step)?;
    write_whole(&temporary.join(MANIFEST), |w| {
        serde_json::to_writer_pretty(&mut *w, &manifest)?;
        Ok(writeln!(w)?)
    })?;
    if target.exists() {
        // Only a damaged one is ever replaced, see `Store::write`.
        remove(target)?;
    }
    fs::rename(temporary, target).with_context(|| format!("could not rename to {}", target.display()))?;
    sync_folder(target.parent().unwrap_or(Path::new(".")))
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
            let fingerprint = fingerprint(&path)?;
            File::open(&path)
                .and_then(|file| file.sync_all())
                .with_context(|| format!("could not sync {}", path.display()))?;
            files.insert(name, fingerprint);
        }
    }
    sync_folder(folder)
}

fn fingerprint(path: &Path) -> Result<Fingerprint> {
    let read = || -> std::io::Result<Fingerprint> {
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
        Ok(Fingerprint { size, sha256 })
    };
    read().with_context(|| format!("could not read {}", path.display()))
}

fn list(folder: &Path) -> Result<Vec<fs::DirEntry>> {
    fs::read_dir(folder)
        .and_then(Iterator::collect)
        .with_context(|| format!("could not list {}", folder.display()))
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.with_context(|| format!("could not remove {}", path.display()))
}
