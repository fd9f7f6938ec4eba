//! Everything between the projections of a decoding step's attention, one job per row of the batch:
//!
//! ```text
//! q, k = rope(norm(q)), rope(norm(k))          norms where the model has them (Qwen3)
//! cache the new key and value
//! out  = softmax(q . keys / sqrt(D)) values    over the columns from the row's start to the new one
//! ```

use multiversion::multiversion;

use super::Number;
use super::gate::exp;
use super::team::{Parts, for_each};

/// One layer of one decoding step; B rows, H query heads, K key/value heads, heads of size D, C columns.
pub struct AttendStep<'a, T> {
    /// Query heads H.
    pub n_heads: usize,
    /// Key/value heads K.
    pub n_kv_heads: usize,
    /// Size of a head D.
    pub head_dim: usize,
    /// Queries, keys and values of the new token, `[(H + 2K) D, B]`.
    pub qkv: &'a [T],
    /// Gains of the norms of queries and keys, `[D]` each, and what is added to the mean square.
    pub qk_norm: Option<(&'a [T], &'a [T], f32)>,
    /// Cosines and sines of the rotation, `[P, D / 2]` each.
    pub rope: (&'a [T], &'a [T]),
    /// First column of each row, `[B]`; earlier ones are padding.
    pub starts: &'a [i64],
    /// Column of the new token, the same for all rows.
    pub column: usize,
    /// Columns there are room for, C, a multiple of [`KEY_BLOCK`].
    pub capacity: usize,
}

/// Columns whose keys lie together, feature by feature: `[C / KEY_BLOCK, D, KEY_BLOCK]`. Products with a query then run along
/// memory, and all that is read of a head is one stretch of it.
pub const KEY_BLOCK: usize = 32;

/// Scratch of one row, in f32.
struct Row {
    q: Vec<f32>,       // (H, D)
    k: Vec<f32>,       // (K, D)
    v: Vec<f32>,       // (K, D)
    weights: Vec<f32>, // (H / K, columns)
    out: Vec<f32>,     // (H / K, D)
}

