//! Keys and values of the rows that are being decoded.
//!
//! Rows are aligned at their *end*: a prompt of length n occupies the n columns before the write column, so that
//! one step writes one column for all rows, and columns before a row's start are masked out.

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::attention::Attention;
use super::config::ModelConfig;
use super::device::Placement;
use crate::kernel::{LookBack, Number, view_mut};

/// Sees the attention of the newest tokens go by.
pub(crate) trait AttentionTap {
    /// Whether it looks at layer `layer`.
    fn wants(&self, layer: usize) -> bool;

    /// Takes in the attention of layer `layer`, f32 `[B, H, C]`, over the C columns up to the newest tokens.
    fn see(&mut self, layer: usize, attention: &Tensor);

    /// Where a kernel that has the attention at hand adds it up by itself.
    ///
    /// # Errors
    /// If that is not in main memory.
    fn look_back(&mut self, layer: usize) -> Result<LookBack<'_>>;
}

/// The cache of one batch of rows.
pub(crate) struct KvCache {
    layers: Vec<(Tensor, Tensor)>, // keys (B, K, C / W, D, W), values (B, K, C, D)
    key_block: Option<i64>,        // W, where it is not all columns
    block: i64,                    // W: columns whose keys lie together
    starts: Vec<i64>,
    mask: Option<Tensor>, // (B * K, 1, C): -inf before a row's start; None if all rows start at 0
    n_kv_heads: i64,
    len: i64,
    capacity: i64,
}

