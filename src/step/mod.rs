//! One step of training, as a value.
//!
//! ```text
//! rollout -> measure -> credit -> batch -> update -> StepRecord         nothing here knows which algorithm that is
//! ```
//!
//! A [`Trainer`] makes steps; the record of one holds all that there is to say about it, and nothing but the trainer's own
//! parts changes on the way. `run` makes a run of steps, `bench` takes the time of some.

mod critic;
mod record;

use std::cell::RefCell;
use std::time::Instant;

use anyhow::Result;

pub(crate) use critic::CriticTrainer;
pub(crate) use critic::{explained_in_training, explained_rewards};
pub(crate) use record::{StepRecord, Times, Work};

use crate::batch::{Batch, NotLearned};
use crate::credit::Credit;
use crate::learner::{CriticReport, LearnerConfig, PolicyLearner, Rates, UpdateReport};
use crate::loss::KlConfig;
use crate::measure::{Measures, Models, Passes, measure};
use crate::model::{FreeMemory, Policy};
use crate::optim::learning_rate;
use crate::pipeline::{RolloutBatch, RolloutSource, SourceState};
use crate::ranks::Ranks;
use crate::signal::{Grouping, SignalConfig};
use crate::threads::Contention;
use crate::types::{Attention, CreditedTree, MeasuredTree, Needs, RatioStart, Seen, Step, TrainedTree, Tree};

/// What a trainer is told once.
#[derive(Clone)]
pub(crate) struct StepConfig {
    /// Loss, optimiser, batch, temperature.
    pub learner: LearnerConfig,
    /// How attention is read.
    pub signals: SignalConfig,
    /// Whether responses may be of older weights than those that learn from them.
    pub is_off_policy: bool,
    /// Most responses of a step.
    pub n_responses: usize,
    /// Steps over which the learning rate is scheduled.
    pub n_steps: Step,
    /// Those that make the steps together.
    pub ranks: Ranks,
}

/// All that learns, and all that it learns by.
pub(crate) struct Trainer {
    /// What it is told.
    pub config: StepConfig,
    /// The policy.
    pub policy: Policy,
    /// What a KL penalty holds it to.
    pub reference: Option<Policy>,
    /// Predicts rewards, where advantages rest on that.
    pub critic: Option<CriticTrainer>,
    /// Where responses come from.
    pub source: Box<dyn RolloutSource>,
    /// How rewards become advantages.
    pub credit: Credit,
    /// The heads that signals are averaged over.
    pub grouping: Grouping,
    /// Updates the policy.
    pub learner: PolicyLearner,
    /// Weight of the KL penalty in the next step; 0 where there is none.
    pub kl_coef: f64,
    /// What the source depended on before a step that was given up.
    given_up: Option<SourceState>,
    free_memory: FreeMemory,
    contention: Contention,
}

/// A part of a step that takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Responses are generated and scored; counted in responses.
    Generate,
    /// Policy and critic learn; counted in samples, each once an epoch.
    Update,
}

/// Hears how far a step is, and may end it as long as nothing was learned.
pub(crate) trait Watch {
    /// A phase of `total` parts begins, behind whichever was before.
    fn begin(&mut self, phase: Phase, total: usize);

    /// `n` parts more are done.
    ///
    /// # Errors
    /// If the step is to end.
    fn advance(&mut self, n: usize) -> Result<()>;

    /// The phase has ended.
    fn end(&mut self);
}

/// Nobody watches.
pub(crate) struct Unwatched;

impl Watch for Unwatched {
    fn begin(&mut self, _: Phase, _: usize) {}

    fn advance(&mut self, _: usize) -> Result<()> {
        Ok(())
    }

    fn end(&mut self) {}
}

impl Trainer {
    /// A trainer that has made no step yet, of a policy, and where the recipe has them its reference and its critic.
    #[must_use]
    pub(crate) fn new(
        config: StepConfig,
        policy: Policy,
        reference: Option<Policy>,
        critic: Option<CriticTrainer>,
        source: Box<dyn RolloutSource>,
        credit: Credit,
    ) -> Self {
        Self {
            kl_coef: config.learner.loss.kl().map_or(0.0, |kl| kl.coef),
            learner: PolicyLearner::new(config.learner, &policy),
            config,
            policy,
            reference,
            critic,
            source,
            credit,
            grouping: Grouping::default(),
            given_up: None,
            free_memory: FreeMemory::default(),
            contention: Contention::default(),
        }
    }

