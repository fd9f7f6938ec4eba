//! On-policy: every response of a step comes from the weights that the step starts with.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use rayon::prelude::*;

use super::{Harvest, RolloutSource};
use crate::data::sampler::{PromptSampler, SamplerState};
use crate::model::Policy;
use crate::rollout::explore::Explorer;
use crate::rollout::{Generation, RolloutEngine};
use crate::score::Scorer;
use crate::text::Tokenizer;
use crate::types::{Completion, GenRequest, Leaf, Prompt, Step, Tree};

/// Draw prompts, open their trees, generate, score, graft.
pub struct OnPolicy {
    /// Chooses prompts.
    pub sampler: Box<dyn PromptSampler>,
    /// Prompts per step.
    pub n_prompts: usize,
    /// Decides which responses to ask for.
    pub explorer: Box<dyn Explorer>,
    /// Answers.
    pub engine: Box<dyn RolloutEngine>,
    /// Judges the answers.
    pub scorer: Arc<Scorer>,
    /// Turns answers into text.
    pub tokenizer: Arc<Tokenizer>,
    /// Sampling distribution and randomness; `step` is set anew for each harvest.
    pub generation: Generation,
}

impl RolloutSource for OnPolicy {
    fn next(&mut self, policy: &Policy, step: Step, progress: &mut dyn FnMut(usize)) -> Result<Harvest> {
        let start = Instant::now();
        let prompts = self.sampler.draw(self.n_prompts);
        let requests: Vec<GenRequest> =
            prompts.iter().flat_map(|prompt| self.explorer.open(prompt)).collect();
        let generation = Generation { step, ..self.generation };
        let completions = self.engine.generate(policy, &requests, &generation, progress)?;
        let generated = Instant::now();
        let trees = graft(requests, completions, &self.scorer, &self.tokenizer)?;
        self.sampler.observe(&trees);
        Ok(Harvest {
            ages: vec![0; trees.len()],
            trees,
            generate_s: (generated - start).as_secs_f64(),
            score_s: generated.elapsed().as_secs_f64(),
        })
    }

    fn state(&self) -> SamplerState {
        self.sampler.state()
    }

    fn restore(&mut self, state: SamplerState) -> Result<()> {
        self.sampler.restore(state)
    }
}

/// Scores completions of whole responses and gathers those of one prompt into its tree. Requests of one prompt are
/// neighbours.
///
/// # Errors
/// If a response cannot be decoded.
pub fn graft(
    requests: Vec<GenRequest>,
    completions: Vec<Completion>,
    scorer: &Scorer,
    tokenizer: &Tokenizer,
) -> Result<Vec<Tree>> {
    let pairs: Vec<(GenRequest, Completion)> = requests.into_iter().zip(completions).collect();
    let leaves: Vec<(Arc<Prompt>, Leaf)> = pairs
        .into_par_iter()
        .map(|(request, done)| leaf(request, done, scorer, tokenizer))
        .collect::<Result<_>>()?;
    let mut trees: Vec<Tree> = Vec::new();
    for (prompt, leaf) in leaves {
        match trees.last_mut().filter(|tree| tree.prompt.id == prompt.id) {
            Some(tree) => tree.leaves.push(leaf),
            None => trees.push(Tree { prompt, leaves: vec![leaf] }),
        }
    }
    Ok(trees)
}

/// The scored leaf of a whole response, and the prompt it belongs to.
fn leaf(
    request: GenRequest,
    completion: Completion,
    scorer: &Scorer,
    tokenizer: &Tokenizer,
) -> Result<(Arc<Prompt>, Leaf)> {
    let GenRequest { prompt, prefix: _, sample } = request;
    let Completion { tokens, logprobs, finish, signals } = completion;
    let text = tokenizer.decode(&tokens, true)?;
    let verdict = scorer.score(&prompt.task, &text);
    Ok((prompt, Leaf { sample, fork: None, tokens, logprobs, finish, signals, text, verdict }))
}
