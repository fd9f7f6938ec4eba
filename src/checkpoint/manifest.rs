//! `manifest.json`: the run that a checkpoint is of, and the size and SHA-256 of its every file.
//!
//! ```text
//! {"run": "c0ffee0123456789", "step": 40, "files": {"model/config.json": {"size": 612, "sha256": "9f86d0..."}, ...}}
//! ```
//!
//! What else lies in the folder is none of the checkpoint's, and is not read.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::files::{Fingerprint, list, read_regular, sync_folder, write_whole};
use crate::types::{RunId, Step};

const MANIFEST: &str = "manifest.json";

/// A checkpoint whose every file has the size and hash of its manifest.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedCheckpoint {
    folder: PathBuf,
    manifest: Manifest,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Manifest {
    /// Absent of what is no run's own, such as SFT, and of checkpoints of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<RunId>,
    step: Step,
    /// By path within the folder, with `/` between names.
    files: BTreeMap<String, Fingerprint>,
}

/// Fingerprints and syncs everything in `folder` and writes its manifest, the last file of a checkpoint: that after `step`
/// of `run`.
///
/// # Errors
/// If a file cannot be read or synced, or the manifest cannot be written.
pub(crate) fn seal(folder: &Path, run: Option<&RunId>, step: Step) -> Result<()> {
    let mut files = BTreeMap::new();
    add_files(folder, "", &mut files)?;
    files.remove(MANIFEST);
    let manifest = Manifest { run: run.cloned(), step, files };
    write_whole(&folder.join(MANIFEST), |mut w| {
        serde_json::to_writer_pretty(&mut w, &manifest)?;
        Ok(writeln!(w)?)
    })
}

/// Whether `folder` was sealed.
#[must_use]
pub(crate) fn is_sealed(folder: &Path) -> bool {
    folder.join(MANIFEST).is_file()
}

/// Whether `folder` was sealed with the file `name` in it, unverified.
#[must_use]
pub(crate) fn seals(folder: &Path, name: &str) -> bool {
    Manifest::parse(folder).is_ok_and(|manifest| manifest.files.contains_key(name))
}

/// The run that the checkpoint in `folder` says to be of, unverified.
#[must_use]
pub(crate) fn run_of(folder: &Path) -> Option<RunId> {
    Manifest::parse(folder).ok()?.run
}

impl VerifiedCheckpoint {
    /// Checks every file of the checkpoint in `folder` against its manifest.
    ///
    /// # Errors
    /// If the folder or a file is missing, or differs from the manifest in size or hash; the file is named.
    pub(crate) fn open(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        let manifest = Manifest::read(&folder)?;
        for (name, expected) in &manifest.files {
            let checked = is_within(name).and_then(|()| expected.check(&folder.join(name)));
            checked.map_err(|error| anyhow!("{error:#}; {}", remedy(&folder, manifest.run.as_ref())))?;
        }
        Ok(Self { folder, manifest })
    }

    /// The checkpoint in `folder`, which another rank has verified.
    ///
    /// # Errors
    /// If it cannot be seen from here.
    pub(crate) fn verified_elsewhere(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        let manifest = Manifest::read(&folder)?;
        Ok(Self { folder, manifest })
    }

    /// That it is of `run`, or of nobody known: checkpoints of earlier versions do not say.
    ///
    /// # Errors
    /// If it is of another run.
    pub(crate) fn check_run(&self, run: &RunId) -> Result<()> {
        let other = self.manifest.run.as_ref().filter(|own| *own != run);
        let Some(other) = other else { return Ok(()) };
        bail!(
            "{}: a checkpoint of another run, {other}, and this run is {run}; put back its own, or {}",
            self.folder.display(),
            remedy(&self.folder, Some(run))
        );
    }

    /// The run that it says to be of.
    #[must_use]
    pub(crate) fn run(&self) -> Option<&RunId> {
        self.manifest.run.as_ref()
    }

    /// The step after which it was written.
    #[must_use]
    pub(crate) fn step(&self) -> Step {
        self.manifest.step
    }

