//! One micro-batch: forward, ask the loss for its derivative, backward into the flat gradient.

use crate::batch::TokenGrid;
use crate::model::{Gradient, Policy, StatsGrad, TokenStats};

/// Adds to `gradient` that of a loss over the response tokens of `grid`. `derivative` gets their log-probabilities and
/// entropies and gives the loss's derivative with respect to them.
pub fn accumulate(
    policy: &Policy,
    grid: &TokenGrid,
    temperature: f64,
    gradient: &Gradient,
    derivative: impl FnOnce(&TokenStats) -> StatsGrad,
) {
    let head = policy.head(temperature);
    let forward = policy.forward(grid.tokens.shallow_clone());
    let picked = grid.pick(&forward.hidden); // (N, E), in the graph
    let hidden = picked.detach();
    let grad = derivative(&head.stats(&hidden, &grid.targets));
    let d_hidden = head.backward(&hidden, &grid.targets, &grad, &mut policy.head_gradient(gradient));
    policy.backward(forward, &picked, &d_hidden, gradient);
}
