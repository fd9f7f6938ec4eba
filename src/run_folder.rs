//! The folder of a run: what lies where.
//!
//! ```text
//! runs/NAME/
//!   recipe.toml  resolved.toml  env.json      as given; after defaults and overrides; what it ran on
//!   inputs.json                               the files that the recipe names and the precision, see `run::inputs`
//!   manifest.json                             which run it is, and the hashes of what it reads back
//!   history.jsonl                             what people did to it, see `run::history`
//!   .lock                                     held by the process that trains here
//!   metrics.jsonl  tb/                        the metrics, and TensorBoard's view of them
//!   run.log  sinks/NAME.log                   what the run said, and what programs that get its rows said
//!   rollouts/step_000040.jsonl  samples.jsonl every response of a step; the few that were shown
//!   eval/step_000040.json                     results per set; one line per item in step_000040.SET.jsonl
//!   audits/step_000040/                       what an audit of the policy found, see `audit`
//!   circuit.jsonl  circuits/                  what was measured of its heads on the way; circuits of its models, see `circuit`
//!   models/step_000040/                       weights that are kept for good
//!   weights/                                  weights on their way to servers, see `rollout::remote`
//!   report.html  inspect/                     how it went, see `report`; pages of responses that it leads to
//!   checkpoints/step_000040/  latest          see `checkpoint`
//!   reference/                                the policy that the KL penalty measures from, sealed as a checkpoint is
//! ```
//!
//! A run that continues reads resolved.toml, inputs.json, metrics.jsonl, circuit.jsonl, its checkpoint and reference/; these are checked. The
//! rest only tells: what is damaged there is set aside.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::files::{Lock, is_temporary, list};
use crate::types::{Step, program, shell_word};

mod at;
mod keep;
mod manifest;
mod name;
#[cfg(test)]
mod tests;

pub(crate) use at::{AtStep, RunAt};
pub(crate) use manifest::{Parent, RunManifest};
pub(crate) use name::{check_name, misnamed};

/// Folders made before anything is written.
const SUBFOLDERS: [&str; 3] = [ROLLOUTS, EVAL, "checkpoints"];
const ROLLOUTS: &str = "rollouts";
const EVAL: &str = "eval";
const REFUSED: &str = "refused";
const AUDITS: &str = "audits";
const CIRCUITS: &str = "circuits";
const RECIPE: &str = "recipe.toml";
const RESOLVED: &str = "resolved.toml";
const INPUTS: &str = "inputs.json";
const MANIFEST: &str = "manifest.json";
const HISTORY: &str = "history.jsonl";
const LOCK: &str = ".lock";

/// Paths of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunFolder {
    root: PathBuf,
}

impl RunFolder {
    /// Makes the folder of a new run, `runs/name`.
    ///
    /// # Errors
    /// If `name` is not the name of a folder, a run of that name exists, or the folder cannot be made.
    pub(crate) fn create(runs: &Path, name: &str) -> Result<Self> {
        let this = Self::named(runs, name)?;
        this.require_free()?;
        this.prepare()?;
        Ok(this)
    }

    /// Whether [`RunFolder::create`] would find the place free; nothing is made.
    ///
    /// # Errors
    /// What it would say.
    pub(crate) fn check_free(runs: &Path, name: &str) -> Result<()> {
        Self::named(runs, name)?.require_free()
    }

    fn require_free(&self) -> Result<()> {
        let there = self.root.ancestors().skip(1).find(|folder| folder.exists());
        if let Some(file) = there.filter(|there| !there.is_dir()) {
            bail!(
                "{}: not a folder, so no run can lie there; choose another folder with --runs",
                file.display()
            );
        }
        if self.is_free()? {
            return Ok(());
        }
        if self.root.join(LOCK).is_file() {
            self.lock()?;
        }
        self.require_resolved()?;
        let state =
            self.newest().map_or("without a checkpoint".to_owned(), |step| format!("with checkpoint {step}"));
        bail!(
            "{} already holds a run, {state}; continue it with --resume, choose another name with --name, or remove \
             the folder",
            self.root.display()
        );
    }

    /// The folder of a run to continue.
    ///
    /// # Errors
    /// If there is no run of that name, or its recipe is lost or not what the run wrote.
    pub(crate) fn open(runs: &Path, name: &str) -> Result<Self> {
        let this = Self::named(runs, name)?;
        ensure!(
            !this.is_free()?,
            "{}: no run to continue, resolved.toml is missing; start it without --resume",
            this.root.display()
        );
        this.require_resolved()?;
        if let Some(manifest) = RunManifest::read(&this)? {
            manifest.check(&this)?;
        }
        Ok(this)
    }

    /// The recipe after defaults and overrides, for those who look at the run: as the run wrote it.
    ///
    /// # Errors
    /// If it is missing or not what the run wrote.
    pub(crate) fn checked_resolved(&self) -> Result<PathBuf> {
        self.require_resolved()?;
        if let Some(manifest) = RunManifest::read(self)? {
            manifest.check_file(self, RESOLVED)?;
        }
        Ok(self.resolved())
    }

    /// The folder at `root`, whatever is there; nothing is made or checked.
    #[must_use]
    pub(crate) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The run that `path` is, or among whose checkpoints or models it lies: one of these, or the model folder in it.
    #[must_use]
    pub(crate) fn around(path: &Path) -> Option<Self> {
        // As it was written first, so that the run is called as the person called it.
        let whole = fs::canonicalize(path).ok();
        [Some(path), whole.as_deref()].into_iter().flatten().find_map(|path| {
            let is_within = |root: &&Path| {
                let rest = path.strip_prefix(root).unwrap_or(path);
                rest.as_os_str().is_empty() || rest.starts_with("checkpoints") || rest.starts_with("models")
            };
            path.ancestors().filter(is_within).map(Self::at).find(|run| run.resolved().is_file())
        })
    }

