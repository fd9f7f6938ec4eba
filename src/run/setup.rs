//! What a run is made of before any weight is loaded: a pure function of the recipe and the files it names.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use crate::data::DataSet;
use crate::data::supervised::Source;
use crate::eval::Evaluator;
use crate::learner::LearnerConfig;
use crate::model::{ModelConfig, Placement, Preset};
use crate::pipeline::{OnPolicy, PipelineConfig, RolloutSource};
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
    /// The graders.
    pub scorer: Arc<Scorer>,
    /// Randomness of the run.
    pub random: RunRandom,
}

impl Setup {
    /// Reads and checks everything the recipe names, short of the weights.
    ///
    /// # Errors
    /// If a file is missing or broken, or the parts do not fit each other; the message says which.
    pub fn new(recipe: Recipe) -> Result<Self> {
        let placement = Placement::resolve(recipe.model.device, recipe.model.dtype)?;
        let (model, tokenizer) = match (&recipe.model.path, recipe.model.scratch) {
            (Some(path), _) => (ModelConfig::from_folder(path)?, Tokenizer::from_folder(path)?),
            (None, Some(preset)) => preset_parts(preset)?,
            (None, None) => anyhow::bail!("[model]: expected `path` or `scratch`, got neither"),
        };
        tokenizer.check_fits(usize::try_from(model.vocab_size)?)?;
        let data = recipe.data.build(&tokenizer).context("[data]")?;
        let setup = Self {
            placement,
            model,
            tokenizer: Arc::new(tokenizer),
            data,
            scorer: Arc::new(Scorer::new(&recipe.reward)),
            random: RunRandom::new(recipe.run.seed),
            recipe,
        };
        setup.check_lengths()?;
        Ok(setup)
    }

    /// What the policy imitates before reinforcement learning, if the recipe has a warm start.
    ///
    /// # Errors
    /// If its texts cannot be read or made.
    pub fn warmup_source(&self) -> Result<Option<Source>> {
        let build = |w: &crate::learner::WarmupConfig| {
            w.source.build(&self.data.train, &self.tokenizer, self.random).context("[warmup.source]")
        };
        self.recipe.warmup.as_ref().map(build).transpose()
    }

    /// Where the responses of each step come from.
    ///
    /// # Errors
    /// If the prompts do not suit the sampler.
    pub fn rollout_source(&self) -> Result<Box<dyn RolloutSource>> {
        let recipe = &self.recipe;
        let PipelineConfig::OnPolicy(_) = recipe.pipeline;
        Ok(Box::new(OnPolicy {
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

    /// Every sequence must fit the model's positions and the token budget.
    fn check_lengths(&self) -> Result<()> {
        let prompts = self.data.train.iter().chain(&self.data.eval);
        let longest = prompts.map(|p| p.tokens.len()).max().unwrap_or(0);
        let total = longest + self.recipe.sampling.max_new_tokens;
        let positions = usize::try_from(self.model.max_position_embeddings)?;
        ensure!(
            total <= positions,
            "[sampling] max_new_tokens = {}: the longest prompt has {longest} tokens, together {total}, and the model \
             has {positions} positions; lower max_new_tokens to at most {}",
            self.recipe.sampling.max_new_tokens,
            positions.saturating_sub(longest)
        );
        ensure!(
            total <= self.recipe.batch.max_tokens,
            "[batch] max_tokens = {}: the longest prompt ({longest} tokens) and max_new_tokens = {} make sequences of \
             {total} tokens; raise max_tokens to at least {total}",
            self.recipe.batch.max_tokens,
            self.recipe.sampling.max_new_tokens
        );
        Ok(())
    }
}

fn preset_parts(preset: Preset) -> Result<(ModelConfig, Tokenizer)> {
    let Preset::Countdown2m = preset;
    let tokenizer = countdown_tokenizer()?;
    let config = preset.config(i64::try_from(tokenizer.vocab_size())?);
    Ok((config, tokenizer))
}
