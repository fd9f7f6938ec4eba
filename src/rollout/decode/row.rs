//! One response, token by token.

use crate::types::{Completion, Finish, GenRequest, HeadSignals, TokenId};

/// A response being written.
pub(super) struct Row<'r> {
    pub(super) request: &'r GenRequest,
    pub(super) tokens: Vec<TokenId>,
    pub(super) logprobs: Vec<f32>,
    pub(super) finish: Option<Finish>,
    /// How many of its tokens the policy has read.
    pub(super) n_fed: usize,
    pub(super) signals: Option<HeadSignals>,
}

impl<'r> Row<'r> {
    pub(super) fn new(request: &'r GenRequest) -> Self {
        Self { request, tokens: Vec::new(), logprobs: Vec::new(), finish: None, n_fed: 0, signals: None }
    }

    /// Position of the next token within the response.
    pub(super) fn position(&self) -> usize {
        self.request.prefix.len() + self.tokens.len()
    }

    /// Takes the next token. Where its distribution was not finite the response ends with what that gave.
    pub(super) fn push(&mut self, token: TokenId, logprob: f32, max_new_tokens: usize, eos: &[TokenId]) {
        self.tokens.push(token);
        self.logprobs.push(logprob);
        self.finish = if eos.contains(&token) {
            Some(Finish::Eos)
        } else {
            (self.position() == max_new_tokens || !logprob.is_finite()).then_some(Finish::Length)
        };
    }

    /// Whether it may end here otherwise than it does: it has ended by its length, if at all, and not for its numbers.
    pub(super) fn is_sound(&self) -> bool {
        self.finish.is_none_or(|finish| finish == Finish::Length)
            && self.n_fed < self.tokens.len()
            && self.logprobs.last().is_some_and(|logprob| logprob.is_finite())
    }

    /// Whether the row has a step before it: it is not ended, or its last token's attention is wanted and not yet there.
    pub(super) fn goes_on(&self, is_read: bool) -> bool {
        self.finish.is_none() || (is_read && self.n_fed < self.tokens.len())
    }

    /// The token to feed next, and whether it is new; rows that have ended feed anything.
    pub(super) fn feed(&mut self) -> (i64, bool) {
        let is_new = self.n_fed < self.tokens.len();
        self.n_fed = self.tokens.len();
        (self.tokens.last().map_or(0, |token| i64::from(*token)), is_new)
    }

    /// The response, and its attention where it was read.
    pub(super) fn into_parts(self) -> (Completion, Option<HeadSignals>) {
        // The loop ends only when every row has a finish.
        let finish = self.finish.unwrap_or(Finish::Length);
        let versions = Vec::new();
        (Completion { tokens: self.tokens, logprobs: self.logprobs, finish, versions }, self.signals)
    }
}
