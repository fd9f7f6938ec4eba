//! A new run from a checkpoint of another: weights, moments, sampler, counters and step are the parent's, settings its own.
//!
//! What of the parent's state no longer fits the new settings begins anew, and that is said:
//!
//! | changed | begins anew |
//! |---|---|
//! | `[data]`, `[chat]`, `[sampler] type`, the seed | the order of prompts, and what was generated ahead |
//! | `[explore]`, `[values]`, `[pipeline]`, `[sampling]`, `[engine]`, `[[reward]]` | what was generated ahead |
//! | `[signals]` | the groups of heads |
//! | `[loss.kl]` | its adapted weight; where the parent had none, its reference is the policy of the fork |
//! | `[critic]` where the parent had none | the critic, from the policy of the fork |
//!
//! Where nothing changes, the fork computes what the parent would have, bit for bit.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::Setup;
use super::consent::told;
use super::history::recipe_behind;
use super::home::Home;
use crate::checkpoint::{Best, TrainState, VerifiedCheckpoint, complete, write_sealed};
use crate::observe::Console;
use crate::pipeline::SourceState;
use crate::recipe::{Change, Effect, Recipe, telling, touches};
use crate::run_folder::{AtStep, Parent, RunAt, RunFolder, RunManifest};
use crate::types::{Step, program};

/// Where a run is forked from.
#[derive(Clone, Debug)]
pub(crate) struct Fork {
    /// The parent.
    pub folder: RunFolder,
    /// Its checkpoint.
    pub checkpoint: PathBuf,
    /// The step that is wanted, where it lies behind that of the checkpoint: the steps in between are made again, see
    /// [`retrace`](super::retrace).
    pub step: Option<Step>,
}

/// A fork whose parent was looked at: what it takes over, and what changes.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Forked {
    /// Which the parent is.
    pub parent: Parent,
    /// Keys in which the fork differs from it.
    pub changes: Vec<Change>,
    /// Whether files of problems are others than those that the parent began with, though they are called the same.
    pub other_problems: bool,
}

impl Fork {
    /// The verified checkpoint, and what `recipe` changes of the parent.
    ///
    /// # Errors
    /// If the parent is damaged; if its weights cannot be those of `recipe`, or no step is left.
    pub(super) fn look(self, recipe: &Recipe) -> Result<(Forked, VerifiedCheckpoint)> {
        let Self { folder, checkpoint, step } = self;
        let verified = VerifiedCheckpoint::open(&checkpoint)?;
        let before = recipe_behind(&folder, step.unwrap_or(verified.step()))?;
        let changes = recipe.changes(&before)?;
        let of_model = |change: &&Change| {
            change.effect == Effect::Beginning
                && change.key.starts_with("model.")
                && change.key != "model.device"
        };
        if let Some(change) = changes.iter().find(of_model) {
            bail!(
                "{}; a fork goes on with the weights of {}, so [model] stays. To train another model on the same recipe, start a run: \
                 {} train {} --name NEW",
                told(change),
                checkpoint.display(),
                program(),
                folder.resolved().display()
            );
        }
        let is_watched = recipe.circuit.as_ref().is_some_and(|circuit| circuit.every > 0);
        if let Some(change) = changes.iter().find(|change| is_watched && change.key.starts_with("circuit")) {
            bail!(
                "{}; a fork goes on with the measurements of its parent's heads, or without: --set circuit.every=0",
                told(change)
            );
        }
        let checkpoint = verified;
        let (step, steps) = (step.unwrap_or(checkpoint.step()), recipe.run.steps);
        if let Some(missing) = (checkpoint.step() + 1..=step).find(|step| !folder.rollouts(*step).is_file()) {
            bail!(
                "{}@{step}: there is no checkpoint of that step; the last one before it is that of step {}, and to go on from there to step \
                 {step} the responses of step {missing} would have to be kept",
                folder.root().display(),
                checkpoint.step()
            );
        }
        if step >= steps {
            bail!(
                "[run] steps: got {steps}, but step {step} of {} is done already, which the fork keeps; set steps above that: --set \
                 run.steps={}",
                folder.root().display(),
                step + steps
            );
        }
        let manifest = RunManifest::read(&folder)?;
        manifest.as_ref().map_or(Ok(()), |own| checkpoint.check_run(&own.run))?;
        let run = checkpoint.run().cloned().or_else(|| manifest.map(|own| own.run));
        let run =
            run.with_context(|| format!("{}: the run does not say which it is", folder.root().display()))?;
        let parent = Parent { run, folder: folder.root().to_owned(), step };
        Ok((Forked { parent, changes, other_problems: false }, checkpoint))
    }
}

impl Fork {
    /// What is taken of the run in `folder` to go on behind `step`: its checkpoint, or the last one before it.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn new(folder: RunFolder, step: AtStep) -> Result<Self> {
        let at = RunAt { folder, step };
        let exact = at.checkpoint();
        let (AtStep::Step(step), Err(error)) = (at.step, &exact) else {
            return Ok(Self { checkpoint: exact?, folder: at.folder, step: None });
        };
        let checkpoints = at.folder.checkpoints();
        let there = if checkpoints.is_dir() { complete(&checkpoints)? } else { Vec::new() };
        let before = there.into_iter().filter(|(other, _)| *other < step).max();
        let (_, checkpoint) = before.with_context(|| format!("{error:#}"))?;
        Ok(Self { folder: at.folder, checkpoint, step: Some(step) })
    }

    /// The recipe by which the parent went on, as a file's text.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn recipe(&self) -> Result<String> {
        let step = self.step.map_or_else(
            || VerifiedCheckpoint::verified_elsewhere(&self.checkpoint).map(|own| own.step()),
            Ok,
        )?;
        recipe_behind(&self.folder, step)?.to_toml()
    }
}

