//! The steps of a run behind a checkpoint made again, from the responses that it kept: what it was at a step of which it has no
//! checkpoint.
//!
//! ```text
//! checkpoint C --step C + 1, its responses from rollouts/--> ... --step K--> the state behind step K
//! ```
//!
//! Prompts are drawn and trees grown as they were, since what later steps draw goes by that; what the file has no answer to, such as
//! prompts that were discarded, is generated once more. Every step must come to the responses and the advantages that the run wrote down.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use super::Setup;
use super::history::{changes_between, recipe_behind};
use super::home::load_reference;
use super::replay::KeptStep;
use super::trainer::{Learnt, restore, trainer};
use crate::checkpoint::TrainState;
use crate::interrupt::Interrupt;
use crate::model::Policy;
use crate::observe::{Console, Jsonl};
use crate::pipeline::{PipelineConfig, RolloutBatch, RolloutSource, SourceState};
use crate::recipe::Draft;
use crate::rollout::{Generated, Generation, RolloutEngine};
use crate::run_folder::RunFolder;
use crate::signal::Regroup;
use crate::step::{CriticTrainer, Phase, StepRecord, Trainer, Watch};
use crate::types::{Attention, Completion, GenRequest, HeadSignals, Leaf, Progress, Step, TokenId, Tree};

/// Distance of an advantage up to which another machine may round differently.
const ROUNDING: f32 = 0.02;

/// A run of which a step without a checkpoint is wanted.
pub(super) struct Retrace<'a> {
    /// The run.
    pub folder: &'a RunFolder,
    /// Who makes the new run, and with how many ranks.
    pub setup: &'a Setup,
    /// The step.
    pub step: Step,
}

impl Retrace<'_> {
    /// The state behind the step, from that of a checkpoint, `state`, with a policy that is used and given back.
    ///
    /// # Errors
    /// If responses of a step in between are not kept; if a step does not come to what the run wrote down; a signal.
    pub(super) fn run(
        self,
        policy: Policy,
        state: TrainState,
        console: &Console,
        interrupt: &Interrupt,
    ) -> Result<(Policy, TrainState)> {
        let Self { folder, setup, step: last } = self;
        if state.step >= last {
            return Ok((policy, state));
        }
        ensure!(
            !changes_between(folder, state.step, last)?,
            "{}: what it learns was changed between step {} and step {last}, so that the steps in between cannot be made again; take a \
             step that has a checkpoint",
            folder.root().display(),
            state.step
        );
        let own = self::setup(folder, state.step, setup)?;
        let problem = |id: u64| own.data.train.iter().find(|prompt| prompt.id == id).cloned();
        let kept = (state.step + 1..=last).map(|step| Ok((step, KeptStep::read(folder, step, problem)?)));
        let kept = kept.collect::<Result<BTreeMap<Step, KeptStep>>>()?;
        let advantages: Vec<Vec<Vec<f32>>> = kept.values().map(|step| step.advantages.clone()).collect();
        let reference = own.recipe.loss.kl().map(|_| load_reference(folder, None, &policy)).transpose()?;
        let mut trainer = trainer(&own, policy, reference, source(&own, kept)?)?;
        trainer.policy.network.set_master(&state.weights)?;
        let TrainState { step: first, mut progress, evaluations, best, ranks, .. } = state;
        let TrainState { optimizer, critic, head_groups, kl_coef, source, .. } = state;
        restore(&mut trainer, Learnt { optimizer, critic, head_groups, kl_coef })?;
        trainer.source.restore(source)?;

        let phase = console.step_phase("retrace", last - first);
        for (step, recorded) in (first + 1..=last).zip(advantages) {
            let record = trainer.step(step, &mut Checked(interrupt))?;
            progress.count(&record);
            check_row(folder, &record)?;
            let made = record.trees.iter().flat_map(|tree| tree.credited.advantages.iter());
            let apart =
                made.flatten().zip(recorded.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            ensure!(
                apart <= ROUNDING,
                "{}: step {step} made again comes to advantages {apart:.2e} from what the run wrote down; take a step that has a checkpoint",
                folder.root().display()
            );
            phase.advance(1, "");
        }
        phase.finish();
        let state = TrainState {
            step: last,
            ranks,
            weights: trainer.policy.network.to_all()?,
            optimizer: trainer.learner.state().shallow_clone(),
            critic: trainer.critic.as_ref().map(CriticTrainer::state_for_all).transpose()?,
            kl_coef: trainer.kl_coef,
            source: trainer.source_state()?,
            head_groups: trainer.grouping.groups().cloned(),
            progress,
            refused_in_a_row: 0,
            evaluations,
            best,
            unfinished: None,
        };
        let Trainer { policy, .. } = trainer;
        Ok((policy, state))
    }
}

/// That the update of `record` is the one that the run in `folder` wrote down.
fn check_row(folder: &RunFolder, record: &StepRecord) -> Result<()> {
    let rows = Jsonl::read(&folder.metrics())?.rows;
    let Some((_, row)) = rows.into_iter().find(|(step, _)| *step == record.step) else { return Ok(()) };
    for key in ["optim/lr", "optim/grad_norm", "loss/policy"] {
        let (Some(then), Some(now)) = (row.get(key), record.update.get(key)) else { continue };
        let apart = (then - now).abs() / then.abs().max(1e-3);
        ensure!(
            apart <= f64::from(ROUNDING),
            "{}: step {} made again has {key} = {now:.6}, and the run wrote down {then:.6}; take a step that has a checkpoint",
            folder.root().display(),
            record.step
        );
    }
    Ok(())
}

