//! The folder of a run, known to be free or its own before anything in it is changed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};

use super::{Failure, Setup};
use crate::checkpoint::{
    Latest, Store, VerifiedCheckpoint, is_sealed, is_unfinished, load_weights, restore_replaced, run_of, seal,
};
use crate::files::{Lock, read_regular};
use crate::model::Policy;
use crate::observe::{Console, Jsonl, Kept};
use crate::recipe::Recipe;
use crate::run_folder::{RunFolder, RunManifest};
use crate::types::{MetricRow, RunId, Step, counted, program, shell_word};

/// Where a run lies and what proves that all there is of it.
pub(super) struct Home {
    pub folder: RunFolder,
    pub manifest: RunManifest,
    pub store: Store,
    /// Whether the run knew nothing of itself so far: its files are taken as they stand.
    pub is_adopted: bool,
    /// The step behind which it goes on; `None` for a new run.
    pub resumed_at: Option<Step>,
    /// The last step whose row it keeps.
    pub last_row: Step,
    /// Keeps other processes away; the first of several ranks has it.
    _lock: Option<Lock>,
}

/// What the first rank tells the others of where the run lies.
#[derive(Serialize, Deserialize)]
pub(super) struct Address {
    run: RunId,
    is_adopted: bool,
    resumed_at: Option<Step>,
    last_row: Step,
    /// The checkpoint to continue from.
    checkpoint: Option<PathBuf>,
}

impl Home {
    /// The folder of a new run.
    pub(super) fn begin(runs: &Path, recipe: &Recipe) -> Result<Self> {
        let folder = RunFolder::create(runs, &recipe.run.name).map_err(Failure::bad_input)?;
        let lock = folder.lock().map_err(Failure::bad_input)?;
        let manifest = RunManifest::new(RunId::draw()?);
        Self::new(folder, lock, manifest, recipe, false)
    }

    /// The folder of the run that `recipe` describes, and the checkpoint to continue from; `None` if it has none yet.
    pub(super) fn again(
        runs: &Path,
        recipe: &Recipe,
        console: &Console,
    ) -> Result<(Self, Option<VerifiedCheckpoint>)> {
        let folder = RunFolder::open(runs, &recipe.run.name).map_err(Failure::resume_refused)?;
        let lock = folder.lock().map_err(Failure::bad_input)?;
        let find = || {
            check_recipe(&folder, recipe)?;
            let known = RunManifest::read(&folder)?;
            restore_replaced(&folder.checkpoints())?;
            check_not_lost(&folder, known.as_ref())?;
            Ok((find_id(&folder, known.as_ref())?, known))
        };
        let (id, known) = find().map_err(Failure::resume_refused)?;
        let is_adopted = known.is_none();
        let manifest = known.unwrap_or_else(|| RunManifest::new(id));
        folder.clear_temporaries()?;
        for note in folder.prepare()? {
            console.note(note);
        }
        if is_adopted {
            console.note(format!(
                "{}: no manifest.json, as in runs of earlier versions: what the run wrote is taken as it stands",
                folder.root().display()
            ));
        }
        let mut this = Self::new(folder, lock, manifest, recipe, is_adopted)?;
        let checkpoint = this.find_checkpoint(recipe, console).map_err(Failure::resume_refused)?;
        Ok((this, checkpoint))
    }

    /// What the other ranks have to know, the run going on from `checkpoint`.
    pub(super) fn address(&self, checkpoint: Option<&VerifiedCheckpoint>) -> Address {
        Address {
            run: self.manifest.run.clone(),
            is_adopted: self.is_adopted,
            resumed_at: self.resumed_at,
            last_row: self.last_row,
            checkpoint: checkpoint.map(|found| found.folder().to_owned()),
        }
    }

    /// Where another rank has made or found the run, to read from alone.
    pub(super) fn visit(
        runs: &Path,
        recipe: &Recipe,
        address: Address,
    ) -> Result<(Self, Option<VerifiedCheckpoint>)> {
        let Address { run, is_adopted, resumed_at, last_row, checkpoint } = address;
        let folder = RunFolder::at(&runs.join(&recipe.run.name));
        ensure!(
            folder.root().is_dir(),
            "{}: rank 0 has made it, and it cannot be seen from here; --runs must name a folder on a disk that all ranks share",
            folder.root().display()
        );
        let store = Store::of_another_rank(folder.checkpoints()).of_run(run.clone());
        let manifest = RunManifest::new(run);
        let this = Self { folder, manifest, store, is_adopted, resumed_at, last_row, _lock: None };
        Ok((this, checkpoint.map(VerifiedCheckpoint::verified_elsewhere).transpose()?))
    }

    fn new(
        folder: RunFolder,
        lock: Lock,
        manifest: RunManifest,
        recipe: &Recipe,
        is_adopted: bool,
    ) -> Result<Self> {
        let store = Store::new(folder.checkpoints(), recipe.checkpoint.keep)?.of_run(manifest.run.clone());
        Ok(Self { folder, manifest, store, is_adopted, resumed_at: None, last_row: 0, _lock: Some(lock) })
    }

