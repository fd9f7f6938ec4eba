//! Norm and rotation of one head of queries or keys, rounded where the model rounds.

use super::Number;
use super::softmax::dot;

/// Cosines and sines of positions, `[positions, D / 2]` each; of one of them `[D / 2]`.
#[derive(Clone, Copy)]
pub(crate) struct Angles<'a, T> {
    /// Cosines.
    pub cos: &'a [T],
    /// Sines.
    pub sin: &'a [T],
}

/// The norm over a head.
#[derive(Clone, Copy)]
pub(crate) struct HeadNorm<'a, T> {
    /// What the normed head is multiplied by, `[D]`.
    pub gain: &'a [T],
    /// What is added to the mean square.
    pub eps: f32,
}

/// The norms of a layer over the heads of queries and keys.
#[derive(Clone, Copy)]
pub(crate) struct HeadNorms<'a, T> {
    /// Of queries.
    pub q: HeadNorm<'a, T>,
    /// Of keys.
    pub k: HeadNorm<'a, T>,
}

impl<'a, T> Angles<'a, T> {
    /// Those of `position`, for heads of size 2 `half`.
    #[inline(always)]
    pub(super) fn at(&self, position: usize, half: usize) -> Self {
        let own = position * half..(position + 1) * half;
        Self { cos: &self.cos[own.clone()], sin: &self.sin[own] }
    }
}

/// Norms `head` `[D]`, rotates it by `angles` and multiplies it by `scale`.
#[inline(always)]
pub(super) fn apply_rope<T: Number>(
    head: &mut [f32],
    norm: Option<HeadNorm<'_, T>>,
    angles: Angles<'_, T>,
    scale: f32,
) {
    if let Some(HeadNorm { gain, eps }) = norm {
        let by = inverse_size(dot(head, head), head.len(), eps);
        for (x, gain) in head.iter_mut().zip(gain) {
            *x = T::from_f32(T::from_f32(*x * by).to_f32() * gain.to_f32()).to_f32();
        }
    }
    let (first, second) = head.split_at_mut(angles.cos.len());
    for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(angles.cos.iter().zip(angles.sin)) {
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
    norm: Option<HeadNorm<'_, T>>,
    d_gain: &mut [f32],
    angles: Angles<'_, T>,
) {
    let (first, second) = d.split_at_mut(angles.cos.len());
    for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(angles.cos.iter().zip(angles.sin)) {
        let (x, y, cos, sin) = (*a, *b, cos.to_f32(), sin.to_f32());
        *a = x * cos + y * sin;
        *b = y * cos - x * sin;
    }
    let Some(HeadNorm { gain, eps }) = norm else { return };
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
