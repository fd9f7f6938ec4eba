//! Norm and rotation of one head of queries or keys, rounded where the model rounds.

use super::Number;
use super::softmax::dot;

/// Norms `head` `[D]` by `gain` (`[D]`, and what is added to the mean square), rotates it by the angles whose cosines and
/// sines these are (`[D / 2]` each) and multiplies it by `scale`.
#[inline(always)]
pub(super) fn turn<T: Number>(
    head: &mut [f32],
    gain: Option<(&[T], f32)>,
    (cos, sin): (&[T], &[T]),
    scale: f32,
) {
    if let Some((gain, eps)) = gain {
        let by = inverse_size(dot(head, head), head.len(), eps);
        for (x, gain) in head.iter_mut().zip(gain) {
            *x = T::narrow(T::narrow(*x * by).wide() * gain.wide()).wide();
        }
    }
    let (first, second) = head.split_at_mut(cos.len());
    for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(cos.iter().zip(sin)) {
        let (x, y, cos, sin) = (*a, *b, cos.wide(), sin.wide());
        *a = T::narrow(T::narrow(x * cos - y * sin).wide() * scale).wide();
        *b = T::narrow(T::narrow(y * cos + x * sin).wide() * scale).wide();
    }
}

/// From the gradient `d` `[D]` of a turned head to that of the head as it was, `raw` `[D]`; adds that of the gain.
#[inline(always)]
pub(super) fn turn_back<T: Number>(
    d: &mut [f32],
    raw: &[T],
    gain: Option<(&[T], f32)>,
    d_gain: &mut [f32],
    (cos, sin): (&[T], &[T]),
) {
    let (first, second) = d.split_at_mut(cos.len());
    for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(cos.iter().zip(sin)) {
        let (x, y, cos, sin) = (*a, *b, cos.wide(), sin.wide());
        *a = x * cos + y * sin;
        *b = y * cos - x * sin;
    }
    let Some((gain, eps)) = gain else { return };
    // As in the norm over a whole row: dx = s (g - x s mean(g x s)).
    let by = inverse_size(dot(raw, raw), raw.len(), eps);
    for (((d, x), gain), d_gain) in d.iter_mut().zip(raw).zip(gain).zip(d_gain) {
        *d_gain += *d * x.wide() * by;
        *d *= gain.wide();
    }
    let mean = dot(d, raw) * by / raw.len() as f32;
    for (g, x) in d.iter_mut().zip(raw) {
        *g = by * (*g - x.wide() * by * mean);
    }
}

#[inline(always)]
fn inverse_size(squares: f32, n: usize, eps: f32) -> f32 {
    (squares / n as f32 + eps).sqrt().recip()
}
