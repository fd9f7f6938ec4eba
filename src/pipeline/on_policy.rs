//! On-policy: every response of a step comes from the weights that the step starts with.
//!
//! Where groups without signal are refilled (dynamic sampling of DAPO), further rounds sample as many new prompts as groups
//! with signal are missing, until there are enough or no round is left; then groups without signal fill the rest.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use rayon::prelude::*;

use super::{Discarded, Harvest, RolloutSource, RootReader};
use crate::data::sampler::{PromptSampler, SamplerState};
use crate::model::Policy;
use crate::rollout::explore::Explorer;
use crate::rollout::explore::branch::RootNeeds;
use crate::rollout::{Generation, RolloutEngine};
use crate::score::{OverlongConfig, Scorer};
use crate::text::Tokenizer;
use crate::types::{Completion, Fork, GenRequest, Leaf, Prompt, Step, Tree};

/// Draw prompts, open their trees, generate, score, graft.
pub struct OnPolicy {
    /// Chooses prompts.
    pub sampler: Box<dyn PromptSampler>,
    /// Prompts per step.
    pub n_prompts: usize,
    /// Rounds beyond the first that a step may spend on replacing groups without signal.
    pub refill_rounds: usize,
    /// Decides which responses to ask for.
    pub explorer: Box<dyn Explorer>,
    /// Reads what trees grow by.
    pub reader: RootReader,
    /// Answers.
    pub engine: Box<dyn RolloutEngine>,
    /// Judges the answers.
    pub scorer: Arc<Scorer>,
    /// Turns answers into text.
    pub tokenizer: Arc<Tokenizer>,
    /// What responses near the limit of new tokens lose.
    pub overlong: Option<OverlongConfig>,
    /// Sampling distribution and randomness; `step` is set anew for each harvest.
    pub generation: Generation,
}

impl RolloutSource for OnPolicy {
    fn next(&mut self, policy: &Policy, step: Step, progress: &mut dyn FnMut(usize)) -> Result<Harvest> {
        let mut harvest = Harvest {
            trees: Vec::new(),
            ages: Vec::new(),
            discarded: Discarded::default(),
            generate_s: 0.0,
            score_s: 0.0,
        };
        let mut flat = Vec::new();
        for round in 0..=self.refill_rounds {
            let missing = self.n_prompts - harvest.trees.len();
            let seen: Vec<u64> =
                harvest.trees.iter().chain(&flat).map(|tree: &Tree| tree.prompt.id).collect();
            let trees = self.round(policy, step, missing, &seen, &mut harvest, progress)?;
            let (signal, without) =
                trees.into_iter().partition(|tree| tree.has_signal() || self.refill_rounds == 0);
            harvest.trees.extend::<Vec<Tree>>(signal);
            flat.extend::<Vec<Tree>>(without);
            harvest.discarded.rounds = round as u64;
            if harvest.trees.len() == self.n_prompts {
                break;
            }
        }
        let missing = (self.n_prompts - harvest.trees.len()).min(flat.len());
        let discarded = flat.split_off(missing);
        harvest.trees.extend(flat);
        harvest.discarded.prompts = discarded.len() as u64;
        harvest.discarded.samples = discarded.iter().map(|tree| tree.leaves.len() as u64).sum();
        harvest.discarded.tokens = discarded.iter().map(|tree| tree.n_sampled_tokens() as u64).sum();
        harvest.ages = vec![0; harvest.trees.len()];
        Ok(harvest)
    }

    fn state(&self) -> SamplerState {
        self.sampler.state()
    }

    fn restore(&mut self, state: SamplerState) -> Result<()> {
        self.sampler.restore(state)
    }
}

