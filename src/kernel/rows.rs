//! Kernels of passes over whole sequences, forward and backward: row-major, a row per token.
//!
//! Rows are worked on in blocks of a fixed size, and sums over rows are taken block by block: no result depends on the
//! number of threads.

mod causal;
mod gate;
mod heads;
mod norm;
mod vocabulary;

use std::ops::Range;

pub(crate) use causal::{CausalRows, causal_softmax, causal_softmax_back};
pub(crate) use gate::{gate_rows, gate_rows_back};
pub(crate) use heads::{HeadRows, SlotGradient, Slots};
pub(crate) use norm::{NormBack, NormGradients, add_norm_rows, norm_rows_back};
pub(crate) use vocabulary::{RowGradient, RowStats, Targets, token_stats, token_stats_back};

use super::Number;
use super::parallel::{DisjointSlices, for_each};

/// Rows that a thread works on at a time.
const BLOCK: usize = 32;

/// Calls `work` with each block of `n` rows and its number.
fn for_blocks(n: usize, work: impl Fn(usize, Range<usize>) + Sync) {
    for_each(n.div_ceil(BLOCK), |i| work(i, i * BLOCK..((i + 1) * BLOCK).min(n)));
}

/// Adds `parts`, one after the other and each as long as `total`, up.
fn add_up(parts: &[f32], total: &mut [f32]) {
    for part in parts.chunks_exact(total.len().max(1)) {
        for (total, x) in total.iter_mut().zip(part) {
            *total += x;
        }
    }
}

/// Adds the rows of `x` `[N, W]` to those rows of `table` `[V, W]` that `index` `[N]` names, in their order.
pub(crate) fn add_rows<T: Number>(x: &[T], index: &[i64], table: &mut [f32]) {
    let width = x.len() / index.len().max(1);
    for (x, row) in x.chunks_exact(width.max(1)).zip(index) {
        for (total, x) in table[*row as usize * width..][..width].iter_mut().zip(x) {
            *total += x.to_f32();
        }
    }
}

impl<T> DisjointSlices<'_, T> {
    /// These rows of `width` numbers each.
    ///
    /// # Safety
    /// As for [`DisjointSlices::get`].
    #[expect(clippy::mut_from_ref, reason = "disjoint parts, as the caller vouches")]
    unsafe fn rows(&self, rows: &Range<usize>, width: usize) -> &mut [T] {
        // SAFETY: the caller vouches.
        unsafe { self.get(rows.start * width..rows.end * width) }
    }
}
