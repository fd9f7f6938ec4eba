//! One generation request and what the policy answered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Prompt, TokenId};

/// Asks for one continuation of `prompt.tokens ++ prefix`.
#[derive(Clone, Debug)]
pub(crate) struct GenRequest {
    /// The problem to answer.
    pub prompt: Arc<Prompt>,
    /// Response tokens that are already fixed (the shared part of a branch); empty for a fresh response.
    pub prefix: Vec<TokenId>,
    /// Number of this response among those of its prompt; a coordinate of its random draws.
    pub sample: u32,
}

/// Why generation stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Finish {
    /// The policy ended the response itself; the end-of-sequence token is part of it.
    Eos,
    /// The limit of new tokens was reached, or a token came from a distribution that is not finite.
    Length,
}

/// The tokens of one generation request, prefix not included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Completion {
    /// Generated tokens, an ending end-of-sequence token included.
    pub tokens: Vec<TokenId>,
    /// Log-probability of each token under the distribution it was drawn from; all finite but perhaps the last.
    pub logprobs: Vec<f32>,
    /// Why generation stopped.
    pub finish: Finish,
}
