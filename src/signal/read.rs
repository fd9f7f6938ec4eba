//! Reading attention in a forward pass: queries and keys of the chosen layers become signals, a block of rows at a time.

use std::ops::Range;

use anyhow::Result;
use tch::{Kind, Tensor};

use super::config::{Row, SignalConfig};
use super::stream::{Extent, HeadSums};
use crate::batch::Sequence;
use crate::model::{Inputs, Policy, Tapped};
use crate::types::HeadSignals;

/// Most attention weights in a block of rows: 16 MiB in f32. Three blocks exist at a time: the weights and, on their way
/// from the scores or into a sum, two more of their size.
pub(super) const MAX_WEIGHTS: i64 = 1 << 22;

/// Reads the attention of the sequences of one pass, which reads their last tokens too.
pub(crate) struct Reader<'a> {
    config: &'a SignalConfig,
    layers: &'a [usize],
    extents: Vec<Extent>,
    max_weights: i64,
    read: Result<Vec<HeadSignals>>,
}

impl<'a> Reader<'a> {
    /// A reader of `layers` for `sequences`, in the order of the pass.
    pub(crate) fn new(config: &'a SignalConfig, layers: &'a [usize], sequences: &[Sequence<'_>]) -> Self {
        let shift = usize::from(config.row == Row::Predicting);
        let extent = |s: &Sequence<'_>| Extent { start: s.prompt.len(), n: s.response.len(), shift };
        let read = Ok(sequences.iter().map(|_| HeadSignals { heads: Vec::new() }).collect());
        Self {
            config,
            layers,
            extents: sequences.iter().map(extent).collect(),
            max_weights: MAX_WEIGHTS,
            read,
        }
    }

    /// Holds at most `max_weights` attention weights at a time, but no less than one row of each head.
    #[cfg(test)]
    pub(crate) fn with_max_weights(self, max_weights: i64) -> Self {
        Self { max_weights, ..self }
    }

    /// Runs `policy` over `inputs` as far as the last layer that is read.
    ///
    /// # Errors
    /// If the policy is not where its placement says.
    pub(crate) fn run(&mut self, policy: &Policy, inputs: &Inputs) -> Result<()> {
        let last = self.layers.last().copied().unwrap_or(0);
        policy.network.read_until(inputs, last, &mut |tapped| self.see(tapped))
    }

    /// Takes a layer's queries and keys in; does nothing with layers that are not read.
    pub(crate) fn see(&mut self, tapped: &Tapped<'_>) {
        if !self.layers.contains(&tapped.layer) {
            return;
        }
        let found = self.layer(tapped);
        if let Ok(read) = &mut self.read {
            match found {
                Ok(found) => read[tapped.sequences.clone()]
                    .iter_mut()
                    .zip(found)
                    .for_each(|(all, heads)| all.heads.extend(heads)),
                Err(error) => self.read = Err(error),
            }
        }
    }

    /// The signals of each sequence, heads in order of (layer, head).
    ///
    /// # Errors
    /// If results could not be copied to the host.
    pub(crate) fn finish(self) -> Result<Vec<HeadSignals>> {
        self.read
    }

    fn layer(&self, tapped: &Tapped<'_>) -> Result<Vec<Vec<crate::types::HeadSignal>>> {
        let extents = &self.extents[tapped.sequences.clone()];
        let (b, t, h, _) = tapped.queries.size4()?;
        let device = tapped.queries.device();
        let mut sums = HeadSums::new(self.config, b, h, t, device);
        let from = extents.iter().map(|e| e.rows().start).min().unwrap_or(0) as i64;
        let to = extents.iter().map(|e| e.rows().end).max().unwrap_or(0) as i64;
        for_blocks(tapped, from..to, self.max_weights, &mut |attention, first| {
            let end = first + attention.size()[2];
            sums.add(attention, first, &counted(extents, first, end).to_device(device));
        })?;
        sums.finish(tapped.layer, extents)
    }
}

/// Calls `see` with the attention of the tokens `rows`, a block of them after the other: f32 `[B, H, Q, C]`, of which row i
/// belongs to the token in column `first + i`, and `first`; columns count from 0 to C = `first + Q`. A block has at most
/// `max_weights` attention weights, but no less than one row of each head.
pub(super) fn for_blocks(
    tapped: &Tapped<'_>,
    rows: Range<i64>,
    max_weights: i64,
    see: &mut dyn FnMut(&Tensor, i64),
) -> Result<()> {
    let (b, t, h, d) = tapped.queries.size4()?;
    let by = tapped.attention;
    let k = tapped.keys.size()[1];
    let group = h / k;
    let device = tapped.queries.device();
    let queries = tapped.queries.to_kind(Kind::Float).transpose(1, 2) * by.scale; // (B, H, T, D)
    let keys = tapped.keys.to_kind(Kind::Float).reshape([b * k, t, d]);
    let block = (max_weights / (b * h * t)).max(1);
    for first in rows.clone().step_by(block as usize) {
        let (n, end) = (block.min(rows.end - first), (first + block).min(rows.end));
        let q = queries.narrow(2, first, n).reshape([b * k, group * n, d]);
        let scores = by.limited(q.bmm(&keys.narrow(1, 0, end).transpose(1, 2))).view([b, h, n, end]);
        see(&(scores + by.mask(first, n, (Kind::Float, device))).softmax(-1, None), first);
    }
    Ok(())
}

/// 1 where a row of `first..end` counts, `[B, 1, Q, 1]`.
fn counted(extents: &[Extent], first: i64, end: i64) -> Tensor {
    let row =
        |rows: Range<usize>| (first..end).map(move |t| f32::from(u8::from(rows.contains(&(t as usize)))));
    let values: Vec<f32> = extents.iter().flat_map(|extent| row(extent.rows())).collect();
    Tensor::from_slice(&values).view([extents.len() as i64, 1, end - first, 1])
}
