//! From a request to a run under way: new, or as an earlier process left it.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::guards::{Guards, diverged};
use super::home::Home;
use super::inputs::InputFiles;
use super::meet::{explain, same_weights};
use super::writer::RunWriter;
use super::{Failure, Outcome, Run, Setup, initial_policy, run_sft};
use crate::checkpoint::{Milestone, Progress, TrainState, VerifiedCheckpoint};
use crate::interrupt::{Interrupt, OrStopped, StopSignal};
use crate::model::{FreeMemory, Policy, matmul_peak};
use crate::observe::Console;
use crate::ranks::counted;
use crate::signal::Grouping;
use crate::step::{CriticTrainer, Trainer};

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
    /// Continue an earlier run of that name.
    pub resume: bool,
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

/// Says of a run that `before` ranks have saved and as many as `now` continue that this changes how it rounds.
fn tell_of_ranks(console: &Console, before: usize, now: usize) {
    if before != now {
        console.note(format_args!(
            "saved by {}, continued by {}: it goes on from exactly what was saved, and sums up in another order from here on",
            counted(before),
            counted(now)
        ));
    }
}

fn begun(request: Request, console: &Console, interrupt: &Interrupt) -> Result<Outcome> {
    // Until the first step whatever was done is done again, or kept as it goes on: SFT.
    let mut nothing_to_lose = Some(interrupt.immediate()?);
    let Request { setup, given, runs, sft_folder, resume } = request;
    let ranks = setup.teams.main.clone();
    let (home, saved) = settle(&setup, &runs, resume, console)?;

    ranks.first(|| setup.greet_servers(console))?;
    let weights = "the weights that [model] names make no policy; take others";
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
        let reference = home.load_reference(&setup, &policy)?;
        Ok((state, reference))
    };
    let saved = ranks.all_well_at_leisure(saved.map(load).transpose().map_err(Failure::resume_refused))?;
    // All that a resumed run reads is known to be its own; from here on its folder changes.
    let writer = ranks.all_well_at_leisure(RunWriter::open(&setup, home, console, given.as_deref()))?;
    let mut run = match saved {
        Some((state, reference)) => {
            console.note(format!("continuing after step {} of {}", state.step, setup.recipe.run.steps));
            tell_of_ranks(console, state.ranks, ranks.size());
            Run::resume(&setup, policy, reference, state, writer, console).map_err(Failure::resume_refused)?
        }
        None => {
            let mut evaluations = Vec::new();
            if let Some(config) = &setup.recipe.sft {
                let found = writer.evaluate("before_sft", &setup, &policy, console, interrupt);
                let found = found.map_err(|error| diverged("before SFT", error, weights))?;
                let reports = found.into_iter().map(|found| found.report);
                evaluations
                    .extend(reports.map(|report| Milestone { moment: "before SFT".to_owned(), report }));
                drop(nothing_to_lose.take());
                if !run_sft(&setup, config, &mut policy, &sft_folder, console, interrupt)? {
                    return Ok(Outcome::Interrupted(interrupt.requested().unwrap_or(StopSignal::Interrupt)));
                }
                nothing_to_lose = Some(interrupt.immediate()?);
            }
            let (moment, remedy) = match &setup.recipe.sft {
                Some(sft) => ("after SFT", format!("lower [sft] lr = {}", sft.lr)),
                None => ("before training", weights.to_owned()),
            };
            let found = writer.evaluate("step_000000", &setup, &policy, console, interrupt);
            let found = found.map_err(|error| diverged(moment, error, &remedy))?;
            let reports = found.into_iter().map(|found| found.report);
            evaluations.extend(reports.map(|report| Milestone { moment: moment.to_owned(), report }));
            writer.keep_reference(&setup, &policy)?;
            if setup.recipe.checkpoint.keep_model_every != 0 {
                writer.keep_model(&setup, &policy, 0)?;
            }
            let reference = writer.load_reference(&setup, &policy)?;
            Run::begin(&setup, policy, reference, evaluations, writer, console)?
        }
    };
    drop(nothing_to_lose);
    run.go(interrupt)
}

