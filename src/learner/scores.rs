//! The gradient of weighted log-probabilities, what every policy gradient is made of.
//!
//! ```text
//! sum over responses, tokens of  w_t grad log pi(y_t | before)
//! ```

use anyhow::Result;

use super::accumulate::accumulate;
use crate::batch::{Reads, Sequence, TokenBatch, pack};
use crate::model::{Gradient, Policy, StatsGrad};

/// A response with the weight of each of its tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weighted<'a> {
    /// Its tokens.
    pub sequence: Sequence<'a>,
    /// Their weights, `[R]`.
    pub weights: &'a [f32],
}

/// Adds the gradient of the weighted log-probabilities of `responses` at `temperature` to `gradient`, `max_tokens` tokens a pass;
/// responses without any weight are passed over. `check` is asked before each pass.
///
/// # Errors
/// If the policy is not where its placement says; that of a check.
pub(crate) fn add_weighted_scores(
    policy: &Policy,
    responses: &[Weighted<'_>],
    temperature: f64,
    max_tokens: usize,
    check: &dyn Fn() -> Result<()>,
    gradient: &mut Gradient,
) -> Result<()> {
    let is_weighed = |response: &&Weighted<'_>| response.weights.iter().any(|weight| *weight != 0.0);
    let responses: Vec<Weighted<'_>> = responses.iter().filter(is_weighed).copied().collect();
    let sequences: Vec<Sequence<'_>> = responses.iter().map(|response| response.sequence).collect();
    for group in pack(&sequences, max_tokens, Reads::Predictors) {
        check()?;
        let rows: Vec<Sequence<'_>> = group.iter().map(|i| sequences[*i]).collect();
        let batch = TokenBatch::new(&rows, Reads::Predictors, policy.network.placement.device);
        let weights = batch.per_token(group.iter().map(|i| responses[*i].weights));
        let derivative = |_: &_| StatsGrad { logprobs: weights, entropies: None };
        accumulate(policy, &batch, temperature, false, gradient, derivative)?;
    }
    Ok(())
}
