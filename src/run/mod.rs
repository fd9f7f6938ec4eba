//! A run: [`train`] assembles it, then THE loop over [steps](crate::step).
//!
//! ```text
//! step -> record -> row, guards -> evaluation -> sinks -> checkpoint
//! ```

mod about;
mod assembly;
mod audit;
mod circuit;
mod clock;
mod consent;
mod failure;
mod fork;
mod guards;
pub(crate) mod history;
mod home;
mod inputs;
mod last_words;
mod meet;
mod metrics;
pub(crate) mod replay;
mod retrace;
mod saved_dtype;
mod setup;
mod start;
#[cfg(test)]
mod tests;
mod trainer;
mod under_way;
pub(crate) mod verify;
mod writer;

use anyhow::Result;

pub(crate) use assembly::{Origin, Request, train};
pub(crate) use audit::Audit;
use circuit::CircuitWatch;
pub(crate) use circuit::{pad_of, pairs_of};
pub(crate) use clock::keep_time;
pub(crate) use failure::{Failure, has_diverged};
pub(crate) use fork::Fork;
pub(crate) use inputs::{InputFiles, origin};
pub(crate) use saved_dtype::{saved_dtype, saved_dtype_of};
pub(crate) use setup::Setup;
pub(crate) use start::{initial_policy, run_sft, sft_models};

use self::guards::{Guards, Objection, Watched, smaller_updates};
use self::history::{Event, Happened};
use self::meet::explain;
use self::writer::RunWriter;
use crate::checkpoint::{Best, Milestone, Progress};
use crate::interrupt::{Interrupt, OrStopped, StopSignal};
use crate::observe::{self, Console, Ending, Forecast};
use crate::step::{Phase, StepRecord, Trainer, Watch};
use crate::types::{MetricRow, Step};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All steps are done.
    Done,
    /// A signal asked for a stop; what there was to save is saved.
    Interrupted(StopSignal),
}

/// A run under way.
struct Run<'s> {
    setup: &'s Setup,
    console: &'s Console,
    writer: RunWriter,
    trainer: Trainer,
    guards: Guards,
    step: Step,
    progress: Progress,
    evaluations: Vec<Milestone>,
    /// What the last evaluation of this process has found, of every set.
    newest: Vec<Milestone>,
    /// The best evaluation so far, where the recipe says what that is.
    best: Option<Best>,
    /// The row of the last step, while its evaluation is still to be made.
    unfinished: Option<MetricRow>,
    /// Seconds of the processes before this one.
    wall_before: f64,
    /// Seconds the newest checkpoint took, until a row has reported them.
    checkpoint_s: Option<f64>,
    /// Floating-point operations per second of this machine.
    peak: f64,
    /// What is measured of heads on the way.
    circuit: Option<CircuitWatch>,
    /// When it will be done.
    forecast: Forecast,
}

