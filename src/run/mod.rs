//! A run: [`train`] assembles it, then THE loop.
//!
//! ```text
//! harvest -> measure -> credit -> flatten -> update        per step; nothing here knows which algorithm that is
//! ```

mod assembly;
mod checks;
mod clock;
mod critic;
mod failure;
mod first_pass;
mod home;
mod inputs;
mod ledger;
mod metrics;
mod performance;
mod setup;
mod start;
#[cfg(test)]
mod tests;

use anyhow::Result;

pub use assembly::{Request, train};
pub use clock::keep_time;
pub use failure::Failure;
pub(crate) use inputs::{Inputs, origin};
pub use setup::Setup;
pub use start::{initial_policy, warm_start};

use self::checks::Broken;
use self::critic::OwnCritic;
use self::ledger::Ledger;
use self::metrics::Mismatch;
use self::performance::{Clock, Times, Work};
use crate::batch::flatten;
use crate::checkpoint::Progress;
use crate::credit::Credit;
use crate::eval::EvalReport;
use crate::interrupt::{Interrupt, OrStopped, Signal, Stopped};
use crate::learner::{PolicyLearner, Rates};
use crate::measure::Measurer;
use crate::model::{FreeMemory, Policy};
use crate::observe::Console;
use crate::optim::learning_rate;
use crate::pipeline::{Harvest, RolloutSource, SourceState};
use crate::signal::Grouping;
use crate::threads::{Contention, n_threads};
use crate::types::{MetricRow, Needs, Step};

/// Share of a step that threads wait for processors from which on a person is told.
const CROWDED: f64 = 0.25;

/// Steps in a row whose update is refused before the run gives up.
const MAX_REFUSED: u32 = 10;

/// Steps without any signal after which a person is told.
const PATIENCE: Step = 10;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    Done,
    /// A signal asked for a stop; what there was to save is saved.
    Interrupted(Signal),
}

/// A run under way.
struct Run<'s> {
    setup: &'s Setup,
    console: &'s Console,
    ledger: Ledger,
    policy: Policy,
    reference: Option<Policy>,
    source: Box<dyn RolloutSource>,
    credit: Credit,
    grouping: Grouping,
    /// What the source depends on where a step was given up.
    given_up: Option<SourceState>,
    learner: PolicyLearner,
    critic: Option<OwnCritic>,
    /// Weight of the KL penalty, where there is one.
    kl_coef: f64,
    step: Step,
    progress: Progress,
    refused_in_a_row: u32,
    /// Steps of this process as long as no group had a signal in any of them.
    without_signal: Option<Step>,
    evaluations: Vec<(String, EvalReport)>,
    /// The row of the last step, while its evaluation is still to be made.
    unfinished: Option<MetricRow>,
    /// Seconds of the processes before this one.
    wall_before: f64,
    /// Seconds the newest checkpoint took, until a row has reported them.
    checkpoint_s: Option<f64>,
    /// Floating-point operations per second of this machine.
    peak: f64,
    free_memory: FreeMemory,
    /// Whether others need the processors.
    contention: Contention,
    /// Whether a person was told so.
    told_of_others: bool,
}