    /// Its folder.
    #[must_use]
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Names of its files, with `/` between folders and files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.manifest.files.keys().map(String::as_str)
    }

    /// Whether it has a file `name`.
    #[must_use]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.manifest.files.contains_key(name)
    }

    /// Where the files of weights in its folder `name` lie; the empty name is the checkpoint itself.
    pub(crate) fn weights(&self, name: &str) -> Vec<PathBuf> {
        let prefix = if name.is_empty() { String::new() } else { format!("{name}/") };
        let inner = |file: &&str| {
            file.strip_prefix(&prefix)
                .is_some_and(|rest| !rest.contains('/') && rest.ends_with(".safetensors"))
        };
        self.files().filter(inner).map(|file| self.folder.join(file)).collect()
    }

    /// The model folder `name` in it, for those who read a model folder whole.
    ///
    /// # Errors
    /// If something lies in there that would be read and is not the checkpoint's.
    pub(crate) fn model_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        let is_read = |file: &str| {
            ["safetensors", "json", "jinja", "txt", "chat_templates"].iter().any(|end| file.ends_with(end))
        };
        for entry in list(&folder)? {
            let path = entry.path();
            let file = entry.file_name().to_string_lossy().into_owned();
            let inner = if path.is_dir() && is_read(&file) { list(&path)? } else { Vec::new() };
            let inner = inner.iter().map(|entry| format!("{file}/{}", entry.file_name().to_string_lossy()));
            let found = if path.is_dir() { inner.collect() } else { vec![file] };
            let foreign = |file: &&String| is_read(file) && !self.has(&format!("{name}/{file}"));
            if let Some(file) = found.iter().find(foreign) {
                bail!(
                    "{}: not a file of this checkpoint, whose {MANIFEST} does not list it; move it away, or use a copy of {}",
                    folder.join(file).display(),
                    folder.display()
                );
            }
        }
        Ok(folder)
    }

    /// Where the verified file `name` lies.
    ///
    /// # Errors
    /// If the checkpoint has no such file.
    pub(crate) fn file(&self, name: &str) -> Result<PathBuf> {
        ensure!(
            self.has(name),
            "{}: no file {name} in this checkpoint; {}",
            self.folder.display(),
            remedy(&self.folder, self.run())
        );
        Ok(self.folder.join(name))
    }
}

impl Manifest {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        ensure!(
            path.is_file(),
            "{}: no checkpoint, its {MANIFEST} is missing; {}",
            folder.display(),
            remedy(folder, None)
        );
        Self::parse(folder)
            .map_err(|error| anyhow!("{}: damaged: {error:#}; {}", path.display(), remedy(folder, None)))
    }

    fn parse(folder: &Path) -> Result<Self> {
        Ok(serde_json::from_slice(&read_regular(&folder.join(MANIFEST), u64::MAX)?)?)
    }
}

/// What to do about the checkpoint in `folder`, which cannot be used: go on from the newest other one of `run`.
fn remedy(folder: &Path, run: Option<&RunId>) -> String {
    let others = list(folder.parent().unwrap_or(Path::new("."))).unwrap_or_default();
    let others = others.iter().map(fs::DirEntry::path).filter(|other| other != folder);
    let own = |other: &Manifest| run.is_none() || other.run.is_none() || other.run.as_ref() == run;
    let usable = others.filter(|other| Manifest::parse(other).is_ok_and(|manifest| own(&manifest)));
    match usable.max() {
        Some(other) => format!(
            "to continue from {} write that name into {}",
            other.file_name().unwrap_or_default().display(),
            folder.with_file_name("latest").display()
        ),
        None => "there is no other checkpoint beside it; put it back from a copy, or start anew under another --name"
            .to_owned(),
    }
}

/// A manifest that was tampered with may not lead out of its folder.
fn is_within(name: &str) -> Result<()> {
    let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    ensure!(inside, "{MANIFEST}: damaged: `{name}` is no file of the checkpoint");
    Ok(())
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
            let fingerprint = Fingerprint::read(&path)?;
            File::open(&path)
                .and_then(|file| file.sync_all())
                .with_context(|| format!("could not sync {}", path.display()))?;
            files.insert(name, fingerprint);
        }
    }
    sync_folder(folder)
}
