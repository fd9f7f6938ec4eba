//! Residual and RMSNorm, and their gradient:
//!
//! ```text
//! sum = x + delta        s = 1 / sqrt(mean_e sum_e^2 + eps)        out_e = sum_e s w_e
//!
//! g_e = d_e w_e          dx_e = s (g_e - sum_e s mean_i(g_i sum_i s))        dw_e = sum over rows of d_e sum_e s
//! ```

use multiversion::multiversion;

use super::super::Number;
use super::super::parallel::DisjointSlices;
use super::super::scratch::with_scratch;
use super::super::softmax::fold;
use super::{add_up, for_blocks};

/// Gives in `sum` what `x` and `delta` add up to, in `out` its norm and in `scale` `[N]` each row's s; all others `[N, E]`,
/// `weight` `[E]`. Where `delta` is empty so is `sum`, and `x` is normed.
pub(crate) fn add_norm_rows<T: Number>(
    x: &[T],
    delta: &[T],
    weight: &[T],
    eps: f32,
    sum: &mut [T],
    out: &mut [T],
    scale: &mut [f32],
) {
    let (width, n) = (weight.len(), scale.len());
    let widths = if delta.is_empty() { 0 } else { width };
    let (sum, out, scale) = (DisjointSlices::new(sum), DisjointSlices::new(out), DisjointSlices::new(scale));
    for_blocks(n, |_, rows| {
        // SAFETY: every block is worked on once.
        let (sum, out, scale) =
            unsafe { (sum.rows(&rows, widths), out.rows(&rows, width), scale.rows(&rows, 1)) };
        let delta = &delta[rows.start * widths..rows.end * widths];
        let x = &x[rows.start * width..rows.end * width];
        with_scratch(width, |wide| forward(x, delta, weight, eps, (sum, out, scale), wide));
    });
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn forward<T: Number>(
    x: &[T],
    delta: &[T],
    weight: &[T],
    eps: f32,
    (sum, out, scale): (&mut [T], &mut [T], &mut [f32]),
    wide: &mut [f32],
) {
    let width = weight.len();
    for ((sum, x), delta) in sum.iter_mut().zip(x).zip(delta) {
        *sum = T::from_f32(x.to_f32() + delta.to_f32());
    }
    let x = if delta.is_empty() { x } else { &*sum };
    for ((x, out), scale) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(scale) {
        for (wide, x) in wide.iter_mut().zip(x) {
            *wide = x.to_f32() * x.to_f32();
        }
        *scale = 1.0 / (fold(wide, 0.0, |a, b| a + b) / width as f32 + eps).sqrt();
        for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
            // Rounded before the weight, as the model was trained.
            *out = T::from_f32(T::from_f32(x.to_f32() * *scale).to_f32() * weight.to_f32());
        }
    }
}

/// What the gradient of the norm needs of the pass before.
pub(crate) struct NormBack<'a, T> {
    /// The rows that were normed, `[N, E]`.
    pub x: &'a [T],
    /// Each row's s, `[N]`.
    pub scale: &'a [f32],
    /// `[E]`.
    pub weight: &'a [T],
}

/// Two gradients `[N, E]` that meet before a norm.
#[derive(Clone, Copy)]
pub(crate) struct NormGradients<'a, T> {
    /// Of the norm.
    pub normed: &'a [T],
    /// Of the rows, by what passes the norm by.
    pub rows: &'a [T],
}

