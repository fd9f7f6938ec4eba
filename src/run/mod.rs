//! A run: assembly, then THE loop.
//!
//! ```text
//! harvest -> measure -> credit -> flatten -> update        per step; nothing here knows which algorithm that is
//! ```

mod checks;
mod failure;
mod first_pass;
mod inputs;
mod ledger;
mod metrics;
mod performance;
mod setup;
mod start;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;

pub use failure::Failure;
pub use setup::Setup;
pub use start::{initial_policy, warm_start};

use self::checks::Broken;
use self::inputs::Inputs;
use self::ledger::Ledger;
use self::metrics::Mismatch;
use self::performance::{Times, Work};
use crate::batch::flatten;
use crate::checkpoint::{Progress, Store, TrainState, VerifiedCheckpoint};
use crate::credit::Credit;
use crate::eval::EvalReport;
use crate::interrupt::{Interrupt, Signal};
use crate::learner::PolicyLearner;
use crate::measure::Measurer;
use crate::model::{FreeMemory, Policy, matmul_peak};
use crate::observe::Console;
use crate::optim::learning_rate;
use crate::pipeline::{Harvest, RolloutSource};
use crate::run_folder::RunFolder;
use crate::signal::Grouping;
use crate::types::{MetricRow, Needs, Step};

/// Steps in a row whose update is refused before the run gives up.
const MAX_REFUSED: u32 = 10;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    Done,
    /// A signal asked for a stop; what there was to save is saved.
    Interrupted(Signal),
}

/// What a person asked for.
pub struct Request {
    /// What the recipe makes, overrides applied.
    pub setup: Setup,
    /// The recipe's text as given.
    pub given: String,
    /// Folder that holds all runs.
    pub runs: PathBuf,
    /// Continue an earlier run of that name.
    pub resume: bool,
}

/// Trains as asked: from the beginning, or on from the newest checkpoint.
///
/// # Errors
/// A [`Failure`] where the exit code says more than 1; otherwise whatever could not be read, written or computed.
pub fn train(request: Request, console: &Console, interrupt: &Interrupt) -> Result<Outcome> {
    let Request { setup, given, runs, resume } = request;
    let name = &setup.recipe.run.name;
    let folder = if resume { RunFolder::open(&runs, name) } else { RunFolder::create(&runs, name) };
    let folder = folder.map_err(if resume { Failure::resume_refused } else { Failure::bad_input })?;
    let _lock = folder.lock().map_err(Failure::bad_input)?;
    let store = Store::new(folder.checkpoints(), setup.recipe.checkpoint.keep)?;
    let saved = if resume {
        let _phase = console.step_phase("verify checkpoint", 0);
        ledger::find_checkpoint(&folder, &setup.recipe, &store, console)?
    } else {
        None
    };
    let inputs = Inputs::of(&setup.recipe, setup.placement)?;
    if resume {
        inputs.check_unchanged(&folder).map_err(Failure::resume_refused)?;
    } else {
        inputs.write(&folder)?;
    }
    let ledger =
        Ledger::open(&setup, &folder, store, console, &given, saved.as_ref().map(VerifiedCheckpoint::step))?;

    let weights = "the weights that [model] names make no policy; take others";
    let phase = console.step_phase("load model", 0);
    let mut policy = initial_policy(&setup)?;
    phase.finish();
    let evaluator = setup.evaluator();
    let mut run = match saved {
        Some(checkpoint) => {
            let phase = console.step_phase("load checkpoint", 0);
            let state = TrainState::load(&checkpoint, &policy.layout).map_err(Failure::resume_refused)?;
            phase.finish();
            console.note(format!("continuing after step {} of {}", state.step, setup.recipe.run.steps));
            Run::resume(&setup, policy, state, ledger, console).map_err(Failure::resume_refused)?
        }
        None => {
            let mut evaluations = Vec::new();
            if let Some(config) = &setup.recipe.warmup {
                let report =
                    ledger.evaluate("before_warmup", &evaluator, &policy, &mut setup.engine(), console);
                let report =
                    report.map_err(|error| checks::diverged("before the warm start", error, weights))?;
                evaluations.push((String::from("before warm start"), report));
                if !warm_start(&setup, config, &mut policy, &runs, console, interrupt)? {
                    return Ok(Outcome::Interrupted(interrupt.requested().unwrap_or(Signal::Interrupt)));
                }
            }
            let (moment, remedy) = match &setup.recipe.warmup {
                Some(warmup) => ("after warm start", format!("lower [warmup] lr = {}", warmup.lr)),
                None => ("before training", weights.to_owned()),
            };
            let report = ledger.evaluate("step_000000", &evaluator, &policy, &mut setup.engine(), console);
            let report = report.map_err(|error| checks::diverged(moment, error, &remedy))?;
            evaluations.push((String::from(moment), report));
            ledger.keep_reference(&setup, &policy)?;
            Run::begin(&setup, policy, evaluations, ledger, console)?
        }
    };
    run.go(interrupt)
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
    learner: PolicyLearner,
    step: Step,
    progress: Progress,
    refused_in_a_row: u32,
    evaluations: Vec<(String, EvalReport)>,
    /// Seconds of the processes before this one.
    wall_before: f64,
    /// Seconds the newest checkpoint took, until a row has reported them.
    checkpoint_s: Option<f64>,
    /// Floating-point operations per second of this machine.
    peak: f64,
    free_memory: FreeMemory,
}

