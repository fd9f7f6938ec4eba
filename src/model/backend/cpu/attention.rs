//! Causal attention over sequences side by side: libtorch's products, kernels for all between them.
//!
//! ```text
//! S = q K^T / sqrt(D)      P = softmax(S)      out = P V
//! dV = P^T d      dP = d V^T      dS = P (dP - sum_j P dP) / sqrt(D)      dq = dS K      dK = dS^T q
//! ```
//!
//! The maps `S`, `P`, `dP` exist for a few sequences, or some queries of a long one, at a time, and columns that none of those
//! queries sees are left out. The backward pass makes `P` again.

use anyhow::Result;
use tch::{Kind, Tensor};

use super::super::{Tap, Tapped};
use crate::kernel::{
    CausalRows, HeadRows, Number, Owned, SlotGradient, causal_softmax, causal_softmax_back, view,
};
use crate::model::inputs::Grid;

/// Most numbers of a map: few enough to stay in the caches.
pub(super) const MAX_MAP: usize = 1 << 21;

/// The attention of one layer.
pub(super) struct Attention<'a, T> {
    pub heads: HeadRows<'a, T>,
    pub grids: &'a [Grid],
    /// Most numbers of a map, but no less than one row of each head.
    pub max_map: usize,
}

/// What it attends with, sequence after sequence: queries `[H, T, D]`, keys and values `[K, T, D]` of each.
pub(super) struct InSlots {
    q: Tensor,
    k: Tensor,
    v: Tensor,
}

/// Neighbours of one length.
struct Part {
    first_slot: i64,
    rows: i64,
    width: i64,
}

/// Some queries of a part.
#[derive(Clone, Copy)]
struct Block {
    first: i64,
    n: i64,
}

impl Block {
    /// Number of columns that any of the queries sees.
    fn seen(&self) -> i64 {
        self.first + self.n
    }
}

