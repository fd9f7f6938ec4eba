//! The batched sampler: prefill each context once, then one token per row and step.
//!
//! Rows that have ended leave the batch when enough of them have, and requests that wait take their places, so that no step
//! runs mostly empty; only where attention is read do they wait until all have ended. A draw depends only on its
//! coordinates ([`Generation::uniform`]), never on the company a row keeps.
//!
//! Tested against the full forward pass in `src/tests/numerics/decoding.rs`.

mod batch;
mod checks;
mod draw;
mod prefix_cache;
mod row;

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tch::Tensor;

use self::batch::{Batch, COMPACT_BELOW};
pub(super) use self::checks::{check_lengths, stops};
use self::draw::Draw;
use self::prefix_cache::CachedPrefix;
use self::row::Row;
use super::{Counts, Generated, Generation, RolloutEngine};
use crate::batch::{Reads, Sequence, TokenBatch, pack};
use crate::model::{KvCache, Policy, Tapped};
use crate::signal::{DecodePlan, DecodeReader};
use crate::text::Tokenizer;
use crate::types::{GenRequest, Progress, TokenId};

/// Is shown the tokens of a response as they come.
pub(crate) type Shown = Box<dyn FnMut(&[TokenId]) + Send>;

/// Decodes with the policy itself, in this process.
pub(crate) struct DecodeEngine {
    eos: Vec<TokenId>,
    max_num_seqs: usize,
    max_prefill_tokens: usize,
    /// Says what tokens say, where strings may end a response.
    tokenizer: Option<Arc<Tokenizer>>,
    /// Is shown the tokens of the first response of a call behind every step.
    pub(crate) shown: Option<Shown>,
    attention: Option<DecodePlan>,
    /// Calls beyond one that begins anew that go on from the responses of the call before.
    n_more: usize,
    /// Most bytes of keys and values that responses leave behind.
    kept_bytes: usize,
    store: Store,
}

/// What outlives a call.
#[derive(Default)]
struct Store {
    /// What the responses of the last call left behind.
    kept: Vec<CachedPrefix>,
    /// Calls since one that began anew.
    n_calls: usize,
    counts: Counts,
}

/// What is asked of whom in a call.
#[derive(Clone, Copy)]
struct Call<'c> {
    policy: &'c Policy,
    requests: &'c [GenRequest],
    /// Most tokens of a response.
    n_new: usize,
}

/// A run of requests that continue the same tokens.
struct Context {
    tokens: Vec<TokenId>,
    rows: Range<usize>,
}

impl DecodeEngine {
    /// An engine that ends a response at any of `eos`, with at most `max_num_seqs` responses under way at once and at most
    /// `max_prefill_tokens` in one prefill pass.
    #[must_use]
    pub(crate) fn new(eos: Vec<TokenId>, max_num_seqs: usize, max_prefill_tokens: usize) -> Self {
        Self {
            eos,
            max_num_seqs,
            max_prefill_tokens,
            tokenizer: None,
            shown: None,
            attention: None,
            n_more: 0,
            kept_bytes: 0,
            store: Store::default(),
        }
    }

    /// The same engine, which can end responses at strings of `tokenizer`'s text.
    #[must_use]
    pub(crate) fn telling(self, tokenizer: &Arc<Tokenizer>) -> Self {
        Self { tokenizer: Some(Arc::clone(tokenizer)), ..self }
    }

    /// The same engine that also reads attention as `plan` says.
    #[must_use]
    pub(crate) fn reading(self, plan: Option<DecodePlan>) -> Self {
        Self { attention: plan, ..self }
    }

    /// The same engine, whose responses leave keys and values behind: a call for whole responses is followed by `n_more`
    /// under the same weights, each for branches off the responses of the call before. Beyond `kept_bytes` nothing is left, and
    /// prefixes are read anew.
    #[must_use]
    pub(crate) fn keeping(self, n_more: usize, kept_bytes: usize) -> Self {
        Self { n_more, kept_bytes, ..self }
    }
}

