//! Folders of checkpoints that are complete or absent.
//!
//! ```text
//! checkpoints/.step_000040.tmp-PID/   being written; a leftover of a killed process is removed at the next start
//! checkpoints/step_000040/            files, and manifest.json with the size and SHA-256 of each
//! checkpoints/latest                  one line: the name of the newest complete folder
//! checkpoints/best                    the same of the best one, where the recipe says what that is
//! ```
//!
//! A write goes: files, manifest, sync, rename of the folder, rename of `latest`, and only then are old folders
//! removed. Killed anywhere in between, `latest` still names a complete checkpoint; where that one was being replaced, it may
//! lie under a hidden name, from which [`restore_replaced`] puts it back.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::manifest::{self, VerifiedCheckpoint};
use super::state::is_unfinished;
use crate::files::{
    is_full, is_temporary, list, read_regular_text, remove, set_aside, sync_folder, temporary_beside,
    write_whole,
};
use crate::types::{RunId, Step};

const LATEST: &str = "latest";
const BEST: &str = "best";

/// When to save and how much to keep. A checkpoint is always written at the end and on SIGINT or SIGTERM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CheckpointConfig {
    /// Steps between checkpoints; 0 saves only at the end.
    pub every: u64,
    /// Number of newest checkpoints kept, the best one aside; 0 keeps all.
    pub keep: usize,
    /// What the best checkpoint is best at: a metric of an evaluation, such as "eval/heldout/avg@4", of which more is better. It is
    /// written behind the evaluation, whatever `every` says, and kept until a better one is there. Without it none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<String>,
    /// Steps from one model that is kept for good to the next, weights alone and the policy before the first step among them; 0 keeps
    /// none. They have the precision of the model that training started from.
    pub keep_model_every: u64,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every: 50, keep: 2, best: None, keep_model_every: 0 }
    }
}

/// The checkpoints of one run.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    keep: usize,
    /// The run whose checkpoints they are, if it is one's own.
    run: Option<RunId>,
}

/// The checkpoint to continue from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Latest {
    /// Its folder; [`VerifiedCheckpoint::open`] looks into it.
    pub folder: PathBuf,
    /// What was wrong with the file `latest`, where another folder than the one it names is taken.
    pub note: Option<String>,
}

