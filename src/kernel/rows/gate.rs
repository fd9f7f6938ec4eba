//! The gate of the MLP, row-major, and its gradient:
//!
//! ```text
//! out = silu(g) u         silu(g) = g q,  q = 1 / (1 + exp(-g))
//! dg = d u q (1 + g (1 - q))              du = d silu(g)
//! ```

use multiversion::multiversion;

use super::super::Number;
use super::super::exp::exp;
use super::super::gate::gated;
use super::super::parallel::DisjointSlices;
use super::for_blocks;

/// `gate_up` `[N, 2F]` holds the gates and behind them the ups of each row; `out` `[N, F]` gets their products.
pub(crate) fn gate_rows<T: Number>(gate_up: &[T], width: usize, out: &mut [T]) {
    let n = out.len() / width;
    let out = DisjointSlices::new(out);
    for_blocks(n, |_, rows| {
        // SAFETY: every block is worked on once.
        let out = unsafe { out.rows(&rows, width) };
        forward(&gate_up[rows.start * 2 * width..rows.end * 2 * width], width, out);
    });
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn forward<T: Number>(gate_up: &[T], width: usize, out: &mut [T]) {
    for (gate_up, out) in gate_up.chunks_exact(2 * width).zip(out.chunks_exact_mut(width)) {
        let (gates, ups) = gate_up.split_at(width);
        for ((out, gate), up) in out.iter_mut().zip(gates).zip(ups) {
            *out = gated(*gate, *up);
        }
    }
}

/// From the gradient `d` `[N, F]` of the products: turns `gate_up` into its own gradient, and `d` into the products.
pub(crate) fn gate_rows_back<T: Number>(gate_up: &mut [T], d: &mut [T], width: usize) {
    let n = d.len() / width;
    let (gate_up, d) = (DisjointSlices::new(gate_up), DisjointSlices::new(d));
    for_blocks(n, |_, rows| {
        // SAFETY: every block is worked on once.
        let (gate_up, d) = unsafe { (gate_up.rows(&rows, 2 * width), d.rows(&rows, width)) };
        backward(gate_up, d, width);
    });
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn backward<T: Number>(gate_up: &mut [T], d: &mut [T], width: usize) {
    for (gate_up, d) in gate_up.chunks_exact_mut(2 * width).zip(d.chunks_exact_mut(width)) {
        let (gates, ups) = gate_up.split_at_mut(width);
        for ((d, gate), up) in d.iter_mut().zip(gates).zip(ups) {
            let (x, u, given) = (gate.to_f32(), up.to_f32(), d.to_f32());
            let by = 1.0 + exp(-x);
            let (q, silu) = (1.0 / by, T::from_f32(x / by).to_f32());
            *gate = T::from_f32(given * u * q * (1.0 + x * (1.0 - q)));
            *up = T::from_f32(given * silu);
            *d = T::from_f32(silu * u);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tch::{Kind, Tensor};

    use super::super::super::{Bf16, Owned, view};
    use super::*;
    use crate::tests::Draws;

    fn check<T: Number>(tolerance: f64) {
        let draws = Draws::new(3);
        let (n, f) = (40, 21);
        let normal = |shape: &[i64]| draws.normal(shape).to_kind(T::KIND);
        let (gate_up, d) = (normal(&[n, 2 * f]) * 3.0, normal(&[n, f]));
        let wide = gate_up.to_kind(Kind::Float).set_requires_grad(true);
        let parts = wide.chunk(2, -1);
        let expected = parts[0].silu() * &parts[1];
        let grads = Tensor::run_backward(&[(&expected * &d).sum(None)], &[&wide], false, false);
        let close = |a: &Tensor, b: &Tensor| {
            a.to_kind(Kind::Float).allclose(&b.to_kind(Kind::Float), tolerance, 10.0 * tolerance, false)
        };
        let mut out = Owned::empty(&[n, f], T::KIND);
        gate_rows(view::<T>(&gate_up).unwrap(), f as usize, out.numbers().unwrap());
        let out = out.into_tensor();
        assert!(close(&out, &expected));
        let (mut d_gate_up, mut again) = (Owned::copy(&gate_up), Owned::copy(&d));
        gate_rows_back(d_gate_up.numbers::<T>().unwrap(), again.numbers().unwrap(), f as usize);
        assert!(again.into_tensor() == out && close(&d_gate_up.into_tensor(), &grads[0]));
    }

    #[test]
    fn gate_and_gradient_are_those_of_autograd() {
        check::<f32>(1e-6);
        check::<Bf16>(1e-2);
    }
}