impl<'s> Run<'s> {
    fn begin(
        setup: &'s Setup,
        policy: Policy,
        evaluations: Vec<(String, EvalReport)>,
        ledger: Ledger,
        console: &'s Console,
    ) -> Result<Self> {
        Ok(Self {
            source: setup.rollout_source()?,
            credit: setup.credit(),
            grouping: Grouping::default(),
            learner: PolicyLearner::new(setup.learner_config(), &policy),
            reference: ledger.load_reference(setup)?,
            setup,
            console,
            ledger,
            policy,
            step: 0,
            progress: Progress::default(),
            refused_in_a_row: 0,
            evaluations,
            wall_before: 0.0,
            checkpoint_s: None,
            peak: matmul_peak(setup.placement),
            free_memory: FreeMemory::default(),
        })
    }

    fn resume(
        setup: &'s Setup,
        mut policy: Policy,
        state: TrainState,
        ledger: Ledger,
        console: &'s Console,
    ) -> Result<Self> {
        let TrainState {
            step,
            weights,
            optimizer,
            sampler,
            head_groups,
            progress,
            refused_in_a_row,
            evaluations,
        } = state;
        policy.set_master(&weights)?;
        let mut run = Self::begin(setup, policy, evaluations, ledger, console)?;
        run.learner.optimizer.restore(optimizer)?;
        run.source.restore(sampler)?;
        run.grouping = Grouping::resume(head_groups);
        Ok(Self { step, progress, refused_in_a_row, wall_before: progress.wall_s, ..run })
    }

    fn state(&self) -> TrainState {
        TrainState {
            step: self.step,
            weights: self.policy.master().shallow_clone(),
            optimizer: self.learner.optimizer.state().shallow_clone(),
            sampler: self.source.state(),
            head_groups: self.grouping.groups().cloned(),
            progress: Progress { wall_s: self.wall_s(), ..self.progress },
            refused_in_a_row: self.refused_in_a_row,
            evaluations: self.evaluations.clone(),
        }
    }

    /// Seconds since the start of the run, pauses between its processes left out.
    fn wall_s(&self) -> f64 {
        self.wall_before + self.ledger.opened.elapsed().as_secs_f64()
    }

    /// THE loop.
    fn go(&mut self, interrupt: &Interrupt) -> Result<Outcome> {
        let n_steps = self.setup.recipe.run.steps;
        while self.step < n_steps {
            if let Some(signal) = interrupt.requested() {
                let what = self.save_if_sound()?;
                self.console.note(format!("{signal}: stopped after step {}, {what}", self.step));
                return Ok(Outcome::Interrupted(signal));
            }
            self.step += 1;
            let mut row = self.train_step()?;
            if self.is_due(self.setup.recipe.eval.every) {
                self.evaluate(&mut row)?;
            }
            row.set("progress/wall_s", self.wall_s());
            row.extend(self.checkpoint_s.take().map(|s| ("time/checkpoint", s)).into_iter().collect());
            self.ledger.write_row(self.step, &row)?;
            self.console.step_line(self.step, n_steps, &row);
            // Where updates are refused, the cause may be in the weights already; the newest checkpoint is from before.
            // After the last step there is no later chance, and the policy is the one that the evaluation has seen.
            let keep = self.refused_in_a_row == 0 || self.step == n_steps;
            if keep && self.is_due(self.setup.recipe.checkpoint.every) {
                self.check_policy()?;
                self.save()?;
            }
        }
        self.ledger.summary(self.setup, &self.evaluations, self.wall_s(), self.console)?;
        Ok(Outcome::Done)
    }

