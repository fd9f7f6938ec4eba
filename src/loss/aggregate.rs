//! How token losses become one number: as a weight per token, fixed before the first micro-batch is run.
//!
//! The loss of a minibatch is `sum_t weight_t * loss_t`. Since the weights already hold the denominators of the whole
//! minibatch, how it is cut into micro-batches cannot change the gradient.

use super::Aggregation;

/// The weight of each token of sequence i, given the lengths of all sequences of the minibatch. `longest` is the
/// longest response allowed, the divisor of [`Aggregation::Constant`].
#[must_use]
pub fn token_weights(aggregation: Aggregation, lengths: &[usize], longest: usize) -> Vec<f64> {
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
