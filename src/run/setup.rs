//! What a run is made of before any weight is loaded: a pure function of the recipe and the files it names.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};

use crate::credit::advantage::WithoutSignal;
use crate::credit::{Credit, Exclude, ImportanceConfig};
use crate::data::supervised::{Limits, Source};
use crate::data::{Asker, DataSet, EvalSet};
use crate::eval::Evaluator;
use crate::hub::{Files, Hub, HubModel, Snapshot};
use crate::learner::LearnerConfig;
use crate::loss::KlPlace;
use crate::model::{Layout, ModelConfig, Placement, Preset, load};
use crate::observe::Console;
use crate::pipeline::{Gatherer, RolloutSource, RootReader};
use crate::recipe::{Draft, Recipe};
use crate::rollout::{DecodeEngine, Generation};
use crate::score::{OverlongConfig, Scorer};
use crate::signal::{DecodePlan, Segmenter};
use crate::text::{Tokenizer, countdown_tokenizer};
use crate::types::{Purpose, RunRandom};

/// The parts of a run that do not change while it trains.
pub struct Setup {
    /// The resolved recipe.
    pub recipe: Recipe,
    /// Device and precision.
    pub placement: Placement,
    /// Folder of the model that it starts from; `None` for random weights.
    pub model_folder: Option<PathBuf>,
    /// Shape of the policy.
    pub model: ModelConfig,
    /// Its tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// The problems.
    pub data: DataSet,
    /// What the policy imitates before reinforcement learning, if the recipe has a warm start.
    pub warmup_source: Option<Source>,
    /// The graders.
    pub scorer: Arc<Scorer>,
    /// Randomness of the run.
    pub random: RunRandom,
}

impl Setup {
    /// Reads and checks everything that a recipe which makes sense names, short of the weights' numbers.
    ///
    /// # Errors
    /// As [`Setup::of_draft`].
    pub fn new(recipe: Recipe) -> Result<Self> {
        Self::of_draft(recipe.into())
    }

    /// Reads and checks everything the recipe names, short of the weights' numbers.
    ///
    /// # Errors
    /// [`Problems`](crate::recipe::Problems): everything wrong with the recipe, and everything found that is missing or
    /// broken or does not fit the rest.
    pub fn of_draft(mut draft: Draft) -> Result<Self> {
        draft.check_files();
        let placement = draft.judge(&["model.device", "model.dtype"], |recipe| {
            Placement::resolve(recipe.model.device, recipe.model.dtype)
        });
        let (model_folder, model) = model_parts(&mut draft).unzip();
        let items = draft.judge(&["data"], |recipe| recipe.data.items().context("[data]"));
        if let Some(items) = &items {
            draft.judge(&["batch.prompts", "data"], |recipe| check_number(recipe, items.train.len()));
        }
        let random = draft.judge(&[], |recipe| Ok(RunRandom::new(recipe.run.seed)));
        let data = model.as_ref().zip(items).and_then(|((_, tokenizer), items)| {
            draft.judge(&["data", "chat"], |recipe| {
                let asker = Asker::new(tokenizer, recipe.chat.as_ref())?;
                items.tokenize(&asker).context("[data]")
            })
        });
        let warmup_source = match (&model, &data, random) {
            (Some((model, tokenizer)), Some(data), Some(random)) => {
                draft.judge(&["warmup.source", "warmup.max_tokens"], |recipe| {
                    let Some(warmup) = &recipe.warmup else { return Ok(None) };
                    let positions = usize::try_from(model.max_position_embeddings)?;
                    let limits = Limits { positions, max_tokens: warmup.max_tokens };
                    let source = warmup.source.build(&data.train, tokenizer, random, limits);
                    source.map(Some).context("[warmup.source]")
                })
            }
            _ => None,
        };
        if let Some((model, _)) = &model {
            draft.judge(&["signals.layers"], |recipe| {
                recipe
                    .signals
                    .misfits(usize::try_from(model.n_layers)?)
                    .map_or(Ok(()), |misfit| bail!(misfit))
            });
        }
        if let (Some((model, _)), Some(data)) = (&model, &data) {
            draft.judge(&["sampling.max_new_tokens"], |recipe| check_positions(recipe, model, data));
        }
        if let Some(data) = &data {
            draft.judge(&["batch.max_tokens"], |recipe| check_budget(recipe, data));
        }
        let recipe = draft.finish()?;
        let (
            Some(placement),
            Some(model_folder),
            Some((model, tokenizer)),
            Some(data),
            Some(warmup_source),
            Some(random),
        ) = (placement, model_folder, model, data, warmup_source, random)
        else {
            bail!("the run cannot be set up");
        };
        Ok(Self {
            placement,
            model_folder,
            model,
            tokenizer: Arc::new(tokenizer),
            data,
            warmup_source,
            scorer: Arc::new(Scorer::new(&recipe.reward)?),
            random,
            recipe,
        })
    }

