//! A step of a run once more, from the responses that it kept and the checkpoint that it began with: nothing is generated.
//!
//! ```text
//! rollouts/step_K.jsonl + checkpoint K - 1 --settings--> the step, as `step` makes it --> advantages, loss, gradient, update
//! ```
//!
//! The run's own settings come first and give the run's own numbers, which is checked; under other settings the same responses say
//! what credit, advantage or loss would have made of them. Attention is not read again where the run has measured it, so that ties
//! between heads or tokens fall as they fell.

mod found;
mod kept;
mod made;
mod source;

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use found::{Against, Moved};
pub(crate) use found::{Agreement, Arm};
pub(super) use kept::KeptStep;
use made::Made;
use source::KeptSource;

use super::history::recipe_behind;
use super::home::load_reference;
use super::trainer::{Learnt, restore, trainer};
use super::{Failure, Setup, initial_policy, keep_time};
use crate::checkpoint::{CriticState, TrainState, VerifiedCheckpoint};
use crate::circuit::with_heads_of_file;
use crate::loss::KlConfig;
use crate::model::Policy;
use crate::observe::Console;
use crate::optim::AdamWState;
use crate::pipeline::SourceState;
use crate::recipe::{Draft, Recipe, reaches};
use crate::run_folder::{AtStep, RunAt, RunFolder, RunManifest};
use crate::step::{Trainer, Unwatched};
use crate::types::{Leaf, Signals, Step, Tree};

/// Sections whose keys shape what a step makes of its responses.
const REPLAYED: [&str; 10] = [
    "advantage",
    "credit",
    "signals",
    "importance_sampling",
    "loss",
    "optim",
    "batch",
    "critic",
    "groups",
    "run.steps",
];

/// Other settings to make a step by.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// What they are called.
    pub label: String,
    /// What they set: `loss.policy={type="gspo"}`.
    pub set: Vec<String>,
}

/// A step that was made again.
#[derive(Debug, Serialize)]
pub(crate) struct Replayed {
    /// The run's folder.
    pub run: PathBuf,
    /// Which step.
    pub step: Step,
    /// The checkpoint that it began with.
    pub checkpoint: PathBuf,
    /// Whether the run's own settings give the run's own numbers.
    pub agreement: Agreement,
    /// The run's own settings, then the others.
    pub arms: Vec<Arm>,
    /// The responses, with each arm's advantages.
    pub responses: Vec<Response>,
}

/// A response and what each arm makes of it.
#[derive(Debug, Serialize)]
pub(crate) struct Response {
    /// Number of its problem.
    pub prompt_id: u64,
    /// Its number among the responses to that.
    pub sample: u32,
    /// What it earned.
    pub reward: f64,
    /// Text of the problem.
    pub prompt: String,
    /// Text of each token.
    pub pieces: Vec<String>,
    /// Arm after arm, the final advantage of each token; 0 where it is not trained on.
    pub advantages: Vec<Vec<f32>>,
}

/// What all arms begin with.
struct Start {
    /// Lent to the arm that is made.
    policy: Option<Policy>,
    /// The same.
    reference: Option<Policy>,
    state: TrainState,
    /// The run's own KL penalty, whose weight may have been adapted.
    kl: Option<KlConfig>,
    trees: Vec<Tree>,
    signals: Option<Vec<Signals>>,
}

