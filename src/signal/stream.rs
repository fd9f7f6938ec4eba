//! Span, WAAD and FAI of every head of a layer, from a stream of attention rows.
//!
//! With A the causal attention of one head after softmax, d = t - s the distance of a row's token t from a column's
//! token s, and R the tokens of the response (arXiv 2510.13554, section 3):
//!
//! ```text
//! span   = mean over t in R of  sum_s A[t,s] d
//! WAAD_t =                      sum_s A[t,s] min(d, W)
//! FAI_s  = mean over t in R with lo <= d <= hi of A[t,s]
//! ```
//!
//! All three are linear in A, so rows can come in any blocks and be forgotten: what is kept is one number per row and one
//! per column, never a map.

use tch::{Device, Kind, Tensor};

use super::config::SignalConfig;
use crate::kernel::{LookBack, view, view_mut};
use crate::types::{HeadId, HeadSignal};

/// Sums of one layer over the rows seen so far; B sequences, H heads, C columns of tokens.
pub(crate) struct HeadSums {
    span: Tensor, // (B, H), f32
    waad: Tensor, // (B, H, C), f32: at the row's own column
    fai: Tensor,  // (B, H, C), f32: sums over rows within the horizon
    window: i64,
    horizon: [i64; 2],
}

/// Where one sequence lies in the columns and which of its rows count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Column of the first response token.
    pub start: usize,
    /// Number of response tokens, at least 1.
    pub n: usize,
    /// Columns from a row to the token it belongs to: 0, or 1 where the predicting row counts.
    pub shift: usize,
}

impl Extent {
    /// First row that counts, and the one behind the last.
    pub(super) fn rows(&self) -> std::ops::Range<usize> {
        self.start - self.shift..self.start - self.shift + self.n
    }
}

impl HeadSums {
    /// Nothing seen yet.
    pub(super) fn new(config: &SignalConfig, b: i64, h: i64, c: i64, device: Device) -> Self {
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, device));
        let [lo, hi] = config.horizon.map(|tokens| tokens as i64);
        Self {
            span: zeros(&[b, h]),
            waad: zeros(&[b, h, c]),
            fai: zeros(&[b, h, c]),
            window: config.window as i64,
            horizon: [lo, hi],
        }
    }

    /// Adds the rows `attention`, f32 `[B, H, Q, C']`: row i belongs to the token in column `first + i`, columns count
    /// from 0 to C' = `first + Q`. `counted`, f32 `[B, 1, Q, 1]`, is 1 where a row counts and 0 elsewhere.
    pub(super) fn add(&mut self, attention: &Tensor, first: i64, counted: &Tensor) {
        let n_rows = attention.size()[2];
        let end = first + n_rows;
        let distance = self.distances(first, end, 0..end); // (Q, C')
        let total = |weight: &Tensor| (attention * weight).sum_dim_intlist([-1i64].as_slice(), false, None); // (B, H, Q)

        let counted_rows = counted.squeeze_dim(-1); // (B, 1, Q)
        self.span += (total(&distance) * &counted_rows).sum_dim_intlist([-1i64].as_slice(), false, None);
        let mut rows = self.waad.narrow(2, first, n_rows);
        rows.copy_(&total(&distance.clamp_max(self.window)));

        // Columns that lie within the horizon of some row.
        let [lo, hi] = self.horizon;
        let columns = (first - hi).max(0)..(end - lo).max(0);
        if columns.is_empty() {
            return;
        }
        let (from, width) = (columns.start, columns.end - columns.start);
        let distance = self.distances(first, end, columns);
        let within = distance.ge(lo).logical_and(&distance.le(hi)).to_kind(Kind::Float); // (Q, columns)
        let received = (attention.narrow(3, from, width) * counted * within).sum_dim_intlist(
            [2i64].as_slice(),
            false,
            None,
        ); // (B, H, columns)
        let mut influence = self.fai.narrow(2, from, width);
        let _ = influence.g_add_(&received);
    }

    /// Where the kernel of a decoding step adds up the one row of each sequence that it has; `counted` is f32 `[B]`.
    ///
    /// # Errors
    /// If the sums are not in main memory.
    #[expect(unsafe_code, reason = "tensors are seen as slices")]
    pub(super) fn look_back<'a>(&'a mut self, counted: &'a Tensor) -> anyhow::Result<LookBack<'a>> {
        let Self { span, waad, fai, .. } = self;
        // SAFETY: these tensors are made here, each its own, and none that shares their memory outlives a method of the sums.
        let (span, waad, fai) = unsafe { (view_mut(span)?, view_mut(waad)?, view_mut(fai)?) };
        Ok(LookBack {
            span,
            waad,
            fai,
            counted: view(counted)?,
            window: self.window as usize,
            horizon: self.horizon.map(|tokens| tokens as usize),
        })
    }

    /// The sums of the sequences `index` (int64, on the host) alone, in that order.
    pub(super) fn rows(&self, index: &Tensor) -> Self {
        let index = index.to_device(self.span.device());
        let own = |sums: &Tensor| sums.index_select(0, &index);
        Self { span: own(&self.span), waad: own(&self.waad), fai: own(&self.fai), ..*self }
    }

    /// Distance of the tokens of rows `first..end` from those of `columns`; negative above the diagonal.
    fn distances(&self, first: i64, end: i64, columns: std::ops::Range<i64>) -> Tensor {
        let options = (Kind::Float, self.span.device());
        let rows = Tensor::arange_start(first, end, options).unsqueeze(1); // (Q, 1)
        rows - Tensor::arange_start(columns.start, columns.end, options)
    }

    /// The signals of every sequence: for each of `extents`, in order, one entry per head of `layer`.
    ///
    /// # Errors
    /// If the sums cannot be copied to the host.
    pub(super) fn finish(&self, layer: usize, extents: &[Extent]) -> anyhow::Result<Vec<Vec<HeadSignal>>> {
        let (_, h, c) = self.waad.size3()?;
        let (h, c) = (h as usize, c as usize);
        let host = |sums: &Tensor| Vec::<f32>::try_from(sums.to_device(Device::Cpu).reshape([-1]));
        let (span, waad, fai) = (host(&self.span)?, host(&self.waad)?, host(&self.fai)?);
        let [lo, hi] = self.horizon.map(|tokens| tokens as usize);

        let of_sequence = |(b, extent): (usize, &Extent)| {
            let rows = extent.rows();
            let head = |head: usize| {
                let at = (b * h + head) * c;
                // The rows within reach of the token in column s: from s + lo to s + hi, as far as there are any.
                let influence = |s: usize| fai[at + s] / (rows.end - lo - s).min(hi - lo + 1) as f32;
                HeadSignal {
                    id: HeadId { layer, head },
                    span: span[b * h + head] / extent.n as f32,
                    waad: waad[at + rows.start..at + rows.end].to_vec(),
                    fai: (extent.start..rows.end.saturating_sub(lo)).map(influence).collect(),
                }
            };
            (0..h).map(head).collect()
        };
        Ok(extents.iter().enumerate().map(of_sequence).collect())
    }
}