    fn named(runs: &Path, name: &str) -> Result<Self> {
        check_name(name)?;
        Ok(Self { root: runs.join(name) })
    }

    /// Whether a new run may have the folder: nothing is there but what a start that was cut short leaves behind.
    fn is_free(&self) -> Result<bool> {
        if !self.root.is_dir() {
            return Ok(!self.root.exists());
        }
        for entry in list(&self.root)? {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let unused = if path.is_dir() {
                SUBFOLDERS.contains(&&*name) && list(&path)?.is_empty()
            } else {
                [LOCK, RECIPE, INPUTS, MANIFEST, HISTORY].contains(&&*name) || is_temporary(&name)
            };
            if !unused {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Of a folder that holds something: that its run can be continued as far as the recipe goes.
    fn require_resolved(&self) -> Result<()> {
        let (root, resolved) = (self.root.display(), self.resolved());
        if resolved.is_file() {
            return Ok(());
        }
        let Some(step) = self.newest() else {
            bail!(
                "{root}: there are files in there, but neither the resolved.toml of a run nor a checkpoint, so there is \
                 nothing to continue; choose another name with --name, or remove the folder"
            );
        };
        bail!(
            "{root}: damaged: resolved.toml is missing, but there is checkpoint {step}; put the file back, or {}; then \
             continue with --resume",
            self.remake_resolved()
        );
    }

    /// How `resolved.toml` is had again as the run wrote it, for a person to do.
    fn remake_resolved(&self) -> String {
        let word = |path: &Path| shell_word(&path.to_string_lossy());
        let (recipe, env) = (self.recipe(), self.env());
        format!(
            "make it anew with `{} check {} --name {} --resolved > {}` and each --set that the run was started with (see \
             `command` in {}; where that or {} has *** for a secret, give the secret, or the recipe that was given); where the run \
             took the time of its start for [chat] now, a copy of the file alone has it",
            program(),
            word(&recipe),
            word(self.root.file_name().unwrap_or_default().as_ref()),
            word(&self.resolved()),
            env.display(),
            recipe.display()
        )
    }

    /// Keeps every other process from training in this folder, for as long as the lock lives.
    ///
    /// # Errors
    /// If another process is doing so, or the file system knows no locks.
    pub(crate) fn lock(&self) -> Result<Lock> {
        Lock::try_acquire(&self.root.join(LOCK))?.with_context(|| {
            format!(
                "{}: another process is training in this folder; wait for it or stop it, or choose another name with \
                 --name",
                self.root.display()
            )
        })
    }

    /// The folder itself.
    #[must_use]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The recipe as given.
    #[must_use]
    pub(crate) fn recipe(&self) -> PathBuf {
        self.root.join(RECIPE)
    }

    /// The recipe after defaults and overrides.
    #[must_use]
    pub(crate) fn resolved(&self) -> PathBuf {
        self.root.join(RESOLVED)
    }

    /// What shapes the run besides its recipe.
    #[must_use]
    pub(crate) fn inputs(&self) -> PathBuf {
        self.root.join(INPUTS)
    }

    /// What the run knows of itself, see [`RunManifest`].
    #[must_use]
    pub(crate) fn manifest(&self) -> PathBuf {
        self.root.join(MANIFEST)
    }

    /// What people did to the run, see `run::history`.
    #[must_use]
    pub(crate) fn history(&self) -> PathBuf {
        self.root.join(HISTORY)
    }

    /// The policy that the KL penalty measures from.
    #[must_use]
    pub(crate) fn reference(&self) -> PathBuf {
        self.root.join("reference")
    }

    /// What the run ran on.
    #[must_use]
    pub(crate) fn env(&self) -> PathBuf {
        self.root.join("env.json")
    }

    /// The metrics.
    #[must_use]
    pub(crate) fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// TensorBoard's folder.
    #[must_use]
    pub(crate) fn tensorboard(&self) -> PathBuf {
        self.root.join("tb")
    }

    /// The responses of `step`.
    #[must_use]
    pub(crate) fn rollouts(&self, step: Step) -> PathBuf {
        self.root.join(format!("{ROLLOUTS}/step_{step:06}.jsonl"))
    }

    /// The responses of a step whose update was refused.
    #[must_use]
    pub(crate) fn refused(&self, step: Step) -> PathBuf {
        self.root.join(format!("{REFUSED}/step_{step:06}.jsonl"))
    }

    /// The evaluation at `moment`: `before_sft` or `step_000040`.
    #[must_use]
    pub(crate) fn eval(&self, moment: &str) -> PathBuf {
        self.root.join(format!("{EVAL}/{moment}.json"))
    }

    /// The evaluation at `moment`, item by item of one set.
    #[must_use]
    pub(crate) fn eval_items(&self, moment: &str, set: &str) -> PathBuf {
        self.root.join(format!("{EVAL}/{moment}.{set}.jsonl"))
    }

    /// What the audit after `step` found.
    #[must_use]
    pub(crate) fn audit(&self, step: Step) -> PathBuf {
        self.root.join(format!("{AUDITS}/step_{step:06}"))
    }

    /// The checkpoints, for [`crate::checkpoint::Store`].
    #[must_use]
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// What was measured of the heads on the way.
    #[must_use]
    pub(crate) fn circuit(&self) -> PathBuf {
        self.root.join("circuit.jsonl")
    }

    /// Models that are kept for good, weights alone, for [`crate::checkpoint::Store`].
    #[must_use]
    pub(crate) fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// The checkpoint after `step`, where it is kept.
    #[must_use]
    pub(crate) fn checkpoint(&self, step: Step) -> PathBuf {
        self.checkpoints().join(format!("step_{step:06}"))
    }
}