/// The run in `folder` as it was set up behind `step`, made by those who make that of `new`.
fn setup(folder: &RunFolder, step: Step, new: &Setup) -> Result<Setup> {
    let mut draft = Draft::from(recipe_behind(folder, step)?);
    draft.change(|recipe| {
        recipe.sft = None;
        recipe.audit = None;
        recipe.model.device = new.recipe.model.device;
        recipe.model.dtype = new.recipe.model.dtype;
        recipe.parallel = new.recipe.parallel;
    });
    Ok(Setup { teams: new.teams.clone(), ..Setup::of_draft(draft)? })
}

/// The run's own source, which has the answers of `kept` steps ready.
fn source(own: &Setup, kept: BTreeMap<Step, KeptStep>) -> Result<Box<dyn RolloutSource>> {
    let recipe = &own.recipe;
    let mut collector = own.collector(recipe.exploration())?;
    // Under the other schedules a call serves two steps, so that a response is not known by its step.
    if matches!(recipe.pipeline, PipelineConfig::OnPolicy(_)) {
        let answers = kept.iter().map(|(step, kept)| (*step, answers(kept))).collect();
        collector.engine = Box::new(KeptEngine { answers, own: collector.engine });
    }
    let inner = recipe.pipeline.settings().build(collector, recipe.batch.prompts, recipe.groups.rounds());
    let regroups = recipe.signals.regroup_every == Regroup::Every(1);
    Ok(Box::new(RetracedSource { inner, kept, regroups }))
}

/// Whole responses by problem and sample.
type Answers = BTreeMap<(u64, u32), Completion>;

fn answers(kept: &KeptStep) -> Answers {
    let leaves = kept.trees.iter().flat_map(|tree| tree.leaves.iter().map(|leaf| (tree.prompt.id, leaf)));
    let answer = |(id, leaf): (u64, &Leaf)| {
        let completion = Completion {
            tokens: leaf.tokens.clone(),
            logprobs: leaf.logprobs.clone(),
            finish: leaf.finish,
            versions: leaf.versions.clone(),
        };
        ((id, leaf.sample), completion)
    };
    leaves.map(answer).collect()
}

/// Answers what is known, and asks the run's own engine for the rest.
struct KeptEngine {
    answers: BTreeMap<Step, Answers>,
    own: Box<dyn RolloutEngine>,
}

impl KeptEngine {
    fn known(&self, request: &GenRequest, step: Step) -> Option<Completion> {
        let whole = self.answers.get(&step)?.get(&(request.prompt.id, request.sample))?;
        let n = request.prefix.len();
        if n >= whole.tokens.len() || whole.tokens[..n] != request.prefix[..] {
            return None;
        }
        let rest = |tokens: &[TokenId]| tokens[n..].to_vec();
        Some(Completion {
            tokens: rest(&whole.tokens),
            logprobs: whole.logprobs[n..].to_vec(),
            finish: whole.finish,
            versions: Vec::new(),
        })
    }
}

impl RolloutEngine for KeptEngine {
    fn keeps_time(&self) -> bool {
        self.own.keeps_time()
    }

    fn generate(
        &mut self,
        policy: &Policy,
        requests: &[GenRequest],
        generation: &Generation,
        finished: &mut Progress<'_>,
    ) -> Result<Generated> {
        let known: Vec<Option<Completion>> =
            requests.iter().map(|request| self.known(request, generation.step)).collect();
        let missing = requests.iter().zip(&known).filter(|(_, known)| known.is_none());
        let missing: Vec<GenRequest> = missing.map(|(request, _)| request.clone()).collect();
        let Generated { completions, counts, served, .. } = match missing.is_empty() {
            true => Generated::default(),
            false => self.own.generate(policy, &missing, generation, finished)?,
        };
        let mut rest = completions.into_iter();
        let all = known.into_iter().map(|known| known.or_else(|| rest.next()));
        let completions = all.collect::<Option<Vec<_>>>().context("a request was not answered")?;
        Ok(Generated { completions, signals: Vec::<HeadSignals>::new(), counts, served })
    }
}

/// The run's own source, whose trees are those that were kept, with what graders said of them then.
struct RetracedSource {
    inner: Box<dyn RolloutSource>,
    kept: BTreeMap<Step, KeptStep>,
    /// Whether each step chooses its heads anew, so that none goes by those of a step that did not read attention.
    regroups: bool,
}

impl RolloutSource for RetracedSource {
    fn next(&mut self, policy: &Policy, step: Step, progress: &mut Progress<'_>) -> Result<RolloutBatch> {
        let batch = self.inner.next(policy, step, progress)?;
        let kept =
            self.kept.remove(&step).with_context(|| format!("step {step}: its responses are not kept"))?;
        let tokens = |trees: &[Tree]| -> Vec<(u64, Vec<Vec<TokenId>>)> {
            let of_tree = |tree: &Tree| tree.leaves.iter().map(|leaf| leaf.tokens.clone()).collect();
            trees.iter().map(|tree| (tree.prompt.id, of_tree(tree))).collect()
        };
        ensure!(
            tokens(&batch.trees) == tokens(&kept.trees),
            "step {step} made again comes to other responses than the run has kept; take a step that has a checkpoint"
        );
        let attention = match kept.signals.filter(|_| self.regroups) {
            Some(signals) => Attention::Averaged(signals),
            None => Attention::unread(),
        };
        Ok(RolloutBatch { trees: kept.trees, attention, ..batch })
    }

    fn state(&mut self) -> Result<SourceState> {
        self.inner.state()
    }

    fn restore(&mut self, state: SourceState) -> Result<()> {
        self.inner.restore(state)
    }
}

/// Ends a step where a signal asks for it.
struct Checked<'a>(&'a Interrupt);

impl Watch for Checked<'_> {
    fn begin(&mut self, _: Phase, _: usize) {}

    fn advance(&mut self, _: usize) -> Result<()> {
        self.0.check()
    }

    fn end(&mut self) {}
}