/// The folder of the run, which the first rank finds or makes, and the checkpoint to continue from.
fn settle(
    setup: &Setup,
    runs: &Path,
    resume: bool,
    console: &Console,
) -> Result<(Home, Option<VerifiedCheckpoint>)> {
    let ranks = &setup.teams.main;
    let mut found = None;
    let address = ranks.first(|| {
        let (home, saved) = if resume {
            let _phase = console.step_phase("verify checkpoint", 0);
            let found = Home::again(runs, &setup.recipe, console)?;
            InputFiles::of_now(setup)?.check_unchanged(&found.0.folder).map_err(Failure::resume_refused)?;
            found
        } else {
            (Home::begin(runs, &setup.recipe)?, None)
        };
        let address = home.address(saved.as_ref());
        found = Some((home, saved));
        Ok(address)
    })?;
    let visit = || Home::visit(runs, &setup.recipe, address);
    ranks.all_well(found.map_or_else(visit, Ok))
}

impl<'s> Run<'s> {
    /// Before the first step.
    pub(super) fn begin(
        setup: &'s Setup,
        policy: Policy,
        reference: Option<Policy>,
        evaluations: Vec<Milestone>,
        writer: RunWriter,
        console: &'s Console,
    ) -> Result<Self> {
        let critic = setup.recipe.critic.map(|config| {
            CriticTrainer::new(config, setup.recipe.batch, &policy, setup.recipe.parallel.shard)
        });
        let (critic, source) = (critic.transpose()?, setup.rollout_source(&writer.weights(), writer.run())?);
        let (circuit, forecast) = (writer.circuit(setup)?, writer.forecast(setup));
        let trainer = Trainer::new(setup.step_config(), policy, reference, critic, source, setup.credit());
        Ok(Self {
            trainer,
            setup,
            console,
            writer,
            guards: Guards::new(0),
            step: 0,
            progress: Progress::default(),
            evaluations,
            unfinished: None,
            wall_before: 0.0,
            checkpoint_s: None,
            // Of all ranks together, which take about as long.
            peak: matmul_peak(setup.backend(), setup.placement)? * setup.teams.main.size() as f64,
            circuit,
            forecast,
        })
    }

    /// Behind the last step of `state`.
    fn resume(
        setup: &'s Setup,
        mut policy: Policy,
        reference: Option<Policy>,
        state: TrainState,
        writer: RunWriter,
        console: &'s Console,
    ) -> Result<Self> {
        let TrainState {
            step,
            ranks: _,
            weights,
            optimizer,
            critic,
            kl_coef,
            source,
            head_groups,
            progress,
            refused_in_a_row,
            evaluations,
            unfinished,
        } = state;
        policy.network.set_master(&weights)?;
        drop(weights);
        FreeMemory::release();
        let mut run = Self::begin(setup, policy, reference, evaluations, writer, console)?;
        if let Some(circuit) = run.circuit.as_ref().filter(|_| unfinished.is_none()) {
            circuit.check_whole(step).map_err(Failure::resume_refused)?;
        }
        let trainer = &mut run.trainer;
        trainer.learner.restore(optimizer)?;
        if let (Some(own), Some(saved)) = (&mut trainer.critic, critic) {
            own.restore(saved)?;
        }
        trainer.source.restore(source)?;
        trainer.grouping = Grouping::resume(head_groups);
        trainer.kl_coef = kl_coef;
        let (guards, wall_before) = (Guards::new(refused_in_a_row), progress.wall_s);
        Ok(Self { step, progress, unfinished, guards, wall_before, ..run })
    }

    /// All that later steps depend on.
    ///
    /// # Errors
    /// If work under way cannot be finished.
    pub(super) fn state(&mut self) -> Result<TrainState> {
        let wall_s = self.wall_s();
        let trainer = &mut self.trainer;
        Ok(TrainState {
            step: self.step,
            ranks: self.setup.teams.main.size(),
            weights: trainer.policy.network.to_first()?.unwrap_or_default(),
            optimizer: trainer.learner.state().shallow_clone(),
            critic: trainer.critic.as_ref().map(CriticTrainer::state).transpose()?,
            kl_coef: trainer.kl_coef,
            source: trainer.source_state()?,
            head_groups: trainer.grouping.groups().cloned(),
            progress: Progress { wall_s, ..self.progress },
            refused_in_a_row: self.guards.refused_in_a_row(),
            evaluations: self.evaluations.clone(),
            unfinished: self.unfinished.clone(),
        })
    }
}
