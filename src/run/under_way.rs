//! A run under way: before its first step, behind a checkpoint of its own or of a parent, and what of it is saved.

use std::time::Instant;

use anyhow::{Context, Result};

use super::guards::{Guards, diverged, smaller_updates};
use super::trainer::{Learnt, restore, trainer};
use super::writer::RunWriter;
use super::{Failure, Run, Setup, metrics};
use crate::checkpoint::{Milestone, Progress, TrainState};
use crate::eval::Evaluation;
use crate::interrupt::Interrupt;
use crate::model::{FreeMemory, Policy, matmul_peak};
use crate::observe::Console;
use crate::step::{CriticTrainer, explained_rewards};
use crate::types::{MetricRow, counted};

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
        let source = setup.rollout_source(&writer.weights(), writer.run())?;
        let (circuit, forecast) = (writer.circuit(setup)?, writer.forecast(setup));
        let trainer = trainer(setup, policy, reference, source)?;
        Ok(Self {
            trainer,
            setup,
            console,
            writer,
            guards: Guards::new(0),
            step: 0,
            progress: Progress::default(),
            evaluations,
            newest: Vec::new(),
            best: None,
            unfinished: None,
            wall_before: 0.0,
            checkpoint_s: None,
            // Of all ranks together, which take about as long.
            peak: matmul_peak(setup.backend(), setup.placement)? * setup.teams.main.size() as f64,
            circuit,
            forecast,
        })
    }

    /// Behind the step of `state`, that of the parent which `writer` knows. It is saved before it is used, so that from here on the
    /// fork stands alone.
    pub(super) fn fork(
        setup: &'s Setup,
        mut policy: Policy,
        state: TrainState,
        writer: RunWriter,
        console: &'s Console,
    ) -> Result<Self> {
        let ranks = &setup.teams.main;
        let forked = writer.forked().context("a fork has a parent")?.clone();
        policy.network.set_master(&state.weights)?;
        ranks.first(|| forked.bring(setup, writer.home()))?;
        if !forked.has_reference(setup) {
            writer.keep_reference(setup, &policy)?;
        }
        let reference = writer.load_reference(setup, &policy)?;
        let fresh = || setup.rollout_source(&writer.weights(), writer.run())?.state();
        let state = forked.adapt(state, setup, fresh, console)?;
        let (began, has_critic) = (state.step, state.critic.is_some());
        let mut run = Self::resume(setup, policy, reference, state, writer, console)?;
        run.trainer.critic.iter_mut().filter(|_| !has_critic).for_each(|critic| critic.began = began);
        run.save(false)?;
        run.checkpoint_s = None;
        run.name_best()?;
        Ok(run)
    }

    /// Behind the last step of `state`.
    pub(super) fn resume(
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
            best,
            unfinished,
        } = state;
        policy.network.set_master(&weights)?;
        drop(weights);
        FreeMemory::release();
        let mut run = Self::begin(setup, policy, reference, evaluations, writer, console)?;
        if let Some(circuit) = run.circuit.as_ref().filter(|_| unfinished.is_none()) {
            circuit.check_whole(step).map_err(Failure::resume_refused)?;
        }
        restore(&mut run.trainer, Learnt { optimizer, critic, head_groups, kl_coef })?;
        run.trainer.source.restore(source)?;
        let (guards, wall_before) = (Guards::new(refused_in_a_row), progress.wall_s);
        let run = Self { step, progress, best, unfinished, guards, wall_before, ..run };
        // Where it was killed between the checkpoint and its being named.
        run.name_best()?;
        Ok(run)
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
            best: self.best,
            unfinished: self.unfinished.clone(),
        })
    }
}

impl Run<'_> {
    /// Evaluates the policy after this step; the result as its part of the row.
    ///
    /// # Errors
    /// A [`crate::interrupt::Stopped`] if a signal asks for a stop.
    pub(super) fn evaluate(&mut self, interrupt: &Interrupt) -> Result<MetricRow> {
        let start = Instant::now();
        let moment = format!("step_{:06}", self.step);
        let policy = &self.trainer.policy;
        let found = self.writer.evaluate(&moment, self.setup, policy, self.console, interrupt);
        let evaluations = match found {
            Ok(evaluations) => evaluations,
            Err(error) => {
                let remedy = format!("{}; {}", self.writer.newest_checkpoint()?, smaller_updates(self.setup));
                return Err(diverged(&format!("after step {}", self.step), error, &remedy));
            }
        };
        let mut row = MetricRow::default();
        self.newest.clear();
        for Evaluation { report, sampled, .. } in evaluations {
            let max_tokens = self.setup.recipe.batch.max_tokens;
            let critic = self.trainer.critic.as_ref().map(|own| &own.critic);
            let explained =
                critic.map(|critic| explained_rewards(critic, &sampled, max_tokens)).transpose()?;
            row.extend(metrics::of_evaluation(&report, explained.flatten()));
            let moment = format!("after {}", counted(self.step, "step"));
            self.newest.push(Milestone { moment, report });
        }
        row.extend(metrics::of_evaluating(start.elapsed().as_secs_f64()));
        Ok(row)
    }

    /// Writes a checkpoint, perhaps because a signal asks for a stop; gives its folder as text.
    pub(super) fn save(&mut self, is_stopped: bool) -> Result<String> {
        let start = Instant::now();
        let _phase = self.console.step_phase("save", 0);
        // Copies as large as the model find no place where an update had its many small parts.
        FreeMemory::release();
        let mut state = self.state()?;
        if is_stopped {
            state.source = state.source.without_failures();
        }
        let network = &self.trainer.policy.network;
        let path = self.writer.checkpoint(self.setup, network, state, self.step)?;
        self.checkpoint_s = Some(start.elapsed().as_secs_f64());
        Ok(path.display().to_string())
    }
}