impl<T: Number> Attention<'_, T> {
    /// Norms, rotates and lays out `qkv` `[N, (H + 2K) D]`.
    pub(super) fn spread(&self, qkv: &Tensor) -> Result<InSlots> {
        let [mut q, mut k, mut v] = [self.n_heads(), self.n_kv(), self.n_kv()].map(|heads| self.empty(heads));
        self.heads.spread(view(qkv)?, q.numbers()?, k.numbers()?, v.numbers()?);
        let [q, k, v] = [q, k, v].map(Owned::into_tensor);
        Ok(InSlots { q, k, v })
    }

    /// Shows `tap` layer `l`.
    pub(super) fn show(&self, l: usize, slots: &InSlots, tap: Tap<'_>) {
        let d = self.heads.head_dim as i64;
        for grid in self.grids {
            let (b, t) = (grid.rows.len() as i64, grid.width as i64);
            let of_heads = |x: &Tensor, heads: i64| {
                x.narrow(0, grid.start as i64 * heads * d, b * t * heads * d).view([b, heads, t, d])
            };
            tap(&Tapped {
                layer: l,
                sequences: grid.rows.clone(),
                queries: &of_heads(&slots.q, self.n_heads()).transpose(1, 2),
                keys: &of_heads(&slots.k, self.n_kv()),
                values: &of_heads(&slots.v, self.n_kv()),
                attention: crate::model::Attention::plain(d),
            });
        }
    }

    /// What attention gives each token, `[n, H D]`: the first N rows, zeros behind them.
    pub(super) fn forward(&self, slots: &InSlots, n: i64) -> Result<Tensor> {
        let out = self.empty(self.n_heads()).into_tensor();
        for part in self.parts() {
            let (q, k, v) = self.of_part(slots, &part);
            let to = self.per_head(&self.queries(&out, &part), &part);
            for block in self.blocks(&part) {
                let weights = self.weights(&self.some(&q, &part, block), &k, block)?;
                self.put(&to, &weights.bmm(&v.narrow(1, 0, block.seen())), block);
            }
        }
        let width = self.n_heads() * self.heads.head_dim as i64;
        let mut gathered = Owned::zeros(&[n, width], T::KIND);
        self.heads.gather(view(&out)?, gathered.numbers()?);
        Ok(gathered.into_tensor())
    }

    /// From the gradient `d` `[N, H D]` of [`Attention::forward`] to that of `qkv`, and those of the norms' gains, `[2 D]`.
    pub(super) fn backward(&self, qkv: &Tensor, d: &Tensor) -> Result<(Tensor, Vec<f32>)> {
        let slots = self.spread(qkv)?;
        let mut d_out = self.empty(self.n_heads());
        self.heads.spread_home(view(d)?, d_out.numbers()?);
        let d_out = d_out.into_tensor();
        let of_heads = [self.n_heads(), self.n_kv(), self.n_kv()];
        let [dq, dk, dv] = of_heads.map(|heads| self.empty(heads).into_tensor());
        for part in self.parts() {
            let (q, k, v) = self.of_part(&slots, &part);
            let d_out = self.queries(&d_out, &part);
            let to = self.per_head(&self.queries(&dq, &part), &part);
            let (mut of_keys, mut of_values) = (Sum::default(), Sum::default());
            for block in self.blocks(&part) {
                let (q, d_out) = (self.some(&q, &part, block), self.some(&d_out, &part, block));
                let weights = self.weights(&q, &k, block)?;
                of_values.add(weights.transpose(1, 2).bmm(&d_out), &part);
                let mut d_scores = Owned::bmm(&d_out, &v.narrow(1, 0, block.seen()).transpose(1, 2));
                causal_softmax_back(view::<T>(&weights)?, d_scores.numbers()?, self.rows(block));
                let d_scores = d_scores.into_tensor();
                self.put(&to, &d_scores.bmm(&k.narrow(1, 0, block.seen())), block);
                of_keys.add(d_scores.transpose(1, 2).bmm(&q), &part);
            }
            of_keys.write(self.keys(&dk, &part));
            of_values.write(self.keys(&dv, &part));
        }
        let mut d_qkv = Owned::zeros(&qkv.size(), T::KIND);
        let mut d_norm = vec![0f32; 2 * self.heads.head_dim];
        let gradient = SlotGradient { q: view(&dq)?, k: view(&dk)?, v: view(&dv)? };
        self.heads.collect(&gradient, view(qkv)?, d_qkv.numbers()?, &mut d_norm);
        Ok((d_qkv.into_tensor(), d_norm))
    }

    /// Attention weights of queries `[B K, H/K n, D]` over the columns that any of them sees.
    fn weights(&self, q: &Tensor, k: &Tensor, block: Block) -> Result<Tensor> {
        let mut scores = Owned::bmm(q, &k.narrow(1, 0, block.seen()).transpose(1, 2));
        causal_softmax(scores.numbers::<T>()?, self.rows(block));
        Ok(scores.into_tensor())
    }

    fn rows(&self, block: Block) -> CausalRows {
        CausalRows {
            n_queries: block.n as usize,
            n_columns: block.seen() as usize,
            first: block.first as usize,
            scale: (self.heads.head_dim as f32).sqrt().recip(),
        }
    }

    fn parts(&self) -> impl Iterator<Item = Part> {
        let (n_heads, max_map) = (self.heads.n_heads, self.max_map);
        self.grids.iter().flat_map(move |grid| {
            let rows = (max_map / (n_heads * grid.width * grid.width)).max(1);
            (0..grid.rows.len()).step_by(rows).map(move |row| Part {
                first_slot: (grid.start + row * grid.width) as i64,
                rows: rows.min(grid.rows.len() - row) as i64,
                width: grid.width as i64,
            })
        })
    }

    fn blocks(&self, part: &Part) -> impl Iterator<Item = Block> + use<T> {
        let width = part.width;
        let n = (self.max_map as i64 / (part.rows * self.n_heads() * width)).clamp(1, width);
        (0..width).step_by(n as usize).map(move |first| Block { first, n: n.min(width - first) })
    }

    /// Queries `[B K, H/K T, D]`, keys and values `[B K, T, D]` of a part.
    fn of_part(&self, slots: &InSlots, part: &Part) -> (Tensor, Tensor, Tensor) {
        (self.queries(&slots.q, part), self.keys(&slots.k, part), self.keys(&slots.v, part))
    }

    fn queries(&self, x: &Tensor, part: &Part) -> Tensor {
        self.narrow(x, self.n_heads(), part)
    }

    fn keys(&self, x: &Tensor, part: &Part) -> Tensor {
        self.narrow(x, self.n_kv(), part)
    }

    fn narrow(&self, x: &Tensor, heads: i64, part: &Part) -> Tensor {
        let (d, groups) = (self.heads.head_dim as i64, part.rows * self.n_kv());
        let n = part.rows * part.width * heads * d;
        x.narrow(0, part.first_slot * heads * d, n).view([groups, -1, d])
    }

    /// `x` `[B K, H/K T, D]` as `[B K, H/K, T, D]`.
    fn per_head(&self, x: &Tensor, part: &Part) -> Tensor {
        x.view([part.rows * self.n_kv(), -1, part.width, self.heads.head_dim as i64])
    }

    /// The queries of `block` of all heads, `[B K, H/K n, D]`.
    fn some(&self, x: &Tensor, part: &Part, block: Block) -> Tensor {
        let d = self.heads.head_dim as i64;
        self.per_head(x, part).narrow(2, block.first, block.n).reshape([part.rows * self.n_kv(), -1, d])
    }

    /// The inverse of [`Attention::some`]: writes `x` to the queries of `block`.
    fn put(&self, to: &Tensor, x: &Tensor, block: Block) {
        let mut to = to.narrow(2, block.first, block.n);
        to.copy_(&x.view(to.size().as_slice()));
    }

    fn empty(&self, heads: i64) -> Owned {
        let n = (self.heads.slots.token.len() * self.heads.head_dim) as i64 * heads;
        Owned::empty(&[n], T::KIND)
    }

    fn n_heads(&self) -> i64 {
        self.heads.n_heads as i64
    }

    fn n_kv(&self) -> i64 {
        self.heads.n_kv_heads as i64
    }
}

