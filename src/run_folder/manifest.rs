//! `manifest.json` of a run: which run it is, and what the files that it reads back have to be.
//!
//! ```text
//! {"run": "c0ffee0123456789", "saved": 40, "files": {"inputs.json": {"size": 91, "sha256": "9f86d0..."}, ...}}
//! ```
//!
//! A file that is about to be replaced leaves the list first and returns to it afterwards, so that a process killed in
//! between leaves a run that fits its manifest. Checkpoints and the reference have manifests of their own, which name the run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};

use super::{RESOLVED, RunFolder};
use crate::files::{Fingerprint, read_regular, write_whole};
use crate::types::{RunId, Step};

/// The run that another was forked from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parent {
    /// Which one.
    pub run: RunId,
    /// Where it lay.
    pub folder: PathBuf,
    /// The step that the fork went on from.
    pub step: Step,
}

/// What a run knows of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunManifest {
    /// Which run it is.
    pub run: RunId,
    /// The step whose checkpoint was written last; `None` before the first.
    pub saved: Option<Step>,
    /// What it was forked from, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// By name in the run's folder.
    files: BTreeMap<String, Fingerprint>,
}

impl RunManifest {
    /// That of a run that nothing is known of yet but that it is `run`.
    #[must_use]
    pub(crate) fn new(run: RunId) -> Self {
        Self { run, saved: None, parent: None, files: BTreeMap::new() }
    }

    /// That of the run in `folder`; `None` where it has none, as runs of earlier versions.
    ///
    /// # Errors
    /// If there is one that cannot be read.
    pub(crate) fn read(folder: &RunFolder) -> Result<Option<Self>> {
        let path = folder.manifest();
        if !path.exists() {
            return Ok(None);
        }
        let read = || Ok::<_, anyhow::Error>(serde_json::from_slice(&read_regular(&path, u64::MAX)?)?);
        read().map(Some).map_err(|error| {
            anyhow!(
                "{}: damaged: {error:#}; put it back, or remove it to take the files of the run as they stand",
                path.display()
            )
        })
    }

    /// That every listed file is what the run wrote.
    ///
    /// # Errors
    /// If one is missing or differs; says how to go on.
    pub(crate) fn check(&self, folder: &RunFolder) -> Result<()> {
        self.files.keys().try_for_each(|name| self.check_file(folder, name))
    }

    /// As [`RunManifest::check`], of the file `name` alone, if it is listed.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn check_file(&self, folder: &RunFolder, name: &str) -> Result<()> {
        let Some(expected) = self.files.get(name) else { return Ok(()) };
        expected.check(&folder.root().join(name)).map_err(|error| {
            let remake = match name {
                RESOLVED => {
                    format!(" (a key is changed by --set, not in there), or {}", folder.remake_resolved())
                }
                _ => String::new(),
            };
            anyhow!(
                "{error:#}; put it back, or remove {} to take the files of the run as they stand{remake}",
                folder.manifest().display()
            )
        })
    }

    /// Takes `name` off the list, before it is replaced.
    ///
    /// # Errors
    /// If the manifest cannot be written.
    pub(crate) fn unseal(&mut self, folder: &RunFolder, name: &str) -> Result<()> {
        match self.files.remove(name) {
            Some(_) => self.write(folder),
            None => Ok(()),
        }
    }

    /// Puts the files `names`, which are on disk, on the list.
    ///
    /// # Errors
    /// If one cannot be read or the manifest cannot be written.
    pub(crate) fn seal(&mut self, folder: &RunFolder, names: &[&str]) -> Result<()> {
        for name in names {
            self.files.insert((*name).to_owned(), Fingerprint::read(&folder.root().join(name))?);
        }
        self.write(folder)
    }

    /// Notes that the checkpoint of `step` is on disk.
    ///
    /// # Errors
    /// If the manifest cannot be written.
    pub(crate) fn note_saved(&mut self, folder: &RunFolder, step: Step) -> Result<()> {
        if self.saved == Some(step) {
            return Ok(());
        }
        self.saved = Some(step);
        self.write(folder)
    }

    fn write(&self, folder: &RunFolder) -> Result<()> {
        write_whole(&folder.manifest(), |mut w| {
            serde_json::to_writer_pretty(&mut w, self)?;
            Ok(w.write_all(b"\n")?)
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::fs;

    use super::*;

    #[test]
    fn what_a_run_reads_back_is_what_it_wrote() {
        let runs = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(runs.path(), "run").unwrap();
        assert_eq!(RunManifest::read(&folder).unwrap(), None);
        let mut manifest = RunManifest::new(RunId::draw().unwrap());
        fs::write(folder.inputs(), "{}").unwrap();
        folder.write_recipe(&mut manifest, None, "lr = 0.001\n").unwrap();
        manifest.note_saved(&folder, 40).unwrap();
        assert_eq!(RunManifest::read(&folder).unwrap().as_ref(), Some(&manifest));
        assert!(manifest.check(&folder).is_ok());

        fs::write(folder.resolved(), "lr = 0.003\n").unwrap();
        let error = RunFolder::open(runs.path(), "run").unwrap_err().to_string();
        for part in [
            "resolved.toml: damaged: SHA-256 ",
            "; put it back, or remove ",
            ", or make it anew with `rlcredit check ",
        ] {
            assert!(error.contains(part), "{error}");
        }
        fs::remove_file(folder.inputs()).unwrap();
        let error = manifest.check(&folder).unwrap_err().to_string();
        assert!(
            error.contains("inputs.json: missing: ") && error.contains("; put it back, or remove "),
            "{error}"
        );
        fs::write(folder.manifest(), "{\"run\": ").unwrap();
        let error = RunManifest::read(&folder).unwrap_err().to_string();
        assert!(error.contains("manifest.json: damaged: EOF") && error.contains("or remove it"), "{error}");
        fs::remove_file(folder.manifest()).unwrap();
        assert!(RunFolder::open(runs.path(), "run").is_ok());
    }

    /// A process may be killed between any two writes.
    #[test]
    fn a_recipe_that_is_half_replaced_fits_its_manifest() {
        let runs = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(runs.path(), "run").unwrap();
        let mut manifest = RunManifest::new(RunId::draw().unwrap());
        fs::write(folder.inputs(), "{}").unwrap();
        folder.write_recipe(&mut manifest, None, "every = 1\n").unwrap();
        manifest.unseal(&folder, "resolved.toml").unwrap();
        for text in ["every = 1\n", "every = 2\n"] {
            fs::write(folder.resolved(), text).unwrap();
            assert!(RunFolder::open(runs.path(), "run").is_ok());
        }
    }
}
