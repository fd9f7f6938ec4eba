//! Measuring a policy on held-out problems.
//!
//! - avg@n: mean over problems of the share of the n samples that are correct, which is pass@1 as well.
//! - pass@k, for k = 2, 4, 8, ... and n: unbiased chance that one of k samples is correct,
//!   `1 - C(n - c, k) / C(n, k)` where c of n are (Chen et al. 2021).
//! - maj@n: share of problems whose most frequent answer among the n samples is correct.
//! - greedy: share of problems that the most likely response solves.
//! - 95 % intervals over problems, from the standard error of the mean.
//!
//! Rows that repeat a problem are one problem ([`Problem`]): its samples are those of all of them, from which avg@n and pass@k are
//! computed (also for the larger k that they allow), and maj@n and greedy are the shares of its rows.
//!
//! A set is answered as a whole, or in chunks of problems that are kept one after the other ([`Kept`]): draws depend on
//! the problem and the sample alone, so that chunks change no result but by the rounding of other batches.

mod config;
mod item;
mod kept;
mod majority;
mod paired;
mod problem;
mod report;
mod results;
mod statistics;
mod table;
mod versus;

use std::ops::Range;
use std::time::Instant;

use anyhow::Result;
pub(crate) use config::EvalConfig;
pub(crate) use item::{EvalItem, EvalResponse};
pub(crate) use kept::{ChunkRecord, Kept};
pub(crate) use majority::{Ballot, majorities};
pub(crate) use paired::average;
pub(crate) use problem::Problem;
pub(crate) use report::EvalReport;
pub(crate) use results::{Refused, Results, ResultsFolder};
pub(crate) use statistics::{Estimate, estimate};
pub(crate) use table::of_reports;
pub(crate) use versus::{Changed, Measured, Versus};

use crate::data::EvalSet;
use crate::model::Policy;
use crate::rollout::explore::{Explorer, GroupConfig};
use crate::rollout::{Generation, RolloutEngine, SamplingConfig, require_finite};
use crate::score::Judge;
use crate::types::{GenRequest, Progress, Purpose, RunRandom, Step, Tree};

/// Responses of a chunk for each row of the decoder: few enough that little is lost when a process is killed, so many that
/// the decoder is rarely waiting for the last responses of a chunk.
const ROUNDS: usize = 4;

/// What an evaluation needs besides the policy.
pub(crate) struct Evaluator {
    /// The problems.
    pub set: EvalSet,
    /// Samples per problem, at least 1.
    pub samples: usize,
    /// Whether one more response per problem is decoded greedily.
    pub greedy: bool,
    /// How the samples are drawn.
    pub sampling: SamplingConfig,
    /// Randomness; evaluation responses depend on it, the problem and the sample, not on the step.
    pub random: RunRandom,
    /// Judges the answers.
    pub judge: Judge,
}

/// Problems that were answered and judged.
pub(crate) struct Answered {
    /// Each problem's result.
    pub items: Vec<EvalItem>,
    /// The samples of each problem.
    pub sampled: Vec<Tree>,
    /// Seconds it took to generate the responses.
    pub generate_s: f64,
    /// Seconds it took to judge them.
    pub score_s: f64,
}

/// An evaluation with all it rests on.
pub(crate) struct Evaluation {
    /// The numbers.
    pub report: EvalReport,
    /// Each problem's result.
    pub items: Vec<EvalItem>,
    /// The samples of each problem.
    pub sampled: Vec<Tree>,
}

impl Evaluator {
    /// Number of responses to each problem.
    #[must_use]
    pub(crate) fn n_each(&self) -> usize {
        self.samples + usize::from(self.greedy)
    }

    /// Number of responses one evaluation takes.
    #[must_use]
    pub(crate) fn n_responses(&self) -> usize {
        self.set.prompts.len() * self.n_each()
    }

    /// Evaluates `policy`. `progress` hears how many responses have ended since its last call.
    ///
    /// # Errors
    /// As [`Evaluator::answer`].
    pub(crate) fn run(
        &self,
        policy: &Policy,
        engine: &mut dyn RolloutEngine,
        progress: &mut Progress<'_>,
    ) -> Result<Evaluation> {
        let Answered { items, sampled, .. } =
            self.answer(0..self.set.prompts.len(), policy, engine, progress)?;
        Ok(Evaluation { report: self.report(&items), items, sampled })
    }

    /// The problems that are answered together, of which `start` is the first.
    #[must_use]
    pub(crate) fn chunk(&self, start: usize) -> Range<usize> {
        let n = (ROUNDS * self.sampling.max_num_seqs).div_ceil(self.samples).max(1);
        start..self.set.prompts.len().min(start.saturating_add(n))
    }

    /// Has `policy` answer some of the problems and judges the responses.
    ///
    /// # Errors
    /// If generation or scoring fails; a [`crate::types::NotFinite`] if a response ended in a distribution that is not
    /// finite. Rewards may be anything, only whether a response is correct counts.
    pub(crate) fn answer(
        &self,
        problems: Range<usize>,
        policy: &Policy,
        engine: &mut dyn RolloutEngine,
        progress: &mut Progress<'_>,
    ) -> Result<Answered> {
        let (mut generate_s, mut score_s) = (0.0, 0.0);
        let mut respond = |n: usize, temperature: f64| -> Result<Vec<Tree>> {
            const STEP: Step = 0;
            let start = Instant::now();
            let group = GroupConfig { size: n };
            let prompts = &self.set.prompts[problems.clone()];
            let requests: Vec<GenRequest> = prompts.iter().flat_map(|prompt| group.open(prompt)).collect();
            let sampling = SamplingConfig { temperature, ..self.sampling.clone() };
            let generation = Generation { random: self.random, purpose: Purpose::Eval, step: STEP, sampling };
            let completions = engine.generate(policy, &requests, &generation, progress)?.completions;
            require_finite(&requests, &completions)?;
            generate_s += start.elapsed().as_secs_f64();
            let start = Instant::now();
            let trees = self.judge.trees(requests, completions, progress)?;
            score_s += start.elapsed().as_secs_f64();
            Ok(trees)
        };
        let sampled = respond(self.samples, self.sampling.temperature)?;
        let best = if self.greedy { respond(1, 0.0)? } else { Vec::new() };
        let start = Instant::now();
        let ballots: Vec<Ballot<'_>> = sampled.iter().map(Ballot::new).collect();
        // Which a stop may end on one rank before the others.
        let majorities = self.judge.ranks.all_well(majorities(&ballots, &self.judge.scorer, progress))?;
        score_s += start.elapsed().as_secs_f64();
        let places = self.set.places[problems].iter().cloned();
        let items = sampled.iter().zip(places).zip(majorities).enumerate();
        let items =
            items.map(|(i, ((tree, place), majority))| EvalItem::new(tree, place, majority, best.get(i)));
        Ok(Answered { items: items.collect(), sampled, generate_s, score_s })
    }

    /// The numbers over all the problems, from what was said of each.
    #[must_use]
    pub(crate) fn report(&self, items: &[EvalItem]) -> EvalReport {
        EvalReport::new(&self.set.name, items, self.samples, self.sampling.clone())
    }
}
