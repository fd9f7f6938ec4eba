//! Everything between the projections of a decoding step's attention, one job per row of the batch:
//!
//! ```text
//! q, k = rope(norm(q)), rope(norm(k))          norms where the model has them (Qwen3)
//! cache the new key and value
//! out  = softmax(q . keys / sqrt(D)) values    over the columns from the row's start to the new one
//! ```

mod heads;

use multiversion::multiversion;

use super::Number;
use super::look_back::{LookBack, OfRow, Sums};
use super::parallel::{DisjointSlices, for_each};
use super::rope::{Angles, HeadNorms, apply_rope};
use super::scratch::with_scratch;
use heads::{HEADS, Heads};

/// One layer of one decoding step; B rows, H query heads, K key/value heads, heads of size D, C columns.
pub(crate) struct AttendStep<'a, T> {
    /// Query heads H.
    pub n_heads: usize,
    /// Key/value heads K.
    pub n_kv_heads: usize,
    /// Size of a head D.
    pub head_dim: usize,
    /// Queries, keys and values of the new token, `[(H + 2K) D, B]`.
    pub qkv: &'a [T],
    /// The norms of queries and keys.
    pub norms: Option<HeadNorms<'a, T>>,
    /// The rotation of P positions.
    pub rope: Angles<'a, T>,
    /// First column of each row, `[B]`; earlier ones are padding.
    pub starts: &'a [i64],
    /// Column of the new token, the same for all rows.
    pub column: usize,
    /// Columns there are room for, C, a multiple of [`KEY_BLOCK`].
    pub capacity: usize,
}

/// Columns whose keys lie together, feature by feature: `[C / KEY_BLOCK, D, KEY_BLOCK]`. Products with a query then run along
/// memory, and all that is read of a head is one stretch of it.
pub(crate) const KEY_BLOCK: usize = 32;

/// One row at work, in f32.
struct Row<'s> {
    q: &'s mut [f32],       // (H, D)
    k: &'s mut [f32],       // (K, D)
    v: &'s mut [f32],       // (K, D)
    weights: &'s mut [f32], // (H / K, columns)
    out: &'s mut [f32],     // (H / K, D)
}