impl KvCache {
    /// An empty cache for rows whose contexts have the lengths `context_lens`, with room for `n_new` more tokens each.
    ///
    /// Keys lie feature by feature, so that the products of a query with all of them run along memory, in blocks of
    /// `key_block` columns, or all of them in one.
    pub(super) fn new(
        config: &ModelConfig,
        context_lens: &[i64],
        n_new: i64,
        Placement { device, kind, .. }: Placement,
        key_block: Option<i64>,
    ) -> Self {
        let len = context_lens.iter().copied().max().unwrap_or(0);
        let (capacity, block) = columns(len + n_new, key_block);
        let (b, k, d) = (context_lens.len() as i64, config.n_kv_heads, config.head_dim);
        // Zeros rather than uninitialised memory: masked columns are multiplied by 0, and 0 * NaN is NaN.
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (kind, device));
        let keys = || zeros(&[b, k, capacity / block, d, block]);
        let layers = (0..config.n_layers).map(|_| (keys(), zeros(&[b, k, capacity, d]))).collect();
        let starts: Vec<i64> = context_lens.iter().map(|n| len - n).collect();
        let mask = start_mask(&starts, capacity, config.n_kv_heads, kind, device);
        Self { layers, key_block, block, starts, mask, n_kv_heads: config.n_kv_heads, len, capacity }
    }

    /// Number of rows B.
    #[must_use]
    pub(crate) fn n_rows(&self) -> i64 {
        self.starts.len() as i64
    }

    /// Number of columns in use: the column that the next token is written to, the same for every row.
    #[must_use]
    pub(crate) fn n_columns(&self) -> i64 {
        self.len
    }

    /// Number of columns there is room for.
    #[must_use]
    pub(crate) fn capacity(&self) -> i64 {
        self.capacity
    }

    /// Position of the next token of every row, `[B]`.
    pub(crate) fn next_positions(&self) -> Tensor {
        let positions: Vec<i64> = self.starts.iter().map(|s| self.len - s).collect();
        Tensor::from_slice(&positions)
    }

    /// Number of positions that the next token of every row takes: the largest of them plus one.
    pub(super) fn n_positions(&self) -> i64 {
        self.starts.iter().map(|start| self.len - start + 1).max().unwrap_or(0)
    }

    /// Stores the context of rows `rows` in layer `layer`: `keys` and `values` are `[K, n, D]`, n the context length.
    pub(crate) fn fill(
        &mut self,
        layer: usize,
        rows: std::ops::Range<usize>,
        keys: &Tensor,
        values: &Tensor,
    ) {
        let n = keys.size()[1];
        let (first, count) = (rows.start as i64, rows.len() as i64);
        let (k, v) = &self.layers[layer];
        let mut place = v.narrow(0, first, count).narrow(2, self.len - n, n);
        place.copy_(&values.unsqueeze(0).expand_as(&place));
        // The keys of a row fill whole blocks: zeros stand where it has none yet.
        let (n_kv, d) = (keys.size()[0], keys.size()[2]);
        let n_blocks = (self.len + self.block - 1) / self.block;
        let columns = Tensor::zeros([n_kv, d, n_blocks * self.block], (k.kind(), k.device()));
        columns.narrow(2, self.len - n, n).copy_(&keys.transpose(1, 2));
        let blocks = columns.view([n_kv, d, n_blocks, self.block]).transpose(1, 2); // (K, blocks, D, W)
        let mut place = k.narrow(0, first, count).narrow(2, 0, n_blocks);
        place.copy_(&blocks.unsqueeze(0).expand_as(&place));
    }

    /// First column of each row, and keys `[B, K, C / W, D, W]` and values `[B, K, C, D]` of layer `layer`.
    ///
    /// # Errors
    /// If they are not in main memory, or not of these numbers.
    #[expect(unsafe_code, reason = "tensors are seen as slices")]
    pub(super) fn numbers<T: Number>(&mut self, layer: usize) -> Result<(&[i64], &mut [T], &mut [T])> {
        let (keys, values) = &mut self.layers[layer];
        // SAFETY: the cache makes its tensors itself, each its own, and none that shares their memory outlives a method of it.
        unsafe { Ok((&self.starts, view_mut(keys)?, view_mut(values)?)) }
    }

    /// Writes this step's key and value of `layer`, `[B, K, 1, D]`, and attends as `by` says: `queries` are `[B * K, H / K, D]`,
    /// already scaled. Gives `[B * K, H / K, D]`; `tap` sees the weights, f32 `[B, H, columns]`. The column counts for later
    /// steps after [`KvCache::advance`].
    pub(crate) fn attend(
        &mut self,
        layer: usize,
        queries: &Tensor,
        key: &Tensor,
        value: &Tensor,
        by: Attention,
        tap: Option<&mut dyn AttentionTap>,
    ) -> Tensor {
        let (keys, values) = &self.layers[layer];
        keys.select(2, self.len / self.block).narrow(3, self.len % self.block, 1).copy_(&key.transpose(2, 3));
        values.narrow(2, self.len, 1).copy_(value);
        let n = self.len + 1;
        // Rows end in one column, so that all see back to one too.
        let first = by.window.map_or(0, |window| (n - window).max(0));
        let seen = |lines: &Tensor, dim: i64| lines.narrow(dim, first, n - first);
        // Of a single block this is the same memory in another shape.
        let in_line = keys.transpose(2, 3).flatten(3, 4); // (B, K, D, C)
        let keys = seen(&in_line.flatten(0, 1), 2); // (B * K, D, n)
        let values = seen(&values.flatten(0, 1), 1); // (B * K, n, D)
        let scores = match &self.mask {
            Some(mask) if by.softcap.is_none() => seen(mask, 2).baddbmm(queries, &keys, 1, 1),
            Some(mask) => by.limited(queries.bmm(&keys)) + seen(mask, 2),
            None => by.limited(queries.bmm(&keys)),
        }; // (B * K, H / K, n)
        let weights = match tap {
            None => scores.softmax(-1, None),
            Some(tap) => {
                let weights = scores.softmax(-1, Kind::Float);
                tap.see(layer, &weights.constant_pad_nd([first, 0]).view([self.n_rows(), -1, n]));
                weights.to_kind(queries.kind())
            }
        };
        weights.bmm(&values)
    }

    /// Closes the step: the column written by `attend` in every layer is now part of the context.
    pub(crate) fn advance(&mut self) {
        self.len += 1;
        debug_assert!(self.len <= self.capacity);
    }

    /// Takes in the rows of `other`, behind its own, with room for `n_new` more tokens each. Columns that no row needs go.
    pub(crate) fn join(&mut self, other: &Self, n_new: i64) {
        let Some((first, _)) = self.layers.first() else { return };
        let (kind, device) = (first.kind(), first.device());
        let lens = [&*self, other]
            .map(|cache| cache.starts.iter().map(|start| cache.len - start).collect::<Vec<_>>());
        let lens = lens.concat();
        let len = lens.iter().copied().max().unwrap_or(0);
        let (capacity, block) = columns(len + n_new, self.key_block);
        for l in 0..self.layers.len() {
            // The last columns of each, moved to where the joint rows end.
            let joint = |lines: [Tensor; 2]| {
                let mut shape = lines[0].size(); // (B, K, _, C)
                shape[0] = lens.len() as i64;
                shape[3] = capacity;
                let all = Tensor::zeros(&shape, (kind, device));
                let mut row = 0;
                for (cache, lines) in [&*self, other].into_iter().zip(lines) {
                    let (n, b) = (len.min(cache.len), lines.size()[0]);
                    let mut place = all.narrow(0, row, b).narrow(3, len - n, n);
                    place.copy_(&lines.narrow(3, cache.len - n, n));
                    row += b;
                }
                all
            };
            let keys = [&*self, other].map(|cache| cache.layers[l].0.transpose(2, 3).flatten(3, 4)); // (B, K, D, C)
            let values = [&*self, other].map(|cache| cache.layers[l].1.transpose(2, 3)); // (B, K, D, C)
            let keys = joint(keys);
            let values = joint(values).transpose(2, 3).contiguous();
            let (b, k, d, _) = keys.size4().unwrap_or_default();
            let keys = keys.view([b, k, d, capacity / block, block]).transpose(2, 3).contiguous();
            self.layers[l] = (keys, values);
        }
        self.starts = lens.iter().map(|n| len - n).collect();
        (self.len, self.capacity, self.block) = (len, capacity, block);
        self.mask = start_mask(&self.starts, capacity, self.n_kv_heads, kind, device);
    }

    /// Copies of keys and values of row `row` in each layer, `[K, n, D]` each, of the first `n` tokens that it has read.
    #[must_use]
    pub(crate) fn row(&self, row: i64, n: i64) -> Vec<(Tensor, Tensor)> {
        let start = self.starts[row as usize];
        let own = |(keys, values): &(Tensor, Tensor)| {
            let keys = keys.get(row).transpose(2, 3).flatten(1, 2); // (K, C, D)
            let part = |t: &Tensor| t.narrow(1, start, n).copy();
            (part(&keys), part(&values.get(row)))
        };
        self.layers.iter().map(own).collect()
    }

    /// Keeps the rows `rows` (indices into the present ones), in that order; one that is named twice is there twice.
    pub(crate) fn keep_rows(&mut self, rows: &[i64]) {
        let Some((first, _)) = self.layers.first() else { return };
        let (kind, device) = (first.kind(), first.device());
        let index = Tensor::from_slice(rows).to_device(device);
        for (keys, values) in &mut self.layers {
            let n_blocks = (self.len + self.block - 1) / self.block;
            for (cache, n) in [(keys, n_blocks), (values, self.len)] {
                let mut shape = cache.size();
                shape[0] = rows.len() as i64;
                let kept = Tensor::zeros(&shape, (kind, device));
                let used = |t: &Tensor| t.narrow(2, 0, n);
                used(&kept).copy_(&used(cache).index_select(0, &index));
                *cache = kept;
            }
        }
        self.starts = rows.iter().map(|r| self.starts[*r as usize]).collect();
        self.mask = start_mask(&self.starts, self.capacity, self.n_kv_heads, kind, device);
    }
}

/// Columns for at least `n`, and how many of them make a block.
fn columns(n: i64, key_block: Option<i64>) -> (i64, i64) {
    key_block.map_or((n, n), |block| ((n as u64).next_multiple_of(block as u64) as i64, block))
}

fn start_mask(starts: &[i64], capacity: i64, n_kv_heads: i64, kind: Kind, device: Device) -> Option<Tensor> {
    if starts.iter().all(|s| *s == 0) {
        return None;
    }
    let starts = Tensor::from_slice(starts).to_device(device).repeat_interleave_self_int(n_kv_heads, 0, None);
    let columns = Tensor::arange(capacity, (Kind::Int64, device));
    let before = columns.unsqueeze(0).lt_tensor(&starts.unsqueeze(1)); // (B * K, C)
    let mask = Tensor::zeros(before.size(), (kind, device)).masked_fill(&before, f64::NEG_INFINITY);
    Some(mask.unsqueeze(1))
}
