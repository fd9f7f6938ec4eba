//! What all schedules have in common: ask, score, read, let grow.
//!
//! ```text
//! prompts --open, generate, score--> trees of roots --finish--> whole trees
//!                                         |    ^
//!                                read, grow    generate, add        once a round
//!                                         v    |
//!                                    pending branches
//! ```

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;

use super::{Discarded, RootReader};
use crate::data::sampler::PromptSampler;
use crate::model::Policy;
use crate::rollout::explore::{Explorer, Growth};
use crate::rollout::{Counts, Generated, Generation, RolloutEngine, Served};
use crate::score::{Judge, Whole};
use crate::types::{Completion, Fork, GenRequest, Leaf, Progress, Prompt, Span, Step, Tree};

/// Asks a policy and judges its answers.
pub(crate) struct Collector {
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
pub(crate) struct PendingBranches {
    /// One per prompt.
    pub trees: Vec<Tree>,
    /// The further responses; neighbours leave at one place.
    pub branches: Vec<Branch>,
}

/// A further response of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Branch {
    /// Index of the tree.
    pub tree: usize,
    /// Where it leaves another response of that.
    pub fork: Fork,
}

/// What calls took.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Timings {
    /// Seconds of generating, and of reading what was generated.
    pub generate_s: f64,
    /// Seconds of scoring.
    pub score_s: f64,
    /// Tokens of contexts.
    pub counts: Counts,
    /// What it took to have servers answer, where they did.
    pub served: Option<Served>,
}

/// What is asked of a policy in one call.
pub(crate) struct CollectContext<'a> {
    /// Who answers.
    pub policy: &'a Policy,
    /// The step that it happens in.
    pub step: Step,
    /// Hears how many responses have ended since its last call.
    pub progress: &'a mut Progress<'a>,
    /// Grows by what it takes.
    pub timings: &'a mut Timings,
}

impl Collector {
    /// The first requests for `prompts`.
    pub(crate) fn open(&self, prompts: &[Arc<Prompt>]) -> Vec<GenRequest> {
        prompts.iter().flat_map(|prompt| self.explorer.open(prompt)).collect()
    }

    /// Has the policy answer `requests`.
    ///
    /// # Errors
    /// If generation fails.
    pub(crate) fn ask(
        &mut self,
        context: &mut CollectContext<'_>,
        requests: &[GenRequest],
    ) -> Result<Generated> {
        let start = Instant::now();
        let generation = Generation { step: context.step, ..self.generation.clone() };
        let mut generated = self.engine.generate(context.policy, requests, &generation, context.progress)?;
        context.timings.generate_s += start.elapsed().as_secs_f64();
        context.timings.counts += generated.counts;
        if let Some(served) = generated.served.take() {
            *context.timings.served.get_or_insert_default() += served;
        }
        Ok(generated)
    }

    /// The scored trees of whole responses.
    ///
    /// # Errors
    /// If a response cannot be decoded, or a grader does not work.
    pub(crate) fn score(
        &self,
        requests: Vec<GenRequest>,
        completions: Vec<Completion>,
        context: &mut CollectContext<'_>,
    ) -> Result<Vec<Tree>> {
        let start = Instant::now();
        let trees = self.judge.trees(requests, completions, context.progress)?;
        context.timings.score_s += start.elapsed().as_secs_f64();
        Ok(trees)
    }

    /// Reads the responses of `trees` at the last `depth` and decides where they grow. Those that are not worth training on are
    /// counted in `discarded` and gone.
    ///
    /// # Errors
    /// If results cannot be copied to the host.
    pub(crate) fn branch(
        &mut self,
        context: &mut CollectContext<'_>,
        trees: Vec<Tree>,
        depth: usize,
        discarded: &mut Discarded,
    ) -> Result<PendingBranches> {
        if depth >= self.explorer.rounds() {
            return Ok(PendingBranches { trees, branches: Vec::new() });
        }
        let start = Instant::now();
        let needs = self.explorer.needs();
        let progress = RefCell::new(&mut *context.progress);
        let check = || (progress.borrow_mut())(0);
        let read = self.reader.read(context.policy, &trees, depth, needs, context.step, &check)?;
        let (mut n_read, mut pending) = (0, PendingBranches::default());
        for tree in trees {
            let roots = read.of_tree(&tree, n_read);
            n_read += roots.len();
            let Growth { forks, is_dropped } = self.explorer.grow(&tree, &roots);
            if is_dropped {
                discarded.add(&tree);
                continue;
            }
            let index = pending.trees.len();
            pending.branches.extend(forks.into_iter().map(|fork| Branch { tree: index, fork }));
            pending.trees.push(tree);
        }
        context.timings.generate_s += start.elapsed().as_secs_f64();
        Ok(pending)
    }

    /// The trees that `branches` become with what their requests were answered.
    ///
    /// # Errors
    /// If a response cannot be decoded, or a grader does not work.
    pub(crate) fn grown(
        &self,
        branches: PendingBranches,
        requests: Vec<GenRequest>,
        completions: Vec<Completion>,
        context: &mut CollectContext<'_>,
    ) -> Result<Vec<Tree>> {
        let start = Instant::now();
        let trees = branches.grown(requests, completions, &self.judge, context.progress)?;
        context.timings.score_s += start.elapsed().as_secs_f64();
        Ok(trees)
    }

    /// Shows whole `trees` to whoever chooses the next prompts.
    pub(crate) fn finish(&mut self, trees: &[Tree]) {
        self.sampler.observe(trees);
    }
}

impl PendingBranches {
    /// A request for each fork; samples are numbered on from those that each tree has.
    #[must_use]
    pub(crate) fn requests(&self) -> Vec<GenRequest> {
        let of_tree = self.branches.chunk_by(|a, b| a.tree == b.tree).flat_map(|branches| {
            branches.iter().enumerate().map(|(n, Branch { tree, fork })| {
                let tree = &self.trees[*tree];
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
        let Self { mut trees, branches } = self;
        let whole = branches.iter().zip(requests).zip(completions).map(|((branch, request), done)| {
            let Branch { tree, fork } = branch;
            let parent = &trees[*tree].leaves[fork.parent];
            let tokens = [&parent.tokens[..fork.at], &done.tokens].concat();
            let logprobs = [&parent.logprobs[..fork.at], &done.logprobs].concat();
            let versions = Span::joined(&parent.versions, fork.at, done.versions);
            let completion = Completion { tokens, logprobs, versions, ..done };
            Whole { sample: request.sample, prompt: request.prompt, completion }
        });
        let leaves = judge.leaves(whole.collect(), progress)?;
        for (Branch { tree, fork }, leaf) in branches.into_iter().zip(leaves) {
            trees[tree].leaves.push(Leaf { fork: Some(fork), ..leaf });
        }
        Ok(trees)
    }
}

#[cfg(test)]
mod tests;
