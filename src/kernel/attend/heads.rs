//! The attention of query heads that share keys and values, in registers.
//!
//! ```text
//! w = softmax(q K^T);   out = w V
//! ```

use super::super::Number;
use super::super::prefetch::prefetch;
use super::super::softmax::softmax;
use super::KEY_BLOCK;

/// Query heads worked on together: their sums over a stretch of memory fit into the registers.
pub(super) const HEADS: usize = 4;

/// What the query heads of a group share.
pub(super) struct Heads<'a, T> {
    /// Columns, of which the first `hidden` come before the row's start.
    pub n: usize,
    pub hidden: usize,
    pub keys: &'a [T],   // (blocks, D, KEY_BLOCK)
    pub values: &'a [T], // (columns, D)
    /// Keys that are read after these values.
    pub next: &'a [T],
}

impl<T: Number> Heads<'_, T> {
    /// Attention of `G` queries `[G, D]`: their weights `[G, blocks * KEY_BLOCK]` and what they gather, `[G, D]`.
    #[inline(always)]
    pub(super) fn attend<const G: usize>(&self, queries: &[f32], weights: &mut [f32], out: &mut [f32]) {
        let (d, padded) = (queries.len() / G, weights.len() / G);
        for (block, keys) in self.keys.chunks_exact(d * KEY_BLOCK).take(padded / KEY_BLOCK).enumerate() {
            // The cache of all rows is read once a step, from memory: what comes a pass later is on its way meanwhile.
            prefetch(&self.values[block * d * KEY_BLOCK..][..d * KEY_BLOCK]);
            let sums = products::<T, G, KEY_BLOCK>(queries, d, keys, KEY_BLOCK);
            for (g, sums) in sums.iter().enumerate() {
                weights[g * padded + block * KEY_BLOCK..][..KEY_BLOCK].copy_from_slice(sums);
            }
        }
        for weights in weights.chunks_exact_mut(padded) {
            weights[..self.hidden].fill(f32::NEG_INFINITY);
            softmax(&mut weights[..self.n]);
            weights[self.n..].fill(0.0);
        }
        // Features in stretches of 64, 32, 8 and 1, whatever the size of a head.
        let mut at = 0;
        while at < d {
            let values = &self.values[at..];
            at += match d - at {
                64.. => self.collect::<G, 64>(weights, values, d, &mut out[at..]),
                32.. => self.collect::<G, 32>(weights, values, d, &mut out[at..]),
                8.. => self.collect::<G, 8>(weights, values, d, &mut out[at..]),
                _ => self.collect::<G, 1>(weights, values, d, &mut out[at..]),
            };
        }
    }

    /// `W` features of the weighted sum of `values`; gives `W`.
    #[inline(always)]
    fn collect<const G: usize, const W: usize>(
        &self,
        weights: &[f32],
        values: &[T],
        d: usize,
        out: &mut [f32],
    ) -> usize {
        let padded = weights.len() / G;
        let mut sums = [[0f32; W]; G];
        for t in 0..self.n {
            prefetch(self.next.get(t * d..(t + 1) * d).unwrap_or_default());
            add::<T, G, W>(&mut sums, &weights[t..], padded, &values[t * d..]);
        }
        for (g, sums) in sums.iter().enumerate() {
            out[g * d..][..W].copy_from_slice(sums);
        }
        W
    }
}

/// `sum_i factors[g, i] lines[i, j]` for `j < W`; lines begin `line` apart.
#[inline(always)]
fn products<T: Number, const G: usize, const W: usize>(
    factors: &[f32],
    n_lines: usize,
    lines: &[T],
    line: usize,
) -> [[f32; W]; G] {
    let mut sums = [[0f32; W]; G];
    for i in 0..n_lines {
        add::<T, G, W>(&mut sums, &factors[i..], n_lines, &lines[i * line..]);
    }
    sums
}

/// Adds `factors[g * stride]` times the first `W` numbers of `line` to the sums of `g`.
///
/// Loops alone: a closure that the standard library calls would not be compiled for the registers that these need.
#[inline(always)]
fn add<T: Number, const G: usize, const W: usize>(
    sums: &mut [[f32; W]; G],
    factors: &[f32],
    stride: usize,
    line: &[T],
) {
    let mut wide = [0f32; W];
    for (wide, x) in wide.iter_mut().zip(&line[..W]) {
        *wide = x.to_f32();
    }
    for (g, sums) in sums.iter_mut().enumerate() {
        let factor = factors[g * stride];
        for (sum, x) in sums.iter_mut().zip(&wide) {
            *sum = factor.mul_add(*x, *sum);
        }
    }
}
