//! From a request to a run under way: new, or as an earlier process left it.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::consent::Consent;
use super::fork::{Fork, adapt};
use super::guards::diverged;
use super::home::Home;
use super::inputs::InputFiles;
use super::meet::{explain, same_weights};
use super::retrace::Retrace;
use super::writer::RunWriter;
use super::{Failure, Outcome, Run, Setup, initial_policy, run_sft};
use crate::checkpoint::{Milestone, TrainState, VerifiedCheckpoint};
use crate::interrupt::{Immediate, Interrupt, OrStopped, StopSignal};
use crate::model::{FreeMemory, Policy};
use crate::observe::{Console, Ending};
use crate::optim::Schedule;
use crate::recipe::Recipe;
use crate::types::counted;

/// What a person asked for.
pub(crate) struct Request {
    /// What the recipe makes, overrides applied.
    pub setup: Setup,
    /// The recipe's text as given; `None` leaves the one that the run has.
    pub given: Option<String>,
    /// Folder that holds all runs.
    pub runs: PathBuf,
    /// Folder whose SFT results (`.warm_starts`) are shared by the runs that name it; usually that of the runs.
    pub sft_folder: PathBuf,
    /// Where it comes from.
    pub origin: Origin,
    /// What its command line said with `--set`.
    pub set: Vec<String>,
}

/// Where a run that is asked for comes from.
pub(crate) enum Origin {
    /// It is new.
    New,
    /// It is the earlier run of that name, of which `allow` may change: keys that shape learning, or sections of them.
    Resumed {
        /// Those keys.
        allow: Vec<String>,
    },
    /// It is new, from a checkpoint of another run.
    Forked(Fork),
}

impl Origin {
    /// Of a run that is made as it was planned: it goes on where it `has_begun`.
    #[must_use]
    pub(crate) fn planned(has_begun: bool) -> Self {
        if has_begun { Self::Resumed { allow: Vec::new() } } else { Self::New }
    }
}

/// Trains as asked: from the beginning, or on from the newest checkpoint.
///
/// # Errors
/// A [`Failure`] where the exit code says more than 1; otherwise whatever could not be read, written or computed.
pub(crate) fn train(request: Request, console: &Console, interrupt: &Interrupt) -> Result<Outcome> {
    let teams = request.setup.teams.clone();
    let begun = begun(request, console, interrupt).map_err(|error| {
        explain(
            &teams,
            error,
            "before the first step",
            "start all ranks again, with --resume if the run has a folder",
        )
    });
    match begun.or_stopped()? {
        Ok(outcome) => Ok(outcome),
        Err(signal) => {
            console.note(format_args!("{signal}: stopped before the first step; nothing is lost"));
            Ok(Outcome::Interrupted(signal))
        }
    }
}

/// Says of a run by `recipe` that goes on behind `state` how far it has come.
fn tell_of_steps(console: &Console, state: &TrainState, recipe: &Recipe) {
    let (step, steps) = (state.step, recipe.run.steps);
    if step < steps || state.unfinished.is_some() {
        return console.note(format!("continuing after step {step} of {steps}"));
    }
    // Where the learning rate goes by how many there are, that changes what is learned.
    let allow = if recipe.optim.schedule == Schedule::Constant { "" } else { " --allow run.steps" };
    console.note(format!(
        "{} done, the last one; --set run.steps=N{allow} goes on to step N",
        counted(steps, "step")
    ));
}

/// Says of a run that `before` ranks have saved and as many as `now` continue that this changes how it rounds.
fn tell_of_ranks(console: &Console, before: usize, now: usize) {
    if before != now {
        console.note(format_args!(
            "saved by {}, continued by {}: it goes on from exactly what was saved, and sums up in another order from here on",
            counted(before, "rank"),
            counted(now, "rank")
        ));
    }
}

fn begun(request: Request, console: &Console, interrupt: &Interrupt) -> Result<Outcome> {
    // Until the first step whatever was done is done again, or kept as it goes on: SFT.
    let mut nothing_to_lose = Some(interrupt.immediate()?);
    let Request { setup, given, runs, sft_folder, origin, set } = request;
    let ranks = setup.teams.main.clone();
    let (home, saved) = settle(&setup, &runs, origin, &set, console)?;

    ranks.first(|| setup.greet_servers(console))?;
    if let Err(error) = setup.teams.one_by_machine(|| setup.fetch_weights(console, interrupt)) {
        let Some(signal) = interrupt.requested() else { return Err(Failure::bad_input(error)) };
        console.note(format!("{signal}: stopped while fetching the model; what has arrived stays"));
        return Ok(Outcome::Interrupted(signal));
    }
    let phase = console.step_phase("load model", 0);
    let mut policy = ranks.all_well_at_leisure(initial_policy(&setup))?;
    same_weights(&ranks, &policy)?;
    let shard = setup.recipe.parallel.shard;
    policy.network.join(&ranks, shard);
    FreeMemory::release();
    phase.finish();
    ranks.first(|| home.seal_reference(&setup).map_err(Failure::resume_refused))?;
    let load = |checkpoint: VerifiedCheckpoint| {
        let _phase = console.step_phase("load checkpoint", 0);
        let state = TrainState::load(&checkpoint, &policy.network, shard)?;
        let reference = match home.forked {
            Some(_) => None,
            None => home.load_reference(&setup, &policy)?,
        };
        Ok((state, reference))
    };
    let saved = ranks.all_well_at_leisure(saved.map(load).transpose().map_err(Failure::resume_refused))?;
    // While there is nothing yet in the folder of a fork.
    let (policy, saved) = match (&home.forked, saved) {
        (Some(forked), Some((state, _))) => {
            let retrace = Retrace { folder: &forked.folder(), setup: &setup, step: forked.step() };
            let (policy, state) =
                retrace.run(policy, state, console, interrupt).map_err(Failure::bad_input)?;
            (policy, Some((state, None)))
        }
        (_, saved) => (policy, saved),
    };
    // All that a resumed run reads is known to be its own; from here on its folder changes.
    let opened = RunWriter::open(&setup, home, console, given.as_deref(), &set);
    let writer = ranks.all_well_at_leisure(opened)?;
    let mut run = match saved {
        Some((state, _)) if writer.forked().is_some() => Run::fork(&setup, policy, state, writer, console)?,
        Some((mut state, reference)) => {
            tell_of_steps(console, &state, &setup.recipe);
            tell_of_ranks(console, state.ranks, ranks.size());
            for what in adapt(&mut state, &setup, &writer.home().changes) {
                console.note(format_args!("begins anew: {what}"));
            }
            Run::resume(&setup, policy, reference, state, writer, console).map_err(Failure::resume_refused)?
        }
        None => {
            let begun = fresh(&setup, policy, writer, &sft_folder, console, interrupt, &mut nothing_to_lose)?;
            match begun {
                Ok(run) => run,
                Err(signal) => return Ok(Outcome::Interrupted(signal)),
            }
        }
    };
    drop(nothing_to_lose);
    run.go(interrupt)
}