/// Makes `step` of the run in `folder` again, by its own settings and by each of `choices`.
///
/// # Errors
/// A [`Failure`] where responses or checkpoint are not kept, or a choice cannot be replayed; other errors of reading and computing.
pub(crate) fn replay(
    folder: &RunFolder,
    step: Step,
    choices: &[Choice],
    console: &Console,
) -> Result<Replayed> {
    ensure_step(step).map_err(Failure::bad_input)?;
    let own = recipe(folder, step, &[])?;
    let recipes = choices.iter().map(|choice| {
        let recipe = recipe(folder, step, &choice.set)?;
        check(&own, &recipe).with_context(|| choice.label.clone()).map_err(Failure::bad_input)?;
        Ok(recipe)
    });
    let recipes = recipes.collect::<Result<Vec<Recipe>>>()?;
    let phase = console.step_phase("set up", 0);
    let mut setup = Setup::of_draft(Draft::from(own.clone()))?;
    phase.finish();
    let checkpoint = checkpoint(folder, step).map_err(Failure::bad_input)?;
    let problem = |id: u64| setup.data.train.iter().find(|prompt| prompt.id == id).cloned();
    let kept = KeptStep::read(folder, step, problem).map_err(Failure::bad_input)?;
    let phase = console.step_phase("load checkpoint", 0);
    let mut start = Start::load(folder, &setup, &checkpoint, kept.trees, kept.signals)?;
    phase.finish();

    let phase = console.step_phase("replay", 1 + recipes.len() as u64);
    let mut made = Vec::new();
    for recipe in std::iter::once(&own).chain(&recipes) {
        start.fits(recipe).map_err(Failure::bad_input)?;
        setup.signals = with_heads_of_file(&recipe.signals, &setup.model)?;
        setup.recipe = recipe.clone();
        made.push(start.make(&setup, step, recipe.signals == own.signals)?);
        phase.advance(1, "");
    }
    phase.finish();
    let agreement = Agreement::new(folder, step, &made[0].metrics, &made[0].advantages, &kept.advantages);
    let responses = responses(&setup, &start.trees, &made)?;
    let labels =
        std::iter::once(("as in the run", &[][..])).chain(choices.iter().map(|c| (&*c.label, &c.set[..])));
    let arms = made.iter().zip(labels).map(|(arm, (label, set))| Arm {
        label: label.to_owned(),
        set: set.to_vec(),
        metrics: arm.metrics.clone(),
        updates: arm.updates,
        gradient: Against::new(&arm.gradient, &made[0].gradient),
        update: Against::new(&arm.update, &made[0].update),
        advantages: Moved::new(&arm.advantages, &made[0].advantages),
    });
    let arms = arms.collect();
    Ok(Replayed {
        run: folder.root().to_owned(),
        step,
        checkpoint: checkpoint.folder().to_owned(),
        agreement,
        arms,
        responses,
    })
}

fn ensure_step(step: Step) -> Result<()> {
    ensure!(step > 0, "--step: got 0, expected a step of the run, from 1 on");
    Ok(())
}

/// The recipe by which the run in `folder` made `step`, with `set`, without what has no part in a single step.
fn recipe(folder: &RunFolder, step: Step, set: &[String]) -> Result<Recipe> {
    let mut own = recipe_behind(folder, step - 1).map_err(Failure::bad_input)?;
    let file = folder.resolved().display().to_string();
    let parsed = |own: &Recipe| Ok::<_, anyhow::Error>(Draft::parse(&file, &own.to_toml()?, set)?);
    let mut draft = parsed(&own)?;
    // What the run has for its own estimator, another does without.
    let estimator = draft.judge(&["advantage.type"], |recipe| Ok(recipe.advantage));
    if let Some(estimator) = estimator.filter(|estimator| *estimator != own.advantage) {
        own.critic = own.critic.filter(|_| estimator.settings().needs().values);
        own.values = own.values.filter(|_| estimator.settings().continues());
        draft = parsed(&own)?;
    }
    draft.change(|recipe| {
        keep_time(recipe, [folder.root().to_owned()]);
        recipe.sft = None;
        recipe.audit = None;
        recipe.checkpoint.best = None;
        recipe.eval.patience = 0;
        recipe.circuit.iter_mut().for_each(|circuit| circuit.every = 0);
    });
    Ok(draft.finish()?)
}

/// That `recipe` differs from the run's `own` in nothing but what a step makes of its responses.
fn check(own: &Recipe, recipe: &Recipe) -> Result<()> {
    let changes = recipe.changes(own)?;
    let is_replayed = |key: &str| REPLAYED.iter().any(|known| reaches(known, key)) && key != "batch.prompts";
    let other = changes.iter().find(|change| !is_replayed(&change.key));
    ensure!(
        other.is_none(),
        "{}: the responses were sampled and scored with {}, and a replay changes neither; expected a key of {}",
        other.map(|change| change.key.as_str()).unwrap_or_default(),
        other.map(|change| change.before.as_str()).unwrap_or_default(),
        REPLAYED.map(|section| format!("[{section}]")).join(", ").replace("[run.steps]", "run.steps")
    );
    Ok(())
}

/// The checkpoint that `step` began with.
fn checkpoint(folder: &RunFolder, step: Step) -> Result<VerifiedCheckpoint> {
    let before = RunAt { folder: folder.clone(), step: AtStep::Step(step - 1) };
    let found = before.checkpoint().with_context(|| {
        format!(
            "step {step} begins with the checkpoint of step {}, which is not kept; [checkpoint] every and keep say which are, \
             and what is kept can be replayed one step on",
            step - 1
        )
    })?;
    let checkpoint = VerifiedCheckpoint::open(found)?;
    if let Some(manifest) = RunManifest::read(folder)? {
        checkpoint.check_run(&manifest.run)?;
    }
    Ok(checkpoint)
}

