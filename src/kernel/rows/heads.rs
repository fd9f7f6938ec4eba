//! Between tokens, whose queries, keys and values stand in one row, and slots, where attention finds them head by head.
//!
//! ```text
//! tokens   qkv [N, (H + 2K) D]    out [N, H D]
//! slots    of a sequence of T:    q, out [H, T, D]    k, v [K, T, D];    sequence after sequence
//! ```
//!
//! A token that several sequences go through has a slot in each. Its queries count in one of them, its home; keys and values
//! are seen from all, so their gradients are sums.

use std::ops::Range;

use multiversion::multiversion;

use super::super::Number;
use super::super::parallel::{DisjointSlices, for_each};
use super::super::rope::{Angles, HeadNorms, apply_rope, apply_rope_backward};
use super::super::scratch::with_scratch;
use super::{add_up, for_blocks};

/// Which token stands in which slot.
#[derive(Default)]
pub(crate) struct Slots {
    /// The token of each of the S slots.
    pub token: Vec<usize>,
    /// The sequence of each slot.
    pub sequence: Vec<usize>,
    /// The slots of each sequence.
    pub sequences: Vec<Range<usize>>,
    /// Position of each of the N tokens.
    pub position: Vec<usize>,
    /// The home slot of each token.
    pub home: Vec<usize>,
    /// All slots of each token, token after token, but those of padding, whose gradient is 0 since no query that counts
    /// sees them.
    pub all: Vec<usize>,
    /// Where in `all` the slots of each token begin, and behind the last one where they end; `[N + 1]`.
    pub first: Vec<usize>,
}

/// The heads of a layer.
pub(crate) struct HeadRows<'a, T> {
    /// H.
    pub n_heads: usize,
    /// K.
    pub n_kv_heads: usize,
    /// D.
    pub head_dim: usize,
    /// The rotation of all positions.
    pub rope: Angles<'a, T>,
    /// The norms of queries and keys.
    pub norms: Option<HeadNorms<'a, T>>,
    /// Where everything stands.
    pub slots: &'a Slots,
}

/// Gradients in slots.
pub(crate) struct SlotGradient<'a, T> {
    /// Of queries.
    pub q: &'a [T],
    /// Of keys.
    pub k: &'a [T],
    /// Of values.
    pub v: &'a [T],
}

