//! What a run is made of before any weight is loaded: a pure function of the recipe and the files it names.

use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::audit::Audit;
use super::circuit::check_watch;
use super::failure::Failure;
use crate::circuit::with_heads_of_file;
use crate::credit::{Credit, Exclude, ImportanceConfig};
use crate::data::supervised::{Limits, Problems, Source};
use crate::data::{DataSet, EvalSet, PromptBuilder};
use crate::eval::Evaluator;
use crate::hub::{Files, Hub};
use crate::interrupt::Interrupt;
use crate::learner::LearnerConfig;
use crate::loss::KlPlace;
use crate::model::{Backend, HubModel, LoraLayout, ModelConfig, ModelSource, Placement};
use crate::observe::Console;
use crate::pipeline::{Collector, RootReader, ZeroVariance};
use crate::ranks::{Ranks, Teams};
use crate::recipe::{Draft, Recipe};
use crate::rollout::explore::{Exploration, ExploreSettings};
use crate::rollout::{DecodeEngine, Generation, SharedEngine};
use crate::score::{Judge, Scorer};
use crate::signal::{DecodePlan, Segmenter, SignalConfig};
use crate::step::StepConfig;
use crate::text::{Stops, Tokenizer};
use crate::types::{Purpose, RunRandom};

mod fit;
mod model;
mod servers;

use self::fit::{check_best, check_budget, check_number, check_positions, check_prompts};
use self::model::{adapters, model_parts};

/// The parts of a run that do not change while it trains.
pub(crate) struct Setup {
    /// The resolved recipe.
    pub recipe: Recipe,
    /// Device, precision and wish for an engine.
    pub placement: Placement,
    /// Where the model lies that it starts from; `None` for random weights.
    pub source: Option<ModelSource>,
    /// The adapters that learn; `None` where all weights do.
    pub lora: Option<LoraLayout>,
    /// Shape of the policy.
    pub model: ModelConfig,
    /// Its tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// How attention is read, with the heads of a circuit's file.
    pub signals: SignalConfig,
    /// The problems.
    pub data: DataSet,
    /// What the policy imitates before reinforcement learning, if the recipe has SFT.
    pub sft_source: Option<Source>,
    /// The graders.
    pub scorer: Arc<Scorer>,
    /// Randomness of the run.
    pub random: RunRandom,
    /// Those that make the run together.
    pub teams: Teams,
}

impl Setup {
    /// Reads and checks everything that a recipe which makes sense names, short of the weights' numbers.
    ///
    /// # Errors
    /// As [`Setup::of_draft`].
    #[cfg(test)]
    pub(crate) fn new(recipe: Recipe) -> Result<Self> {
        Self::of_draft(recipe.into())
    }

    /// Reads and checks everything the recipe names, short of the weights' numbers.
    ///
    /// # Errors
    /// [`Problems`](crate::recipe::Problems): everything wrong with the recipe, and everything found that is missing or
    /// broken or does not fit the rest.
    pub(crate) fn of_draft(mut draft: Draft) -> Result<Self> {
        draft.check_files();
        let placement =
            draft.judge(&["model.device", "model.dtype"], |recipe| Placement::from_settings(&recipe.model));
        let (source, model) = model_parts(&mut draft).unzip();
        let lora = match (&source, &model) {
            (Some(source), Some((config, _))) => adapters(&mut draft, source.as_ref(), config),
            _ => None,
        };
        if let Some((config, _)) = &model {
            draft.judge(&["model.scale_heads"], |recipe| {
                recipe.model.head_scales()?.check(config).context("[model] `scale_heads`")
            });
        }
        if let Some((_, tokenizer)) = &model {
            let template = tokenizer.chat_template();
            draft.change(|recipe| recipe.chat.iter_mut().for_each(|chat| chat.keep_time(template, || None)));
        }
        let signals = model.as_ref().and_then(|(config, _)| {
            draft.judge(&["signals.layers", "signals.heads"], |recipe| {
                with_heads_of_file(&recipe.signals, config)
            })
        });
        let random = draft.judge(&[], |recipe| Ok(RunRandom::new(recipe.run.seed)));
        let data = data_set(&mut draft, model.as_ref().map(|(_, tokenizer)| tokenizer));
        let sft_source = match (&model, &data, random) {
            (Some((model, tokenizer)), Some(data), Some(random)) => {
                sft_source(&mut draft, model, tokenizer, data, random)
            }
            _ => None,
        };
        check_fit(&mut draft, model.as_ref().map(|(model, _)| model), data.as_ref());
        let recipe = draft.finish()?;
        let (
            Some(placement),
            Some(source),
            Some(lora),
            Some((model, tokenizer)),
            Some(data),
            Some(sft_source),
            Some(signals),
            Some(random),
        ) = (placement, source, lora, model, data, sft_source, signals, random)
        else {
            bail!("the run cannot be set up");
        };
        let setup = Self {
            placement,
            source,
            lora,
            model,
            tokenizer: Arc::new(tokenizer),
            signals,
            data,
            sft_source,
            scorer: Arc::new(Scorer::new(&recipe.reward)?),
            random,
            teams: Teams::default(),
            recipe,
        };
        // Found out now, and not where the first audit is due.
        if let Some(config) = setup.recipe.audit.as_ref().filter(|config| config.every > 0) {
            Audit::new(&setup, config, None).context("[audit]").map_err(Failure::bad_input)?;
        }
        if let Some(config) = setup.recipe.circuit.as_ref().filter(|config| config.every > 0) {
            check_watch(&setup, config).context("[circuit] `pairs`").map_err(Failure::bad_input)?;
        }
        Ok(setup)
    }