/// Works on one layer: writes the new key into `keys` `[B, K, C / KEY_BLOCK, D,
/// KEY_BLOCK]`, the new value into `values` `[B, K, C, D]` and what
/// attention gives into `out` `[H D, B]`. `seen`, if it is not empty, gets the attention weights, `[B, H, column + 1]`.
pub fn attend_step<T: Number>(
    step: &AttendStep<'_, T>,
    keys: &mut [T],
    values: &mut [T],
    out: &mut [T],
    seen: &mut [f32],
) {
    let (n_rows, n_columns) = (step.starts.len(), step.column + 1);
    let row_of_cache = step.n_kv_heads * step.head_dim * step.capacity;
    let row_of_seen = if seen.is_empty() { 0 } else { step.n_heads * n_columns };
    let (keys, values) = (Parts::new(keys), Parts::new(values));
    let (out, seen) = (Parts::new(out), Parts::new(seen));
    for_each(n_rows, |b| {
        // SAFETY: every row has a part of its own in the caches and in `seen`, and is worked on once.
        let (keys, values, seen) = unsafe {
            (
                keys.get(b * row_of_cache..(b + 1) * row_of_cache),
                values.get(b * row_of_cache..(b + 1) * row_of_cache),
                seen.get(b * row_of_seen..(b + 1) * row_of_seen),
            )
        };
        attend_row(step, b, keys, values, seen, &mut |feature, value| {
            // SAFETY: column b of `out` is this row's alone.
            unsafe { out.set(feature * n_rows + b, value) };
        });
    });
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn attend_row<T: Number>(
    step: &AttendStep<'_, T>,
    b: usize,
    keys: &mut [T],
    values: &mut [T],
    seen: &mut [f32],
    put: &mut dyn FnMut(usize, T),
) {
    let &AttendStep { n_heads, n_kv_heads, head_dim: d, column, capacity, .. } = step;
    let (group, start) = (n_heads / n_kv_heads, step.starts[b] as usize);
    // Whole blocks are read, from the one in which the row begins.
    let first = start / KEY_BLOCK * KEY_BLOCK;
    let n = column + 1 - first;
    let padded = n.next_multiple_of(KEY_BLOCK);
    let mut row = Row::gather(step, b, padded);
    row.turn(step, column - start);
    for kv in 0..n_kv_heads {
        let keys = &mut keys[kv * d * capacity..(kv + 1) * d * capacity];
        let values = &mut values[kv * d * capacity..(kv + 1) * d * capacity];
        let new = column / KEY_BLOCK * KEY_BLOCK * d + column % KEY_BLOCK;
        for i in 0..d {
            keys[new + i * KEY_BLOCK] = T::narrow(row.k[kv * d + i]);
            values[column * d + i] = T::narrow(row.v[kv * d + i]);
        }
        let (keys, values) = (&keys[first * d..], &values[first * d..]);
        let of_group = kv * group * d..(kv + 1) * group * d;
        let of_weights = row.weights.chunks_mut(HEADS * padded);
        let parts = row.q[of_group].chunks(HEADS * d).zip(of_weights.zip(row.out.chunks_mut(HEADS * d)));
        for (queries, (weights, out)) in parts {
            let heads = Heads { n, hidden: start - first, keys, values };
            match queries.len() / d {
                1 => heads.attend::<1>(queries, weights, out),
                2 => heads.attend::<2>(queries, weights, out),
                3 => heads.attend::<3>(queries, weights, out),
                _ => heads.attend::<HEADS>(queries, weights, out),
            }
        }
        for (i, value) in row.out.iter().enumerate() {
            put(kv * group * d + i, T::narrow(*value));
        }
        if !seen.is_empty() {
            for g in 0..group {
                let seen = &mut seen[(kv * group + g) * (column + 1)..][..column + 1];
                seen[..start].fill(0.0);
                seen[start..].copy_from_slice(&row.weights[g * padded..][start - first..n]);
            }
        }
    }
}

/// Query heads worked on together: their sums over a stretch of memory fit into the registers.
const HEADS: usize = 4;

/// What the query heads of a group share.
struct Heads<'a, T> {
    /// Columns, of which the first `hidden` come before the row's start.
    n: usize,
    hidden: usize,
    keys: &'a [T],   // (blocks, D, KEY_BLOCK)
    values: &'a [T], // (columns, D)
}

impl<T: Number> Heads<'_, T> {
    /// Attention of `G` queries `[G, D]`: their weights `[G, blocks * KEY_BLOCK]` and what they gather, `[G, D]`.
    #[inline(always)]
    fn attend<const G: usize>(&self, queries: &[f32], weights: &mut [f32], out: &mut [f32]) {
        let (d, padded) = (queries.len() / G, weights.len() / G);
        for (block, keys) in self.keys.chunks_exact(d * KEY_BLOCK).take(padded / KEY_BLOCK).enumerate() {
            if let Some(next) = self.keys.get((block + 1) * d * KEY_BLOCK..(block + 2) * d * KEY_BLOCK) {
                prefetch(next);
            }
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
            if let Some(soon) = values.get((t + 16) * d..(t + 17) * d) {
                prefetch(soon);
            }
            add::<T, G, W>(&mut sums, &weights[t..], padded, &values[t * d..]);
        }
        for (g, sums) in sums.iter().enumerate() {
            out[g * d..][..W].copy_from_slice(sums);
        }
        W
    }
}

/// Has the processor fetch `numbers` while it works on others.
#[inline(always)]
fn prefetch<T>(numbers: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in numbers.chunks(64 / size_of::<T>()) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint about memory that is there.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
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
        *wide = x.wide();
    }
    for (g, sums) in sums.iter_mut().enumerate() {
        let factor = factors[g * stride];
        for (sum, x) in sums.iter_mut().zip(&wide) {
            *sum = factor.mul_add(*x, *sum);
        }
    }
}

