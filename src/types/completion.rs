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
    /// The last token completes a string that ends responses; graders see the text before it.
    Stop,
    /// The limit of new tokens was reached, or a token came from a distribution that is not finite.
    Length,
}

/// Tokens of a response that were drawn from the same weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span {
    /// What the server calls the weights.
    pub version: String,
    /// The first of the tokens.
    pub start: usize,
    /// The first behind them.
    pub end: usize,
}

impl Span {
    /// Those of a response of which the first `n` tokens are of `before`, and the others of `rest`, which counts from 0.
    #[must_use]
    pub(crate) fn joined(before: &[Self], n: usize, rest: Vec<Self>) -> Vec<Self> {
        let kept = before.iter().filter(|span| span.start < n);
        let kept = kept.map(|span| Self { end: span.end.min(n), ..span.clone() });
        let rest = rest.into_iter().map(|span| Self { start: span.start + n, end: span.end + n, ..span });
        let mut joined: Vec<Self> = Vec::new();
        for span in kept.chain(rest) {
            match joined.last_mut().filter(|last| (&last.version, last.end) == (&span.version, span.start)) {
                Some(last) => last.end = span.end,
                None => joined.push(span),
            }
        }
        joined
    }
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
    /// The weights that a server drew the tokens from; none where this process drew.
    pub versions: Vec<Span>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(list: &[(&str, usize, usize)]) -> Vec<Span> {
        list.iter()
            .map(|(name, start, end)| Span { version: (*name).into(), start: *start, end: *end })
            .collect()
    }

    #[test]
    fn a_branch_has_the_weights_of_its_prefix_and_its_own() {
        let before = spans(&[("a", 0, 4), ("b", 4, 9)]);
        for (n, rest, expected) in [
            (2, spans(&[("b", 0, 3)]), spans(&[("a", 0, 2), ("b", 2, 5)])),
            (4, spans(&[("a", 0, 1), ("b", 1, 2)]), spans(&[("a", 0, 5), ("b", 5, 6)])),
            (6, spans(&[("b", 0, 3)]), spans(&[("a", 0, 4), ("b", 4, 9)])),
            (0, spans(&[("b", 0, 3)]), spans(&[("b", 0, 3)])),
            (9, Vec::new(), before.clone()),
        ] {
            assert_eq!(Span::joined(&before, n, rest), expected);
        }
        assert_eq!(Span::joined(&[], 5, Vec::new()), []);
    }
}
