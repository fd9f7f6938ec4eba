//! The folder of a run, known to be free or its own before anything in it is changed.

mod known;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};

use self::known::{check_not_lost, find_id};
use super::consent::{Consent, told};
use super::fork::{Fork, Forked};
use super::history::{self, Event, Happened};
use super::{Failure, Setup};
use crate::checkpoint::{
    Store, VerifiedCheckpoint, is_sealed, is_unfinished, load_weights, restore_replaced, seal,
};
use crate::files::Lock;
use crate::model::Policy;
use crate::observe::{Console, Kept, Steps};
use crate::recipe::{Change, Recipe, telling};
use crate::run_folder::{Parent, RunFolder, RunManifest};
use crate::types::{RunId, Step, counted};

/// Where a run lies and what proves that all there is of it.
pub(super) struct Home {
    pub folder: RunFolder,
    pub manifest: RunManifest,
    pub store: Store,
    /// Whether the run knew nothing of itself so far: its files are taken as they stand.
    pub is_adopted: bool,
    /// The step behind which it goes on; `None` for a new run.
    pub resumed_at: Option<Step>,
    /// What it was forked from, of a new run that was.
    pub forked: Option<Forked>,
    /// The step of the parent's checkpoint that it began with, of a run that goes on and was forked; else 0.
    pub forked_at: Step,
    /// Keys whose values change as it goes on.
    pub changes: Vec<Change>,
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
    forked: Option<Forked>,
    changes: Vec<Change>,
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

    /// The folder of a new run that goes on from a checkpoint of another, and that.
    pub(super) fn fork(runs: &Path, recipe: &Recipe, fork: Fork) -> Result<(Self, VerifiedCheckpoint)> {
        let (forked, checkpoint) = fork.look(recipe).map_err(Failure::bad_input)?;
        let mut this = Self::begin(runs, recipe)?;
        this.last_row = forked.step();
        this.changes.clone_from(&forked.changes);
        this.manifest.parent = Some(forked.parent.clone());
        this.forked = Some(forked);
        Ok((this, checkpoint))
    }

    /// The folder of the run that `recipe` describes, and the checkpoint to continue from; `None` if it has none yet.
    pub(super) fn again(
        runs: &Path,
        recipe: &Recipe,
        consent: &Consent,
        console: &Console,
    ) -> Result<(Self, Option<VerifiedCheckpoint>)> {
        let folder = RunFolder::open(runs, &recipe.run.name).map_err(Failure::resume_refused)?;
        let lock = folder.lock().map_err(Failure::bad_input)?;
        let find = || {
            let changes = changes(&folder, recipe)?;
            consent.check(&folder, &changes)?;
            let known = RunManifest::read(&folder)?;
            restore_replaced(&folder.checkpoints())?;
            check_not_lost(&folder, known.as_ref())?;
            Ok((find_id(&folder, known.as_ref())?, known, changes))
        };
        let (id, known, changes) = find().map_err(Failure::resume_refused)?;
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
        for change in telling(&changes) {
            console.note(format_args!("from here on: {}", told(change)));
        }
        let mut this = Self { changes, ..Self::new(folder, lock, manifest, recipe, is_adopted)? };
        let checkpoint = this.find_checkpoint(recipe, console).map_err(Failure::resume_refused)?;
        Ok((this, checkpoint))
    }