impl Store {
    /// The store in `folder`, which is created where missing; leftovers of killed writes are removed.
    ///
    /// `keep` is [`CheckpointConfig::keep`].
    ///
    /// # Errors
    /// If the folder cannot be created, listed or cleaned.
    pub(crate) fn new(folder: impl Into<PathBuf>, keep: usize) -> Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
        restore_replaced(&folder)?;
        for entry in list(&folder)? {
            if is_temporary(&entry.file_name().to_string_lossy()) {
                remove(&entry.path())?;
            }
        }
        let latest = folder.join(LATEST);
        if latest.symlink_metadata().is_ok() && !latest.is_file() {
            set_aside(&latest)?;
        }
        Ok(Self { folder, keep, run: None })
    }

    /// The store in `folder` as another rank has made it, to look at alone.
    #[must_use]
    pub(crate) fn of_another_rank(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), keep: 0, run: None }
    }

    /// The same, whose checkpoints say to be of `run`.
    #[must_use]
    pub(crate) fn of_run(self, run: RunId) -> Self {
        Self { run: Some(run), ..self }
    }

    /// Removes the checkpoints of steps behind `step`, whole or not, and gives their names: they are of a branch that is left.
    ///
    /// # Errors
    /// If the folder cannot be listed or a checkpoint cannot be removed.
    pub(crate) fn abandon_after(&self, step: Step) -> Result<Vec<String>> {
        let mut abandoned = Vec::new();
        for entry in list(&self.folder)? {
            let name = entry.file_name().to_string_lossy().into_owned();
            if step_of(&name).is_some_and(|other| other > step) {
                condemn(&entry.path())?;
                abandoned.push(name);
            }
        }
        let best = self.folder.join(BEST);
        if named(&best).is_some_and(|best| best > step) {
            remove(&best)?;
        }
        abandoned.sort();
        Ok(abandoned)
    }

    /// Writes the checkpoint of `step`, whose files `fill` puts into the folder it is given; returns its final folder.
    ///
    /// Where `step` already has a checkpoint that verifies, that one is kept and `fill` is not called: what is there is of the
    /// same course, since [`Store::abandon_after`] leaves nothing of another. One that waited for its evaluation is replaced.
    ///
    /// # Errors
    /// If a file cannot be written or `fill` fails. The checkpoints that were there, and `latest`, are then untouched.
    pub(crate) fn write(&self, step: Step, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let target = self.folder.join(folder_name(step));
        let is_whole = VerifiedCheckpoint::open(&target).is_ok() && !is_unfinished(&target).unwrap_or(false);
        if !is_whole {
            let written = write_sealed(&target, self.run.as_ref(), step, fill);
            written.map_err(|error| self.failed(step, error))?;
        }
        let name = folder_name(step);
        write_whole(&self.folder.join(LATEST), |w| Ok(writeln!(w, "{name}")?))
            .map_err(|error| self.failed(step, error))?;
        self.prune(step)?;
        Ok(target)
    }

    /// Names the checkpoint of `step` as the best one, if it is there; the one before makes way with the next write.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn mark_best(&self, step: Step) -> Result<()> {
        let (path, name) = (self.folder.join(BEST), folder_name(step));
        if named(&path) == Some(step) || !manifest::is_sealed(&self.folder.join(&name)) {
            return Ok(());
        }
        write_whole(&path, |w| Ok(writeln!(w, "{name}")?))
    }

    /// The checkpoint to continue from, as [`Latest::find`] finds it.
    ///
    /// # Errors
    /// As [`Latest::find`].
    pub(crate) fn latest(&self) -> Result<Option<Latest>> {
        Latest::find(&self.folder)
    }

    /// Removes the oldest checkpoints beyond `keep`, never that of `newest`.
    fn prune(&self, newest: Step) -> Result<()> {
        if self.keep == 0 {
            return Ok(());
        }
        let mut others = complete(&self.folder)?;
        let best = named(&self.folder.join(BEST));
        others.retain(|(step, _)| *step != newest && Some(*step) != best);
        others.sort();
        let surplus = (others.len() + 1).saturating_sub(self.keep);
        for (_, folder) in others.into_iter().take(surplus) {
            condemn(&folder)?;
        }
        Ok(())
    }

    fn failed(&self, step: Step, error: anyhow::Error) -> anyhow::Error {
        let kept = match self.latest() {
            Ok(Some(latest)) => format!("{} is untouched", latest.folder.display()),
            _ => "there is no earlier one".to_owned(),
        };
        if is_full(&error) {
            return anyhow!(
                "could not write {}: the disk is full ({kept}); make room, then continue with --resume",
                self.folder.join(folder_name(step)).display()
            );
        }
        error.context(format!(
            "the checkpoint of step {step} could not be written into {} ({kept}); \
             repair the cause, then continue with --resume",
            self.folder.display()
        ))
    }
}

impl Latest {
    /// The checkpoint that `latest` in `folder` names, else the newest complete one; `None` where there is none.
    /// Changes nothing, so that it may look into the folder of a run that is going on.
    ///
    /// # Errors
    /// If the folder cannot be listed, or `latest` names a checkpoint and there is none at all.
    pub(crate) fn find(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(LATEST);
        let named = read_regular_text(&path, 1000).unwrap_or_default();
        let named = named.trim();
        if step_of(named).is_some() && manifest::is_sealed(&folder.join(named)) {
            return Ok(Some(Self { folder: folder.join(named), note: None }));
        }
        let newest = complete(folder)?.into_iter().max();
        if newest.is_none() && step_of(named).is_some() {
            bail!(
                "{} names {named}, which is gone, and there is no other checkpoint beside it; put it back; to begin again \
                 take another --name, or remove all of the run",
                path.display()
            );
        }
        Ok(newest.map(|(_, newest)| {
            let wrong = if named.is_empty() {
                "is missing".to_owned()
            } else {
                format!("names {named}, which is not a complete checkpoint")
            };
            let note =
                format!("{} {wrong}; taking the newest complete one, {}", path.display(), newest.display());
            Self { folder: newest, note: Some(note) }
        }))
    }
}

