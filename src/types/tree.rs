//! All responses to one prompt, and the same tree as it gains measurements and credit.
//!
//! A flat group is a tree without forks, so there is one flow for every algorithm.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

use rewards::Verdict;

use super::{Finish, PathField, Prompt, Reward, Signals, Span, TokenId};

/// Where a leaf's path leaves the path of an earlier leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fork {
    /// Index of the leaf whose response this one shares a prefix with.
    pub parent: usize,
    /// Number of response tokens shared with the parent.
    pub at: usize,
}

/// One whole response, from the first token after the prompt to its end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leaf {
    /// Number of this response among those of its prompt.
    pub sample: u32,
    /// Where it branched off, `None` for a response sampled from the prompt.
    pub fork: Option<Fork>,
    /// Response tokens, an ending end-of-sequence token included. Never empty.
    pub tokens: Vec<TokenId>,
    /// Behaviour log-probability of each token: under the distribution it was sampled from.
    pub logprobs: Vec<f32>,
    /// Why generation stopped.
    pub finish: Finish,
    /// The weights that a server drew the tokens from; none where this process drew.
    pub versions: Vec<Span>,
    /// The response as text, without the special tokens that end or pad it.
    pub text: String,
    /// What the graders said.
    pub verdict: Verdict,
    /// Whether every grader that counts has judged it. If not, nobody knows what it is worth: it is trained on nowhere, and no
    /// part of what others are compared with.
    pub is_graded: bool,
    /// How far rounding may have moved the value of the verdict.
    pub rounding: f64,
}

impl Leaf {
    /// What it is worth; `None` where it was not graded.
    #[must_use]
    pub(crate) fn reward(&self) -> Option<Reward> {
        self.is_graded.then_some(Reward { value: self.verdict.value, rounding: self.rounding })
    }
}

/// Every response to one prompt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    /// The problem.
    pub prompt: Arc<Prompt>,
    /// The responses, in order of `sample`.
    pub leaves: Vec<Leaf>,
}

impl Tree {
    /// The leaves that were graded.
    pub(crate) fn graded(&self) -> impl Iterator<Item = &Leaf> {
        self.leaves.iter().filter(|leaf| leaf.is_graded)
    }

    /// Whether the rewards tell the graded responses apart: false when all are equal but for rounding.
    #[must_use]
    pub(crate) fn has_signal(&self) -> bool {
        Reward::differ(self.leaves.iter().filter_map(Leaf::reward))
    }

    /// Number of response tokens over all leaves.
    #[must_use]
    pub(crate) fn n_tokens(&self) -> usize {
        self.leaves.iter().map(|leaf| leaf.tokens.len()).sum()
    }

    /// Number of response tokens that two leaves share because one of them forked off the other, or both off a third.
    #[must_use]
    pub(crate) fn n_common(&self, a: usize, b: usize) -> usize {
        let (earlier, later) = (a.min(b), a.max(b));
        if earlier == later {
            return self.leaves[a].tokens.len();
        }
        // A leaf forks off an earlier one.
        self.leaves[later].fork.map_or(0, |fork| fork.at.min(self.n_common(earlier, fork.parent)))
    }

    /// How many forks lie between `leaf` and a response sampled from the prompt.
    #[must_use]
    pub(crate) fn depth(&self, leaf: usize) -> usize {
        self.leaves[leaf].fork.map_or(0, |fork| 1 + self.depth(fork.parent))
    }

    /// The leaves of a depth, with their indices.
    pub(crate) fn at_depth(&self, depth: usize) -> impl Iterator<Item = (usize, &Leaf)> {
        self.leaves.iter().enumerate().filter(move |(leaf, _)| self.depth(*leaf) == depth)
    }

    /// Whether another leaf forks off `leaf`, or it off another.
    #[must_use]
    pub(crate) fn is_branched(&self, leaf: usize) -> bool {
        self.leaves[leaf].fork.is_some()
            || self.leaves.iter().any(|other| other.fork.is_some_and(|fork| fork.parent == leaf))
    }

    /// Number of response tokens that were sampled: those that leaves share count once.
    #[must_use]
    pub(crate) fn n_sampled_tokens(&self) -> usize {
        self.n_tokens() - self.n_shared_tokens()
    }

    /// How many of [`Tree::n_tokens`] are those of an earlier leaf, up to the fork.
    #[must_use]
    pub(crate) fn n_shared_tokens(&self) -> usize {
        self.leaves.iter().filter_map(|leaf| leaf.fork).map(|fork| fork.at).sum()
    }
}

/// What the later stages want measured; the union over all of them is measured once, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Log-probabilities and entropies under the learner's policy before the step's first update.
    pub old_logprobs: bool,
    /// Log-probabilities under the reference policy.
    pub ref_logprobs: bool,
    /// How far the policy's local heads look back from each token.
    pub waad: bool,
    /// How much its global heads look back at each token later on.
    pub fai: bool,
    /// The critic's values.
    pub values: bool,
}

