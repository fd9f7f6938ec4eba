//! One micro-batch: forward, ask the loss for its derivative, backward into the flat gradient.

use anyhow::Result;

use crate::batch::TokenBatch;
use crate::model::{Gradient, Policy, StatsGrad, TokenStats};

/// Adds to `gradient` that of a loss over the response tokens of `batch`. `derivative` gets their log-probabilities and
/// entropies and gives the loss's derivative with respect to them. `recompute` as in [`crate::model::Network::forward`].
///
/// # Errors
/// If the policy is not where its placement says.
pub(crate) fn accumulate(
    policy: &Policy,
    batch: &TokenBatch,
    temperature: f64,
    recompute: bool,
    gradient: &mut Gradient,
    derivative: impl FnOnce(&TokenStats) -> StatsGrad,
) -> Result<()> {
    let head = policy.head(temperature);
    let forward = policy.network.forward(&batch.inputs, recompute)?;
    let picked = batch.pick(&forward.hidden); // (N, E)
    let scored = head.score(&picked, &batch.targets)?;
    let grad = derivative(&scored.stats);
    let d_picked =
        head.backward(&picked, &batch.targets, scored, &grad, &mut policy.head_gradient(gradient))?;
    policy.network.backward(&batch.inputs, forward, &batch.unpick(&d_picked), gradient)
}
