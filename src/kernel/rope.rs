//! Norm and rotation of one head of queries or keys, rounded where the model rounds.

use super::Number;
use super::softmax::dot;

/// Norms `head` `[D]` by `gain` (`[D]`, and what is added to the mean square), rotates it by the angles whose cosines and
/// sines these are (`[D / 2]` each) and multiplies it by `scale`.
#[inline(always)]
pub(super) fn apply_rope<T: Number>(
    head: &mut [f32],
    gain: Option<(&[T], f32)>,
    (cos, sin): (&[T], &[T]),
    scale: f32,
) {
    if let Some((gain, eps)) = gain {
        let by = inverse_size(dot(head, head), head.len(), eps);
        for (x, gain) in head.iter_mut().zip(gain) {
            *x = T::from_f32(T::from_f32(*x * by).to_f32() * gain.to_f32()).to_f32();
        }
    }
    let (first, second) = head.split_at_mut(cos.len());
    for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(cos.iter().zip(sin)) {
        let (x, y, cos, sin) = (*a, *b, cos.to_f32(), sin.to_f32());
        *a = T::from_f32(T::from_f32(x * cos - y * sin).to_f32() * scale).to_f32();
        *b = T::from_f32(T::from_f32(y * cos + x * sin).to_f32() * scale).to_f32();
    }
}

/// From the gradient `d` `[D]` of a rotated head to that of the head as it was, `raw` `[D]`; adds that of the gain.
#[inline(always)]
pub(super) fn apply_rope_backward<T: Number>(
    d: &mut [f32],
    raw: &[T],
    gain: Option<(&[T], f32)>,
    d_gain: &mut [f32],
    (cos, sin): (&[T], &[T]),
) {
    let (first, second) = d.split_at_mut(cos.len());
    for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(cos.iter().zip(sin)) {
        let (x, y, cos, sin) = (*a, *b, cos.to_f32(), sin.to_f32());
        *a = x * cos + y * sin;
        *b = y * cos - x * sin;
    }
    let Some((gain, eps)) = gain else { return };
    // As in the norm over a whole row: dx = s (g - x s mean(g x s)).
    let by = inverse_size(dot(raw, raw), raw.len(), eps);
    for (((d, x), gain), d_gain) in d.iter_mut().zip(raw).zip(gain).zip(d_gain) {
        *d_gain += *d * x.to_f32() * by;
        *d *= gain.to_f32();
    }
    let mean = dot(d, raw) * by / raw.len() as f32;
    for (g, x) in d.iter_mut().zip(raw) {
        *g = by * (*g - x.to_f32() * by * mean);
    }
}

#[inline(always)]
fn inverse_size(squares: f32, n: usize, eps: f32) -> f32 {
    (squares / n as f32 + eps).sqrt().recip()
}