/// Where `latest` names a checkpoint that is not there, a process was killed while it replaced that one: what it had just put
/// aside, or had ready, is put back. For those alone who hold the run, since a process that lives puts it back itself.
///
/// # Errors
/// If the folder cannot be listed or what was found cannot be put back.
pub(crate) fn restore_replaced(folder: &Path) -> Result<()> {
    let named = read_regular_text(&folder.join(LATEST), 1000).unwrap_or_default();
    let Some(step) = step_of(named.trim()) else { return Ok(()) };
    let target = folder.join(folder_name(step));
    for entry in list(folder)? {
        let path = entry.path();
        let of_step = || VerifiedCheckpoint::open(&path).is_ok_and(|found| found.step() == step);
        if !target.exists() && is_temporary(&entry.file_name().to_string_lossy()) && of_step() {
            fs::rename(&path, &target).with_context(|| format!("could not put back {}", target.display()))?;
        }
    }
    Ok(())
}

/// Complete checkpoints in `folder` with their steps, in no order.
pub(crate) fn complete(folder: &Path) -> Result<Vec<(Step, PathBuf)>> {
    let entries = list(folder)?.into_iter().filter_map(|entry| {
        let step = step_of(&entry.file_name().to_string_lossy())?;
        manifest::is_sealed(&entry.path()).then(|| (step, entry.path()))
    });
    Ok(entries.collect())
}

/// The step of the checkpoint that the file at `path` names, if it names one.
fn named(path: &Path) -> Option<Step> {
    step_of(read_regular_text(path, 1000).ok()?.trim())
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

/// Removes a checkpoint. It is renamed first: a removal that is cut short must not leave something that looks complete.
fn condemn(folder: &Path) -> Result<()> {
    remove(&hide(folder)?)
}

/// Renames a checkpoint to a hidden name, under which the next start removes it, and gives that.
fn hide(folder: &Path) -> Result<PathBuf> {
    let hidden = temporary_beside(&folder.with_extension("old"))?;
    fs::rename(folder, &hidden).with_context(|| format!("could not remove {}", folder.display()))?;
    Ok(hidden)
}

/// Writes the folder `target`, which is complete or absent whatever happens: `fill` puts its files into the folder that it is
/// given, and all of it is sealed as of `run` and `step`. What was at `target` is replaced.
///
/// # Errors
/// If a file cannot be written or `fill` fails: nothing of it is left then, and what was at `target` is still there. If the last
/// sync fails: then it is the new one that is there.
pub(crate) fn write_sealed(
    target: &Path,
    run: Option<&RunId>,
    step: Step,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let temporary = temporary_beside(target)?;
    fs::create_dir(&temporary).with_context(|| format!("could not create {}", temporary.display()))?;
    let write = || {
        fill(&temporary)?;
        manifest::seal(&temporary, run, step)?;
        put_in_place(&temporary, target)
    };
    let written = write();
    if written.is_err() {
        // Best effort, to give a full disk its space back; the next start would remove it too.
        let _ = fs::remove_dir_all(&temporary);
    }
    written
}

/// Renames `new` to `target`. What was there makes way under a hidden name until the new one is safe.
///
/// # Errors
/// If that fails: what was at `target` is there again then. If it cannot be synced: then the new one is there.
fn put_in_place(new: &Path, target: &Path) -> Result<()> {
    let old = if target.exists() { Some(hide(target)?) } else { None };
    if let Err(error) = fs::rename(new, target) {
        if let Some(old) = &old {
            // The error to report is the first one; the next start would put it back too.
            let _ = fs::rename(old, target);
        }
        return Err(error).with_context(|| format!("could not rename to {}", target.display()));
    }
    sync_folder(target.parent().unwrap_or(Path::new(".")))?;
    if let Some(old) = &old {
        // What cannot be removed, such as a file that somebody has open on a network disk, harms nobody.
        let _ = remove(old);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_cannot_be_replaced_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let (new, target) = (dir.path().join("new"), dir.path().join("step_000003"));
        fs::create_dir(&target).unwrap();
        fs::write(target.join("state.json"), "old").unwrap();
        let error = put_in_place(&new, &target).unwrap_err().to_string();
        assert!(error.starts_with("could not rename to ") && error.ends_with("step_000003"), "{error}");
        assert_eq!(fs::read_to_string(target.join("state.json")).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