impl Run<'_> {
    /// THE loop; where a rank is lost in it, that is said.
    fn go(&mut self, interrupt: &Interrupt) -> Result<Outcome> {
        let outcome = self.walk(interrupt).map_err(|error| {
            let newest = self.writer.newest_checkpoint().unwrap_or_default();
            let what_now = format!("{newest}; start all ranks again, with --resume");
            explain(&self.setup.teams, error, &format!("step {}", self.step + 1), &what_now)
        });
        let ending = match &outcome {
            Ok(Outcome::Done) => Ending::Done,
            Ok(Outcome::Interrupted(_)) => Ending::Stopped,
            Err(error) => Ending::Failed(format!("{error:#}")),
        };
        self.writer.end(&ending, self.console);
        outcome
    }

    fn walk(&mut self, interrupt: &Interrupt) -> Result<Outcome> {
        let n_steps = self.setup.recipe.run.steps;
        if self.step == 0 {
            // What later measurements are told beside.
            self.watch_heads(interrupt)?;
        }
        while (self.step < n_steps && !self.is_out_of_patience()) || self.unfinished.is_some() {
            if let Err(signal) = self.advance(interrupt).or_stopped()? {
                let what = self.save_if_sound()?;
                self.console.note(format!("{signal}: stopped after step {}, {what}", self.step));
                return Ok(Outcome::Interrupted(signal));
            }
        }
        if self.setup.teams.main.is_first() {
            self.writer.summary(self.setup, self.step, &self.evaluations, self.wall_s(), self.console)?;
        }
        Ok(Outcome::Done)
    }

    /// One step with its evaluation, row and checkpoint. Stopped within the step, the run is where it was before it; within the
    /// evaluation, behind the step, and the row waits for the rest.
    fn advance(&mut self, interrupt: &Interrupt) -> Result<()> {
        self.setup.teams.main.all_well(interrupt.check())?;
        let mut row = match self.unfinished.take() {
            Some(row) => row,
            None => self.train_step(interrupt)?,
        };
        match self.look(interrupt) {
            Ok(found) => row.extend(found),
            Err(error) => {
                self.unfinished = Some(row);
                return Err(error);
            }
        }
        let best_before = self.best;
        let is_best = self.weigh(&row);
        if self.is_last() {
            self.evaluations.append(&mut self.newest);
        }
        row.extend(metrics::of_clock(self.wall_s(), self.checkpoint_s.take()));
        self.writer.write_row(self.step, &row)?;
        self.forecast.see(&row);
        let left = self.forecast.left(self.step);
        self.console.step_line(self.step, self.setup.recipe.run.steps, &row, left);
        // Before the checkpoint: behind that, nobody would come back for it.
        self.keep_model()?;
        if is_best || self.is_due(self.setup.recipe.checkpoint.every) {
            let is_saved = self.checkpoint()?;
            if is_best && !is_saved {
                // Nobody could go back to it.
                self.best = best_before;
            }
            self.name_best()?;
        }
        if self.is_out_of_patience() && self.step < self.setup.recipe.run.steps {
            self.tell_of_the_end()?;
        }
        Ok(())
    }

    /// Takes notice of what the evaluation behind this step has found, if there was one; whether it is the best so far.
    fn weigh(&mut self, row: &MetricRow) -> bool {
        let found = self.setup.recipe.checkpoint.best.as_deref().and_then(|key| row.get(key));
        let Some(value) = found else { return false };
        let best = Best::after(self.best, self.step, value);
        self.best = Some(best);
        best.step == self.step
    }

    /// Names the checkpoint of the best evaluation, if there is one.
    fn name_best(&self) -> Result<()> {
        self.best.map_or(Ok(()), |best| self.writer.mark_best(best.step))
    }

    /// Whether evaluations have got no better for as long as the recipe waits.
    fn is_out_of_patience(&self) -> bool {
        let patience = self.setup.recipe.eval.patience;
        patience > 0 && self.best.is_some_and(|best| best.since >= patience)
    }

    /// Says, and writes down, that the run ends before its last step.
    fn tell_of_the_end(&self) -> Result<()> {
        let (Some(key), Some(Best { step, value, since })) = (&self.setup.recipe.checkpoint.best, self.best)
        else {
            return Ok(());
        };
        let said = format!("{key} has not risen above {value:.3} (step {step}) in {since} evaluations");
        self.console.note(format_args!("stopping early: {said}; [eval] patience is used up"));
        self.writer.add_to_history(Event {
            reason: Some(said),
            ..Event::now(Happened::StoppedEarly, self.step, &[])
        })
    }

    /// Keeps the weights for good, if that is due and nothing speaks against saving them.
    fn keep_model(&self) -> Result<()> {
        let (setup, policy) = (self.setup, &self.trainer.policy);
        let every = setup.recipe.checkpoint.keep_model_every;
        if every == 0
            || !self.step.is_multiple_of(every)
            || !self.guards.before_saving(setup, policy)?.is_empty()
        {
            return Ok(());
        }
        self.writer.keep_model(setup, policy, self.step)
    }

    /// What is seen of the policy behind a step, where that is due: an audit, an evaluation.
    fn look(&mut self, interrupt: &Interrupt) -> Result<MetricRow> {
        let mut row = self.audit(interrupt)?;
        row.extend(self.watch_heads(interrupt)?);
        let every = self.setup.recipe.eval.every;
        if every > 0 && self.is_due(every) {
            row.extend(self.evaluate(interrupt)?);
        }
        Ok(row)
    }

    /// The next step, looked at by the guards; its row. Where it is stopped, the run is as it was before it.
    fn train_step(&mut self, interrupt: &Interrupt) -> Result<MetricRow> {
        let mut watch = Shown { console: self.console, interrupt, phase: None };
        let record = self.trainer.step(self.step + 1, &mut watch)?;
        self.step += 1;
        self.progress.count(&record);
        let row = metrics::row(&record, &self.progress, self.peak);
        tracing::debug!("step {}: {}", self.step, record.times);
        self.writer.write_responses(self.setup, self.step, &record.trees, self.console)?;
        let (setup, writer, policy) = (self.setup, &self.writer, &self.trainer.policy);
        let watched = Watched { setup, writer, policy, record: &record, row: &row };
        self.guards.after_step(&watched)?.into_iter().for_each(|note| self.console.warn(note));
        Ok(row)
    }

    /// Seconds since the start of the run, pauses between its processes left out.
    fn wall_s(&self) -> f64 {
        self.wall_before + self.writer.opened.elapsed().as_secs_f64()
    }

    /// Whether the run ends behind this step.
    fn is_last(&self) -> bool {
        self.step == self.setup.recipe.run.steps || self.is_out_of_patience()
    }

    /// Whether something that happens every `every` steps, and after the last, happens now.
    fn is_due(&self, every: u64) -> bool {
        self.is_last() || (every != 0 && self.step.is_multiple_of(every))
    }

    /// Saves, unless a guard would rather wait; whether it has. After the last step there is no later chance, and the policy is the one
    /// that the evaluation has seen.
    fn checkpoint(&mut self) -> Result<bool> {
        let objections = self.guards.before_saving(self.setup, &self.trainer.policy)?;
        if objections.contains(&Objection::NotNow) && !self.is_last() {
            return Ok(false);
        }
        for objection in objections {
            if let Objection::Never(doubt) = objection {
                let (newest, remedy) = (self.writer.newest_checkpoint()?, smaller_updates(self.setup));
                let step = self.step;
                let said = format!("step {step}: {doubt}, so it is not saved; {newest}; {remedy}");
                return Err(Failure::Diverged(said).into());
            }
        }
        self.save(false).map(|_| true)
    }

    /// Saves, unless a guard objects; says which of the two.
    fn save_if_sound(&mut self) -> Result<String> {
        let is_sound = self.guards.before_saving(self.setup, &self.trainer.policy)?.is_empty();
        Ok(match is_sound {
            true => format!("saved in {}", self.save(true)?),
            false => {
                format!("not saved, since the policy may be broken: {}", self.writer.newest_checkpoint()?)
            }
        })
    }
}