    /// Makes `step`. One that `watch` ends is as if it had not begun, as far as [`Trainer::source_state`] goes.
    ///
    /// # Errors
    /// If the work cannot be done; that of `watch`. Numbers that are not finite are no error: nothing is learned from them, and
    /// the record says so.
    pub(crate) fn step(&mut self, step: Step, watch: &mut dyn Watch) -> Result<StepRecord> {
        _ = self.contention.share();
        let begun = Instant::now();
        watch.begin(Phase::Generate, self.config.n_responses);
        // A rollout batch that is under way is waited for here: its weights are gone with the process.
        let source = self.source.state().inspect_err(|_| watch.end())?;
        let grouping = self.grouping.clone();
        let record = self.make(step, begun, watch);
        match record {
            Ok(_) => self.given_up = None,
            Err(_) => (self.given_up, self.grouping) = (Some(source), grouping),
        }
        record
    }

    /// What later steps depend on of the source.
    ///
    /// # Errors
    /// If work under way cannot be finished.
    pub(crate) fn source_state(&mut self) -> Result<SourceState> {
        self.given_up.take().map_or_else(|| self.source.state(), Ok)
    }

    /// The step that began when `begun` says.
    fn make(&mut self, step: Step, begun: Instant, watch: &mut dyn Watch) -> Result<StepRecord> {
        let (start, was_unchanged, kl_coef) = (self.ratio_start(step), self.is_unchanged(), self.kl_coef);
        let RolloutBatch { trees, attention, ages, discarded, timings } = self.rollout(step, watch)?;

        let lap = Instant::now();
        let measured = self.measure(trees, attention, step, start, watch)?;
        let measure_s = lap.elapsed().as_secs_f64();

        let lap = Instant::now();
        let (credited, credit) = self.credit.assign(measured, step, kl_coef)?;
        let batch = Batch::new(&credited);
        let credit_s = lap.elapsed().as_secs_f64();

        let lap = Instant::now();
        let Updated { policy: update, value, not_learned } = self.update(&batch, step, watch)?;
        let train_s = lap.elapsed().as_secs_f64();

        let trees = trained(credited, &batch, update.seen);
        self.steer_kl(&trees);
        let times = Times {
            generate_s: timings.generate_s,
            score_s: timings.score_s,
            measure_s,
            credit_s,
            train_s,
            step_s: begun.elapsed().as_secs_f64(),
            waited_frac: self.contention.share(),
        };
        Ok(StepRecord {
            step,
            work: Work::new(self, step, start, &trees, &batch.samples),
            trees,
            ages,
            discarded,
            contexts: timings.counts,
            served: timings.served,
            start,
            is_first_update: was_unchanged && !self.is_unchanged(),
            kl_coef: self.kl().map(|_| kl_coef),
            credit,
            update: update.metrics,
            first_gap: update.first_gap,
            value,
            not_learned,
            times,
        })
    }

    /// Scored trees to learn from.
    fn rollout(&mut self, step: Step, watch: &mut dyn Watch) -> Result<RolloutBatch> {
        let rollouts = self.source.next(&self.policy, step, &mut |n| watch.advance(n));
        watch.end();
        let rollouts = rollouts?;
        // A grader may have had the signal too, and given verdicts that nobody should learn from.
        self.config.ranks.all_well(watch.advance(0))?;
        self.free_memory.release_if_due();
        Ok(rollouts)
    }

    /// What the models say about them.
    fn measure(
        &mut self,
        trees: Vec<Tree>,
        attention: Attention,
        step: Step,
        start: RatioStart,
        watch: &mut dyn Watch,
    ) -> Result<Vec<MeasuredTree>> {
        let watch = RefCell::new(watch);
        let check = || watch.borrow_mut().advance(0);
        let LearnerConfig { batch, temperature, .. } = self.config.learner;
        let measures = Measures {
            needs: self.needs(start, step),
            start,
            temperature,
            signals: &self.config.signals,
            passes: Passes { max_tokens: batch.max_tokens, check: &check },
            ranks: &self.config.ranks,
        };
        let models = Models {
            policy: &self.policy,
            reference: self.reference.as_ref(),
            critic: self.critic.as_ref().map(|own| &own.critic),
        };
        measure(models, measures, trees, attention, step, &mut self.grouping)
    }

