//! Where new responses branch off a response: `[explore.rule]`.

mod attention;
mod entropy;
mod every;
mod low_prob;
mod steps;
mod uniform;

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use attention::AttentionConfig;
pub(crate) use entropy::EntropyConfig;
pub(crate) use every::EveryConfig;
pub(crate) use low_prob::LowProbConfig;
pub(crate) use steps::StepsConfig;
pub(crate) use uniform::UniformConfig;

use crate::types::{Coordinates, Rules, RunRandom, Step};

/// What must be known of responses that others branch off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RootNeeds {
    /// Steps between a step and the first whose look back at it counts, if influence is wanted.
    pub influence: Option<usize>,
    /// Whether entropies are wanted.
    pub entropies: bool,
}

/// A response that others may branch off, R tokens in S steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Root<'a> {
    /// Its index in its tree.
    pub leaf: usize,
    /// How many of its tokens are another response's, which it left there; 0 for a root.
    pub from: usize,
    /// Number of tokens of the prompt.
    pub n_prompt: usize,
    /// Its steps, ranges of its tokens.
    pub steps: &'a [Range<usize>],
    /// How much later steps look back at each step, `[S]`; empty if it was not asked for.
    pub influence: &'a [f32],
    /// Entropy of the distribution of each token, nats, `[R]`; empty if it was not asked for.
    pub entropies: &'a [f32],
    /// The sampler's log-probability of each token, `[R]`.
    pub logprobs: &'a [f32],
    /// Number of tokens R.
    pub n_tokens: usize,
    /// Randomness of the run.
    pub random: RunRandom,
    /// Where it is used.
    pub coordinates: Coordinates,
}

/// Chooses branch points.
pub(crate) trait BranchRule {
    /// What it goes by.
    fn needs(&self) -> RootNeeds {
        RootNeeds::default()
    }

    /// At most `n` different places of `root` in rising order, each above `from` and below R: a branch has the tokens before
    /// it.
    fn pick(&self, root: &Root<'_>, n: usize) -> Vec<usize>;

    /// Whether it draws lots, so that its places are told by no response.
    fn is_lot(&self) -> bool {
        false
    }

    /// What has no effect where responses have at most `max_new_tokens` tokens, as a sentence that begins with its key.
    fn idle(&self, _max_new_tokens: usize) -> Option<String> {
        None
    }

    /// What its keys may be.
    fn rules(&self) -> Rules {
        Rules::default()
    }
}

/// Where in a response others branch off it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum RuleConfig {
    /// Before steps that later steps look back at: ATB of AttnRL.
    Attention(AttentionConfig),
    /// Before the tokens of which the policy was least sure: TreeRL.
    Entropy(EntropyConfig),
    /// Anywhere in the response, by lot.
    Uniform(UniformConfig),
    /// Where its steps begin, as VinePPO cuts.
    Steps(StepsConfig),
    /// At even distances.
    Every(EveryConfig),
    /// Before tokens that the policy was not sure of: SPO-chain.
    LowProb(LowProbConfig),
}

impl RuleConfig {
    /// What the recipe chose.
    #[must_use]
    pub(crate) fn settings(&self) -> &dyn BranchRule {
        match self {
            Self::Attention(config) => config,
            Self::Entropy(config) => config,
            Self::Uniform(config) => config,
            Self::Steps(config) => config,
            Self::Every(config) => config,
            Self::LowProb(config) => config,
        }
    }
}

impl Default for RuleConfig {
    fn default() -> Self {
        Self::Attention(AttentionConfig::default())
    }
}

/// At most `n` of `places`, as evenly spread over them as can be, the last among them.
fn spread(places: &[usize], n: usize) -> Vec<usize> {
    let all = places.len();
    if all <= n {
        return places.to_vec();
    }
    // Of n = 1 the middle; else from the first to the last.
    match n {
        0 => Vec::new(),
        1 => vec![places[all / 2]],
        _ => (0..n).map(|i| places[i * (all - 1) / (n - 1)]).collect(),
    }
}

impl Root<'_> {
    /// A root of `n_tokens` tokens of which nothing else is known.
    #[must_use]
    pub(crate) fn bare(n_tokens: usize, random: RunRandom, step: Step) -> Self {
        let (steps, influence, entropies, logprobs) = (&[][..], &[][..], &[][..], &[][..]);
        Self {
            leaf: 0,
            from: 0,
            n_prompt: 0,
            steps,
            influence,
            entropies,
            logprobs,
            n_tokens,
            random,
            coordinates: Coordinates { step, ..Coordinates::default() },
        }
    }
}
