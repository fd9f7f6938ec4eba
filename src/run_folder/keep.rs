//! What is kept in the folder of a run and what is cleared away: nothing of a course that is left, nothing that is in the way.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{
    AUDITS, CIRCUITS, EVAL, INPUTS, REFUSED, RESOLVED, ROLLOUTS, RunFolder, RunManifest, SUBFOLDERS,
};
use crate::files::{is_temporary, list, read_regular, remove, set_aside, write_whole};
use crate::types::{Step, masked};

/// Pages of responses, see [`RunFolder::inspections`].
const INSPECTIONS: &str = "inspect";

impl RunFolder {
    /// The circuits of its models, or of those that its SFT has kept.
    #[must_use]
    pub(crate) fn circuits(&self, of_sft: bool) -> PathBuf {
        self.root.join(if of_sft { "circuits_sft" } else { CIRCUITS })
    }

    /// Weights on their way to servers.
    #[must_use]
    pub(crate) fn weights(&self) -> PathBuf {
        self.root.join("weights")
    }

    /// What the run said.
    #[must_use]
    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("run.log")
    }

    /// The responses that were shown.
    #[must_use]
    pub(crate) fn samples(&self) -> PathBuf {
        self.root.join("samples.jsonl")
    }

    /// Folder of what programs say that get the rows.
    #[must_use]
    pub(crate) fn sinks(&self) -> PathBuf {
        self.root.join("sinks")
    }

    /// Pages of `inspect`, where a report looks for them.
    #[must_use]
    pub(crate) fn inspections(&self) -> PathBuf {
        self.root.join(INSPECTIONS)
    }

    /// Makes the folders and sets aside what is in their way; says of what.
    ///
    /// # Errors
    /// If a folder cannot be made.
    pub(crate) fn prepare(&self) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        for folder in SUBFOLDERS.map(|name| self.root.join(name)) {
            notes.extend(make_way(&folder, Path::is_dir)?);
            fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
        }
        for file in [self.recipe(), self.env(), self.log(), self.samples()] {
            notes.extend(make_way(&file, Path::is_file)?);
        }
        notes.extend(make_way(&self.tensorboard(), Path::is_dir)?);
        Ok(notes)
    }

    /// Removes what processes that were killed left half written; for the one that holds the lock.
    ///
    /// # Errors
    /// If the folder cannot be listed or cleaned.
    pub(crate) fn clear_temporaries(&self) -> Result<()> {
        let names = list(&self.root)?;
        let mut left = names.iter().filter(|entry| is_temporary(&entry.file_name().to_string_lossy()));
        left.try_for_each(|entry| remove(&entry.path()))
    }

    /// Removes the responses, evaluations, audits, circuits and pages of steps behind `step`, and gives how many there were: they are of a
    /// branch that is left.
    ///
    /// # Errors
    /// If a folder cannot be listed or a file cannot be removed.
    pub(crate) fn abandon_after(&self, step: Step) -> Result<usize> {
        let mut abandoned = 0;
        for folder in
            [ROLLOUTS, EVAL, REFUSED, AUDITS, CIRCUITS, INSPECTIONS].map(|name| self.root.join(name))
        {
            let entries = if folder.is_dir() { list(&folder)? } else { Vec::new() };
            let is_later = |path: &PathBuf| step_of_file(path).is_some_and(|other| other > step);
            for path in entries.iter().map(fs::DirEntry::path).filter(is_later) {
                remove(&path)?;
                abandoned += 1;
            }
        }
        // What was made of all circuits together is of a course that there no longer is; the next `circuit --checkpoints` makes it anew.
        let together =
            ["emergence.json", "index.html", "heatmap.svg", "heatmap.png", "cohorts.svg", "cohorts.png"];
        for path in together.map(|name| self.root.join(CIRCUITS).join(name)) {
            if path.exists() {
                remove(&path)?;
            }
        }
        Ok(abandoned)
    }

    /// Writes the recipe as the person gave it, unless that is `None`, what is secret of addresses masked, and as it is after
    /// defaults and overrides, which holds no secrets; all that the run reads back of it is then sealed in `manifest`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn write_recipe(
        &self,
        manifest: &mut RunManifest,
        given: Option<&str>,
        resolved: &str,
    ) -> Result<()> {
        if let Some(given) = given {
            write_whole(&self.recipe(), |w| Ok(w.write_all(masked(given).as_bytes())?))?;
        }
        if read_regular(&self.resolved(), u64::MAX).ok().as_deref() != Some(resolved.as_bytes()) {
            manifest.unseal(self, RESOLVED)?;
            write_whole(&self.resolved(), |w| Ok(w.write_all(resolved.as_bytes())?))?;
        }
        manifest.seal(self, &[INPUTS, RESOLVED])
    }
}

/// The step in the name of a file of responses or of an evaluation.
fn step_of_file(path: &Path) -> Option<Step> {
    let name = path.file_name()?.to_str()?.strip_prefix("step_")?;
    name.split('.').next()?.parse().ok()
}

/// Sets aside what is at `path` where it is not what `suits`, and says so.
fn make_way(path: &Path, suits: impl Fn(&Path) -> bool) -> Result<Option<String>> {
    if suits(path) || path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let aside = set_aside(path)?;
    Ok(Some(format!("{}: damaged; it is set aside as {}", path.display(), aside.display())))
}