/// A gradient of keys or values, `[B K, T, D]`: the sum of what the blocks of queries give the columns that they see, in f32
/// where there are several.
#[derive(Default)]
struct Sum(Option<Tensor>);

impl Sum {
    fn add(&mut self, share: Tensor, part: &Part) {
        let (seen, d) = (share.size()[1], share.size()[2]);
        if self.0.is_none() && seen == part.width {
            self.0 = Some(share);
            return;
        }
        let zeros = || Tensor::zeros([share.size()[0], part.width, d], (Kind::Float, share.device()));
        let _ = self.0.get_or_insert_with(zeros).narrow(1, 0, seen).g_add_(&share);
    }

    fn write(self, mut to: Tensor) {
        if let Some(total) = self.0 {
            to.copy_(&total);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tch::Device;

    use super::*;
    use crate::kernel::{Angles, HeadNorm, HeadNorms};
    use crate::model::inputs::Inputs;
    use crate::tests::Draws;

    /// One prompt of four tokens with responses of several lengths, in maps of any size.
    #[test]
    fn the_size_of_the_maps_changes_nothing() {
        let draws = Draws::new(8);
        let (h, k, d) = (4, 2, 6);
        let sequences: Vec<Vec<usize>> = [9, 7, 2]
            .iter()
            .scan(4, |next, n| {
                *next += n;
                Some((0..4).chain(*next - n..*next).collect())
            })
            .collect();
        let inputs = Inputs::new(&[0; 22], &sequences, Device::Cpu);
        let normal = |shape: &[i64]| draws.normal(shape);
        let (qkv, d_out) = (normal(&[22, (h + 2 * k) * d]), normal(&[22, h * d]));
        let (cos, sin) = (normal(&[13, d / 2]).cos(), normal(&[13, d / 2]).sin());
        let (q_gain, k_gain) = (normal(&[d]), normal(&[d]));
        let of = |max_map: usize| {
            let heads = HeadRows {
                n_heads: h as usize,
                n_kv_heads: k as usize,
                head_dim: d as usize,
                rope: Angles { cos: view::<f32>(&cos).unwrap(), sin: view(&sin).unwrap() },
                norms: Some(HeadNorms {
                    q: HeadNorm { gain: view(&q_gain).unwrap(), eps: 1e-5 },
                    k: HeadNorm { gain: view(&k_gain).unwrap(), eps: 1e-5 },
                }),
                slots: &inputs.slots,
            };
            let attention = Attention { heads, grids: &inputs.grids, max_map };
            let out = attention.forward(&attention.spread(&qkv).unwrap(), 22).unwrap();
            let (d_qkv, d_norm) = attention.backward(&qkv, &d_out).unwrap();
            [out, d_qkv, Tensor::from_slice(&d_norm)]
        };
        let whole = of(1 << 20);
        for max_map in [1, 150, 4 * 13 * 13] {
            for (part, whole) in of(max_map).iter().zip(&whole) {
                assert!(part.allclose(whole, 1e-5, 1e-5, false), "{max_map}");
            }
        }
    }
}