    /// What computes the policy.
    #[must_use]
    pub(crate) fn backend(&self) -> Backend {
        Backend::choose(&self.model, self.placement)
    }

    /// Fetches the weights of a model on the hub that are not in the cache, unless `interrupt` asks for a stop.
    ///
    /// # Errors
    /// As [`Hub::fetch`].
    pub(crate) fn fetch_weights(&self, console: &Console, interrupt: &Interrupt) -> Result<()> {
        let Some(model) = HubModel::from_settings(&self.recipe.model)? else { return Ok(()) };
        Hub::from_environment()?.stopped_by(interrupt).fetch(&model, Files::All, Some(console)).map(drop)
    }

    /// Asks this process for responses as `explore` says, and judges them.
    ///
    /// # Errors
    /// If the prompts do not suit the sampler.
    pub(super) fn collector(&self, exploration: Exploration<'_>) -> Result<Collector> {
        let recipe = &self.recipe;
        let rounds = exploration.rounds();
        // Its texts are those of the whole vocabulary.
        let segmenter = if rounds > 0 { Segmenter::new(&self.tokenizer)? } else { Segmenter::default() };
        let n_more = if recipe.pipeline.settings().has_one_call() { 0 } else { rounds };
        Ok(Collector {
            sampler: recipe.sampler.settings().build(self.data.train.clone(), self.random)?,
            explorer: exploration.build(),
            reader: RootReader {
                segmenter: Arc::new(segmenter),
                temperature: recipe.sampling.temperature,
                max_tokens: recipe.batch.max_tokens,
                random: self.random,
                ranks: self.teams.gather.clone(),
            },
            engine: Box::new(SharedEngine::new(
                self.engine().reading(self.decode_plan()).keeping(n_more, exploration.kept_bytes()),
                self.teams.gather.clone(),
            )),
            judge: Judge {
                overlong: recipe
                    .overlong
                    .and_then(|overlong| overlong.settings().penalty(recipe.sampling.max_new_tokens)),
                ..self.judge(&self.teams.gather)
            },
            generation: Generation {
                random: self.random,
                purpose: Purpose::Rollout,
                step: 0,
                sampling: recipe.sampling.clone(),
            },
        })
    }

    /// How rewards become one advantage per token.
    #[must_use]
    pub(crate) fn credit(&self) -> Credit {
        let recipe = &self.recipe;
        let kl = recipe.loss.kl().filter(|kl| kl.place == KlPlace::Reward);
        Credit {
            estimator: recipe.advantage,
            strategies: recipe
                .credit
                .iter()
                .map(|entry| entry.build(self.random, recipe.run.steps))
                .collect(),
            importance: recipe
                .importance_sampling
                .or_else(|| self.corrects().then(ImportanceConfig::default)),
            kl_in_reward: kl.map(|kl| kl.estimator),
            shared_prefix: recipe.batch.shared_prefix,
            exclude: Exclude {
                zero_variance: recipe.groups.zero_variance != ZeroVariance::Keep,
                cut_off: recipe.overlong.is_some_and(|overlong| overlong.settings().masks()),
                unbranched: !recipe.exploration().trains_unbranched(),
                continuations: recipe.values.is_some(),
            },
        }
    }

    /// What the sampler of training responses reads of their attention. Branches begin within a response, older weights
    /// are not those that learn, and servers show none: then attention is read behind, in a pass.
    fn decode_plan(&self) -> Option<DecodePlan> {
        let pipeline = &self.recipe.pipeline;
        let on_the_way = self.recipe.exploration().rounds() == 0
            && !pipeline.settings().is_off_policy()
            && self.recipe.engine.remote().is_none();
        let wanted = on_the_way && self.credit().needs(1).signals();
        wanted.then(|| DecodePlan::new(&self.signals, &self.model)).flatten()
    }

