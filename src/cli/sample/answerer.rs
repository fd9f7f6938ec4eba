//! A policy that answers a person.

use std::sync::Arc;

use anyhow::{Context, Result};

use crate::model::Policy;
use crate::rollout::{DecodeEngine, Generation, RolloutEngine, SamplingConfig, require_finite};
use crate::text::{Stops, Tokenizer};
use crate::types::{Completion, Finish, GenRequest, Prompt, Purpose, RunRandom, TokenId};

/// Hears the tokens of a response as they come.
pub(super) type Told = Box<dyn FnMut(&[TokenId]) + Send>;

/// A policy that answers.
pub(super) struct Answerer {
    /// The weights.
    pub(super) policy: Policy,
    /// Its tokenizer.
    pub(super) tokenizer: Arc<Tokenizer>,
    /// Where draws come from.
    pub(super) random: RunRandom,
    /// Hears the next response.
    pub(super) told: Option<Told>,
}

impl Answerer {
    /// `sampling` as far as there is room behind a prompt of `n` tokens; `None` where there is none.
    pub(super) fn within_room(&self, sampling: &SamplingConfig, n: usize) -> Option<SamplingConfig> {
        let positions = usize::try_from(self.policy.network.config.max_position_embeddings).unwrap_or(0);
        let max_new_tokens = sampling.max_new_tokens.min(positions.saturating_sub(n));
        let min_new_tokens = sampling.min_new_tokens.min(max_new_tokens);
        (max_new_tokens > 0).then(|| SamplingConfig { max_new_tokens, min_new_tokens, ..sampling.clone() })
    }

    /// So many responses to `prompt`.
    pub(super) fn answers(
        &mut self,
        prompt: &Arc<Prompt>,
        samples: u32,
        sampling: &SamplingConfig,
    ) -> Result<Vec<Completion>> {
        let request = |sample| GenRequest { prompt: Arc::clone(prompt), prefix: Vec::new(), sample };
        self.respond((0..samples).map(request).collect(), sampling)
    }

    /// The response to `prompt` in the turn `turn` of a conversation.
    pub(super) fn answer(
        &mut self,
        prompt: &Arc<Prompt>,
        turn: u32,
        sampling: &SamplingConfig,
    ) -> Result<Completion> {
        let request = GenRequest { prompt: Arc::clone(prompt), prefix: Vec::new(), sample: turn };
        self.respond(vec![request], sampling)?.pop().context("there is no response")
    }

    fn respond(&mut self, requests: Vec<GenRequest>, sampling: &SamplingConfig) -> Result<Vec<Completion>> {
        let (random, sampling) = (self.random, sampling.clone());
        let eos = self.tokenizer.eos_ids().to_vec();
        let mut engine = DecodeEngine::new(eos, sampling.max_num_seqs, 16384).telling(&self.tokenizer);
        engine.shown = self.told.take();
        let generation = Generation { random, purpose: Purpose::Sample, step: 0, sampling };
        let generated = engine.generate(&self.policy, &requests, &generation, &mut |_| Ok(()))?;
        require_finite(&requests, &generated.completions)?;
        Ok(generated.completions)
    }

    /// What `done` says, up to a string that ended it.
    pub(super) fn text(&self, done: &Completion, sampling: &SamplingConfig) -> Result<String> {
        let text = self.tokenizer.decode(&done.tokens, true)?;
        match Stops::new(&sampling.stop, &self.tokenizer).filter(|_| done.finish == Finish::Stop) {
            Some(stops) => stops.cut(&done.tokens, text),
            None => Ok(text),
        }
    }
}
