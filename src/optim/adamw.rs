//! AdamW (Loshchilov & Hutter 2019) with clipping by global norm:
//!
//! ```text
//! g = grad * min(1, max_norm / (norm(grad) + 1e-6))
//! m = b1 m + (1 - b1) g          v = b2 v + (1 - b2) g^2
//! w = w - lr * decay * w - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
//! ```
//!
//! Tested against PyTorch in `src/tests/numerics/losses.rs`, and on numbers out of bounds in `refusal.rs` beside it.

use std::ops::Range;

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};

use super::OptimConfig;
use crate::kernel::{sum_of_squares, view};
use crate::model::{Gradient, Network, Pieces};

/// Elements updated at a time: small enough that the temporaries stay in the processor's cache.
const BLOCK: i64 = 1 << 18;

/// Largest norm of a gradient that is used. Then no `g` exceeds it and every `g^2 <= 1e38` is finite in f32, however the
/// norm was summed up, and so are all that follow:
///
/// - `m` and `v` are averages of `g` and `g^2`, with or without their corrections no larger than those;
/// - by Cauchy and Schwarz `m^2 <= v (1 - b1)^2 / ((1 - b2) (1 - b1^2 / b2))` where `b1 <= b2`, so a weight moves by at most
///   a constant of the betas times `lr <= 1`, 7.3 for the usual ones; where the squares are too small for f32, so that this
///   does not hold of them, by at most `lr * max |g| / eps <= 1e19 / 1e-16`, still finite;
/// - `lr * decay <= 1` never makes a weight larger.
///
/// [`OptimConfig::rules`] hold the recipe to these bounds.
const MAX_NORM: f64 = 1e19;

/// The optimiser of one network.
pub(crate) struct AdamW {
    config: OptimConfig,
    state: AdamWState,
}

/// Everything the optimiser remembers.
#[derive(Debug)]
pub(crate) struct AdamWState {
    /// Running mean of gradients, f32 `[n_params]`, or this rank's piece of that.
    pub first: Tensor,
    /// Running mean of squared gradients, the same of them.
    pub second: Tensor,
    /// Updates made so far.
    pub updates: u64,
}

/// What one update did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Applied {
    /// Global L2 norm of the gradient before clipping.
    pub grad_norm: f64,
    /// L2 norm of the change of the weights; `None` if the update was refused because the gradient is not finite, or so
    /// large that its squares are not.
    pub param_delta: Option<f64>,
}

impl AdamWState {
    /// The same state in the same memory.
    #[must_use]
    pub(crate) fn shallow_clone(&self) -> Self {
        let Self { first, second, updates } = self;
        Self { first: first.shallow_clone(), second: second.shallow_clone(), updates: *updates }
    }
}

impl AdamW {
    /// An optimiser that has made no update yet.
    #[must_use]
    pub(crate) fn new(config: OptimConfig, network: &Network) -> Self {
        let zeros = || network.master().zeros_like();
        Self { config, state: AdamWState { first: zeros(), second: zeros(), updates: 0 } }
    }

    /// What has to be saved.
    #[must_use]
    pub(crate) fn state(&self) -> &AdamWState {
        &self.state
    }

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// If the state is of a model of another size.
    pub(crate) fn restore(&mut self, state: AdamWState) -> Result<()> {
        for moment in [&state.first, &state.second] {
            let (got, expected) = (moment.size(), self.state.first.size());
            ensure!(got == expected, "optimiser state: got {got:?} moments, expected {expected:?}");
        }
        let device = self.state.first.device();
        self.state = AdamWState {
            first: state.first.to_device(device),
            second: state.second.to_device(device),
            updates: state.updates,
        };
        Ok(())
    }

    /// One update with `gradient`, which is summed up over the ranks first, at learning rate `lr`. One whose squares are not all finite changes
    /// nothing, on any rank.
    ///
    /// # Errors
    /// If a rank is lost.
    pub(crate) fn apply(&mut self, network: &mut Network, gradient: &Gradient, lr: f64) -> Result<Applied> {
        let _guard = tch::no_grad_guard();
        let pieces = network.pieces().clone();
        let gradient = gradient.reduce(&pieces)?;
        let grad_norm = over_pieces(&pieces, squares(&gradient))?.sqrt();
        if grad_norm.is_nan() || grad_norm > MAX_NORM {
            return Ok(Applied { grad_norm, param_delta: None });
        }
        self.state.updates += 1;
        let max_norm = self.config.max_grad_norm;
        let scale = if max_norm > 0.0 { (max_norm / (grad_norm + 1e-6)).min(1.0) } else { 1.0 };
        let (own, n_decayed) = (pieces.own(), network.trainable().n_decayed());
        // Of the piece, which begins and ends where it may.
        let n_decayed = (n_decayed - own.start).clamp(0, own.end - own.start);
        let squares = network.update(|weights| {
            let decayed = blocks(0..n_decayed).map(|block| (block, self.config.weight_decay));
            let plain = blocks(n_decayed..own.end - own.start).map(|block| (block, 0.0));
            let squares: f64 = decayed
                .chain(plain)
                .map(|(block, decay)| self.step(weights, &gradient, block, scale, lr, decay))
                .sum();
            squares
        })?;
        Ok(Applied { grad_norm, param_delta: Some(over_pieces(&pieces, squares)?.sqrt()) })
    }

    /// Updates one block; gives the squared norm of its change.
    fn step(
        &self,
        weights: &Tensor,
        gradient: &Tensor,
        block: Range<i64>,
        scale: f64,
        lr: f64,
        decay: f64,
    ) -> f64 {
        let OptimConfig { betas: [b1, b2], eps, .. } = self.config;
        let t = self.state.updates as f64;
        let part = |tensor: &Tensor| tensor.narrow(0, block.start, block.end - block.start);
        let (mut w, mut m, mut v) = (part(weights), part(&self.state.first), part(&self.state.second));
        let g = part(gradient) * scale;
        let _ = m.lerp_(&g, 1.0 - b1);
        let _ = v.g_mul_scalar_(b2);
        let _ = v.addcmul_(&g, &(&g * (1.0 - b2)));
        let root = (&v / (1.0 - b2.powf(t))).sqrt() + eps;
        let mut delta = &m / root * (-lr / (1.0 - b1.powf(t)));
        if decay != 0.0 {
            delta -= &w * (lr * decay);
        }
        let _ = w.g_add_(&delta);
        squares(&delta)
    }
}

/// The sum of a number over pieces, the same on every rank, of which each has that of its own piece.
fn over_pieces(pieces: &Pieces, own: f64) -> Result<f64> {
    if !pieces.is_cut() {
        return Ok(own);
    }
    let [sum] = pieces.ranks().sums([own])?;
    Ok(sum)
}

/// Sum of the squares of `numbers`; in main memory the same whatever the number of threads.
fn squares(numbers: &Tensor) -> f64 {
    let summed = || numbers.dot(numbers).to_kind(Kind::Double).double_value(&[]);
    view::<f32>(numbers).map_or_else(|_| summed(), sum_of_squares)
}

fn blocks(range: Range<i64>) -> impl Iterator<Item = Range<i64>> {
    let end = range.end;
    range.step_by(BLOCK as usize).map(move |start| start..(start + BLOCK).min(end))
}
