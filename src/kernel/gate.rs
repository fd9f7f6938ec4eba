//! The gate of the MLP, feature-major: `out = silu(gate) * up`, `silu(x) = x / (1 + exp(-x))`.

use multiversion::multiversion;

use super::Number;
use super::team::{Parts, for_each};

/// Numbers worked on at a time: enough that handing them to a thread costs little.
const BLOCK: usize = 1 << 14;

/// `gate_up` holds the gates and behind them as many ups; `out` gets their products.
pub fn gate<T: Number>(gate_up: &[T], out: &mut [T]) {
    let n = out.len();
    let (gates, ups) = gate_up.split_at(n);
    let out = Parts::new(out);
    for_each(n.div_ceil(BLOCK), |i| {
        let part = i * BLOCK..((i + 1) * BLOCK).min(n);
        // SAFETY: every block is worked on once.
        let out = unsafe { out.get(part.clone()) };
        block(&gates[part.clone()], &ups[part], out);
    });
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn block<T: Number>(gates: &[T], ups: &[T], out: &mut [T]) {
    for ((out, gate), up) in out.iter_mut().zip(gates).zip(ups) {
        let x = gate.wide();
        let silu = T::narrow(x / (1.0 + exp(-x)));
        *out = T::narrow(silu.wide() * up.wide());
    }
}

/// e^x to about 2 units in the last place, in a form that a compiler vectorises; 0 below -87, finite above 88.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.3, 88.3);
    // e^x = 2^n e^r with |r| <= ln 2 / 2. Adding 1.5 * 2^23 rounds to a whole number, which then stands in the last bits.
    const ROUND: f32 = 12_582_912.0;
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    // ln 2 in two parts, so that the difference is exact.
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let mut p = 1.987_569_2e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5.0e-1] {
        p = p * r + c;
    }
    let series = p * r * r + r + 1.0;
    series * f32::from_bits(rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::super::{Bf16, view, view_mut};
    use super::*;

    #[test]
    fn exp_is_exact_to_the_last_places() {
        for i in -870..=880 {
            let x = i as f32 / 10.0 + 0.013;
            let (got, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((got - expected).abs() <= 3e-7 * expected, "{x}: {got} {expected}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e9) < 1e-37 && exp(f32::NEG_INFINITY) < 1e-37 && exp(1e9).is_finite());
        assert!(exp(f32::NAN).is_nan());
    }

    fn check<T: Number>(tolerance: f64) {
        let n = 3 * BLOCK as i64 + 77;
        tch::manual_seed(4);
        let gate_up = (Tensor::randn([2, n], (Kind::Float, Device::Cpu)) * 4.0).to_kind(T::KIND);
        let expected = gate_up.get(0).silu() * gate_up.get(1);
        let mut out = expected.zeros_like();
        gate(view::<T>(&gate_up).unwrap(), view_mut::<T>(&mut out).unwrap());
        assert!(out.allclose(&expected, tolerance, 1e-6, false));
    }

    #[test]
    fn it_is_silu_times_up() {
        check::<f32>(1e-5);
        check::<Bf16>(1e-2);
    }
}