impl Progress {
    /// Counts what a step has sampled.
    fn count(&mut self, record: &StepRecord) {
        let trees = || record.trees.iter().map(|tree| tree.tree());
        self.prompts += record.trees.len() as u64 + record.discarded.prompts;
        self.samples += trees().map(|tree| tree.leaves.len() as u64).sum::<u64>() + record.discarded.samples;
        self.tokens_generated +=
            trees().map(|tree| tree.n_sampled_tokens() as u64).sum::<u64>() + record.discarded.tokens;
    }
}

/// Shows on the console how far a step is, and ends it where a signal asks for a stop.
struct Shown<'a> {
    console: &'a Console,
    interrupt: &'a Interrupt,
    phase: Option<observe::Phase>,
}

impl Watch for Shown<'_> {
    fn begin(&mut self, phase: Phase, total: usize) {
        let name = match phase {
            Phase::Generate => "generate",
            Phase::Update => "update",
        };
        self.phase = Some(self.console.step_phase(name, total as u64));
    }

    fn advance(&mut self, n: usize) -> Result<()> {
        if let Some(phase) = &self.phase {
            phase.advance(n as u64, "");
        }
        self.interrupt.check()
    }

    fn end(&mut self) {
        self.phase.take().into_iter().for_each(observe::Phase::finish);
    }
}