impl Row {
    /// Column `b` of the projections; queries are scaled already.
    #[inline(always)]
    fn gather<T: Number>(step: &AttendStep<'_, T>, b: usize, n_columns: usize) -> Self {
        let &AttendStep { n_heads, n_kv_heads, head_dim: d, qkv, .. } = step;
        let n_rows = step.starts.len();
        let part = |from: usize, n: usize| (from..from + n).map(|f| qkv[f * n_rows + b].wide()).collect();
        let (q_width, kv_width) = (n_heads * d, n_kv_heads * d);
        Self {
            q: part(0, q_width),
            k: part(q_width, kv_width),
            v: part(q_width + kv_width, kv_width),
            weights: vec![0.0; n_heads / n_kv_heads * n_columns],
            out: vec![0.0; n_heads / n_kv_heads * d],
        }
    }

    /// Norms and rotates queries and keys at `position`, rounding where the model rounds, and scales the queries.
    #[inline(always)]
    fn turn<T: Number>(&mut self, step: &AttendStep<'_, T>, position: usize) {
        let d = step.head_dim;
        let half = d / 2;
        let (cos, sin) = step.rope;
        // A row that has ended is fed on until it leaves the batch, if need be past the last position.
        let position = position.min(cos.len() / half - 1);
        let (cos, sin) = (&cos[position * half..][..half], &sin[position * half..][..half]);
        let scale = T::narrow((d as f32).sqrt().recip()).wide();
        let gains = step.qk_norm.map(|(q, k, eps)| ((q, eps), (k, eps)));
        for (heads, gain, scale) in
            [(&mut self.q, gains.map(|g| g.0), scale), (&mut self.k, gains.map(|g| g.1), 1.0)]
        {
            for head in heads.chunks_exact_mut(d) {
                if let Some((gain, eps)) = gain {
                    let mean = head.iter().map(|x| x * x).sum::<f32>() / d as f32;
                    let by = (mean + eps).sqrt().recip();
                    for (x, gain) in head.iter_mut().zip(gain) {
                        *x = T::narrow(T::narrow(*x * by).wide() * gain.wide()).wide();
                    }
                }
                let (first, second) = head.split_at_mut(half);
                for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(cos.iter().zip(sin)) {
                    let (x, y, cos, sin) = (*a, *b, cos.wide(), sin.wide());
                    *a = T::narrow(T::narrow(x * cos - y * sin).wide() * scale).wide();
                    *b = T::narrow(T::narrow(y * cos + x * sin).wide() * scale).wide();
                }
            }
        }
    }
}

