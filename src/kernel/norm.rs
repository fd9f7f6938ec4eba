//! Residual and RMSNorm in one pass, feature-major:
//!
//! ```text
//! x <- x + delta
//! y[e, b] = x[e, b] / sqrt(mean_e x[e, b]^2 + eps) * w[e]
//! ```

use multiversion::multiversion;

use super::Number;

/// Adds `delta` (nothing where it is empty) to `x` and gives the norm of the sum in `out`; all `[E, B]`, `weight` `[E]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
pub(crate) fn add_rms_norm<T: Number>(x: &mut [T], delta: &[T], weight: &[T], eps: f32, out: &mut [T]) {
    let n_rows = x.len() / weight.len();
    let mut scale = vec![0f32; n_rows];
    for (e, x) in x.chunks_exact_mut(n_rows).enumerate() {
        if !delta.is_empty() {
            for (x, d) in x.iter_mut().zip(&delta[e * n_rows..(e + 1) * n_rows]) {
                *x = T::from_f32(x.to_f32() + d.to_f32());
            }
        }
        for (sum, x) in scale.iter_mut().zip(x.iter()) {
            *sum += x.to_f32() * x.to_f32();
        }
    }
    for sum in &mut scale {
        *sum = 1.0 / (*sum / weight.len() as f32 + eps).sqrt();
    }
    let rows = out.chunks_exact_mut(n_rows).zip(x.chunks_exact(n_rows));
    for ((out, x), w) in rows.zip(weight) {
        for ((out, x), scale) in out.iter_mut().zip(x).zip(&scale) {
            // Rounded before the weight, as the model was trained.
            *out = T::from_f32(T::from_f32(x.to_f32() * scale).to_f32() * w.to_f32());
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tch::Kind;

    use super::super::{Bf16, Owned, view};
    use super::*;
    use crate::tests::Draws;

    fn check<T: Number>(tolerance: f64) {
        let (e, b) = (24, 7);
        let draws = Draws::new(3);
        let normal = |shape: &[i64]| draws.normal(shape).to_kind(T::KIND);
        let (x, delta, weight) = (normal(&[e, b]), normal(&[e, b]), normal(&[e]));
        let sum = &x + &delta;
        let wide = sum.to_kind(Kind::Float);
        let mean = wide.square().mean_dim([0i64].as_slice(), true, None);
        let expected = (wide * (mean + 1e-5).rsqrt()).to_kind(T::KIND) * weight.unsqueeze(1);
        let (mut x, mut out) = (Owned::copy(&x), Owned::zeros(&[e, b], T::KIND));
        let (w, d) = (view::<T>(&weight).unwrap(), view::<T>(&delta).unwrap());
        add_rms_norm(x.numbers::<T>().unwrap(), d, w, 1e-5, out.numbers().unwrap());
        let wide = |numbers: &[T]| numbers.iter().map(|number| number.to_f32()).collect::<Vec<f32>>();
        assert_eq!(wide(x.view().unwrap()), wide(view(&sum).unwrap()));
        let out = out.into_tensor();
        assert!(out.allclose(&expected, tolerance, tolerance, false));
        let mut again = Owned::zeros(&[e, b], T::KIND);
        add_rms_norm(x.numbers::<T>().unwrap(), &[], w, 1e-5, again.numbers().unwrap());
        assert_eq!((x.into_tensor(), again.into_tensor()), (sum, out));
    }

    #[test]
    fn it_is_the_sum_and_its_norm() {
        check::<f32>(1e-5);
        check::<Bf16>(1e-2);
    }
}
