//! Softmax of numbers in a row, and sums in a form that a compiler vectorises.

use super::Number;
use super::exp::exp;

/// `exp(x) / sum exp(x)`, in place.
#[inline(always)]
pub(super) fn softmax(scores: &mut [f32]) {
    let most = fold(scores, f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
    for score in scores.iter_mut() {
        *score = exp(*score - most);
    }
    let by = fold(scores, 0.0, |a, b| a + b).recip();
    for score in scores.iter_mut() {
        *score *= by;
    }
}

/// Folds in sixteen strands, which a compiler puts into one register.
#[inline(always)]
pub(super) fn fold(numbers: &[f32], start: f32, with: impl Fn(f32, f32) -> f32) -> f32 {
    let mut strands = [start; 16];
    let whole = numbers.chunks_exact(16);
    let rest = whole.remainder();
    for chunk in whole {
        for (strand, x) in strands.iter_mut().zip(chunk) {
            *strand = with(*strand, *x);
        }
    }
    strands.iter().chain(rest).fold(start, |a, b| with(a, *b))
}

/// Sum of products, in the same strands.
#[inline(always)]
pub(super) fn dot<A: Number, B: Number>(a: &[A], b: &[B]) -> f32 {
    let mut strands = [0f32; 16];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        for (strand, (x, y)) in strands.iter_mut().zip(a.iter().zip(b)) {
            *strand += x.to_f32() * y.to_f32();
        }
    }
    for (strand, (x, y)) in strands.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *strand += x.to_f32() * y.to_f32();
    }
    strands.iter().sum()
}
