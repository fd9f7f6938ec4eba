//! Causal softmax over attention scores, and its gradient, in place:
//!
//! ```text
//! p_j = exp(scale s_j) / sum_(i <= t) exp(scale s_i)   for j <= t, else 0
//! ds_j = scale p_j (d_j - sum_i p_i d_i)
//! ```

use multiversion::multiversion;

use super::super::Number;
use super::super::parallel::DisjointSlices;
use super::super::scratch::with_scratch;
use super::super::softmax::{fold, softmax};
use super::for_blocks;

/// Scores of some queries after each other, matrix after matrix, against the columns from 0 on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CausalRows {
    /// Queries of a matrix, one row each.
    pub n_queries: usize,
    /// Columns of a matrix.
    pub n_columns: usize,
    /// Position of the first query: it sees the columns up to this one.
    pub first: usize,
    /// Multiplies the scores.
    pub scale: f32,
}

impl CausalRows {
    /// Number of columns that row `row`, counted over all matrices, sees.
    fn seen(&self, row: usize) -> usize {
        (self.first + row % self.n_queries + 1).min(self.n_columns)
    }
}

/// Turns scores into attention weights.
pub(crate) fn causal_softmax<T: Number>(scores: &mut [T], shape: CausalRows) {
    let n = scores.len() / shape.n_columns;
    let scores = DisjointSlices::new(scores);
    for_blocks(n, |_, rows| {
        // SAFETY: every block is worked on once.
        let scores = unsafe { scores.rows(&rows, shape.n_columns) };
        with_scratch(shape.n_columns, |wide| forward(scores, rows.start, shape, wide));
    });
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn forward<T: Number>(scores: &mut [T], first_row: usize, shape: CausalRows, wide: &mut [f32]) {
    for (i, scores) in scores.chunks_exact_mut(shape.n_columns).enumerate() {
        let (scores, hidden) = scores.split_at_mut(shape.seen(first_row + i));
        let wide = &mut wide[..scores.len()];
        for (wide, score) in wide.iter_mut().zip(scores.iter()) {
            *wide = score.to_f32() * shape.scale;
        }
        softmax(wide);
        for (score, wide) in scores.iter_mut().zip(wide) {
            *score = T::from_f32(*wide);
        }
        hidden.fill(T::default());
    }
}

/// Turns the gradient `d` of attention `weights` into that of the scores.
pub(crate) fn causal_softmax_back<T: Number>(weights: &[T], d: &mut [T], shape: CausalRows) {
    let width = shape.n_columns;
    let n = d.len() / width;
    let d = DisjointSlices::new(d);
    for_blocks(n, |_, rows| {
        // SAFETY: every block is worked on once.
        let d = unsafe { d.rows(&rows, width) };
        let weights = &weights[rows.start * width..rows.end * width];
        with_scratch(width, |wide| backward(weights, d, rows.start, shape, wide));
    });
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn backward<T: Number>(weights: &[T], d: &mut [T], first_row: usize, shape: CausalRows, wide: &mut [f32]) {
    let rows = weights.chunks_exact(shape.n_columns).zip(d.chunks_exact_mut(shape.n_columns));
    for (i, (weights, d)) in rows.enumerate() {
        let (d, hidden) = d.split_at_mut(shape.seen(first_row + i));
        let wide = &mut wide[..d.len()];
        for ((wide, weight), d) in wide.iter_mut().zip(weights).zip(d.iter()) {
            *wide = weight.to_f32() * d.to_f32();
        }
        let mean = fold(wide, 0.0, |a, b| a + b);
        for (d, weight) in d.iter_mut().zip(weights) {
            *d = T::from_f32(shape.scale * weight.to_f32() * (d.to_f32() - mean));
        }
        hidden.fill(T::default());
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::super::super::{Bf16, Owned, view};
    use super::*;
    use crate::tests::Draws;

    fn check<T: Number>(tolerance: f64) {
        let draws = Draws::new(3);
        // Queries 5 to 11 of three heads, which see up to 12 columns.
        let shape = CausalRows { n_queries: 7, n_columns: 12, first: 5, scale: 0.4 };
        let normal = || (draws.normal(&[3, 7, 12]) * 3.0).to_kind(T::KIND);
        let (scores, d) = (normal(), normal());
        let wide = scores.to_kind(Kind::Float).set_requires_grad(true);
        let hidden = Tensor::full([7, 12], f64::NEG_INFINITY, (Kind::Float, Device::Cpu)).triu(6);
        let expected = (&wide * 0.4 + hidden).softmax(-1, None);
        let grads = Tensor::run_backward(&[(&expected * &d).sum(None)], &[&wide], false, false);
        let close = |a: &Tensor, b: &Tensor| {
            a.to_kind(Kind::Float).allclose(&b.to_kind(Kind::Float), tolerance, tolerance, false)
        };
        let (mut weights, mut d_scores) = (Owned::copy(&scores), Owned::copy(&d));
        causal_softmax(weights.numbers::<T>().unwrap(), shape);
        let weights = weights.into_tensor();
        assert!(close(&weights, &expected));
        causal_softmax_back(view::<T>(&weights).unwrap(), d_scores.numbers().unwrap(), shape);
        assert!(close(&d_scores.into_tensor(), &grads[0]));
    }

    #[test]
    fn softmax_and_gradient_are_those_of_autograd() {
        check::<f32>(1e-6);
        check::<Bf16>(2e-2);
    }
}
