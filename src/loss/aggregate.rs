//! How token losses become one number: as a weight per token, fixed before the first micro-batch is run.
//!
//! The loss of a minibatch is `sum_t weight_t * loss_t`. Since the weights already hold the denominators of the whole
//! minibatch, how it is cut into micro-batches cannot change the gradient.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How token losses become one number; always over the whole minibatch, whatever its micro-batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aggregation {
    /// Sum over tokens / number of tokens.
    #[default]
    TokenMean,
    /// Mean over sequences of the mean over each one's tokens.
    SeqMeanTokenMean,
    /// Mean over sequences of the sum over each one's tokens.
    SeqMeanTokenSum,
    /// Sum over tokens / (number of sequences x longest response allowed): Dr. GRPO.
    Constant,
}

/// The weight of each token of sequence i, given the lengths of all sequences of the minibatch. `longest` is the
/// longest response allowed, the divisor of [`Aggregation::Constant`].
#[must_use]
pub(crate) fn token_weights(aggregation: Aggregation, lengths: &[usize], longest: usize) -> Vec<f64> {
    let n_tokens = lengths.iter().sum::<usize>() as f64;
    let n_sequences = lengths.len() as f64;
    let weight = |length: &usize| match aggregation {
        Aggregation::TokenMean => 1.0 / n_tokens,
        Aggregation::SeqMeanTokenMean => 1.0 / (n_sequences * *length as f64),
        Aggregation::SeqMeanTokenSum => 1.0 / n_sequences,
        Aggregation::Constant => 1.0 / (n_sequences * longest as f64),
    };
    lengths.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Responses of one token and of three, at most eight.
    #[test]
    fn weights_are_one_over_their_denominators() {
        for (aggregation, short, long) in [
            (Aggregation::TokenMean, 0.25, 0.25),
            (Aggregation::SeqMeanTokenMean, 1.0 / 2.0, 1.0 / 6.0),
            (Aggregation::SeqMeanTokenSum, 0.5, 0.5),
            (Aggregation::Constant, 1.0 / 16.0, 1.0 / 16.0),
        ] {
            assert_eq!(token_weights(aggregation, &[1, 3], 8), [short, long], "{aggregation:?}");
        }
    }
}
