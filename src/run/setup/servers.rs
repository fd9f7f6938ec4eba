//! Where the responses of training come from: this process, or servers.

use std::path::Path;

use anyhow::{Context, Result};

use super::Setup;
use crate::observe::Console;
use crate::pipeline::RolloutSource;
use crate::rollout::{Expected, RemoteEngine, SharedEngine, greet};
use crate::types::RunId;

impl Setup {
    /// Asks the servers of the recipe, where it has some, whether they suit the run, and says what they do to it.
    ///
    /// # Errors
    /// If one cannot be reached, or does not.
    pub(in crate::run) fn greet_servers(&self, console: &Console) -> Result<()> {
        let Some((servers, dialect)) = self.recipe.engine.remote() else { return Ok(()) };
        let prompts = self.data.train.iter().map(|prompt| &prompt.tokens[..]);
        let expected = Expected {
            prompt: prompts.max_by_key(|tokens| tokens.len()).unwrap_or_default(),
            sampling: &self.recipe.sampling,
            vocabulary: usize::try_from(self.model.vocab_size)?,
            rank: self.lora.as_ref().map(|layout| layout.settings.rank).filter(|_| servers.loads_adapters()),
        };
        greet(servers, dialect, expected).context("[engine]")?;
        console.note(
            format_args!(
                "[engine] {} answer; their numbers vary with what they compute at the same time, so a run that goes on repeats all but \
                 those; evaluations are answered in this process",
                servers.urls.join(", ")
            ),
        );
        Ok(())
    }

    /// Where the responses of each step of `run` come from; servers are given weights through `weights`, unless the recipe names a folder.
    ///
    /// # Errors
    /// If the prompts do not suit the sampler, or the folder cannot be made.
    pub(crate) fn rollout_source(&self, weights: &Path, run: &RunId) -> Result<Box<dyn RolloutSource>> {
        let recipe = &self.recipe;
        let mut collector = self.collector(recipe.exploration())?;
        if let Some((servers, dialect)) = recipe.engine.remote() {
            let named =
                servers.weights.as_ref().map(|folder| folder.join(format!("{}-{run}", recipe.run.name)));
            let weights = named.as_deref().unwrap_or(weights);
            let eos = self.tokenizer.eos_ids().to_vec();
            let ranks = self.teams.gather.clone();
            let engine = ranks.all_well(RemoteEngine::new(servers, dialect, weights, eos, ranks.clone()))?;
            let engine = engine.telling(&self.tokenizer);
            collector.engine = Box::new(SharedEngine::new(engine, ranks));
        }
        Ok(recipe.pipeline.settings().build(collector, recipe.batch.prompts, recipe.groups.rounds()))
    }

    /// Whether importance sampling is on though the recipe has no section for it: where another sampler than the learner drew.
    pub(super) fn corrects(&self) -> bool {
        self.recipe.pipeline.settings().corrects() || self.recipe.engine.remote().is_some()
    }
}