    /// Fetches the weights of a model on the hub that are not in the cache.
    ///
    /// # Errors
    /// As [`Hub::fetch`].
    pub fn fetch_weights(&self, console: &Console) -> Result<()> {
        let Some(model) = HubModel::of(&self.recipe.model)? else { return Ok(()) };
        Hub::from_environment()?.fetch(&model, Files::All, Some(console)).map(drop)
    }

    /// Where the responses of each step come from.
    ///
    /// # Errors
    /// If the prompts do not suit the sampler.
    pub fn rollout_source(&self) -> Result<Box<dyn RolloutSource>> {
        let recipe = &self.recipe;
        let rounds = recipe.explore.rounds();
        // Its texts are those of the whole vocabulary.
        let segmenter = if rounds > 0 { Segmenter::new(&self.tokenizer)? } else { Segmenter::default() };
        let n_more = if recipe.pipeline.has_one_call() { 0 } else { rounds };
        let gatherer = Gatherer {
            sampler: recipe.sampler.build(self.data.train.clone(), self.random)?,
            explorer: recipe.explore.build(),
            reader: RootReader {
                segmenter: Arc::new(segmenter),
                temperature: recipe.sampling.temperature,
                max_tokens: recipe.batch.max_tokens,
                random: self.random,
            },
            engine: Box::new(
                self.engine().reading(self.decode_plan()).keeping(n_more, recipe.explore.kept_bytes()),
            ),
            scorer: Arc::clone(&self.scorer),
            tokenizer: Arc::clone(&self.tokenizer),
            overlong: recipe.overlong,
            generation: Generation {
                random: self.random,
                purpose: Purpose::Rollout,
                step: 0,
                sampling: recipe.sampling,
            },
        };
        let refill_rounds = recipe.advantage.flat().map_or(0, |flat| flat.rounds());
        Ok(recipe.pipeline.build(gatherer, recipe.batch.prompts, refill_rounds))
    }

    /// How rewards become one advantage per token.
    #[must_use]
    pub fn credit(&self) -> Credit {
        let recipe = &self.recipe;
        let flat = recipe.advantage.flat().map(|flat| flat.without_signal);
        let kl = recipe.loss.kl().filter(|kl| kl.place == KlPlace::Reward);
        Credit {
            estimator: recipe.advantage.build(),
            strategies: recipe.credit.iter().map(|config| config.build(self.random)).collect(),
            importance: recipe
                .importance_sampling
                .or_else(|| recipe.pipeline.corrects().then(ImportanceConfig::default)),
            kl_in_reward: kl.map(|kl| kl.estimator),
            shared: recipe.advantage.shared(),
            exclude: Exclude {
                without_signal: flat.is_some_and(|flat| flat != WithoutSignal::Keep),
                cut_off: matches!(recipe.overlong, Some(OverlongConfig::Mask(_))),
                unbranched: !recipe.advantage.trains_unbranched(),
            },
        }
    }

    /// What the sampler of training responses reads of their attention. Branches begin within a response, and older weights
    /// are not those that learn: then attention is read behind, in a pass.
    fn decode_plan(&self) -> Option<DecodePlan> {
        let Recipe { explore, pipeline, .. } = &self.recipe;
        let on_the_way = explore.rounds() == 0 && !pipeline.is_off_policy();
        let wanted = on_the_way && self.credit().needs().signals;
        wanted.then(|| DecodePlan::new(&self.recipe.signals, &self.model)).flatten()
    }

    /// A sampler for this policy.
    #[must_use]
    pub fn engine(&self) -> DecodeEngine {
        let Recipe { sampling, batch, .. } = &self.recipe;
        DecodeEngine::new(self.tokenizer.eos_ids().to_vec(), sampling.max_rows, batch.max_tokens)
    }

    /// The evaluations on held-out problems, one for each set.
    #[must_use]
    pub fn evaluators(&self) -> Vec<Evaluator> {
        let of_set = |set: &EvalSet| Evaluator {
            set: set.clone(),
            samples: self.recipe.eval.samples,
            greedy: self.recipe.eval.greedy,
            sampling: self.recipe.eval.sampling(self.recipe.sampling),
            random: self.random,
            scorer: Arc::clone(&self.scorer),
            tokenizer: Arc::clone(&self.tokenizer),
        };
        self.data.eval.iter().map(of_set).collect()
    }