/// A run before its first step, with all that comes before that: evaluations, SFT. The signal that has stopped it in SFT, if one has;
/// `nothing_to_lose` while a signal may end the process at once.
fn fresh<'s>(
    setup: &'s Setup,
    mut policy: Policy,
    mut writer: RunWriter,
    sft_folder: &Path,
    console: &'s Console,
    interrupt: &Interrupt,
    nothing_to_lose: &mut Option<Immediate>,
) -> Result<Result<Run<'s>, StopSignal>> {
    let mut evaluations = Vec::new();
    if let Some(config) = &setup.recipe.sft {
        evaluations.extend(evaluated(setup, &writer, &policy, BEFORE_SFT, console, interrupt)?);
        drop(nothing_to_lose.take());
        if !run_sft(setup, config, &mut policy, sft_folder, console, interrupt)? {
            writer.end(&Ending::Stopped, console);
            return Ok(Err(interrupt.requested().unwrap_or(StopSignal::Interrupt)));
        }
        *nothing_to_lose = Some(interrupt.immediate()?);
    }
    evaluations.extend(evaluated(setup, &writer, &policy, "step_000000", console, interrupt)?);
    writer.keep_reference(setup, &policy)?;
    if setup.recipe.checkpoint.keep_model_every != 0 {
        writer.keep_model(setup, &policy, 0)?;
    }
    let reference = writer.load_reference(setup, &policy)?;
    Run::begin(setup, policy, reference, evaluations, writer, console).map(Ok)
}

/// The evaluation before SFT.
const BEFORE_SFT: &str = "before_sft";

/// What an evaluation before the first step finds, at `place` among evaluations; nothing where the recipe wants none.
fn evaluated(
    setup: &Setup,
    writer: &RunWriter,
    policy: &Policy,
    place: &str,
    console: &Console,
    interrupt: &Interrupt,
) -> Result<Vec<Milestone>> {
    if !setup.recipe.eval.wants_before() {
        return Ok(Vec::new());
    }
    let weights = || "the weights that [model] names make no policy; take others".to_owned();
    let (moment, remedy) = match &setup.recipe.sft {
        Some(_) if place == BEFORE_SFT => ("before SFT", weights()),
        Some(sft) => ("after SFT", format!("lower [sft] lr = {}", sft.lr)),
        None => ("before training", weights()),
    };
    let found = writer.evaluate(place, setup, policy, console, interrupt);
    let found = found.map_err(|error| diverged(moment, error, &remedy))?;
    Ok(found.into_iter().map(|found| Milestone { moment: moment.to_owned(), report: found.report }).collect())
}

/// The folder of the run, which the first rank finds or makes, and the checkpoint to continue from.
fn settle(
    setup: &Setup,
    runs: &Path,
    origin: Origin,
    set: &[String],
    console: &Console,
) -> Result<(Home, Option<VerifiedCheckpoint>)> {
    let ranks = &setup.teams.main;
    let mut found = None;
    let address = ranks.first(|| {
        let (home, saved) = match origin {
            Origin::New => (Home::begin(runs, &setup.recipe)?, None),
            Origin::Forked(fork) => {
                let _phase = console.step_phase("verify checkpoint", 0);
                let (mut home, checkpoint) = Home::fork(runs, &setup.recipe, fork)?;
                if let Some(forked) = &mut home.forked {
                    forked.other_problems = InputFiles::of_now(setup)?.check_fork(setup, &forked.folder())?;
                }
                (home, Some(checkpoint))
            }
            Origin::Resumed { allow } => {
                let _phase = console.step_phase("verify checkpoint", 0);
                let consent = Consent { set: set.to_owned(), allow };
                let found = Home::again(runs, &setup.recipe, &consent, console)?;
                let now = InputFiles::of_now(setup)?;
                let note = now.check_unchanged(&found.0.folder, found.1.is_some());
                note.map_err(Failure::resume_refused)?.into_iter().for_each(|note| console.note(note));
                found
            }
        };
        let address = home.address(saved.as_ref());
        found = Some((home, saved));
        Ok(address)
    })?;
    let visit = || Home::visit(runs, &setup.recipe, address);
    ranks.all_well(found.map_or_else(visit, Ok))
}