impl Needs {
    /// Whether attention must be read.
    #[must_use]
    pub(crate) fn signals(self) -> bool {
        self.waad || self.fai
    }

    /// Everything that `self` or `other` asks for.
    #[must_use]
    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            old_logprobs: self.old_logprobs || other.old_logprobs,
            ref_logprobs: self.ref_logprobs || other.ref_logprobs,
            waad: self.waad || other.waad,
            fai: self.fai || other.fai,
            values: self.values || other.values,
        }
    }
}

/// Where the ratio new / old of a token's probabilities starts, which a loss clips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RatioStart {
    /// From the learner's policy before the step's first update, measured in a pass of its own.
    Measured,
    /// From the sampler's, whatever else is measured: where tokens of one response come from several policies, each counts
    /// under its own.
    Sampler,
    /// From the learner's policy as the first pass of the step's only update finds it, so that the ratio is 1.
    FirstPass,
}

/// The log-probabilities of a tree's tokens that the ratio starts from.
#[derive(Clone, Debug)]
pub(crate) enum OldLogprobs {
    /// Those of [`RatioStart::Measured`].
    Measured(PathField<f32>),
    /// Those of the leaves themselves.
    Sampler,
    /// Not known before the update.
    FirstPass,
}

/// A tree with what the models say about its tokens. A field is `None` where nobody asked for it.
#[derive(Clone, Debug)]
pub(crate) struct MeasuredTree {
    /// The tree as sampled and scored.
    pub tree: Tree,
    /// Where the ratio starts.
    pub old_logprobs: OldLogprobs,
    /// Entropy of the learner's distribution at each token before the step's first update, nats.
    pub entropies: Option<PathField<f32>>,
    /// Log-probabilities under the reference policy.
    pub ref_logprobs: Option<PathField<f32>>,
    /// Attention signals under the learner before the step's first update.
    pub signals: Option<Signals>,
    /// What the critic expects of the rest before each token.
    pub values: Option<PathField<f32>>,
}

impl MeasuredTree {
    /// A tree of which nothing was measured.
    #[must_use]
    pub(crate) fn bare(tree: Tree) -> Self {
        let old_logprobs = OldLogprobs::FirstPass;
        Self { tree, old_logprobs, entropies: None, ref_logprobs: None, signals: None, values: None }
    }

    /// Log-probabilities that the ratio of response `leaf` starts from, `[R]`; `None` where the update itself finds them.
    #[must_use]
    pub(crate) fn old_logprobs(&self, leaf: usize) -> Option<&[f32]> {
        match &self.old_logprobs {
            OldLogprobs::Measured(field) => Some(field.path(leaf)),
            OldLogprobs::Sampler => Some(&self.tree.leaves[leaf].logprobs),
            OldLogprobs::FirstPass => None,
        }
    }
}

/// A tree whose every response token knows what it is worth.
#[derive(Clone, Debug)]
pub(crate) struct CreditedTree {
    /// The tree and its measurements.
    pub measured: MeasuredTree,
    /// Final advantage of every response token.
    pub advantages: PathField<f32>,
    /// What the critic should have said before every response token; `None` without a critic.
    pub returns: Option<PathField<f32>>,
    /// What the credit strategies together multiplied the estimated advantage of every response token by.
    pub gains: PathField<f32>,
    /// From which token on the learner trains on each leaf; `None` where it does not at all.
    pub trained: Vec<Option<usize>>,
}

/// What the first pass of an update saw of the tokens of a response, `[R]` each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Their log-probabilities.
    pub logprobs: Vec<f32>,
    /// Entropy of the distribution that each came from, nats.
    pub entropies: Vec<f32>,
}

/// A tree behind the update of its step.
#[derive(Clone, Debug)]
pub(crate) struct TrainedTree {
    /// The tree as it went into the update.
    pub credited: CreditedTree,
    /// What the update saw of each leaf; `None` of those that it was not given, or did not come to.
    pub seen: Vec<Option<Seen>>,
}

impl TrainedTree {
    /// The tree as sampled and scored.
    #[must_use]
    pub(crate) fn tree(&self) -> &Tree {
        &self.credited.measured.tree
    }

    /// Log-probabilities that the ratio of response `leaf` started from, `[R]`, where they are known.
    #[must_use]
    pub(crate) fn old_logprobs(&self, leaf: usize) -> Option<&[f32]> {
        let seen = || Some(self.seen[leaf].as_ref()?.logprobs.as_slice());
        self.credited.measured.old_logprobs(leaf).or_else(seen)
    }

    /// Entropies of response `leaf`, `[R]`: measured before the update, else as its first pass over the response saw them.
    #[must_use]
    pub(crate) fn entropies(&self, leaf: usize) -> Option<&[f32]> {
        let measured = self.credited.measured.entropies.as_ref().map(|field| field.path(leaf));
        measured.or_else(|| Some(self.seen[leaf].as_ref()?.entropies.as_slice()))
    }
}