    /// What the other ranks have to know, the run going on from `checkpoint`.
    pub(super) fn address(&self, checkpoint: Option<&VerifiedCheckpoint>) -> Address {
        Address {
            run: self.manifest.run.clone(),
            is_adopted: self.is_adopted,
            resumed_at: self.resumed_at,
            forked: self.forked.clone(),
            changes: self.changes.clone(),
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
        let Address { run, is_adopted, resumed_at, forked, changes, last_row, checkpoint } = address;
        let folder = RunFolder::at(&runs.join(&recipe.run.name));
        ensure!(
            folder.root().is_dir(),
            "{}: rank 0 has made it, and it cannot be seen from here; --runs must name a folder on a disk that all ranks share",
            folder.root().display()
        );
        let store = Store::of_another_rank(folder.checkpoints()).of_run(run.clone());
        let manifest = RunManifest::new(run);
        let forked_at = 0;
        let this = Self {
            folder,
            manifest,
            store,
            is_adopted,
            resumed_at,
            forked,
            forked_at,
            changes,
            last_row,
            _lock: None,
        };
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
        let (resumed_at, forked, forked_at, changes, last_row) = (None, None, 0, Vec::new(), 0);
        let _lock = Some(lock);
        Ok(Self {
            folder,
            manifest,
            store,
            is_adopted,
            resumed_at,
            forked,
            forked_at,
            changes,
            last_row,
            _lock,
        })
    }

    /// The checkpoint to continue from, which must fit the recipe and the rows that are kept.
    fn find_checkpoint(&mut self, recipe: &Recipe, console: &Console) -> Result<Option<VerifiedCheckpoint>> {
        self.resumed_at = Some(0);
        let Some(latest) = self.store.latest()? else {
            self.check_not_half_forked()?;
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
        self.forked_at = self.parent().map_or(0, |parent| parent.step);
        let steps = Steps { behind: self.forked_at, last: self.last_row };
        for note in Kept::read(&self.folder.metrics(), steps)?.notes {
            console.note(note);
        }
        Ok(Some(checkpoint))
    }

    /// The run that it was forked from, if it was.
    fn parent(&self) -> Option<&Parent> {
        self.manifest.parent.as_ref()
    }

    /// That a run without a checkpoint may begin again.
    fn check_not_half_forked(&self) -> Result<()> {
        let Some(parent) = self.parent() else { return Ok(()) };
        let history = history::read(&self.folder).unwrap_or_default();
        let command =
            history.into_iter().find(|event| event.event == Happened::Forked).map(|event| event.command);
        let again = command.map_or_else(String::new, |command| format!(": {command}"));
        bail!(
            "{}: stopped before it had the checkpoint of {} that it was forked from; remove the folder and fork again{again}",
            self.folder.root().display(),
            parent.folder.display()
        );
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
        load_reference(&self.folder, Some(&self.manifest.run), policy).map(Some)
    }

    /// The step behind which it goes on, its own or a parent's; `None` of one that begins.
    pub(super) fn goes_on_at(&self) -> Option<Step> {
        self.resumed_at.or(self.forked.as_ref().map(Forked::step))
    }

    /// What the process that takes it up does to it, told `set` by its command line.
    pub(super) fn event(&self, set: &[String]) -> Event {
        let happened = match (&self.forked, self.resumed_at) {
            (Some(_), _) => Happened::Forked,
            (None, Some(_)) => Happened::Resumed,
            (None, None) => Happened::Begun,
        };
        let parent = self.forked.as_ref().map(|forked| forked.parent.clone());
        let step = self.goes_on_at().unwrap_or_default();
        Event { parent, changes: self.changes.clone(), ..Event::now(happened, step, set) }
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

/// The reference of the KL penalty that lies in the folder of `run`, beside `policy`, of which it shares the weights that stay.
pub(super) fn load_reference(folder: &RunFolder, run: Option<&RunId>, policy: &Policy) -> Result<Policy> {
    let load = || {
        let sealed = VerifiedCheckpoint::open(folder.reference())?;
        run.map_or(Ok(()), |run| sealed.check_run(run))?;
        load_weights(&sealed, "", policy.network.trainable())
    };
    let learnt = load().context("the reference of the KL penalty")?;
    policy.beside(&learnt)
}

/// What changes of the recipe of the run in `folder` as it goes on by `recipe`.
fn changes(folder: &RunFolder, recipe: &Recipe) -> Result<Vec<Change>> {
    let before = Recipe::load(&folder.resolved(), &[]).map_err(|problems| {
        anyhow!(
            "{problems}\n{}: not a recipe of this version; put it back as the run wrote it",
            folder.resolved().display()
        )
    })?;
    recipe.changes(&before)
}