impl RolloutEngine for DecodeEngine {
    fn generate(
        &mut self,
        policy: &Policy,
        requests: &[GenRequest],
        generation: &Generation,
        finished: &mut Progress<'_>,
    ) -> Result<Generated> {
        let _guard = tch::no_grad_guard();
        let sampling = &generation.sampling;
        check_lengths(policy, requests, sampling)?;
        let draw = Draw::new(policy, generation, &self.eos, stops(self.tokenizer.as_ref(), sampling)?);
        let mut rows: Vec<Row<'_>> = requests.iter().map(Row::new).collect();
        let mut store = std::mem::take(&mut self.store);
        store.n_calls += 1;
        if requests.iter().all(|request| request.prefix.is_empty()) {
            // What was left may be of other weights.
            store.kept.clear();
            store.n_calls = 0;
        }
        let (n_old, keeps) = (store.kept.len(), store.n_calls < self.n_more);
        let mut room = self.kept_bytes;
        let mut shown = self.shown.take();
        let call = Call { policy, requests, n_new: sampling.max_new_tokens };
        let (mut waiting, mut batch) = (0..requests.len(), None);
        loop {
            batch = self.admit(call, &mut waiting, batch, &mut store, finished)?;
            let Some(under_way) = &mut batch else { break };
            draw.extend(&mut rows, under_way)?;
            // What ends it may be no part of the text, so its end is for whoever gets it whole.
            if let (Some(shown), Some(first)) = (&mut shown, rows.first().filter(|row| row.finish.is_none()))
            {
                shown(&first.tokens);
            }
            let mut keep = |kept: CachedPrefix| {
                if let Some(left) = room.checked_sub(kept.n_bytes()) {
                    room = left;
                    store.kept.push(kept);
                }
            };
            finished(under_way.compact(&mut rows, keeps.then_some(&mut keep))?)?;
            match under_way.rows.is_empty() {
                true => batch = None,
                false => under_way.step(policy, &mut rows)?,
            }
        }
        store.kept.drain(..n_old);
        let counts = std::mem::take(&mut store.counts);
        (self.store, self.shown) = (store, shown);
        let (completions, signals): (Vec<_>, Vec<_>) = rows.into_iter().map(Row::into_parts).unzip();
        // Read of all responses of a call, or of none.
        let signals = signals.into_iter().flatten().collect();
        Ok(Generated { completions, signals, counts, served: None })
    }
}

