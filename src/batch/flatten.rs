//! One training sample per trained leaf, and their division into minibatches.

use std::sync::Arc;

use super::{NotLearned, Sequence};
use crate::types::{CreditedTree, Prompt, TokenId};

/// One response with everything the learner needs to know of it. The vectors have one value per response token.
#[derive(Clone, Debug)]
pub(crate) struct TrainSample {
    /// The problem.
    pub prompt: Arc<Prompt>,
    /// Response tokens.
    pub tokens: Vec<TokenId>,
    /// The first of them that is trained on; those before it are another sample's.
    pub from: usize,
    /// Log-probabilities that the ratio starts from: before the step's first update, or the sampler's; `None` where that update
    /// itself measures them.
    pub old_logprobs: Option<Vec<f32>>,
    /// Log-probabilities under the reference; `None` without a KL penalty.
    pub ref_logprobs: Option<Vec<f32>>,
    /// Finished advantages.
    pub advantages: Vec<f32>,
    /// Values of the critic before the step's first update; `None` without one.
    pub values: Option<Vec<f32>>,
    /// What those should have been; `None` without a critic.
    pub returns: Option<Vec<f32>>,
    /// Place in the step: index of tree and leaf.
    pub place: (usize, usize),
}

impl TrainSample {
    /// The sample's tokens.
    #[must_use]
    pub(crate) fn sequence(&self) -> Sequence<'_> {
        Sequence { prompt: &self.prompt.tokens, response: &self.tokens }
    }
}

/// What a step learns from.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// The trained leaves, in order; none where something is not finite.
    pub samples: Vec<TrainSample>,
    /// What is not finite.
    pub not_learned: Option<NotLearned>,
}

impl Batch {
    /// The batch of `trees`.
    #[must_use]
    pub(crate) fn new(trees: &[CreditedTree]) -> Self {
        let not_learned = NotLearned::find(trees);
        let samples = if not_learned.is_none() { flatten(trees) } else { Vec::new() };
        Self { samples, not_learned }
    }
}

/// The trained leaves of `trees`, in order.
#[must_use]
pub(crate) fn flatten(trees: &[CreditedTree]) -> Vec<TrainSample> {
    let mut samples = Vec::new();
    for (t, credited) in trees.iter().enumerate() {
        let measured = &credited.measured;
        for (l, leaf) in measured.tree.leaves.iter().enumerate() {
            let Some(from) = credited.trained[l] else { continue };
            samples.push(TrainSample {
                from,
                prompt: Arc::clone(&measured.tree.prompt),
                tokens: leaf.tokens.clone(),
                old_logprobs: measured.old_logprobs(l).map(<[f32]>::to_vec),
                ref_logprobs: measured.ref_logprobs.as_ref().map(|field| field.path(l).to_vec()),
                advantages: credited.advantages.path(l).to_vec(),
                values: measured.values.as_ref().map(|field| field.path(l).to_vec()),
                returns: credited.returns.as_ref().map(|field| field.path(l).to_vec()),
                place: (t, l),
            });
        }
    }
    samples
}

/// Cuts `samples` into at most `n` minibatches of whole trees, as equal in number of trees as can be.
#[must_use]
pub(crate) fn minibatches(samples: &[TrainSample], n: usize) -> Vec<&[TrainSample]> {
    let trees: Vec<&[TrainSample]> = samples.chunk_by(|a, b| a.place.0 == b.place.0).collect();
    let mut rest = samples;
    let mut start = 0;
    let mut parts = Vec::with_capacity(n);
    for i in 1..=n {
        let end = i * trees.len() / n;
        let size = trees[start..end].iter().map(|tree| tree.len()).sum();
        let (part, others) = rest.split_at(size);
        if !part.is_empty() {
            parts.push(part);
        }
        (rest, start) = (others, end);
    }
    parts
}