impl<T: Number> HeadRows<'_, T> {
    /// Norms and rotates queries and keys of `qkv` and lays them and the values out in slots.
    pub(crate) fn spread(&self, qkv: &[T], q: &mut [T], k: &mut [T], v: &mut [T]) {
        let (of_q, of_kv) = (self.n_heads * self.head_dim, self.n_kv_heads * self.head_dim);
        let (q, k, v) = (DisjointSlices::new(q), DisjointSlices::new(k), DisjointSlices::new(v));
        for_each(self.slots.sequences.len(), |i| {
            let slots = &self.slots.sequences[i];
            // SAFETY: every sequence has its own slots and is worked on once.
            let (q, k, v) = unsafe { (q.rows(slots, of_q), k.rows(slots, of_kv), v.rows(slots, of_kv)) };
            with_scratch(self.head_dim, |head| spread_sequence(self, slots, qkv, q, k, v, head));
        });
    }

    /// What attention gave in the tokens' home slots, `[N, H D]`.
    pub(crate) fn gather(&self, slots: &[T], out: &mut [T]) {
        let (d, width) = (self.head_dim, self.n_heads * self.head_dim);
        let out = DisjointSlices::new(out);
        for_blocks(self.slots.home.len(), |_, tokens| {
            // SAFETY: every block is worked on once.
            let out = unsafe { out.rows(&tokens, width) };
            for (token, out) in tokens.zip(out.chunks_exact_mut(width)) {
                for (h, out) in out.chunks_exact_mut(d).enumerate() {
                    out.copy_from_slice(&slots[self.place(self.slots.home[token], self.n_heads, h)]);
                }
            }
        });
    }

    /// The gradient of [`HeadRows::gather`]: `d` `[N, H D]` in the tokens' home slots, 0 in all others.
    pub(crate) fn spread_home(&self, d: &[T], slots: &mut [T]) {
        let (size, width) = (self.head_dim, self.n_heads * self.head_dim);
        let slots = DisjointSlices::new(slots);
        for_each(self.slots.sequences.len(), |i| {
            let own = &self.slots.sequences[i];
            // SAFETY: every sequence has its own slots and is worked on once.
            let part = unsafe { slots.rows(own, width) };
            for (t, slot) in own.clone().enumerate() {
                let token = self.slots.token[slot];
                let home = self.slots.home[token] == slot;
                for h in 0..self.n_heads {
                    let place = &mut part[(h * own.len() + t) * size..][..size];
                    match home {
                        true => place.copy_from_slice(&d[token * width + h * size..][..size]),
                        false => place.fill(T::default()),
                    }
                }
            }
        });
    }

    /// The gradient of [`HeadRows::spread`]: that of `qkv` from that in the slots. `d_norm` gets those of the gains, of
    /// queries and keys after each other, `[2 D]`.
    pub(crate) fn collect(&self, d: &SlotGradient<'_, T>, qkv: &[T], d_qkv: &mut [T], d_norm: &mut [f32]) {
        let n = self.slots.home.len();
        let width = (self.n_heads + 2 * self.n_kv_heads) * self.head_dim;
        let mut shares = vec![0f32; n.div_ceil(super::BLOCK) * 2 * self.head_dim];
        let (d_qkv, parts) = (DisjointSlices::new(d_qkv), DisjointSlices::new(&mut shares));
        for_blocks(n, |i, tokens| {
            // SAFETY: every block is worked on once.
            let (d_qkv, share) =
                unsafe { (d_qkv.rows(&tokens, width), parts.rows(&(i..i + 1), 2 * self.head_dim)) };
            with_scratch(self.head_dim, |sum| collect_block(self, tokens, d, qkv, d_qkv, share, sum));
        });
        add_up(&shares, d_norm);
    }

    /// Where head `h` of `heads` stands in slot `slot`.
    #[inline(always)]
    fn place(&self, slot: usize, heads: usize, h: usize) -> Range<usize> {
        let own = &self.slots.sequences[self.slots.sequence[slot]];
        let at = (own.start * heads + h * own.len() + slot - own.start) * self.head_dim;
        at..at + self.head_dim
    }

    /// The rotation of `token`.
    #[inline(always)]
    fn angles(&self, token: usize) -> Angles<'_, T> {
        self.rope.at(self.slots.position[token], self.head_dim / 2)
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn spread_sequence<T: Number>(
    heads: &HeadRows<'_, T>,
    slots: &Range<usize>,
    qkv: &[T],
    q: &mut [T],
    k: &mut [T],
    v: &mut [T],
    head: &mut [f32],
) {
    let &HeadRows { n_heads, n_kv_heads, head_dim: d, norms, .. } = heads;
    let norms = [norms.map(|norms| norms.q), norms.map(|norms| norms.k)];
    let width = (n_heads + 2 * n_kv_heads) * d;
    let n = slots.len();
    for (t, slot) in slots.clone().enumerate() {
        let token = heads.slots.token[slot];
        let angles = heads.angles(token);
        let (turned, values) = qkv[token * width..(token + 1) * width].split_at((n_heads + n_kv_heads) * d);
        for (h, raw) in turned.chunks_exact(d).enumerate() {
            for (wide, x) in head.iter_mut().zip(raw) {
                *wide = x.to_f32();
            }
            let is_key = h >= n_heads;
            apply_rope(head, norms[usize::from(is_key)], angles, 1.0);
            let place = match is_key {
                true => &mut k[((h - n_heads) * n + t) * d..][..d],
                false => &mut q[(h * n + t) * d..][..d],
            };
            for (place, x) in place.iter_mut().zip(&*head) {
                *place = T::from_f32(*x);
            }
        }
        for (h, value) in values.chunks_exact(d).enumerate() {
            v[(h * n + t) * d..][..d].copy_from_slice(value);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn collect_block<T: Number>(
    heads: &HeadRows<'_, T>,
    tokens: Range<usize>,
    d: &SlotGradient<'_, T>,
    qkv: &[T],
    d_qkv: &mut [T],
    d_norm: &mut [f32],
    sum: &mut [f32],
) {
    let &HeadRows { n_heads, n_kv_heads, head_dim, norms, slots, .. } = heads;
    let width = (n_heads + 2 * n_kv_heads) * head_dim;
    let (d_q_norm, d_k_norm) = d_norm.split_at_mut(head_dim);
    for (token, d_qkv) in tokens.zip(d_qkv.chunks_exact_mut(width)) {
        let angles = heads.angles(token);
        let homes = &slots.home[token..=token];
        let all = &slots.all[slots.first[token]..slots.first[token + 1]];
        for (h, out) in d_qkv.chunks_exact_mut(head_dim).enumerate() {
            let (from, n, own, seen) = match h {
                _ if h < n_heads => (d.q, n_heads, h, homes),
                _ if h < n_heads + n_kv_heads => (d.k, n_kv_heads, h - n_heads, all),
                _ => (d.v, n_kv_heads, h - n_heads - n_kv_heads, all),
            };
            sum.fill(0.0);
            for slot in seen {
                for (sum, x) in sum.iter_mut().zip(&from[heads.place(*slot, n, own)]) {
                    *sum += x.to_f32();
                }
            }
            let raw = &qkv[token * width + h * head_dim..][..head_dim];
            if h < n_heads {
                apply_rope_backward(sum, raw, norms.map(|norms| norms.q), d_q_norm, angles);
            } else if h < n_heads + n_kv_heads {
                apply_rope_backward(sum, raw, norms.map(|norms| norms.k), d_k_norm, angles);
            }
            for (out, x) in out.iter_mut().zip(&*sum) {
                *out = T::from_f32(*x);
            }
        }
    }
}
