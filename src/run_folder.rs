//! The folder of a run: what lies where.
//!
//! ```text
//! runs/NAME/
//!   recipe.toml  resolved.toml  env.json      as given; after defaults and overrides; what it ran on
//!   inputs.json                               the files that the recipe names and the precision, see `run::inputs`
//!   .lock                                     held by the process that trains here
//!   metrics.jsonl  tb/                        the metrics, and TensorBoard's view of them
//!   rollouts/step_000040.jsonl                every response of a step
//!   eval/step_000040.json                     results per set; one line per item in step_000040.SET.jsonl
//!   checkpoints/step_000040/  latest          see `checkpoint`
//! ```

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::files::{Lock, is_temporary, list, write_whole};
use crate::types::{Step, masked};

mod environment;

pub use environment::{Environment, Git};

/// Folders made before anything is written.
const SUBFOLDERS: [&str; 3] = ["rollouts", "eval", "checkpoints"];
const RECIPE: &str = "recipe.toml";
const INPUTS: &str = "inputs.json";
const LOCK: &str = ".lock";

/// Paths of one run; the folders it names exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    root: PathBuf,
}

impl RunFolder {
    /// Makes the folder of a new run, `runs/name`.
    ///
    /// # Errors
    /// If `name` is not the name of a folder, a run of that name exists, or the folder cannot be made.
    pub fn create(runs: &Path, name: &str) -> Result<Self> {
        let this = Self::named(runs, name)?;
        if this.is_free()? {
            return this.make();
        }
        if this.root.join(LOCK).is_file() {
            this.lock()?;
        }
        this.require_resolved()?;
        let state =
            this.newest().map_or("without a checkpoint".to_owned(), |step| format!("with checkpoint {step}"));
        bail!(
            "{} already holds a run, {state}; continue it with --resume, choose another name with --name, or remove \
             the folder",
            this.root.display()
        );
    }

    /// The folder of a run to continue.
    ///
    /// # Errors
    /// If there is no run of that name, or its recipe is lost.
    pub fn open(runs: &Path, name: &str) -> Result<Self> {
        let this = Self::named(runs, name)?;
        ensure!(
            !this.is_free()?,
            "{}: no run to continue, resolved.toml is missing; start it without --resume",
            this.root.display()
        );
        this.require_resolved()?;
        this.make()
    }

    /// The folder at `root`, whatever is there; nothing is made or checked.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The run that `path` is, or among whose checkpoints it lies: a checkpoint, or the model folder in it.
    #[must_use]
    pub fn around(path: &Path) -> Option<Self> {
        // As it was written first, so that the run is called as the person called it.
        let whole = fs::canonicalize(path).ok();
        [Some(path), whole.as_deref()].into_iter().flatten().find_map(|path| {
            let is_within = |root: &&Path| {
                let rest = path.strip_prefix(root).unwrap_or(path);
                rest.as_os_str().is_empty() || rest.starts_with("checkpoints")
            };
            path.ancestors().filter(is_within).map(Self::at).find(|run| run.resolved().is_file())
        })
    }

