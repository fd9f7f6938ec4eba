//! What a run is made of before any weight is loaded: a pure function of the recipe and the files it names.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::credit::Credit;
use crate::data::DataSet;
use crate::data::supervised::Source;
use crate::eval::Evaluator;
use crate::learner::LearnerConfig;
use crate::model::{Layout, ModelConfig, Placement, Preset, load};
use crate::pipeline::{OnPolicy, RolloutSource};
use crate::recipe::Recipe;
use crate::rollout::{DecodeEngine, Generation};
use crate::score::Scorer;
use crate::text::{Tokenizer, countdown_tokenizer};
use crate::types::{Purpose, RunRandom};

/// Most responses under way at once while generating.
const MAX_ROWS: usize = 512;

/// The parts of a run that do not change while it trains.
pub struct Setup {
    /// The resolved recipe.
    pub recipe: Recipe,
    /// Device and precision.
    pub placement: Placement,
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
    /// Reads and checks everything the recipe names, short of the weights' numbers.
    ///
    /// # Errors
    /// Everything found that is missing or broken or does not fit the rest, a line each.
    pub fn new(recipe: Recipe) -> Result<Self> {
        let mut problems = Findings::default();
        let placement = problems.keep(Placement::resolve(recipe.model.device, recipe.model.dtype));
        let parts = problems.keep(model_parts(&recipe));
        let data = parts.as_ref().and_then(|(_, tokenizer)| {
            let data = problems.keep(recipe.data.build(tokenizer).context("[data]"))?;
            problems.check(check_number(&recipe, &data));
            Some(data)
        });
        let random = RunRandom::new(recipe.run.seed);
        let warmup_source = match (&recipe.warmup, &parts, &data) {
            (Some(warmup), Some((_, tokenizer)), Some(data)) => {
                let source = warmup.source.build(&data.train, tokenizer, random);
                problems.keep(source.context("[warmup.source]"))
            }
            _ => None,
        };
        if let (Some((model, _)), Some(data)) = (&parts, &data) {
            problems.check(check_positions(&recipe, model, data));
            problems.check(check_budget(&recipe, data));
        }
        problems.into_result()?;
        let (Some(placement), Some((model, tokenizer)), Some(data)) = (placement, parts, data) else {
            bail!("the run cannot be set up");
        };
        Ok(Self {
            placement,
            model,
            tokenizer: Arc::new(tokenizer),
            data,
            warmup_source,
            scorer: Arc::new(Scorer::new(&recipe.reward)),
            random,
            recipe,
        })
    }

    /// Where the responses of each step come from.
    ///
    /// # Errors
    /// If the prompts do not suit the sampler.
    pub fn rollout_source(&self) -> Result<Box<dyn RolloutSource>> {
        let recipe = &self.recipe;
        Ok(recipe.pipeline.build(OnPolicy {
            sampler: recipe.sampler.build(self.data.train.clone(), self.random)?,
            n_prompts: recipe.batch.prompts,
            explorer: recipe.explore.build(),
            engine: Box::new(self.engine()),
            scorer: Arc::clone(&self.scorer),
            tokenizer: Arc::clone(&self.tokenizer),
            generation: Generation {
                random: self.random,
                purpose: Purpose::Rollout,
                step: 0,
                sampling: recipe.sampling,
            },
        }))
    }

    /// How rewards become one advantage per token.
    #[must_use]
    pub fn credit(&self) -> Credit {
        Credit {
            estimator: self.recipe.advantage.build(),
            strategies: self.recipe.credit.iter().map(|config| config.build(self.random)).collect(),
            without_signal: self.recipe.advantage.without_signal(),
        }
    }

    /// A sampler for this policy.
    #[must_use]
    pub fn engine(&self) -> DecodeEngine {
        DecodeEngine::new(self.tokenizer.eos_ids().to_vec(), MAX_ROWS, self.recipe.batch.max_tokens)
    }

    /// The evaluation on held-out problems.
    #[must_use]
    pub fn evaluator(&self) -> Evaluator {
        Evaluator {
            set: String::from("heldout"),
            prompts: self.data.eval.clone(),
            config: self.recipe.eval,
            max_new_tokens: self.recipe.sampling.max_new_tokens,
            random: self.random,
            scorer: Arc::clone(&self.scorer),
            tokenizer: Arc::clone(&self.tokenizer),
        }
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

/// What went wrong so far.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.0.push(format!("{error:#}"))).ok()
    }

    fn check(&mut self, result: Result<()>) {
        self.keep(result);
    }

    fn into_result(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(anyhow!(self.0.join("\n"))) }
    }
}

/// Shape and tokenizer of the policy, which fit each other and, where there are any, the files of weights.
fn model_parts(recipe: &Recipe) -> Result<(ModelConfig, Tokenizer)> {
    let Some(path) = &recipe.model.path else {
        let Preset::Countdown2m =
            recipe.model.scratch.context("[model]: expected `path` or `scratch`, got neither")?;
        let tokenizer = countdown_tokenizer()?;
        let config = Preset::Countdown2m.config(i64::try_from(tokenizer.vocab_size())?);
        return Ok((config, tokenizer));
    };
    let mut problems = Findings::default();
    let config = problems.keep(ModelConfig::from_folder(path));
    let tokenizer = problems.keep(Tokenizer::from_folder(path));
    if let Some(config) = &config {
        problems.check(load::check(path, &Layout::new(config)));
        if let Some(tokenizer) = &tokenizer {
            let fits = tokenizer.check_fits(usize::try_from(config.vocab_size)?);
            problems.check(fits.with_context(|| path.display().to_string()));
        }
    }
    problems.into_result()?;
    config.zip(tokenizer).context("the model cannot be set up")
}

/// A step draws every prompt once at most.
fn check_number(recipe: &Recipe, data: &DataSet) -> Result<()> {
    let (asked, there) = (recipe.batch.prompts, data.train.len());
    ensure!(
        asked <= there,
        "[batch] prompts = {asked}: there are {there} training problems; lower prompts to at most that"
    );
    Ok(())
}

/// Tokens of the longest prompt.
fn longest_prompt(data: &DataSet) -> usize {
    data.train.iter().chain(&data.eval).map(|p| p.tokens.len()).max().unwrap_or(0)
}

/// Every sequence must fit the model's positions.
fn check_positions(recipe: &Recipe, model: &ModelConfig, data: &DataSet) -> Result<()> {
    let (longest, new) = (longest_prompt(data), recipe.sampling.max_new_tokens);
    let positions = usize::try_from(model.max_position_embeddings)?;
    ensure!(
        longest + new <= positions,
        "[sampling] max_new_tokens = {new}: the longest prompt has {longest} tokens, together {}, and the model has \
         {positions} positions; lower max_new_tokens to at most {}",
        longest + new,
        positions.saturating_sub(longest)
    );
    Ok(())
}

/// Every sequence must fit the token budget.
fn check_budget(recipe: &Recipe, data: &DataSet) -> Result<()> {
    let (longest, new, most) =
        (longest_prompt(data), recipe.sampling.max_new_tokens, recipe.batch.max_tokens);
    ensure!(
        longest + new <= most,
        "[batch] max_tokens = {most}: the longest prompt ({longest} tokens) and max_new_tokens = {new} make sequences \
         of {} tokens; raise max_tokens to at least that",
        longest + new
    );
    Ok(())
}
