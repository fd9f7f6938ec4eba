//! Floating-point operations of the model, and of the fastest product this machine makes.
//!
//! ```text
//! body = 2 * (parameters in matrices) + 2 * L * H * D * T      per token of a sequence of T; causal, two products
//! head = 2 * V * E                                             per token whose successor is asked for
//! ```
//!
//! A backward pass costs twice its forward pass.

use std::time::Instant;

use anyhow::Result;
use tch::{Kind, Tensor};

use super::{Backend, Layout, ModelConfig, Placement};

/// Floating-point operations of a forward pass, per token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Arithmetic {
    /// Of the layers, for every token read.
    pub body: f64,
    /// Of the vocabulary, for every token predicted.
    pub head: f64,
}

impl Arithmetic {
    /// For sequences of `length` tokens, the mean where they differ.
    #[must_use]
    pub(crate) fn new(config: &ModelConfig, layout: &Layout, length: f64) -> Self {
        let vocabulary = (config.vocab_size * config.hidden_size) as f64;
        let tables = if config.tie_word_embeddings { vocabulary } else { 2.0 * vocabulary };
        let matrices = layout.n_decayed() as f64 - tables;
        let attention = 2.0 * (config.n_layers * config.q_width()) as f64 * length;
        Self { body: 2.0 * matrices + attention, head: 2.0 * vocabulary }
    }

    /// Of a forward pass over `read` tokens that predicts `predicted` tokens.
    #[must_use]
    pub(crate) fn forward(&self, read: f64, predicted: f64) -> f64 {
        read * self.body + predicted * self.head
    }

    /// Of the same pass and its backward pass.
    #[must_use]
    pub(crate) fn train(&self, read: f64, predicted: f64) -> f64 {
        3.0 * self.forward(read, predicted)
    }
}

/// Floating-point operations per second of the fastest of some large square products, libtorch's or those of `backend`; takes
/// about half a second.
///
/// # Errors
/// If `backend` does not compute at `placement`.
pub(crate) fn matmul_peak(backend: Backend, placement: Placement) -> Result<f64> {
    const MOST_S: f64 = 0.4;
    let n = if placement.device.is_cuda() { 8192 } else { 2048 };
    let a = Tensor::randn([n, n], (Kind::Float, placement.device)).to_kind(placement.kind);
    let start = Instant::now();
    let mut best = f64::INFINITY;
    // The first product also starts libtorch's threads, so there are two at least.
    for i in 0..8 {
        if i >= 2 && start.elapsed().as_secs_f64() > MOST_S {
            break;
        }
        let start = Instant::now();
        let product = if i % 2 == 0 { a.mm(&a) } else { backend.engine().linear(&a, &a)? };
        // Reading a number waits for the device.
        let _ = product.double_value(&[0, 0]);
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(2.0 * (n as f64).powi(3) / best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Preset;

    /// By hand: 4 layers of 4 * 192 * 192 (attention) + 3 * 192 * 512 (MLP) weights.
    #[test]
    fn the_preset_costs_what_its_matrices_say() {
        let config = Preset::Countdown2m.config(1000);
        let layout = Layout::new(&config);
        let matrices = 4.0 * (4.0 * 192.0 * 192.0 + 3.0 * 192.0 * 512.0);
        let short = Arithmetic::new(&config, &layout, 0.0);
        assert_eq!((short.body, short.head), (2.0 * matrices, 2.0 * 192.0 * 1000.0));
        assert_eq!(Arithmetic::new(&config, &layout, 100.0).body - short.body, 2.0 * 4.0 * 192.0 * 100.0);
        assert_eq!(short.train(3.0, 2.0), 3.0 * (3.0 * short.body + 2.0 * short.head));
    }
}