    fn named(runs: &Path, name: &str) -> Result<Self> {
        let mut parts = Path::new(name).components();
        ensure!(
            matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)),
            "run.name: expected the name of one folder, got `{name}`"
        );
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
                [LOCK, RECIPE, INPUTS].contains(&&*name) || is_temporary(&name)
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
            "{root}: damaged: resolved.toml is missing, but there is checkpoint {step}; put the file back, or make it \
             anew with `rlcredit check {} --resolved > {}` and each --set that the run was started with, then continue \
             with --resume",
            self.recipe().display(),
            resolved.display()
        );
    }

    /// Name of the newest checkpoint: the one that `latest` names, else the last in order.
    fn newest(&self) -> Option<String> {
        if let Ok(step) = fs::read_to_string(self.checkpoints().join("latest")) {
            return Some(step.trim().to_owned());
        }
        let entries = list(&self.checkpoints()).ok()?;
        let names = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("step_")).max()
    }

    /// Keeps every other process from training in this folder, for as long as the lock lives.
    ///
    /// # Errors
    /// If another process is doing so, or the file system knows no locks.
    pub fn lock(&self) -> Result<Lock> {
        Lock::try_acquire(&self.root.join(LOCK))?.with_context(|| {
            format!(
                "{}: another process is training in this folder; wait for it or stop it, or choose another name with \
                 --name",
                self.root.display()
            )
        })
    }

    fn make(self) -> Result<Self> {
        for folder in SUBFOLDERS.map(|name| self.root.join(name)) {
            fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
        }
        Ok(self)
    }

    /// Writes the recipe as the person gave it, unless that is `None`, and as it is after defaults and overrides, which holds
    /// no secrets; those of addresses in the other are masked.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write_recipe(&self, given: Option<&str>, resolved: &str) -> Result<()> {
        if let Some(given) = given {
            write_whole(&self.recipe(), |w| Ok(w.write_all(masked(given).as_bytes())?))?;
        }
        write_whole(&self.resolved(), |w| Ok(w.write_all(resolved.as_bytes())?))
    }

    /// Writes what this process runs on; what earlier processes of the run ran on is kept under `earlier`.
    ///
    /// # Errors
    /// If `env.json` cannot be written, or exists and is not a JSON object.
    pub fn write_environment(&self, environment: &Environment) -> Result<()> {
        let path = self.env();
        let merged = match fs::read(&path) {
            Ok(before) => environment.after(&before).with_context(|| path.display().to_string())?,
            Err(_) => serde_json::to_value(environment)?,
        };
        write_whole(&path, |mut w| {
            serde_json::to_writer_pretty(&mut w, &merged)?;
            Ok(w.write_all(b"\n")?)
        })
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The recipe as given.
    #[must_use]
    pub fn recipe(&self) -> PathBuf {
        self.root.join(RECIPE)
    }

    /// The recipe after defaults and overrides.
    #[must_use]
    pub fn resolved(&self) -> PathBuf {
        self.root.join("resolved.toml")
    }

    /// What shapes the run besides its recipe.
    #[must_use]
    pub fn inputs(&self) -> PathBuf {
        self.root.join(INPUTS)
    }

    /// What the run ran on.
    #[must_use]
    pub fn env(&self) -> PathBuf {
        self.root.join("env.json")
    }

    /// The metrics.
    #[must_use]
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// TensorBoard's folder.
    #[must_use]
    pub fn tensorboard(&self) -> PathBuf {
        self.root.join("tb")
    }

    /// The responses of `step`.
    #[must_use]
    pub fn rollouts(&self, step: Step) -> PathBuf {
        self.root.join(format!("rollouts/step_{step:06}.jsonl"))
    }

    /// The evaluation at `moment`: `before_warmup` or `step_000040`.
    #[must_use]
    pub fn eval(&self, moment: &str) -> PathBuf {
        self.root.join(format!("eval/{moment}.json"))
    }

    /// The evaluation at `moment`, item by item of one set.
    #[must_use]
    pub fn eval_items(&self, moment: &str, set: &str) -> PathBuf {
        self.root.join(format!("eval/{moment}.{set}.jsonl"))
    }

    /// The checkpoints, for [`crate::checkpoint::Store`].
    #[must_use]
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// The checkpoint after `step`, where it is kept.
    #[must_use]
    pub fn checkpoint(&self, step: Step) -> PathBuf {
        self.checkpoints().join(format!("step_{step:06}"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_new_run_refuses_the_folder_of_another() {
        let runs = tempfile::tempdir().unwrap();
        let run = RunFolder::create(runs.path(), "countdown").unwrap();
        run.write_recipe(Some("seed = 0 # mine\n"), "seed = 0\nsteps = 1\n").unwrap();
        assert_eq!(fs::read_to_string(run.recipe()).unwrap(), "seed = 0 # mine\n");

        let error = RunFolder::create(runs.path(), "countdown").unwrap_err().to_string();
        for part in ["countdown already holds a run, without a checkpoint", "--resume", "--name"] {
            assert!(error.contains(part), "{error}");
        }
        fs::write(run.checkpoints().join("latest"), "step_000040\n").unwrap();
        let error = RunFolder::create(runs.path(), "countdown").unwrap_err().to_string();
        assert!(error.contains("with checkpoint step_000040;"), "{error}");
        assert_eq!(RunFolder::open(runs.path(), "countdown").unwrap(), run);
    }

    #[test]
    fn an_empty_folder_is_free_and_an_absent_run_cannot_continue() {
        let runs = tempfile::tempdir().unwrap();
        fs::create_dir(runs.path().join("empty")).unwrap();
        let started = RunFolder::create(runs.path(), "empty").unwrap();
        // Killed before `resolved.toml` was there, so that --resume cannot take it up either.
        let lock = started.lock().unwrap();
        fs::write(started.recipe(), "").unwrap();
        assert!(RunFolder::create(runs.path(), "empty").is_ok());
        let error = started.lock().unwrap_err().to_string();
        assert!(error.contains("another process is training in this folder"), "{error}");
        drop(lock);
        assert!(started.lock().is_ok());
        fs::write(started.rollouts(1), "").unwrap();
        assert!(RunFolder::create(runs.path(), "empty").is_err());

        let error = RunFolder::open(runs.path(), "other").unwrap_err().to_string();
        assert!(error.contains("other: no run to continue") && error.contains("without --resume"), "{error}");
        assert!(!runs.path().join("other").exists());
    }

    #[test]
    fn a_checkpoint_is_known_to_be_of_its_run() {
        let runs = tempfile::tempdir().unwrap();
        let run = RunFolder::create(runs.path(), "countdown").unwrap();
        let model = run.checkpoint(3).join("model");
        fs::create_dir_all(&model).unwrap();
        assert_eq!(RunFolder::around(&model), None);
        run.write_recipe(None, "").unwrap();
        for within in [&run.root().to_owned(), &run.checkpoints(), &run.checkpoint(3), &model] {
            assert_eq!(RunFolder::around(within).as_ref(), Some(&run), "{}", within.display());
        }
        // What else lies there, or beside it, is none of the run's models.
        for other in [run.root().join("rollouts"), runs.path().to_owned(), run.root().join("absent/model")] {
            assert_eq!(RunFolder::around(&other), None, "{}", other.display());
        }
        // Through a link, whose own path says nothing.
        let link = runs.path().join("link");
        std::os::unix::fs::symlink(&model, &link).unwrap();
        let found = RunFolder::around(&link).unwrap();
        assert_eq!(found.root(), fs::canonicalize(run.root()).unwrap());
    }

    #[test]
    fn a_name_is_one_folder() {
        let runs = tempfile::tempdir().unwrap();
        for name in ["", ".", "..", "a/b", "/tmp", "../a"] {
            let error = RunFolder::create(runs.path(), name).unwrap_err().to_string();
            assert!(error.contains(&format!("got `{name}`")), "{error}");
        }
    }
}
