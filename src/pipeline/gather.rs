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
use rayon::prelude::*;
use rewards::{Response, Task};

use super::{Discarded, RootReader};
use crate::data::sampler::PromptSampler;
use crate::model::Policy;
use crate::rollout::explore::{Explorer, Growth};
use crate::rollout::{Generation, RolloutEngine};
use crate::score::{OverlongConfig, Score, Scorer};
use crate::text::Tokenizer;
use crate::types::{Completion, Finish, Fork, GenRequest, Leaf, Progress, Prompt, Reward, Step, Tree};

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
    pub scorer: Arc<Scorer>,
    /// Turns answers into text.
    pub tokenizer: Arc<Tokenizer>,
    /// What responses near the limit of new tokens lose.
    pub overlong: Option<OverlongConfig>,
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

/// Seconds spent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Generating, and reading what was generated.
    pub generate_s: f64,
    /// Scoring.
    pub score_s: f64,
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
    pub fn ask(&mut self, call: &mut Call<'_>, requests: &[GenRequest]) -> Result<Vec<Completion>> {
        let start = Instant::now();
        let generation = Generation { step: call.step, ..self.generation };
        let completions = self.engine.generate(call.policy, requests, &generation, call.progress)?;
        call.spent.generate_s += start.elapsed().as_secs_f64();
        Ok(completions)
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
        let trees = graft(requests, completions, &self.scorer, &self.tokenizer, call.progress)?;
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
        let trees = sprouts.grown(requests, completions, (&self.scorer, &self.tokenizer), call.progress)?;
        call.spent.score_s += start.elapsed().as_secs_f64();
        Ok(trees)
    }

    /// What is still to be done about `trees` that are whole.
    pub fn finish(&mut self, trees: &mut [Tree]) {
        self.penalise(trees);
        self.sampler.observe(trees);
    }

    /// Takes from responses near the limit of new tokens what that costs.
    pub(super) fn penalise(&self, trees: &mut [Tree]) {
        let Some(OverlongConfig::Penalty(penalty)) = self.overlong else { return };
        let limit = self.generation.sampling.max_new_tokens;
        trees.iter_mut().flat_map(|tree| &mut tree.leaves).for_each(|leaf| {
            let penalty = penalty.of(leaf.tokens.len(), limit);
            leaf.verdict.value += penalty;
            leaf.rounding += Reward::rounding_of(penalty);
            leaf.verdict.parts.insert(String::from("overlong"), penalty);
        });
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
        (scorer, tokenizer): (&Scorer, &Tokenizer),
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Tree>> {
        let Self { mut trees, forks } = self;
        let whole = forks.iter().zip(requests).zip(completions).map(|(((i, fork), request), done)| {
            let parent = &trees[*i].leaves[fork.parent];
            let tokens = [&parent.tokens[..fork.at], &done.tokens].concat();
            let logprobs = [&parent.logprobs[..fork.at], &done.logprobs].concat();
            (request.sample, request.prompt, Completion { tokens, logprobs, signals: None, ..done })
        });
        let leaves = leaves(whole.collect(), scorer, tokenizer, progress)?;
        for ((i, fork), leaf) in forks.into_iter().zip(leaves) {
            trees[i].leaves.push(Leaf { fork: Some(fork), ..leaf });
        }
        Ok(trees)
    }
}

/// Scores completions of whole responses and gathers those of one prompt into its tree. Requests of one prompt are
/// neighbours. `progress` is asked now and then whether to go on.
///
/// # Errors
/// If a response cannot be decoded, or a grader does not work; that of `progress`.
pub fn graft(
    requests: Vec<GenRequest>,
    completions: Vec<Completion>,
    scorer: &Scorer,
    tokenizer: &Tokenizer,
    progress: &mut Progress<'_>,
) -> Result<Vec<Tree>> {
    let prompts: Vec<Arc<Prompt>> = requests.iter().map(|request| Arc::clone(&request.prompt)).collect();
    let whole = requests.into_iter().zip(completions);
    let whole = whole.map(|(request, done)| (request.sample, request.prompt, done)).collect();
    let mut trees: Vec<Tree> = Vec::new();
    for (prompt, leaf) in prompts.into_iter().zip(leaves(whole, scorer, tokenizer, progress)?) {
        match trees.last_mut().filter(|tree| tree.prompt.id == prompt.id) {
            Some(tree) => tree.leaves.push(leaf),
            None => trees.push(Tree { prompt, leaves: vec![leaf] }),
        }
    }
    Ok(trees)
}

/// A whole response: its number, its prompt, and what was generated.
pub(super) type Whole = (u32, Arc<Prompt>, Completion);

/// The scored leaves of whole responses, each with its number and its prompt, in their order.
fn leaves(
    whole: Vec<Whole>,
    scorer: &Scorer,
    tokenizer: &Tokenizer,
    progress: &mut Progress<'_>,
) -> Result<Vec<Leaf>> {
    let texts = texts(&whole, tokenizer)?;
    let scores = judge(&whole, &texts, scorer, progress)?;
    Ok(assemble(whole, texts, scores))
}

/// The responses as text.
pub(super) fn texts(whole: &[Whole], tokenizer: &Tokenizer) -> Result<Vec<String>> {
    whole.par_iter().map(|(.., done)| tokenizer.decode(&done.tokens, true)).collect()
}

/// What the graders say of the responses, of which `texts` are.
pub(super) fn judge(
    whole: &[Whole],
    texts: &[String],
    scorer: &Scorer,
    progress: &mut Progress<'_>,
) -> Result<Vec<Score>> {
    let items = whole.iter().zip(texts).map(|((_, prompt, done), text)| {
        let (tokens, cut_off) = (Some(done.tokens.len()), done.finish == Finish::Length);
        let in_thought = rewards::leaves_thought_open(&prompt.text);
        (&prompt.task, Response { tokens, cut_off, in_thought, ..Response::of(text) })
    });
    scorer.score_all(&items.collect::<Vec<(&Task, Response<'_>)>>(), progress)
}

/// The responses as leaves that nothing forks.
pub(super) fn assemble(whole: Vec<Whole>, texts: Vec<String>, scores: Vec<Score>) -> Vec<Leaf> {
    let leaf = |(((sample, _, done), text), score)| {
        let Completion { tokens, logprobs, finish, signals } = done;
        let Score { verdict, is_graded, rounding } = score;
        Leaf { sample, fork: None, tokens, logprobs, finish, signals, text, verdict, is_graded, rounding }
    };
    whole.into_iter().zip(texts).zip(scores).map(leaf).collect()
}

#[cfg(test)]
mod tests;