    /// Says what a response is worth.
    fn judge(&self, ranks: &Ranks) -> Judge {
        let (scorer, tokenizer) = (Arc::clone(&self.scorer), Arc::clone(&self.tokenizer));
        let stops = Stops::new(&self.recipe.sampling.stop, &tokenizer);
        Judge { scorer, tokenizer, stops, overlong: None, ranks: ranks.clone() }
    }

    /// A sampler for this policy.
    #[must_use]
    pub(crate) fn engine(&self) -> DecodeEngine {
        let Recipe { sampling, batch, .. } = &self.recipe;
        DecodeEngine::new(self.tokenizer.eos_ids().to_vec(), sampling.max_num_seqs, batch.max_tokens)
            .telling(&self.tokenizer)
    }

    /// The evaluations on held-out problems, one for each set.
    #[must_use]
    pub(crate) fn evaluators(&self) -> Vec<Evaluator> {
        let of_set = |set: &EvalSet| Evaluator {
            set: set.clone(),
            samples: self.recipe.eval.samples,
            greedy: self.recipe.eval.greedy,
            sampling: self.recipe.eval.sampling(&self.recipe.sampling),
            random: self.random,
            judge: self.judge(&self.teams.main),
        };
        self.data.eval.iter().map(of_set).collect()
    }

    /// What a trainer is told.
    #[must_use]
    pub(crate) fn step_config(&self) -> StepConfig {
        let Recipe { batch, pipeline, run, .. } = &self.recipe;
        StepConfig {
            learner: self.learner_config(),
            signals: self.signals.clone(),
            is_off_policy: pipeline.settings().is_off_policy(),
            n_responses: batch.prompts * self.recipe.exploration().most(),
            n_steps: run.steps,
            ranks: self.teams.main.clone(),
        }
    }

    /// What the learner is told.
    #[must_use]
    pub(crate) fn learner_config(&self) -> LearnerConfig {
        LearnerConfig {
            loss: self.recipe.loss,
            optim: self.recipe.optim,
            batch: self.recipe.batch,
            temperature: self.recipe.sampling.temperature,
            max_new_tokens: self.recipe.sampling.max_new_tokens,
        }
    }
}

/// The problems as `tokenizer` reads them; without one they are counted alone.
fn data_set(draft: &mut Draft, tokenizer: Option<&Tokenizer>) -> Option<DataSet> {
    let items = draft.judge(&["data"], |recipe| recipe.data.settings().items().context("[data]"))?;
    draft.judge(&["batch.prompts", "data"], |recipe| check_number(recipe, items.train.len()));
    let tokenizer = tokenizer?;
    let data = draft.judge(&["data", "chat"], |recipe| {
        let builder = PromptBuilder::new(tokenizer, recipe.chat.as_ref())?;
        let builder = builder.showing(recipe.data.settings().few_shot());
        items.tokenize(&builder).context("[data]")
    })?;
    if data.n_too_long > 0 {
        draft.judge(&["batch.prompts", "data.max_prompt_tokens"], |recipe| {
            check_number(recipe, data.train.len())
                .context("[data] max_prompt_tokens leaves out longer prompts")
        });
    }
    Some(data)
}

/// What the policy imitates first: `Some(None)` of a recipe without SFT, `None` where it cannot be.
fn sft_source(
    draft: &mut Draft,
    model: &ModelConfig,
    tokenizer: &Tokenizer,
    data: &DataSet,
    random: RunRandom,
) -> Option<Option<Source>> {
    draft.judge(&["sft.source", "sft.max_tokens"], |recipe| {
        let Some(sft) = &recipe.sft else { return Ok(None) };
        let builder = PromptBuilder::new(tokenizer, recipe.chat.as_ref())?;
        let positions = usize::try_from(model.max_position_embeddings)?;
        let limits = Limits { positions, max_tokens: sft.max_tokens };
        let problems = Problems { config: &recipe.data, train: &data.train };
        let source = sft.source.build(problems, &builder, random, limits);
        source.map(Some).context("[sft.source]")
    })
}

/// Whether model, problems and sizes of a step, as far as they are there, fit each other.
fn check_fit(draft: &mut Draft, model: Option<&ModelConfig>, data: Option<&DataSet>) {
    if let (Some(model), Some(data)) = (model, data) {
        draft.judge(&["data"], |recipe| check_prompts(recipe, model, data));
        draft.judge(&["sampling.max_new_tokens", "eval.max_new_tokens", "data"], |recipe| {
            check_positions(recipe, model, data)
        });
    }
    if let Some(data) = data {
        draft.judge(&["batch.max_tokens", "data"], |recipe| check_budget(recipe, data));
        draft.judge(&["checkpoint.best", "eval", "data"], |recipe| check_best(recipe, data));
    }
}
