//! Losses of tokens whose numbers can be worked out by hand.

use tch::{Kind, Tensor};

use super::{LossInput, PolicyLoss};

/// A token by the ratio of its probabilities, its advantage, its log-probability under the new weights, the loss that it should
/// have and the derivative of that with respect to this log-probability.
pub(super) type Token = (f64, f64, f64, f64, f64);

/// Asserts losses and derivatives of sequences of tokens.
pub(super) fn assert_tokens(loss: &dyn PolicyLoss, sequences: &[&[Token]]) {
    let tokens: Vec<Token> = sequences.concat();
    let all = |of: fn(&Token) -> f64| {
        Tensor::from_slice(&tokens.iter().map(of).collect::<Vec<_>>()).to_kind(Kind::Float)
    };
    let new = all(|token| token.2).set_requires_grad(true);
    let old = all(|token| token.2 - token.0.ln());
    let lengths: Vec<i64> = sequences.iter().map(|sequence| sequence.len() as i64).collect();
    let advantages = all(|token| token.1);
    let input =
        LossInput { new_logprobs: &new, old_logprobs: &old, advantages: &advantages, lengths: &lengths };
    let got = loss.token_loss(&input).loss;
    assert_close(&got, &all(|token| token.3));
    got.sum(Kind::Float).backward();
    assert_close(&new.grad(), &all(|token| token.4));
}

/// Asserts that both are the same but for rounding.
pub(super) fn assert_close(got: &Tensor, expected: &Tensor) {
    assert!(got.allclose(expected, 1e-5, 1e-6, false), "got {got:?} {got}, expected {expected}");
}