    /// The checkpoint to continue from, which must fit the recipe and the rows that are kept.
    fn find_checkpoint(&mut self, recipe: &Recipe, console: &Console) -> Result<Option<VerifiedCheckpoint>> {
        self.resumed_at = Some(0);
        let Some(latest) = self.store.latest()? else {
            console.note("the run has no checkpoint yet and begins again");
            return Ok(None);
        };
        if let Some(note) = &latest.note {
            console.note(note);
        }
        let checkpoint = VerifiedCheckpoint::open(&latest.folder)?;
        checkpoint.check_run(&self.manifest.run)?;
        let (step, steps) = (checkpoint.step(), recipe.run.steps);
        ensure!(
            step <= steps,
            "[run] steps: got {steps}, but the newest checkpoint of the run, {}, has {}; set steps to at least \
             {step}, or start another run with --name",
            latest.folder.display(),
            counted(step, "step")
        );
        self.resumed_at = Some(step);
        self.last_row = step - Step::from(is_unfinished(checkpoint.folder())?);
        for note in Kept::read(&self.folder.metrics(), self.last_row)?.notes {
            console.note(note);
        }
        Ok(Some(checkpoint))
    }

    /// Seals the reference of the KL penalty, if the recipe has one, in a run of an older version, which wrote no seals.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub(super) fn seal_reference(&self, setup: &Setup) -> Result<()> {
        let folder = self.folder.reference();
        let is_needed = setup.recipe.loss.kl().is_some();
        match is_needed && self.is_adopted && folder.is_dir() && !is_sealed(&folder) {
            true => seal(&folder, Some(&self.manifest.run), 0),
            false => Ok(()),
        }
    }

    /// The reference of the KL penalty, if the recipe has one: `policy` as it was before its first step, of which it shares the weights
    /// that stay.
    pub(super) fn load_reference(&self, setup: &Setup, policy: &Policy) -> Result<Option<Policy>> {
        if setup.recipe.loss.kl().is_none() {
            return Ok(None);
        }
        let folder = self.folder.reference();
        let load = || {
            let sealed = VerifiedCheckpoint::open(&folder)?;
            sealed.check_run(&self.manifest.run)?;
            load_weights(&sealed, "", policy.network.trainable())
        };
        let learnt = load().context("the reference of the KL penalty")?;
        policy.beside(&learnt).map(Some)
    }

    /// Models that are kept for good.
    ///
    /// # Errors
    /// If their folder cannot be made.
    pub(super) fn models(&self) -> Result<Store> {
        Ok(Store::new(self.folder.models(), 0)?.of_run(self.manifest.run.clone()))
    }

    /// Removes what a course that is left has written behind the step after which the run goes on, so that nothing of it is
    /// taken for the run's own; says what.
    pub(super) fn abandon(&self) -> Result<Option<String>> {
        let Some(step) = self.resumed_at else { return Ok(None) };
        let checkpoints = self.store.abandon_after(step)?;
        if self.folder.models().is_dir() {
            self.models()?.abandon_after(step)?;
        }
        let n_files = self.folder.abandon_after(step)?;
        Ok((!checkpoints.is_empty()).then(|| {
            format!(
                "left behind step {step} and removed: {}, {} of responses and evaluations",
                checkpoints.join(", "),
                counted(n_files, "file")
            )
        }))
    }
}

/// That the recipe is the run's in all that shapes it.
fn check_recipe(folder: &RunFolder, recipe: &Recipe) -> Result<()> {
    let before = Recipe::load(&folder.resolved(), &[]).map_err(|problems| {
        anyhow!(
            "{problems}\n{}: not a recipe of this version; put it back as the run wrote it",
            folder.resolved().display()
        )
    })?;
    let differences = recipe.differences(&before)?;
    let root = folder.root().display();
    let lines: Vec<String> =
        differences.iter().map(|d| format!("  {}: {} now, {} in the run", d.key, d.here, d.there)).collect();
    ensure!(
        lines.is_empty(),
        "{root}: the recipe differs from that of the run in what shapes it:\n{}\nset these back, go on by the run's own \
         recipe ({} train {} --resume), or start another run with --name",
        lines.join("\n"),
        program(),
        shell_word(&root.to_string())
    );
    Ok(())
}

/// That a run which has saved something still has it: it may not begin again over what it has done.
fn check_not_lost(folder: &RunFolder, known: Option<&RunManifest>) -> Result<()> {
    let checkpoints = folder.checkpoints();
    if checkpoints.is_dir() && Latest::find(&checkpoints)?.is_some() {
        return Ok(());
    }
    let rows = Jsonl::read(&folder.metrics()).unwrap_or_default().rows;
    // The row behind a checkpoint has the time that it took.
    let timed = |(_, row): &(Step, MetricRow)| row.get("time/checkpoint").is_some();
    let saved = known.and_then(|known| known.saved);
    let lost =
        saved.is_some() || rows.iter().any(timed) || (!checkpoints.is_dir() && folder.metrics().exists());
    let last = saved.map_or_else(String::new, |step| format!(", the last of them of step {step}"));
    ensure!(
        !lost,
        "{}: the run has written checkpoints{last}, which are gone; put the folder back, or, to begin again, start under \
         another --name or remove {}",
        checkpoints.display(),
        folder.root().display()
    );
    Ok(())
}

/// Which run it is. Where it has no manifest, its checkpoints, its reference or `env.json` may know.
fn find_id(folder: &RunFolder, known: Option<&RunManifest>) -> Result<RunId> {
    if let Some(known) = known {
        return Ok(known.run.clone());
    }
    let told = || {
        let newest = Latest::find(&folder.checkpoints()).ok().flatten();
        if let Some(run) = newest.and_then(|newest| run_of(&newest.folder)) {
            return Some(run);
        }
        if let Some(run) = run_of(&folder.reference()) {
            return Some(run);
        }
        let text = read_regular(&folder.env(), u64::MAX).ok()?;
        let env: serde_json::Value = serde_json::from_slice(&text).ok()?;
        serde_json::from_value(env.get("run")?.clone()).ok()
    };
    told().map_or_else(|| RunId::draw().context("the run needs an id"), Ok)
}