    /// Policy and critic learn, unless something is not finite.
    fn update(&mut self, batch: &Batch, step: Step, watch: &mut dyn Watch) -> Result<Updated> {
        let StepConfig { learner: LearnerConfig { batch: sizes, optim, .. }, n_steps, .. } = self.config;
        watch.begin(Phase::Update, batch.samples.len() * sizes.epochs);
        let rates = Rates { lr: learning_rate(&optim, step, n_steps), kl_coef: self.kl_coef };
        let samples = if self.critic_learns_alone(step) { &[] } else { &batch.samples[..] };
        let policy = self.learner.update(&mut self.policy, samples, rates, &mut |n| watch.advance(n));
        let policy = policy.inspect_err(|_| watch.end())?;
        let value = self.critic.as_mut().map(|critic| critic.update(&batch.samples, step, n_steps));
        watch.end();
        let value = value.transpose()?.unwrap_or_default();
        let broken = policy.not_finite.clone().or_else(|| value.not_finite.clone());
        let not_learned = batch.not_learned.clone().or(broken.map(NotLearned::of_models));
        Ok(Updated { policy, value, not_learned })
    }

    /// What must be known of the responses of `step` for credit and loss, whose ratio starts at `start`.
    fn needs(&self, start: RatioStart, step: Step) -> Needs {
        let own = Needs {
            old_logprobs: start == RatioStart::Measured,
            ref_logprobs: self.reference.is_some(),
            ..Needs::default()
        };
        own.union(self.credit.needs(step))
    }

    /// A single update measures its old log-probabilities itself; several of them need a pass before the first, and so does
    /// the comparison that the first step with an update makes. Off policy the ratio starts from the sampler's, unless
    /// importance weights stand for what lies between the two.
    pub(crate) fn ratio_start(&self, step: Step) -> RatioStart {
        let batch = self.config.learner.batch;
        let several = batch.minibatches * batch.epochs > 1;
        if self.is_unchanged() {
            RatioStart::Measured
        } else if self.config.is_off_policy && self.credit.importance.is_none() {
            RatioStart::Sampler
        } else if several || self.credit.needs(step).old_logprobs {
            RatioStart::Measured
        } else {
            RatioStart::FirstPass
        }
    }

    /// Whether no update has changed the policy yet, in this process or those before it.
    fn is_unchanged(&self) -> bool {
        self.learner.state().updates == 0
    }

    fn critic_learns_alone(&self, step: Step) -> bool {
        self.critic.as_ref().is_some_and(|critic| critic.learns_alone(step))
    }

    fn kl(&self) -> Option<KlConfig> {
        self.config.learner.loss.kl()
    }

    /// Moves the weight of the KL penalty on for the next step.
    fn steer_kl(&mut self, trees: &[TrainedTree]) {
        let Some(kl) = self.kl() else { return };
        if let Some(divergence) = record::kl_to_reference(trees, kl.estimator) {
            let samples = trees.iter().map(|tree| tree.tree().leaves.len() as u64).sum();
            self.kl_coef = kl.next_coef(self.kl_coef, divergence, samples);
        }
    }
}

/// What came of an update.
struct Updated {
    policy: UpdateReport,
    value: CriticReport,
    not_learned: Option<NotLearned>,
}

/// The trees behind the update, with what it `seen` of each sample of `batch`, in order.
fn trained(trees: Vec<CreditedTree>, batch: &Batch, seen: Vec<Seen>) -> Vec<TrainedTree> {
    let bare = |credited: CreditedTree| TrainedTree {
        seen: vec![None; credited.measured.tree.leaves.len()],
        credited,
    };
    let mut trees: Vec<TrainedTree> = trees.into_iter().map(bare).collect();
    for (sample, seen) in batch.samples.iter().zip(seen) {
        let (tree, leaf) = sample.place;
        trees[tree].seen[leaf] = Some(seen);
    }
    trees
}
