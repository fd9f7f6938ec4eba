//! What all schedules have in common: ask, score, graft, read, let grow.
//!
//! ```text
//! prompts --open, generate, graft--> trees of first responses --finish--> whole trees
//!                                         |    ^
//!                                read, grow    generate, add        once a round
//!                                         v    |
//!                                         sprouts
//! ```

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;

use super::{Discarded, RootReader};
use crate::data::sampler::PromptSampler;
use crate::model::Policy;
use crate::rollout::explore::{Explorer, Growth};
use crate::rollout::{Counts, Generated, Generation, RolloutEngine};
use crate::score::{Judge, Whole};
use crate::types::{Completion, Fork, GenRequest, Leaf, Progress, Prompt, Step, Tree};

/// Asks a policy and judges its answers.
pub struct Gatherer {
    /// Chooses prompts.
    pub sampler: Box<dyn PromptSampler>,
    /// Decides which responses to ask for.
    pub explorer: Box<dyn Explorer>,
    /// Reads what trees grow by.
    pub reader: RootReader,
    /// Answers.
    pub engine: Box<dyn RolloutEngine>,
    /// Judges the answers.
    pub judge: Judge,
    /// Sampling distribution and randomness; `step` is set anew for each call.
    pub generation: Generation,
}

/// Trees, and where further responses will leave those that they have.
#[derive(Clone, Debug, Default)]
pub struct Sprouts {
    /// One per prompt.
    pub trees: Vec<Tree>,
    /// Index of a tree, and the fork; neighbours leave at one place.
    pub forks: Vec<(usize, Fork)>,
}

/// What calls took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Seconds of generating, and of reading what was generated.
    pub generate_s: f64,
    /// Seconds of scoring.
    pub score_s: f64,
    /// Tokens of contexts.
    pub counts: Counts,
}

/// What is asked of a policy in one call.
pub struct Call<'a> {
    /// Who answers.
    pub policy: &'a Policy,
    /// The step that it happens in.
    pub step: Step,
    /// Hears how many responses have ended since its last call.
    pub progress: &'a mut Progress<'a>,
    /// Grows by what it takes.
    pub spent: &'a mut Spent,
}

impl Gatherer {
    /// The first requests for `prompts`.
    pub fn open(&self, prompts: &[Arc<Prompt>]) -> Vec<GenRequest> {
        prompts.iter().flat_map(|prompt| self.explorer.open(prompt)).collect()
    }

    /// Has the policy answer `requests`.
    ///
    /// # Errors
    /// If generation fails.
    pub fn ask(&mut self, call: &mut Call<'_>, requests: &[GenRequest]) -> Result<Generated> {
        let start = Instant::now();
        let generation = Generation { step: call.step, ..self.generation };
        let generated = self.engine.generate(call.policy, requests, &generation, call.progress)?;
        call.spent.generate_s += start.elapsed().as_secs_f64();
        call.spent.counts += generated.counts;
        Ok(generated)
    }

    /// The scored trees of whole responses.
    ///
    /// # Errors
    /// If a response cannot be decoded, or a grader does not work.
    pub fn graft(
        &self,
        requests: Vec<GenRequest>,
        completions: Vec<Completion>,
        call: &mut Call<'_>,
    ) -> Result<Vec<Tree>> {
        let start = Instant::now();
        let trees = self.judge.trees(requests, completions, call.progress)?;
        call.spent.score_s += start.elapsed().as_secs_f64();
        Ok(trees)
    }

    /// Reads the last `generation` of `trees` and decides where they grow. Those that are not worth training on are counted
    /// in `discarded` and gone.
    ///
    /// # Errors
    /// If results cannot be copied to the host.
    pub fn sprout(
        &mut self,
        call: &mut Call<'_>,
        (trees, generation): (Vec<Tree>, usize),
        discarded: &mut Discarded,
    ) -> Result<Sprouts> {
        if generation >= self.explorer.rounds() {
            return Ok(Sprouts { trees, forks: Vec::new() });
        }
        let start = Instant::now();
        let needs = self.explorer.needs();
        let progress = RefCell::new(&mut *call.progress);
        let check = || (progress.borrow_mut())(0);
        let read = self.reader.read(call.policy, (&trees, generation), needs, (call.step, &check))?;
        let (mut n_read, mut sprouts) = (0, Sprouts::default());
        for tree in trees {
            let roots = read.of_tree(&tree, n_read);
            n_read += roots.len();
            let Growth { forks, is_dropped } = self.explorer.grow(&tree, &roots);
            if is_dropped {
                discarded.add(&tree);
                continue;
            }
            let index = sprouts.trees.len();
            sprouts.forks.extend(forks.into_iter().map(|fork| (index, fork)));
            sprouts.trees.push(tree);
        }
        call.spent.generate_s += start.elapsed().as_secs_f64();
        Ok(sprouts)
    }

    /// The trees that `sprouts` become with what their requests were answered.
    ///
    /// # Errors
    /// If a response cannot be decoded, or a grader does not work.
    pub fn grown(
        &self,
        sprouts: Sprouts,
        requests: Vec<GenRequest>,
        completions: Vec<Completion>,
        call: &mut Call<'_>,
    ) -> Result<Vec<Tree>> {
        let start = Instant::now();
        let trees = sprouts.grown(requests, completions, &self.judge, call.progress)?;
        call.spent.score_s += start.elapsed().as_secs_f64();
        Ok(trees)
    }

    /// Shows whole `trees` to whoever chooses the next prompts.
    pub fn finish(&mut self, trees: &[Tree]) {
        self.sampler.observe(trees);
    }
}

impl Sprouts {
    /// A request for each fork; samples are numbered on from those that each tree has.
    #[must_use]
    pub fn requests(&self) -> Vec<GenRequest> {
        let of_tree = self.forks.chunk_by(|a, b| a.0 == b.0).flat_map(|forks| {
            forks.iter().enumerate().map(|(n, (i, fork))| {
                let tree = &self.trees[*i];
                GenRequest {
                    prompt: Arc::clone(&tree.prompt),
                    prefix: tree.leaves[fork.parent].tokens[..fork.at].to_vec(),
                    sample: (tree.leaves.len() + n) as u32,
                }
            })
        });
        of_tree.collect()
    }

    /// The whole trees: a branch has tokens and log-probabilities of its prefix as they were sampled.
    fn grown(
        self,
        requests: Vec<GenRequest>,
        completions: Vec<Completion>,
        judge: &Judge,
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Tree>> {
        let Self { mut trees, forks } = self;
        let whole = forks.iter().zip(requests).zip(completions).map(|(((i, fork), request), done)| {
            let parent = &trees[*i].leaves[fork.parent];
            let tokens = [&parent.tokens[..fork.at], &done.tokens].concat();
            let logprobs = [&parent.logprobs[..fork.at], &done.logprobs].concat();
            let completion = Completion { tokens, logprobs, ..done };
            Whole { sample: request.sample, prompt: request.prompt, completion }
        });
        let leaves = judge.leaves(whole.collect(), progress)?;
        for ((i, fork), leaf) in forks.into_iter().zip(leaves) {
            trees[i].leaves.push(Leaf { fork: Some(fork), ..leaf });
        }
        Ok(trees)
    }
}

#[cfg(test)]
mod tests;