/// Works on one layer: writes the new key into `keys` `[B, K, C / KEY_BLOCK, D, KEY_BLOCK]`, the new value into `values`
/// `[B, K, C, D]` and what attention gives into `out` `[B, H D]`. What the rows look back at is added to `look`.
pub(crate) fn attend_step<T: Number>(
    step: &AttendStep<'_, T>,
    keys: &mut [T],
    values: &mut [T],
    out: &mut [T],
    look: Option<LookBack<'_>>,
) {
    let n_rows = step.starts.len();
    let sums = look.map(|look| Sums::new(look, step.column));
    let row_of_cache = step.n_kv_heads * step.head_dim * step.capacity;
    let (keys, values) = (DisjointSlices::new(keys), DisjointSlices::new(values));
    let row_of_out = step.n_heads * step.head_dim;
    let out = DisjointSlices::new(out);
    for_each(n_rows, |b| {
        // SAFETY: every row has a part of its own of each, and is worked on once.
        let (keys, values, out, look) = unsafe {
            (
                keys.get(b * row_of_cache..(b + 1) * row_of_cache),
                values.get(b * row_of_cache..(b + 1) * row_of_cache),
                out.get(b * row_of_out..(b + 1) * row_of_out),
                sums.as_ref().map(|sums| sums.row(b)),
            )
        };
        with_scratch(Row::size(step), |scratch| attend_row(step, b, keys, values, out, look, scratch));
    });
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn attend_row<T: Number>(
    step: &AttendStep<'_, T>,
    b: usize,
    keys: &mut [T],
    values: &mut [T],
    out: &mut [T],
    mut look: Option<OfRow<'_>>,
    scratch: &mut [f32],
) {
    let &AttendStep { n_heads, n_kv_heads, head_dim: d, column, capacity, .. } = step;
    let (group, start) = (n_heads / n_kv_heads, step.starts[b] as usize);
    // Whole blocks are read, from the one in which the row begins.
    let first = start / KEY_BLOCK * KEY_BLOCK;
    let n = column + 1 - first;
    let padded = n.next_multiple_of(KEY_BLOCK);
    let mut row = Row::gather(step, b, padded, scratch);
    row.rotate(step, column - start);
    for kv in 0..n_kv_heads {
        let (keys, later) = keys[kv * d * capacity..].split_at_mut(d * capacity);
        let values = &mut values[kv * d * capacity..(kv + 1) * d * capacity];
        let new = column / KEY_BLOCK * KEY_BLOCK * d + column % KEY_BLOCK;
        for i in 0..d {
            keys[new + i * KEY_BLOCK] = T::from_f32(row.k[kv * d + i]);
            values[column * d + i] = T::from_f32(row.v[kv * d + i]);
        }
        let (keys, values) = (&keys[first * d..], &values[first * d..]);
        let next = later.get(first * d..).unwrap_or_default();
        let of_group = kv * group * d..(kv + 1) * group * d;
        let of_weights = row.weights.chunks_mut(HEADS * padded);
        let parts = row.q[of_group].chunks(HEADS * d).zip(of_weights.zip(row.out.chunks_mut(HEADS * d)));
        for (queries, (weights, out)) in parts {
            let heads = Heads { n, hidden: start - first, keys, values, next };
            match queries.len() / d {
                1 => heads.attend::<1>(queries, weights, out),
                2 => heads.attend::<2>(queries, weights, out),
                3 => heads.attend::<3>(queries, weights, out),
                _ => heads.attend::<HEADS>(queries, weights, out),
            }
        }
        for (to, value) in out[kv * group * d..].iter_mut().zip(&*row.out) {
            *to = T::from_f32(*value);
        }
        if let Some(look) = &mut look {
            for g in 0..group {
                look.add(kv * group + g, start, &row.weights[g * padded..][start - first..n]);
            }
        }
    }
}

impl<'s> Row<'s> {
    /// Numbers that a row takes.
    fn size<T>(step: &AttendStep<'_, T>) -> usize {
        let &AttendStep { n_heads, n_kv_heads, head_dim: d, column, .. } = step;
        let columns = (column + 1).next_multiple_of(KEY_BLOCK);
        (n_heads + 2 * n_kv_heads) * d + n_heads / n_kv_heads * (columns + d)
    }

    /// Column `b` of the projections.
    #[inline(always)]
    fn gather<T: Number>(
        step: &AttendStep<'_, T>,
        b: usize,
        n_columns: usize,
        scratch: &'s mut [f32],
    ) -> Self {
        let &AttendStep { n_heads, n_kv_heads, head_dim: d, qkv, .. } = step;
        let n_rows = step.starts.len();
        let (qkv_wide, rest) = scratch.split_at_mut((n_heads + 2 * n_kv_heads) * d);
        for (f, wide) in qkv_wide.iter_mut().enumerate() {
            *wide = qkv[f * n_rows + b].to_f32();
        }
        let (q, kv) = qkv_wide.split_at_mut(n_heads * d);
        let (k, v) = kv.split_at_mut(n_kv_heads * d);
        let group = n_heads / n_kv_heads;
        let (weights, rest) = rest.split_at_mut(group * n_columns);
        Self { q, k, v, weights, out: &mut rest[..group * d] }
    }

    /// Norms and rotates queries and keys at `position`, rounding where the model rounds, and scales the queries.
    #[inline(always)]
    fn rotate<T: Number>(&mut self, step: &AttendStep<'_, T>, position: usize) {
        let d = step.head_dim;
        let half = d / 2;
        // A row that has ended is fed on until it leaves the batch, if need be past the last position.
        let position = position.min(step.rope.cos.len() / half - 1);
        let angles = step.rope.at(position, half);
        let scale = T::from_f32((d as f32).sqrt().recip()).to_f32();
        let [of_q, of_k] = [step.norms.map(|norms| norms.q), step.norms.map(|norms| norms.k)];
        for (heads, norm, scale) in [(&mut *self.q, of_q, scale), (&mut *self.k, of_k, 1.0)] {
            for head in heads.chunks_exact_mut(d) {
                apply_rope(head, norm, angles, scale);
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