    /// What the learner is told.
    #[must_use]
    pub fn learner_config(&self) -> LearnerConfig {
        LearnerConfig {
            loss: self.recipe.loss,
            optim: self.recipe.optim,
            batch: self.recipe.batch,
            temperature: self.recipe.sampling.temperature,
            max_new_tokens: self.recipe.sampling.max_new_tokens,
        }
    }
}

/// Folder of the policy, where it does not start from random weights, and its shape and tokenizer, which fit each other and
/// the files of weights. Of a model on the hub the weights need not be there yet.
fn model_parts(draft: &mut Draft) -> Option<(Option<PathBuf>, (ModelConfig, Tokenizer))> {
    const KEYS: &[&str] = &["model.path", "model.hub", "model.scratch"];
    const ON_HUB: &[&str] = &["model.hub", "model.revision", "model.path", "model.scratch"];
    let on_hub = draft.judge(ON_HUB, |recipe| {
        let Some(model) = HubModel::of(&recipe.model)? else { return Ok(None) };
        Hub::from_environment()?.fetch(&model, Files::Texts, None).map(Some).context("[model] hub")
    })?;
    let fetched = on_hub.is_some();
    let path = match on_hub {
        Some(Snapshot { folder, commit }) => {
            draft.change(|recipe| recipe.model.revision = Some(commit));
            Some(folder)
        }
        None => draft.judge(KEYS, |recipe| Ok(recipe.model.path.clone()))?,
    };
    let Some(path) = path else {
        return draft.judge(KEYS, |_| {
            let tokenizer = countdown_tokenizer()?;
            let config = Preset::Countdown2m.config(i64::try_from(tokenizer.vocab_size())?);
            Ok((None, (config, tokenizer)))
        });
    };
    let config = ModelConfig::from_folder(&path);
    let tokenizer = Tokenizer::from_folder(&path);
    let weights = || config.as_ref().ok().map(|config| load::check(&path, &Layout::new(config)));
    let weights = if fetched { None } else { weights() };
    let fit = config.as_ref().ok().zip(tokenizer.as_ref().ok()).map(|(config, tokenizer)| {
        let fits = tokenizer.check_fits(usize::try_from(config.vocab_size)?);
        fits.with_context(|| path.display().to_string())
    });
    let wrong = |error: &anyhow::Error| format!("{error:#}");
    let wrong: Vec<String> = [
        config.as_ref().err().map(wrong),
        tokenizer.as_ref().err().map(wrong),
        weights.and_then(Result::err).as_ref().map(wrong),
        fit.and_then(Result::err).as_ref().map(wrong),
    ]
    .into_iter()
    .flatten()
    .collect();
    for message in &wrong {
        draft.add(if fetched { ON_HUB } else { KEYS }, message.clone());
    }
    let parts = config.ok().zip(tokenizer.ok()).filter(|_| wrong.is_empty())?;
    Some((Some(path), parts))
}

/// A step draws every prompt once at most.
fn check_number(recipe: &Recipe, there: usize) -> Result<()> {
    let asked = recipe.batch.prompts;
    ensure!(
        asked <= there,
        "[batch] prompts = {asked}: there are {there} training problems; lower prompts to at most that"
    );
    Ok(())
}

/// Tokens of the longest prompt.
fn longest_prompt(data: &DataSet) -> usize {
    data.prompts().map(|p| p.tokens.len()).max().unwrap_or(0)
}

/// Every sequence must fit the model's positions.
fn check_positions(recipe: &Recipe, model: &ModelConfig, data: &DataSet) -> Result<()> {
    let (longest, new) = (longest_prompt(data), recipe.sampling.max_new_tokens);
    let positions = usize::try_from(model.max_position_embeddings)?;
    ensure!(
        longest.saturating_add(new) <= positions,
        "[sampling] max_new_tokens = {new}: the longest prompt has {longest} tokens, together {}, and the model has \
         {positions} positions; lower max_new_tokens to at most {}",
        longest.saturating_add(new),
        positions.saturating_sub(longest)
    );
    Ok(())
}

/// Every sequence must fit the token budget.
fn check_budget(recipe: &Recipe, data: &DataSet) -> Result<()> {
    let (longest, new, most) =
        (longest_prompt(data), recipe.sampling.max_new_tokens, recipe.batch.max_tokens);
    ensure!(
        longest.saturating_add(new) <= most,
        "[batch] max_tokens = {most}: the longest prompt ({longest} tokens) and max_new_tokens = {new} make sequences \
         of {} tokens; raise max_tokens to at least that",
        longest.saturating_add(new)
    );
    Ok(())
}