impl Forked {
    /// The step that the fork goes on from.
    #[must_use]
    pub(super) fn step(&self) -> Step {
        self.parent.step
    }

    /// Where the parent lies.
    #[must_use]
    pub(super) fn folder(&self) -> RunFolder {
        RunFolder::at(&self.parent.folder)
    }

    /// Puts what the parent keeps beside its checkpoints, and the fork goes on by, into the new folder `home`.
    ///
    /// # Errors
    /// If a file cannot be copied.
    pub(super) fn bring(&self, setup: &Setup, home: &Home) -> Result<()> {
        let is_watched = setup.recipe.circuit.as_ref().is_some_and(|circuit| circuit.every > 0);
        if is_watched && !touches(&self.changes, &["circuit"]) && self.folder().circuit().is_file() {
            copy(&self.folder().circuit(), &home.folder.circuit())?;
        }
        if !self.has_reference(setup) {
            return Ok(());
        }
        let sealed =
            VerifiedCheckpoint::open(self.folder().reference()).context("the reference of the KL penalty")?;
        sealed.check_run(&self.parent.run)?;
        write_sealed(&home.folder.reference(), Some(&home.manifest.run), 0, |dir| {
            sealed.files().try_for_each(|name| copy(&sealed.folder().join(name), &dir.join(name)))
        })
    }

    /// Whether the parent has the reference that the KL penalty of the fork measures from.
    #[must_use]
    pub(super) fn has_reference(&self, setup: &Setup) -> bool {
        setup.recipe.loss.kl().is_some() && self.folder().reference().is_dir()
    }

    /// `state` of the parent as the fork goes on from it; `fresh` is where a new source stands. What begins anew is said.
    pub(super) fn adapt(
        &self,
        state: TrainState,
        setup: &Setup,
        fresh: impl FnOnce() -> Result<SourceState>,
        console: &Console,
    ) -> Result<TrainState> {
        let kept = state.best.filter(|best| best.step == self.step());
        let best = kept.map(|best| Best { since: 0, ..best });
        let mut state = TrainState { unfinished: None, refused_in_a_row: 0, best, ..state };
        let mut anew = Vec::new();
        if self.other_problems || touches(&self.changes, &["data", "chat", "sampler.type", "run.seed"]) {
            state.source = fresh()?;
            state.best = None;
            anew.push("the order of prompts");
        }
        anew.extend(adapt(&mut state, setup, &self.changes));
        if setup.recipe.loss.kl().is_some() && !self.has_reference(setup) {
            anew.push("the reference of the KL penalty, which is the policy of this step");
        }
        if setup.recipe.critic.is_some() && state.critic.is_none() {
            anew.push("the critic, warm-up included");
        }
        let Parent { folder, step, .. } = &self.parent;
        console.note(format!("forked from {} behind step {step}", folder.display()));
        telling(&self.changes).into_iter().for_each(|change| console.note(format!("  {}", told(change))));
        if !anew.is_empty() {
            console.note(format!("  begins anew: {}", anew.join(", ")));
        }
        Ok(state)
    }
}

/// Takes out of `state` what `changes` have made void: it begins anew, and is named.
pub(super) fn adapt(state: &mut TrainState, setup: &Setup, changes: &[Change]) -> Vec<&'static str> {
    const OF_ROLLOUTS: [&str; 8] =
        ["explore", "values", "pipeline", "sampling", "engine", "reward", "overlong", "batch.prompts"];
    const OF_BEST: [&str; 6] = ["checkpoint.best", "eval", "data", "chat", "reward", "sampling"];
    let shaping: Vec<Change> = changes.iter().filter(|change| change.shapes_results()).cloned().collect();
    let mut anew = Vec::new();
    if state.source.pending.is_some() && touches(&shaping, &OF_ROLLOUTS) {
        state.source.pending = None;
        anew.push("what was generated ahead");
    }
    if state.head_groups.is_some() && touches(&shaping, &["signals"]) {
        state.head_groups = None;
        anew.push("the groups of heads");
    }
    if touches(&shaping, &["loss.kl"]) {
        state.kl_coef = setup.recipe.loss.kl().map_or(0.0, |kl| kl.coef);
        if setup.recipe.loss.kl().is_some() {
            anew.push("the weight of the KL penalty");
        }
    }
    // What evaluations found before is of another measure; more patience alone changes none.
    let patience_alone =
        |change: &&Change| !["eval.patience", "eval.every", "eval.before"].contains(&change.key.as_str());
    let of_best: Vec<Change> = changes.iter().filter(patience_alone).cloned().collect();
    if state.best.is_some() && touches(&of_best, &OF_BEST) {
        state.best = None;
        anew.push("what is the best evaluation");
    }
    anew
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).with_context(|| format!("could not create {}", parent.display()))?;
    }
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("could not copy {} to {}", from.display(), to.display()))
}
