//! Numbers for tests, a function of the seed alone: libtorch's generator is one for all threads, and its numbers depend on the
//! processor.

use std::cell::RefCell;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tch::Tensor;

/// Draws one after the other.
pub(crate) struct Draws(RefCell<ChaCha8Rng>);

impl Draws {
    pub(crate) fn new(seed: u64) -> Self {
        Self(RefCell::new(ChaCha8Rng::seed_from_u64(seed)))
    }

    /// Normal numbers, f32.
    pub(crate) fn normal(&self, shape: &[i64]) -> Tensor {
        let n = shape.iter().product::<i64>() as usize;
        let mut rng = self.0.borrow_mut();
        let mut numbers = Vec::with_capacity(n + 1);
        while numbers.len() < n {
            // By Box and Muller, two at a time.
            let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
            let angle = 2.0 * std::f64::consts::PI * rng.random::<f64>();
            numbers.extend([radius * angle.cos(), radius * angle.sin()].map(|x| x as f32));
        }
        Tensor::from_slice(&numbers[..n]).reshape(shape)
    }

    /// `n` whole numbers of `0..end`, int64.
    pub(crate) fn below(&self, end: i64, n: i64) -> Tensor {
        let mut rng = self.0.borrow_mut();
        Tensor::from_slice(&(0..n).map(|_| rng.random_range(0..end)).collect::<Vec<_>>())
    }
}
