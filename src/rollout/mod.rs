//! From prompts to completions: what to ask for (`explore`), how to answer: in this process (`decode`), or by servers (`remote`).

mod decode;
mod engine;
pub(crate) mod explore;
mod remote;
mod sampling;
#[cfg(test)]
mod scripted;
mod shared;

pub(crate) use decode::DecodeEngine;
pub(crate) use engine::EngineConfig;
pub(crate) use remote::{Expected, RemoteEngine, greet};
pub(crate) use sampling::{SamplingConfig, TEMPERATURES, expect_temperature};
#[cfg(test)]
pub(crate) use scripted::ScriptedEngine;
pub(crate) use shared::SharedEngine;

use std::ops::AddAssign;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::learner::Gap;
use crate::model::Policy;
use crate::types::{Completion, GenRequest, HeadSignals, NotFinite, Progress, Purpose, RunRandom, Step};

/// Where the random numbers of one generation call come from, and the distribution to draw from.
#[derive(Clone, Debug)]
pub(crate) struct Generation {
    /// Randomness of the run.
    pub random: RunRandom,
    /// What the responses are for.
    pub purpose: Purpose,
    /// Training step, a coordinate of every draw.
    pub step: Step,
    /// Temperature, truncation, longest and shortest response, what ends one.
    pub sampling: SamplingConfig,
}

impl Generation {
    /// The uniform number that decides the token at `position` of the response (0 = first).
    #[must_use]
    pub(crate) fn uniform(&self, request: &GenRequest, position: usize) -> f64 {
        let coordinates = [self.step, request.prompt.id, u64::from(request.sample), position as u64];
        self.random.uniform(self.purpose, &coordinates)
    }
}

/// For those who cannot go on with a response that ended in a distribution that is not finite.
///
/// # Errors
/// If there is one.
pub(crate) fn require_finite(requests: &[GenRequest], completions: &[Completion]) -> Result<(), NotFinite> {
    let broken =
        |(_, done): &(&GenRequest, &Completion)| done.logprobs.last().is_some_and(|l| !l.is_finite());
    let Some((request, done)) = requests.iter().zip(completions).find(broken) else { return Ok(()) };
    Err(NotFinite(format!(
        "prompt {}, sample {}: the distribution of token {} is not finite; weights are broken or too large for the \
         model's arithmetic",
        request.prompt.id,
        request.sample,
        request.prefix.len() + done.tokens.len() - 1
    )))
}

/// Tokens of contexts: prompts, and prefixes of branches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counts {
    /// That were read before the first new token; what contexts begin with in common once.
    pub prefilled: u64,
    /// Whose keys and values were there from an earlier response.
    pub reused: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.prefilled += other.prefilled;
        self.reused += other.reused;
    }
}

/// What it took to have servers answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Served {
    /// Seconds until all of them had the weights and had proved it.
    pub publish_s: f64,
    /// Requests that failed and were sent again.
    pub n_failed: u64,
    /// How far their log-probabilities of a known text were from the learner's, where they were asked.
    pub gap: Option<Gap>,
    /// What went wrong first, and was made good.
    pub trouble: Option<String>,
}

impl AddAssign for Served {
    fn add_assign(&mut self, other: Self) {
        self.publish_s += other.publish_s;
        self.n_failed += other.n_failed;
        self.gap = match (self.gap, other.gap) {
            (Some(a), Some(b)) => Some(Gap { mean: a.mean.max(b.mean), max: a.max.max(b.max) }),
            (a, b) => a.or(b),
        };
        self.trouble = self.trouble.take().or(other.trouble);
    }
}

/// What an engine answers to the requests of a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Generated {
    /// One for each request, in order.
    pub completions: Vec<Completion>,
    /// Attention over the tokens of each, where it was read on the way; else nothing.
    pub signals: Vec<HeadSignals>,
    /// What contexts took.
    pub counts: Counts,
    /// What it took to have servers answer, where they did.
    pub served: Option<Served>,
}

/// Answers generation requests.
pub(crate) trait RolloutEngine: Send {
    /// Before a call for `requests` from the distribution of `sampling`, of which other ranks may answer some: has all ranks do what they
    /// do together. `finished` can end it.
    ///
    /// # Errors
    /// If that cannot be done.
    fn prepare(
        &mut self,
        policy: &Policy,
        requests: &[GenRequest],
        sampling: &SamplingConfig,
        finished: &mut Progress<'_>,
    ) -> Result<()> {
        let _ = (policy, requests, sampling, finished);
        Ok(())
    }

    /// Whether it is an error of the engine itself if an answer takes too long, so that other ranks need not watch the time.
    fn keeps_time(&self) -> bool {
        false
    }

    /// Answers all `requests`. `finished` hears how many responses have ended since its last call.
    ///
    /// # Errors
    /// If a request cannot be served; the message names the prompt. A distribution over the next token that is not
    /// finite is no error: the response ends with the token it gave, whose log-probability is not finite.
    fn generate(
        &mut self,
        policy: &Policy,
        requests: &[GenRequest],
        generation: &Generation,
        finished: &mut Progress<'_>,
    ) -> Result<Generated>;
}