impl OnPolicy {
    /// The scored trees of `n` new prompts; those `seen` in the step already are passed over, since their responses would be
    /// the same again. The seconds it took are added to `harvest`.
    fn round(
        &mut self,
        policy: &Policy,
        step: Step,
        n: usize,
        seen: &[u64],
        harvest: &mut Harvest,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Tree>> {
        let start = Instant::now();
        let mut prompts = self.sampler.draw(n);
        prompts.retain(|prompt| !seen.contains(&prompt.id));
        let requests: Vec<GenRequest> =
            prompts.iter().flat_map(|prompt| self.explorer.open(prompt)).collect();
        let generation = Generation { step, ..self.generation };
        let completions = self.engine.generate(policy, &requests, &generation, progress)?;
        let generated = Instant::now();
        let mut trees = graft(requests, completions, &self.scorer, &self.tokenizer)?;
        harvest.generate_s += (generated - start).as_secs_f64();
        harvest.score_s += generated.elapsed().as_secs_f64();
        if let Some(needs) = self.explorer.needs() {
            self.grow(policy, needs, &generation, &mut trees, harvest, progress)?;
        }
        if let Some(OverlongConfig::Penalty(penalty)) = self.overlong {
            let limit = self.generation.sampling.max_new_tokens;
            trees.iter_mut().flat_map(|tree| &mut tree.leaves).for_each(|leaf| {
                let penalty = penalty.of(leaf.tokens.len(), limit);
                leaf.verdict.value += penalty;
                leaf.verdict.parts.insert(String::from("overlong"), penalty);
            });
        }
        self.sampler.observe(&trees);
        Ok(trees)
    }

    /// Lets `trees` of first responses grow: reads these, and asks for others that branch off.
    fn grow(
        &mut self,
        policy: &Policy,
        needs: RootNeeds,
        generation: &Generation,
        trees: &mut [Tree],
        harvest: &mut Harvest,
        progress: &mut dyn FnMut(usize),
    ) -> Result<()> {
        let start = Instant::now();
        let roots = self.reader.read(policy, trees, needs, generation.step)?;
        let mut n_read = 0;
        let mut branches: Vec<(usize, Fork)> = Vec::new();
        for (i, tree) in trees.iter().enumerate() {
            let forks = self.explorer.grow(&roots.of_tree(tree, n_read));
            branches.extend(forks.into_iter().map(|fork| (i, fork)));
            n_read += tree.leaves.len();
        }
        let requests: Vec<GenRequest> = branch_requests(trees, &branches);
        let completions = self.engine.generate(policy, &requests, generation, progress)?;
        let generated = Instant::now();
        add_branches(trees, &branches, requests, completions, &self.scorer, &self.tokenizer)?;
        harvest.generate_s += (generated - start).as_secs_f64();
        harvest.score_s += generated.elapsed().as_secs_f64();
        Ok(())
    }
}

/// A request for each of `branches`, tree and fork; samples are numbered on from those that each tree has.
fn branch_requests(trees: &[Tree], branches: &[(usize, Fork)]) -> Vec<GenRequest> {
    let of_tree = branches.chunk_by(|a, b| a.0 == b.0).flat_map(|branches| {
        branches.iter().enumerate().map(|(n, (i, fork))| {
            let tree = &trees[*i];
            GenRequest {
                prompt: Arc::clone(&tree.prompt),
                prefix: tree.leaves[fork.parent].tokens[..fork.at].to_vec(),
                sample: (tree.leaves.len() + n) as u32,
            }
        })
    });
    of_tree.collect()
}

/// Scores what continued `branches` and adds the whole responses to their trees: a branch has tokens and log-probabilities of
/// its prefix as they were sampled.
fn add_branches(
    trees: &mut [Tree],
    branches: &[(usize, Fork)],
    requests: Vec<GenRequest>,
    completions: Vec<Completion>,
    scorer: &Scorer,
    tokenizer: &Tokenizer,
) -> Result<()> {
    let whole = |(((i, fork), request), done): ((&(usize, Fork), GenRequest), Completion)| {
        let parent = &trees[*i].leaves[fork.parent];
        let tokens = [&parent.tokens[..fork.at], &done.tokens].concat();
        let logprobs = [&parent.logprobs[..fork.at], &done.logprobs].concat();
        let done = Completion { tokens, logprobs, signals: None, ..done };
        Ok((*i, Leaf { fork: Some(*fork), ..leaf(request, done, scorer, tokenizer)?.1 }))
    };
    let all: Vec<_> = branches.iter().zip(requests).zip(completions).collect();
    let leaves = all.into_par_iter().map(whole).collect::<Result<Vec<_>>>()?;
    for (i, leaf) in leaves {
        trees[i].leaves.push(leaf);
    }
    Ok(())
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