impl Start {
    fn load(
        folder: &RunFolder,
        setup: &Setup,
        checkpoint: &VerifiedCheckpoint,
        trees: Vec<Tree>,
        signals: Option<Vec<Signals>>,
    ) -> Result<Self> {
        let policy = initial_policy(setup)?;
        let state = TrainState::load(checkpoint, &policy.network, setup.recipe.parallel.shard)?;
        let reference = match folder.reference().is_dir() {
            true => Some(load_reference(folder, checkpoint.run(), &policy)?),
            false => None,
        };
        let source = SourceState { pending: None, ..state.source };
        Ok(Self {
            policy: Some(policy),
            reference,
            state: TrainState { source, ..state },
            kl: setup.recipe.loss.kl(),
            trees,
            signals,
        })
    }

    /// That the models that `recipe` asks are there.
    fn fits(&self, recipe: &Recipe) -> Result<()> {
        if recipe.critic.is_some() && self.state.critic.is_none() {
            bail!(
                "[critic]: the run has none, and a new one would say nothing of these responses; replay a run with a critic"
            );
        }
        if recipe.loss.kl().is_some() && self.reference.is_none() {
            bail!("[loss.kl]: the run has kept no reference, as it has no KL penalty");
        }
        Ok(())
    }

    /// The step as `setup` makes it; `knows_signals` where attention is averaged as in the run.
    fn make(&mut self, setup: &Setup, step: Step, knows_signals: bool) -> Result<Made> {
        let mut policy = self.policy.take().context("the policy is lent")?;
        let state = &self.state;
        policy.network.set_master(&state.weights)?;
        let signals = self.signals.clone().filter(|_| knows_signals);
        let source = KeptSource::new(self.trees.clone(), signals, state.source.clone());
        let (reference, kept) = match setup.recipe.loss.kl() {
            Some(_) => (self.reference.take(), None),
            None => (None, self.reference.take()),
        };
        let mut learnt = learnt(state, setup.recipe.critic.is_some());
        if setup.recipe.loss.kl() != self.kl {
            learnt.kl_coef = setup.recipe.loss.kl().map_or(0.0, |kl| kl.coef);
        }
        if !knows_signals {
            learnt.head_groups = None;
        }
        let mut trainer = trainer(setup, policy, reference, Box::new(source))?;
        restore(&mut trainer, learnt)?;
        let record = trainer.step(step, &mut Unwatched)?;
        let made = Made::new(setup, &record, &trainer, state);
        let Trainer { policy, reference, .. } = trainer;
        (self.policy, self.reference) = (Some(policy), reference.or(kept));
        made
    }
}

/// What a trainer goes on by, in memory of its own: an update changes it in place. With a critic if it `learns_values`.
fn learnt(state: &TrainState, learns_values: bool) -> Learnt {
    let moments = |state: &AdamWState| AdamWState {
        first: state.first.copy(),
        second: state.second.copy(),
        updates: state.updates,
    };
    Learnt {
        optimizer: moments(&state.optimizer),
        critic: state.critic.as_ref().filter(|_| learns_values).map(|critic| CriticState {
            began: critic.began,
            weights: critic.weights.copy(),
            optimizer: moments(&critic.optimizer),
        }),
        head_groups: state.head_groups.clone(),
        kl_coef: state.kl_coef,
    }
}

/// The responses of `trees`, with what each arm has `made` of them.
fn responses(setup: &Setup, trees: &[Tree], made: &[Made]) -> Result<Vec<Response>> {
    let leaves = trees.iter().flat_map(|tree| tree.leaves.iter().map(move |leaf| (tree, leaf)));
    let response = |(index, (tree, leaf)): (usize, (&Tree, &Leaf))| {
        Ok(Response {
            prompt_id: tree.prompt.id,
            sample: leaf.sample,
            reward: leaf.verdict.value,
            prompt: tree.prompt.text.clone(),
            pieces: setup.tokenizer.pieces(&leaf.tokens)?,
            advantages: made.iter().map(|arm| arm.advantages[index].clone()).collect(),
        })
    };
    leaves.enumerate().map(response).collect()
}
