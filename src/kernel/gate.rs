//! The gate of the MLP, feature-major: `out = silu(gate) * up`, `silu(x) = x / (1 + exp(-x))`.

use multiversion::multiversion;

use super::Number;
use super::exp::exp;
use super::parallel::{DisjointSlices, for_each};

/// Numbers worked on at a time: enough that handing them to a thread costs little.
const BLOCK: usize = 1 << 14;

/// `gate_up` holds the gates and behind them as many ups; `out` gets their products.
pub(crate) fn gate<T: Number>(gate_up: &[T], out: &mut [T]) {
    let n = out.len();
    let (gates, ups) = gate_up.split_at(n);
    let out = DisjointSlices::new(out);
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
        *out = gated(*gate, *up);
    }
}

/// `silu(gate) * up`, rounded where libtorch rounds.
#[inline(always)]
pub(super) fn gated<T: Number>(gate: T, up: T) -> T {
    let x = gate.to_f32();
    let silu = T::from_f32(x / (1.0 + exp(-x)));
    T::from_f32(silu.to_f32() * up.to_f32())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::{Bf16, Owned, view};
    use super::*;
    use crate::tests::Draws;

    fn check<T: Number>(tolerance: f64) {
        let n = 3 * BLOCK as i64 + 77;
        let draws = Draws::new(4);
        let gate_up = (draws.normal(&[2, n]) * 4.0).to_kind(T::KIND);
        let expected = gate_up.get(0).silu() * gate_up.get(1);
        let mut out = Owned::zeros(&[n], T::KIND);
        gate(view::<T>(&gate_up).unwrap(), out.numbers::<T>().unwrap());
        assert!(out.into_tensor().allclose(&expected, tolerance, 1e-6, false));
    }

    #[test]
    fn it_is_silu_times_up() {
        check::<f32>(1e-5);
        check::<Bf16>(1e-2);
    }
}
