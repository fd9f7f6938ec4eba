//! Keys and values of responses that have ended, for those that branch off them under the same weights.

use tch::Tensor;

use super::Context;
use super::batch::Batch;
use super::row::Row;
use crate::model::{KvCache, Policy};
use crate::types::{GenRequest, TokenId};

/// What a response left behind.
pub(super) struct CachedPrefix {
    prompt: u64,
    /// Its tokens that were read.
    response: Vec<TokenId>,
    /// Keys and values in each layer, `[K, n, D]` each, of prompt and response.
    layers: Vec<(Tensor, Tensor)>,
}

impl CachedPrefix {
    /// What the row at `place` of `batch` leaves behind.
    pub(super) fn of_row(batch: &Batch<'_>, place: i64, row: &Row<'_>) -> Self {
        // Rows that have ended are fed on until they leave; what they read then is nobody's.
        let GenRequest { prompt, prefix, .. } = row.request;
        let response = [prefix, &row.tokens[..row.n_fed]].concat();
        let n = prompt.tokens.len() + response.len();
        Self { prompt: prompt.id, response, layers: batch.cache.row(place, n as i64) }
    }

    /// Bytes of keys and values.
    pub(super) fn n_bytes(&self) -> usize {
        let of = |t: &Tensor| t.numel() * t.kind().elt_size_in_bytes();
        self.layers.iter().map(|(keys, values)| of(keys) + of(values)).sum()
    }

    /// Whether `request` goes on from a part of it.
    pub(super) fn serves(&self, request: &GenRequest) -> bool {
        !request.prefix.is_empty()
            && self.prompt == request.prompt.id
            && self.response.starts_with(&request.prefix)
    }

    /// Copies keys and values of the first `n` tokens into row `row` of `cache`.
    pub(super) fn fill(&self, cache: &mut KvCache, row: usize, n: i64) {
        for (layer, (keys, values)) in self.layers.iter().enumerate() {
            cache.fill(layer, row..row + 1, &keys.narrow(1, 0, n), &values.narrow(1, 0, n));
        }
    }
}

/// What the next token of every row of `contexts` comes from, given what was `kept` of the responses that they go on from:
/// only their last tokens are read, once each. Hidden states `[B, E]` and a cache with a row for each.
pub(super) fn resume(
    policy: &Policy,
    contexts: &[Context],
    kept: &[&CachedPrefix],
    n_new: i64,
) -> anyhow::Result<(Tensor, KvCache)> {
    let device = policy.network.placement.device;
    let lens: Vec<i64> = contexts.iter().map(|context| context.tokens.len() as i64 - 1).collect();
    // One column more, for the last tokens.
    let mut cache = policy.network.cache(&lens, n_new + 1);
    for (row, (kept, n)) in kept.iter().zip(&lens).enumerate() {
        kept.fill(&mut cache, row, *n);
    }
    let last = contexts.iter().filter_map(|context| context.tokens.last());
    let last: Vec<i64> = last.map(|token| i64::from(*token)).collect();
    let last = Tensor::from_slice(&last).to_device(device);
    let hidden = policy.network.step(&last, &mut cache, None)?; // (contexts, E)
    let rows = (0i64..).zip(contexts).flat_map(|(i, context)| std::iter::repeat_n(i, context.rows.len()));
    let rows: Vec<i64> = rows.collect();
    cache.keep_rows(&rows);
    Ok((hidden.index_select(0, &Tensor::from_slice(&rows).to_device(device)), cache))
}