impl Run<'_> {
    /// Seconds since the start of the run, pauses between its processes left out.
    fn wall_s(&self) -> f64 {
        self.wall_before + self.ledger.opened.elapsed().as_secs_f64()
    }

    /// THE loop.
    fn go(&mut self, interrupt: &Interrupt) -> Result<Outcome> {
        let n_steps = self.setup.recipe.run.steps;
        while self.step < n_steps || self.unfinished.is_some() {
            if let Err(signal) = self.advance(interrupt).or_stopped()? {
                let what = self.save_if_sound()?;
                self.console.note(format!("{signal}: stopped after step {}, {what}", self.step));
                return Ok(Outcome::Interrupted(signal));
            }
        }
        self.ledger.summary(self.setup, &self.evaluations, self.wall_s(), self.console)?;
        Ok(Outcome::Done)
    }

    /// One step with its evaluation, row and checkpoint. Stopped within the step, the run is where it was before it; within the
    /// evaluation, behind the step, and the row waits for the rest.
    fn advance(&mut self, interrupt: &Interrupt) -> Result<()> {
        interrupt.check()?;
        let mut row = match self.unfinished.take() {
            Some(row) => row,
            None => self.train_or_undo(interrupt)?,
        };
        if self.is_due(self.setup.recipe.eval.every)
            && let Err(error) = self.evaluate(&mut row, interrupt)
        {
            self.unfinished = Some(row);
            return Err(error);
        }
        row.set("progress/wall_s", self.wall_s());
        row.extend(self.checkpoint_s.take().map(|s| ("time/checkpoint", s)).into_iter().collect());
        self.ledger.write_row(self.step, &row)?;
        let n_steps = self.setup.recipe.run.steps;
        self.console.step_line(self.step, n_steps, &row);
        self.watch_signal(&row);
        self.watch_processors(&row);
        // Where updates are refused, the cause may be in the weights already; the newest checkpoint is from before.
        // After the last step there is no later chance, and the policy is the one that the evaluation has seen.
        let keep = self.refused_in_a_row == 0 || self.step == n_steps;
        if keep && self.is_due(self.setup.recipe.checkpoint.every) {
            self.check_policy()?;
            self.save(false)?;
        }
        Ok(())
    }

    /// The next step. If it is stopped before anything was learned, all that it changed is as before.
    fn train_or_undo(&mut self, interrupt: &Interrupt) -> Result<MetricRow> {
        let clock = Clock::start();
        _ = self.contention.share();
        // An overlapped harvest is waited for here: its weights are gone with the process.
        let source = self.source.state()?;
        let grouping = self.grouping.clone();
        self.step += 1;
        let row = self.train_step(clock, interrupt);
        if row.as_ref().is_err_and(|error| error.is::<Stopped>()) {
            self.step -= 1;
            (self.given_up, self.grouping) = (Some(source), grouping);
        }
        row
    }

    /// Says after a while, and after the last step, that there has been nothing to learn from.
    fn watch_signal(&mut self, row: &MetricRow) {
        let nothing = row.get("group/without_signal") == Some(1.0);
        self.without_signal = self.without_signal.filter(|_| nothing).map(|steps| steps + 1);
        let is_last = self.step == self.setup.recipe.run.steps;
        if let Some(steps) = self.without_signal.filter(|steps| *steps == PATIENCE || is_last) {
            self.console.note(format!(
                "no group had a signal in {steps} steps: all rewards of a prompt are equal, or graders could not judge the \
                 responses, so nothing is learned from them; take problems that the policy solves at times, a longer \
                 [warmup], more responses to a prompt ([explore]) or a higher [sampling] temperature"
            ));
        }
    }

    /// Says once that others use the processors, for it makes everything slower.
    fn watch_processors(&mut self, row: &MetricRow) {
        let Some(waited) = row.get("perf/waited_frac").filter(|waited| *waited > CROWDED) else { return };
        if !std::mem::replace(&mut self.told_of_others, true) {
            let (threads, mfu) = (n_threads(), row.get("perf/mfu").unwrap_or(0.0));
            self.console.note(format!(
                "others use the processors: {:.0} % of the time that the {threads} threads could have computed in step {} they \
                 waited for one, and the step came to {:.1} % of the machine's peak; --threads says how many compute",
                100.0 * waited,
                self.step,
                100.0 * mfu
            ));
        }
    }

    /// Saves, unless numbers that are not finite raise doubts about the policy; says which of the two.
    fn save_if_sound(&mut self) -> Result<String> {
        if self.refused_in_a_row == 0 && self.policy_is_sound()? {
            return Ok(format!("saved in {}", self.save(true)?));
        }
        Ok(format!("not saved, since the policy may be broken: {}", self.ledger.newest_checkpoint()?))
    }

    /// Whether something that happens every `every` steps, and after the last, happens now.
    fn is_due(&self, every: u64) -> bool {
        self.step == self.setup.recipe.run.steps || (every != 0 && self.step.is_multiple_of(every))
    }

    /// One step, which `clock` has begun: harvest, measure, credit, flatten, update.
    fn train_step(&mut self, mut clock: Clock, interrupt: &Interrupt) -> Result<MetricRow> {
        let recipe = &self.setup.recipe;

        let phase =
            self.console.step_phase("generate", (recipe.batch.prompts * recipe.explore.most()) as u64);
        let advance = &mut |n| {
            phase.advance(n as u64, "");
            interrupt.check()
        };
        let harvest = self.source.next(&self.policy, self.step, advance);
        phase.finish();
        let Harvest { trees, ages, discarded, counts, generate_s, score_s } = harvest?;
        // A grader may have had the signal too, and given verdicts that nobody should learn from.
        interrupt.check()?;
        self.free_memory.release_if_due();
        clock.lap();

        let needs = self.needs();
        // Out of `self`, which the measurer borrows as a whole.
        let mut grouping = std::mem::take(&mut self.grouping);
        let check = || interrupt.check();
        let measurer = Measurer { check: &check, ..self.measurer() };
        let measured = measurer.measure(trees, needs, self.step, &mut grouping);
        self.grouping = grouping;
        let measured = measured?;
        let measure_s = clock.lap();

        let (mut credited, credit_row) = self.credit.assign(measured, self.step, self.kl_coef)?;
        let broken = checks::find_not_finite(&credited);
        let samples = if broken.is_none() { flatten(&credited) } else { Vec::new() };
        let credit_s = clock.lap();

        let phase = self.console.step_phase("update", (samples.len() * recipe.batch.epochs) as u64);
        let lr = learning_rate(&recipe.optim, self.step, recipe.run.steps);
        let rates = Rates { lr, kl_coef: self.kl_coef };
        let advance = &mut |n| {
            phase.advance(n as u64, "");
            interrupt.check()
        };
        let is_first = self.is_unchanged();
        let learnt = if self.critic_warms_up() { &[] } else { &samples[..] };
        let report = self.learner.update(&mut self.policy, learnt, rates, advance)?;
        let value = self.critic.as_mut().map(|own| own.update(&samples, self.step, recipe.run.steps));
        let value = value.transpose()?.unwrap_or_default();
        phase.finish();
        let train_s = clock.lap();

        if !needs.old_logprobs && recipe.batch.minibatches * recipe.batch.epochs == 1 {
            first_pass::adopt(&mut credited, &samples, &report)?;
        }
        let mut row = metrics::of_trees(&credited);
        row.extend(credit_row);
        row.extend(metrics::of_ages(&ages));
        row.extend(metrics::of_discarded(discarded));
        row.extend(metrics::of_contexts(counts));
        row.extend(report.metrics);
        row.extend(value.metrics);
        let broken = broken.or(report.not_finite.or(value.not_finite).map(Broken::of_policy));
        // Where the ratio starts from the sampler's own numbers, the learner's were not asked for.
        let mismatch = (!needs.sampled_logprobs).then(|| Mismatch::of_trees(&credited));
        row.extend(mismatch.map(|mismatch| mismatch.row()).unwrap_or_default());
        self.count(&credited, discarded, &mut row);
        self.steer_kl(&credited, &mut row);
        let times = Times {
            generate: generate_s,
            score: score_s,
            measure: measure_s,
            credit: credit_s,
            train: train_s,
            step: clock.total(),
            waited: self.contention.share(),
        };
        let work = Work {
            policy: &self.policy,
            trees: &credited,
            samples: &samples,
            measurements: usize::from(needs.old_logprobs) + usize::from(needs.ref_logprobs),
            epochs: if self.critic_warms_up() { 0 } else { recipe.batch.epochs },
            critic_epochs: self.critic.as_ref().map(|_| recipe.batch.epochs),
            peak: self.peak,
        };
        row.extend(performance::row(&times, &work));

        self.ledger.write_rollouts(recipe.observe, self.step, &credited)?;
        if let Some(mismatch) = mismatch.filter(|_| is_first && !self.is_unchanged()) {
            self.check_first_update(&mismatch, report.first_gap)?;
        }
        self.check_finite(&credited, broken)?;
        row.set("optim/skipped", f64::from(u8::from(self.refused_in_a_row > 0)));
        Ok(row)
    }

    /// The models as they are now, ready to be asked.
    fn measurer(&self) -> Measurer<'_> {
        let recipe = &self.setup.recipe;
        Measurer {
            policy: &self.policy,
            reference: self.reference.as_ref(),
            critic: self.critic.as_ref().map(|own| &own.critic),
            temperature: recipe.sampling.temperature,
            max_tokens: recipe.batch.max_tokens,
            signals: &recipe.signals,
            check: &|| Ok(()),
        }
    }

    /// Whether no update has changed the policy yet, in this process or those before it.
    fn is_unchanged(&self) -> bool {
        self.learner.optimizer.state().updates == 0
    }

    /// A single update per step measures the old log-probabilities itself; more of them need a pass before the first, and
    /// so does the comparison that the first step with an update makes. Off policy the ratio starts from the sampler's, unless
    /// importance weights stand for what lies between the two.
    fn needs(&self) -> Needs {
        let batch = self.setup.recipe.batch;
        let off_policy = self.setup.recipe.pipeline.is_off_policy();
        let own = Needs {
            old_logprobs: (batch.minibatches * batch.epochs > 1 && !off_policy) || self.is_unchanged(),
            sampled_logprobs: off_policy && self.credit.importance.is_none() && !self.is_unchanged(),
            ref_logprobs: self.reference.is_some(),
            ..Needs::default()
        };
        own.union(self.credit.needs())
    }
}