/// From the gradients `d`: gives that of the rows in `dx` `[N, E]`, adds that of the weight to `d_weight` `[E]`, and gives the
/// norm itself in `again` `[N, E]`.
pub(crate) fn norm_rows_back<T: Number>(
    back: &NormBack<'_, T>,
    d: NormGradients<'_, T>,
    dx: &mut [T],
    d_weight: &mut [f32],
    again: &mut [T],
) {
    let (width, n) = (back.weight.len(), back.scale.len());
    let mut shares = vec![0f32; n.div_ceil(super::BLOCK) * width];
    let (dx, again, parts) =
        (DisjointSlices::new(dx), DisjointSlices::new(again), DisjointSlices::new(&mut shares));
    for_blocks(n, |i, rows| {
        // SAFETY: every block is worked on once.
        let (dx, again, share) =
            unsafe { (dx.rows(&rows, width), again.rows(&rows, width), parts.rows(&(i..i + 1), width)) };
        let all = rows.start * width..rows.end * width;
        let d = NormGradients { normed: &d.normed[all.clone()], rows: &d.rows[all.clone()] };
        let back = NormBack { x: &back.x[all], scale: &back.scale[rows], weight: back.weight };
        with_scratch(width, |wide| backward(&back, d, (dx, share, again), wide));
    });
    add_up(&shares, d_weight);
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn backward<T: Number>(
    back: &NormBack<'_, T>,
    d: NormGradients<'_, T>,
    (dx, d_weight, again): (&mut [T], &mut [f32], &mut [T]),
    wide: &mut [f32],
) {
    let width = back.weight.len();
    for (row, scale) in back.scale.iter().enumerate() {
        let all = row * width..(row + 1) * width;
        let (x, d, past) = (&back.x[all.clone()], &d.normed[all.clone()], &d.rows[all.clone()]);
        let (dx, again) = (&mut dx[all.clone()], &mut again[all]);
        for (((wide, x), d), weight) in wide.iter_mut().zip(x).zip(d).zip(back.weight) {
            *wide = d.to_f32() * weight.to_f32() * (x.to_f32() * scale);
        }
        let mean = fold(wide, 0.0, |a, b| a + b) / width as f32;
        let given = x.iter().zip(d).zip(back.weight).zip(past);
        let wanted = dx.iter_mut().zip(again).zip(d_weight.iter_mut());
        for ((((x, d), weight), past), ((dx, again), d_weight)) in given.zip(wanted) {
            let normed = x.to_f32() * scale;
            *again = T::from_f32(T::from_f32(normed).to_f32() * weight.to_f32());
            *dx = T::from_f32(past.to_f32() + scale * (d.to_f32() * weight.to_f32() - normed * mean));
            *d_weight += d.to_f32() * normed;
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
        let (n, e) = (70, 24);
        let normal = |shape: &[i64]| draws.normal(shape).to_kind(T::KIND);
        let (x, delta, weight, d) = (normal(&[n, e]), normal(&[n, e]), normal(&[e]), normal(&[n, e]));
        let leaf = |x: &Tensor| x.to_kind(Kind::Float).set_requires_grad(true);
        let (wide, gain) = (leaf(&(&x + &delta)), leaf(&weight));
        let mean = wide.square().mean_dim([-1i64].as_slice(), true, None);
        let expected = &wide * (mean + 1e-5).rsqrt() * &gain;
        let grads = Tensor::run_backward(&[(&expected * &d).sum(None)], &[&wide, &gain], false, false);

        let empty = || Owned::empty(&[n, e], T::KIND);
        let (mut sum, mut out) = (empty(), empty());
        let mut scale = vec![0f32; n as usize];
        let w = view::<T>(&weight).unwrap();
        let (to_sum, to_out) = (sum.numbers::<T>().unwrap(), out.numbers().unwrap());
        add_norm_rows(view(&x).unwrap(), view(&delta).unwrap(), w, 1e-5, to_sum, to_out, &mut scale);
        let (sum, out) = (sum.into_tensor(), out.into_tensor());
        assert_eq!(sum, &x + &delta);
        let close = |a: &Tensor, b: &Tensor| {
            a.to_kind(Kind::Float).allclose(&b.to_kind(Kind::Float), tolerance, tolerance, false)
        };
        assert!(close(&out, &expected));

        let (past, mut dx, mut again) = (x.ones_like(), empty(), empty());
        let mut d_weight = vec![1f32; e as usize];
        let back = NormBack { x: view::<T>(&sum).unwrap(), scale: &scale, weight: w };
        let d = NormGradients { normed: view(&d).unwrap(), rows: view(&past).unwrap() };
        norm_rows_back(&back, d, dx.numbers().unwrap(), &mut d_weight, again.numbers().unwrap());
        assert!(again.into_tensor() == out && close(&dx.into_tensor(), &(&grads[0] + 1.0)));
        assert!(close(&Tensor::from_slice(&d_weight), &(&grads[1] + 1.0)));
    }

    #[test]
    fn norm_and_gradient_are_those_of_autograd() {
        check::<f32>(1e-5);
        check::<Bf16>(2e-2);
    }
}