    /// Saves, unless numbers that are not finite raise doubts about the policy; says which of the two.
    fn save_if_sound(&mut self) -> Result<String> {
        if self.refused_in_a_row == 0 && self.policy_is_sound() {
            return Ok(format!("saved in {}", self.save()?));
        }
        Ok(format!("not saved, since the policy may be broken: {}", self.ledger.newest_checkpoint()?))
    }

    /// Whether something that happens every `every` steps, and after the last, happens now.
    fn is_due(&self, every: u64) -> bool {
        self.step == self.setup.recipe.run.steps || (every != 0 && self.step.is_multiple_of(every))
    }

    /// One step: harvest, measure, credit, flatten, update.
    fn train_step(&mut self) -> Result<MetricRow> {
        let recipe = &self.setup.recipe;
        let mut clock = Clock::start();

        let phase =
            self.console.step_phase("generate", (recipe.batch.prompts * recipe.explore.n_first()) as u64);
        let harvest = self.source.next(&self.policy, self.step, &mut |n| phase.advance(n as u64, ""));
        phase.finish();
        let Harvest { trees, ages, generate_s, score_s } = harvest?;
        self.free_memory.release_if_due();
        clock.lap();

        let measurer = Measurer {
            policy: &self.policy,
            reference: self.reference.as_ref(),
            temperature: recipe.sampling.temperature,
            max_tokens: recipe.batch.max_tokens,
            signals: &recipe.signals,
        };
        let needs = self.needs();
        let measured = measurer.measure(trees, needs, self.step, &mut self.grouping)?;
        let measure_s = clock.lap();

        let (mut credited, credit_row) = self.credit.assign(measured, self.step)?;
        let broken = checks::find_not_finite(&credited);
        let samples = if broken.is_none() { flatten(&credited) } else { Vec::new() };
        let credit_s = clock.lap();

        let phase = self.console.step_phase("update", (samples.len() * recipe.batch.epochs) as u64);
        let lr = learning_rate(&recipe.optim, self.step, recipe.run.steps);
        let advance = &mut |n| phase.advance(n as u64, "");
        let is_first = self.is_unchanged();
        let report = self.learner.update(&mut self.policy, &samples, lr, advance)?;
        phase.finish();
        let train_s = clock.lap();

        if !needs.old_logprobs {
            first_pass::adopt(&mut credited, &samples, &report)?;
        }
        let mut row = metrics::of_trees(&credited);
        row.extend(credit_row);
        row.extend(metrics::of_ages(&ages));
        row.extend(report.metrics);
        let broken = broken.or(report.not_finite.map(Broken::of_policy));
        let mismatch = Mismatch::of_trees(&credited);
        row.extend(mismatch.row());
        self.count(&credited, &mut row);
        let times = Times {
            generate: generate_s,
            score: score_s,
            measure: measure_s,
            credit: credit_s,
            train: train_s,
            step: clock.total(),
        };
        let work = Work {
            policy: &self.policy,
            trees: &credited,
            samples: &samples,
            measurements: usize::from(needs.old_logprobs) + usize::from(needs.ref_logprobs),
            epochs: recipe.batch.epochs,
            peak: self.peak,
        };
        row.extend(performance::row(&times, &work));

        self.ledger.write_rollouts(recipe.observe, self.step, &credited)?;
        if is_first && !self.is_unchanged() {
            self.check_first_update(&mismatch, report.first_gap)?;
        }
        self.check_finite(&credited, broken)?;
        row.set("optim/skipped", f64::from(u8::from(self.refused_in_a_row > 0)));
        Ok(row)
    }

    /// Whether no update has changed the policy yet, in this process or those before it.
    fn is_unchanged(&self) -> bool {
        self.learner.optimizer.state().updates == 0
    }

    /// A single update per step measures the old log-probabilities itself; more of them need a pass before the first, and
    /// so does the comparison that the first step with an update makes.
    fn needs(&self) -> Needs {
        let batch = self.setup.recipe.batch;
        let own = Needs {
            old_logprobs: batch.minibatches * batch.epochs > 1 || self.is_unchanged(),
            ref_logprobs: self.reference.is_some(),
            signals: false,
        };
        own.union(self.credit.needs())
    }
}

/// Seconds since the last look and since the start.
struct Clock {
    start: Instant,
    last: Instant,
}

impl Clock {
    fn start() -> Self {
        let now = Instant::now();
        Self { start: now, last: now }
    }

    fn lap(&mut self) -> f64 {
        let now = Instant::now();
        let lap = (now - self.last).as_secs_f64();
        self.last = now;
        lap
    }

    fn total(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}