impl DecodeEngine {
    /// Fills `batch` up with requests that wait, if it has room for enough of them; `None` if there is nothing left to do.
    ///
    /// A reader of attention counts from the one column in which all its prompts end, so that its rows begin together.
    fn admit<'e>(
        &'e self,
        call: Call<'_>,
        waiting: &mut Range<usize>,
        batch: Option<Batch<'e>>,
        store: &mut Store,
        finished: &mut Progress<'_>,
    ) -> Result<Option<Batch<'e>>> {
        let Call { policy, requests, n_new } = call;
        let n_rows = batch.as_ref().map_or(0, |batch| batch.rows.len());
        let closed = batch.as_ref().is_some_and(|batch| {
            batch.reader.is_some() || n_rows as f64 > COMPACT_BELOW * self.max_num_seqs as f64
        });
        if waiting.start == waiting.end || closed {
            return Ok(batch);
        }
        let mut end = waiting.end.min(waiting.start + self.max_num_seqs - n_rows);
        // Those that continue the same tokens begin together, unless no batch is large enough for them.
        if let Some(cut) = requests[..waiting.end].get(end) {
            let run =
                requests[waiting.start..end].iter().rev().take_while(|last| same_context(last, cut)).count();
            match end - run > waiting.start {
                true => end -= run,
                false if batch.is_some() => return Ok(batch),
                false => {}
            }
        }
        let new = waiting.start..end;
        // Rows that join others find their room there.
        let room = if batch.is_some() { 0 } else { n_new };
        waiting.start = new.end;
        let (new, hidden, cache) = self.begin(Call { n_new: room, ..call }, new, store, finished)?;
        Ok(Some(match batch {
            Some(mut batch) => {
                batch.rows.extend(new);
                batch.cache.join(&cache, n_new as i64);
                batch.hidden = Tensor::cat(&[batch.hidden, hidden], 0);
                batch
            }
            None => {
                // The tokens of a prefix were another call's, and so was their attention.
                let from_start = requests.iter().all(|request| request.prefix.is_empty());
                let plan = self.attention.as_ref().filter(|_| from_start);
                let reader = plan.map(|plan| DecodeReader::new(plan, policy, &cache));
                Batch { rows: new, cache, hidden, reader }
            }
        }))
    }

    /// The `new` ones of the requests in the order of their rows, hidden states of the last tokens before each, `[B, E]`, and a
    /// cache that holds all before them, with room for `n_new` more tokens.
    fn begin(
        &self,
        Call { policy, requests, n_new }: Call<'_>,
        new: Range<usize>,
        Store { kept, counts, .. }: &mut Store,
        finished: &mut Progress<'_>,
    ) -> Result<(Vec<usize>, Tensor, KvCache)> {
        let (served, fresh): (Vec<usize>, Vec<usize>) =
            new.partition(|i| kept.iter().any(|kept| kept.serves(&requests[*i])));
        let context = |rows: &[usize]| contexts(&rows.iter().map(|i| &requests[*i]).collect::<Vec<_>>());
        let mut parts = Vec::new();
        if !fresh.is_empty() {
            let (hidden, cache, n_read) = self.prefill(policy, &context(&fresh), n_new, finished)?;
            counts.prefilled += n_read as u64;
            parts.push((hidden, cache));
        }
        if !served.is_empty() {
            let contexts = context(&served);
            let source = |context: &Context| {
                let request = &requests[served[context.rows.start]];
                kept.iter().find(|kept| kept.serves(request)).context("a response that was kept is gone")
            };
            let sources: Vec<&CachedPrefix> = contexts.iter().map(source).collect::<Result<_>>()?;
            parts.push(prefix_cache::resume(policy, &contexts, &sources, n_new as i64)?);
            counts.prefilled += contexts.len() as u64;
            counts.reused += contexts.iter().map(|context| context.tokens.len() as u64 - 1).sum::<u64>();
        }
        let mut parts = parts.into_iter();
        let (mut hidden, mut cache) = parts.next().context("nothing was asked for")?;
        for (more, other) in parts {
            cache.join(&other, n_new as i64);
            hidden = Tensor::cat(&[hidden, more], 0);
        }
        Ok(([fresh, served].concat(), hidden, cache))
    }

    /// Runs every context once and copies its keys and values to all rows that continue it, with room for `n_new` more
    /// tokens. Gives the hidden state of each row's last context token, `[B, E]`, and the number of tokens that were read.
    fn prefill(
        &self,
        policy: &Policy,
        contexts: &[Context],
        n_new: usize,
        finished: &mut Progress<'_>,
    ) -> Result<(Tensor, KvCache, usize)> {
        let mut n_read = 0;
        let device = policy.network.placement.device;
        let lens: Vec<i64> =
            contexts.iter().flat_map(|c| c.rows.clone().map(|_| c.tokens.len() as i64)).collect();
        let mut cache = policy.network.cache(&lens, n_new as i64);
        // One token more, which any may be: what predicts it is the context's last hidden state.
        let sequences: Vec<Sequence<'_>> =
            contexts.iter().map(|c| Sequence { prompt: &c.tokens, response: &[0] }).collect();
        let mut hidden: Vec<Tensor> = contexts.iter().map(|_| Tensor::new()).collect();
        for group in pack(&sequences, self.max_prefill_tokens, Reads::Predictors) {
            finished(0)?;
            let part: Vec<Sequence<'_>> = group.iter().map(|i| sequences[*i]).collect();
            let batch = TokenBatch::new(&part, Reads::Predictors, device);
            n_read += batch.inputs.n_tokens();
            let mut tap = |tapped: &Tapped<'_>| {
                for (i, context) in (0..).zip(&group[tapped.sequences.clone()]) {
                    let context = &contexts[*context];
                    let own = |t: &Tensor| t.get(i).narrow(1, 0, context.tokens.len() as i64); // (K, n, D)
                    cache.fill(tapped.layer, context.rows.clone(), &own(tapped.keys), &own(tapped.values));
                }
            };
            let last = batch.pick(&policy.network.hidden(&batch.inputs, Some(&mut tap))?); // (contexts, E)
            for (context, last) in group.iter().zip(last.split(1, 0)) {
                hidden[*context] = last.expand([contexts[*context].rows.len() as i64, -1], false);
            }
        }
        Ok((Tensor::cat(&hidden, 0), cache, n_read))
    }
}

/// Neighbouring requests that continue the same tokens share a context.
fn contexts(requests: &[&GenRequest]) -> Vec<Context> {
    let mut start = 0;
    let runs = requests.chunk_by(|a, b| same_context(a, b)).map(|run| {
        let rows = start..start + run.len();
        start = rows.end;
        let tokens = run[0].prompt.tokens.iter().chain(&run[0].prefix).copied().collect();
        Context { tokens, rows }
    });
    runs.collect()
}

fn same_context(a: &GenRequest, b: &GenRequest) -> bool {
    a.prompt.id == b.prompt.id && a.prefix == b.prefix
}