#[inline(always)]
fn softmax(scores: &mut [f32]) {
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
fn fold(numbers: &[f32], start: f32, with: impl Fn(f32, f32) -> f32) -> f32 {
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::super::{Bf16, view, view_mut};
    use super::*;

    fn wide_of(t: &Tensor) -> Tensor {
        t.to_kind(Kind::Float)
    }

    /// Rows that start at different columns, grouped queries, with and without norms: against plain operations.
    fn check<T: Number>(normed: bool, tolerance: f64) {
        let (b, h, k, d, c) = (5i64, 10i64, 2i64, 42i64, 96i64);
        let (column, starts) = (69i64, [0i64, 33, 64, 69, 7]);
        let options = (Kind::Float, Device::Cpu);
        tch::manual_seed(6);
        let normal = |shape: &[i64]| Tensor::randn(shape, options).to_kind(T::KIND);
        let (qkv, q_gain, k_gain) = (normal(&[(h + 2 * k) * d, b]), normal(&[d]), normal(&[d]));
        let block = KEY_BLOCK as i64;
        let (mut keys, mut values) = (normal(&[b, k, c / block, d, block]), normal(&[b, k, c, d]));
        let in_line = |keys: &Tensor| wide_of(keys).permute([0, 1, 3, 2, 4]).reshape([b, k, d, c]);
        let angles = Tensor::randn([c, d / 2], options);
        let (cos, sin) = (angles.cos().to_kind(T::KIND), angles.sin().to_kind(T::KIND));

        let wide = wide_of;
        let heads = wide(&qkv).view([h + 2 * k, d, b]).permute([2, 0, 1]); // (B, H + 2K, D)
        let turn = |x: &Tensor, gain: &Tensor| {
            let norm = (x.square().mean_dim([-1i64].as_slice(), true, None) + 1e-5).rsqrt();
            let x = if normed { x * norm * wide(gain) } else { x.shallow_clone() };
            let positions = Tensor::from_slice(&starts.map(|s| column - s));
            let at = |t: &Tensor| wide(t).index_select(0, &positions).unsqueeze(1); // (B, 1, D / 2)
            let halves = x.chunk(2, -1);
            let (x, y, cos, sin) = (&halves[0], &halves[1], at(&cos), at(&sin));
            Tensor::cat(&[x * &cos - y * &sin, y * &cos + x * &sin], -1)
        };
        let q = turn(&heads.narrow(1, 0, h), &q_gain);
        let new_key = turn(&heads.narrow(1, h, k), &k_gain); // (B, K, D)
        let (all_keys, all_values) = (in_line(&keys), wide(&values));
        all_keys.narrow(3, column, 1).copy_(&new_key.unsqueeze(3));
        all_values.narrow(2, column, 1).copy_(&heads.narrow(1, h + k, k).unsqueeze(2));
        let columns = Tensor::arange(c, (Kind::Int64, Device::Cpu));
        let hidden =
            columns.lt_tensor(&Tensor::from_slice(&starts).unsqueeze(1)).logical_or(&columns.gt(column));
        let scores = q.view([b, k, h / k, d]).matmul(&all_keys) * (d as f64).powf(-0.5); // (B, K, H / K, C)
        let hidden = hidden.view([b, 1, 1, c]);
        let weights = scores.masked_fill(&hidden, f64::NEG_INFINITY).softmax(-1, None);
        let expected = weights.matmul(&all_values).view([b, h * d]).transpose(0, 1); // (H D, B)

        let mut out = Tensor::zeros([h * d, b], (T::KIND, Device::Cpu));
        let mut seen = Tensor::full([b, h, column + 1], 9.0, options);
        let step = AttendStep {
            n_heads: h as usize,
            n_kv_heads: k as usize,
            head_dim: d as usize,
            qkv: view::<T>(&qkv).unwrap(),
            qk_norm: normed.then(|| (view::<T>(&q_gain).unwrap(), view::<T>(&k_gain).unwrap(), 1e-5)),
            rope: (view::<T>(&cos).unwrap(), view::<T>(&sin).unwrap()),
            starts: &starts,
            column: column as usize,
            capacity: c as usize,
        };
        let (cached_keys, cached_values) = (view_mut(&mut keys).unwrap(), view_mut(&mut values).unwrap());
        attend_step(
            &step,
            cached_keys,
            cached_values,
            view_mut(&mut out).unwrap(),
            view_mut(&mut seen).unwrap(),
        );
        let close = |got: &Tensor, expected: &Tensor, what: &str| {
            let gap = (wide(got) - expected).abs().max().double_value(&[]);
            assert!(gap < tolerance, "{what}: off by {gap}");
        };
        close(&out, &expected, "out");
        close(&in_line(&keys), &all_keys, "keys");
        close(&values, &all_values, "values");
        close(&seen, &weights.view([b, h, c]).narrow(2, 0, column + 1), "weights");
        let before = out.copy();
        attend_step(
            &step,
            view_mut(&mut keys).unwrap(),
            view_mut(&mut values).unwrap(),
            view_mut(&mut out).unwrap(),
            &mut [],
        );
        assert_eq!(before, out, "nobody looks on");
    }

    #[test]
    fn a_step_is_norm_rotation_cache_and_attention() {
        for normed in [false, true] {
            check::<f32>(normed, 1e-5);
            check::<Bf16>(normed, 0.05);
        }
    }
}
