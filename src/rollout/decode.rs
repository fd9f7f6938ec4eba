//! The batched sampler: prefill each context once, then one token per row and step.
//!
//! Rows that have ended leave the batch when enough of them have, so that no step runs mostly empty. A draw depends
//! only on its coordinates ([`Generation::uniform`]), never on the company a row keeps.

use std::ops::Range;

use anyhow::{Result, ensure};
use rayon::prelude::*;
use tch::{Device, Tensor};

use super::draw::{draw, most_likely};
use super::{Generation, RolloutEngine, SamplingConfig};
use crate::batch::{Reads, Sequence, TokenBatch, pack};
use crate::model::{AttentionTap, Head, KvCache, Policy, Tapped};
use crate::signal::{DecodePlan, DecodeReader};
use crate::types::{Completion, Finish, GenRequest, HeadSignals, TokenId};

/// Rows are compacted when at most this share of them is still alive.
const COMPACT_BELOW: f64 = 0.8;

/// Decodes with the policy itself, in this process.
pub struct DecodeEngine {
    eos: Vec<TokenId>,
    max_rows: usize,
    max_prefill_tokens: usize,
    attention: Option<DecodePlan>,
}

/// A response being written.
struct Row<'r> {
    request: &'r GenRequest,
    tokens: Vec<TokenId>,
    logprobs: Vec<f32>,
    finish: Option<Finish>,
    /// How many of its tokens the policy has read.
    n_fed: usize,
    signals: Option<HeadSignals>,
}

/// A run of requests that continue the same tokens.
struct Context {
    tokens: Vec<TokenId>,
    rows: Range<usize>,
}

impl DecodeEngine {
    /// An engine that ends a response at any of `eos`, with at most `max_rows` responses under way at once and at most
    /// `max_prefill_tokens` in one prefill pass.
    #[must_use]
    pub fn new(eos: Vec<TokenId>, max_rows: usize, max_prefill_tokens: usize) -> Self {
        Self { eos, max_rows, max_prefill_tokens, attention: None }
    }

    /// The same engine that also reads attention as `plan` says.
    #[must_use]
    pub fn reading(self, plan: Option<DecodePlan>) -> Self {
        Self { attention: plan, ..self }
    }
}

impl RolloutEngine for DecodeEngine {
    fn generate(
        &mut self,
        policy: &Policy,
        requests: &[GenRequest],
        generation: &Generation,
        finished: &mut dyn FnMut(usize),
    ) -> Result<Vec<Completion>> {
        let _guard = tch::no_grad_guard();
        let mut completions = Vec::with_capacity(requests.len());
        for batch in requests.chunks(self.max_rows) {
            completions.extend(self.decode(policy, batch, generation, finished)?);
        }
        Ok(completions)
    }
}

impl DecodeEngine {
    fn decode(
        &self,
        policy: &Policy,
        requests: &[GenRequest],
        generation: &Generation,
        finished: &mut dyn FnMut(usize),
    ) -> Result<Vec<Completion>> {
        let sampling = generation.sampling;
        let head = policy.head(if sampling.temperature > 0.0 { sampling.temperature } else { 1.0 });
        let contexts = contexts(requests);
        check_lengths(policy, requests, &sampling)?;

        let (mut hidden, mut cache) =
            self.prefill(policy, &contexts, requests.len(), sampling.max_new_tokens)?;
        let mut rows: Vec<Row<'_>> = requests.iter().map(Row::new).collect();
        let mut batch: Vec<usize> = (0..rows.len()).collect(); // the row behind each place of the device batch
        // The tokens of a prefix were another call's, and so was their attention.
        let plan =
            self.attention.as_ref().filter(|_| requests.iter().all(|request| request.prefix.is_empty()));
        let mut reader = plan.map(|plan| DecodeReader::new(plan, policy, &cache));
        loop {
            self.extend(&mut rows, &batch, &head, &hidden, generation)?;
            let stays: Vec<bool> = batch.iter().map(|row| rows[*row].goes_on(reader.is_some())).collect();
            let places = |wanted: bool| {
                (0i64..).zip(&stays).filter(move |(_, s)| **s == wanted).map(|(place, _)| place)
            };
            let stay: Vec<i64> = places(true).collect();
            if (stay.len() as f64) <= COMPACT_BELOW * batch.len() as f64 {
                finished(batch.len() - stay.len());
                if let Some(reader) = &mut reader {
                    let leave: Vec<i64> = places(false).collect();
                    let lens: Vec<usize> =
                        leave.iter().map(|place| rows[batch[*place as usize]].tokens.len()).collect();
                    for (place, signals) in leave.iter().zip(reader.take(&leave, &lens)?) {
                        rows[batch[*place as usize]].signals = Some(signals);
                    }
                    reader.keep_rows(&stay);
                }
                if stay.is_empty() {
                    break;
                }
                cache.keep_rows(&stay);
                batch = stay.iter().map(|place| batch[*place as usize]).collect();
            }
            let fed: Vec<(i64, bool)> = batch.iter().map(|row| rows[*row].feed()).collect();
            let (next, new): (Vec<i64>, Vec<bool>) = fed.into_iter().unzip();
            let next = Tensor::from_slice(&next).to_device(policy.placement.device); // (B)
            hidden = match &mut reader {
                None => policy.decoder().step(&next, &mut cache, None)?,
                Some(reader) => {
                    reader.count(&new);
                    let layers = reader.layers();
                    let mut see = |layer: usize, attention: &Tensor| reader.see(layer, attention);
                    let tap = AttentionTap { layers, see: &mut see };
                    policy.decoder().step(&next, &mut cache, Some(tap))?
                }
            };
        }
        Ok(rows.into_iter().map(Row::into_completion).collect())
    }

    /// Runs every context once and copies its keys and values to all rows that continue it. Gives the hidden state of
    /// each row's last context token, `[B, E]`.
    fn prefill(
        &self,
        policy: &Policy,
        contexts: &[Context],
        n_rows: usize,
        n_new: usize,
    ) -> Result<(Tensor, KvCache)> {
        let device = policy.placement.device;
        let lens: Vec<i64> =
            contexts.iter().flat_map(|c| c.rows.clone().map(|_| c.tokens.len() as i64)).collect();
        debug_assert_eq!(lens.len(), n_rows);
        let mut cache = KvCache::new(&policy.config, &lens, n_new as i64, policy.placement.kind, device);
        // One token more, which any may be: what predicts it is the context's last hidden state.
        let sequences: Vec<Sequence<'_>> =
            contexts.iter().map(|c| Sequence { prompt: &c.tokens, response: &[0] }).collect();
        let mut hidden: Vec<Tensor> = contexts.iter().map(|_| Tensor::new()).collect();
        for group in pack(&sequences, self.max_prefill_tokens, Reads::Predictors) {
            let part: Vec<Sequence<'_>> = group.iter().map(|i| sequences[*i]).collect();
            let batch = TokenBatch::new(&part, Reads::Predictors, device);
            let mut tap = |tapped: &Tapped<'_>| {
                for (i, context) in (0..).zip(&group[tapped.sequences.clone()]) {
                    let context = &contexts[*context];
                    let own = |t: &Tensor| t.get(i).narrow(1, 0, context.tokens.len() as i64); // (K, n, D)
                    cache.fill(tapped.layer, context.rows.clone(), &own(tapped.keys), &own(tapped.values));
                }
            };
            let last = batch.pick(&policy.hidden(&batch.inputs, Some(&mut tap))?); // (contexts, E)
            for (context, last) in group.iter().zip(last.split(1, 0)) {
                hidden[*context] = last.expand([contexts[*context].rows.len() as i64, -1], false);
            }
        }
        Ok((Tensor::cat(&hidden, 0), cache))
    }

    /// Draws the next token of every row of the batch that has not ended, from the hidden states `[B, E]`.
    fn extend(
        &self,
        rows: &mut [Row<'_>],
        batch: &[usize],
        head: &Head<'_>,
        hidden: &Tensor,
        generation: &Generation,
    ) -> Result<()> {
        let sampling = generation.sampling;
        let draws: Vec<Option<f64>> = batch
            .iter()
            .map(|row| {
                (sampling.temperature > 0.0)
                    .then(|| generation.uniform(rows[*row].request, rows[*row].position()))
            })
            .collect();
        let whole = sampling.top_k == 0 && sampling.top_p >= 1.0;
        let drawn = match head.weight.device() {
            Device::Cpu if whole => head.draw(hidden, &draws)?,
            _ => draw_by_probabilities(&head.probabilities(hidden), &draws, sampling)?,
        };
        for (row, (token, logprob)) in batch.iter().zip(drawn) {
            let row = &mut rows[*row];
            if row.finish.is_none() {
                row.push(token, logprob, sampling.max_new_tokens, &self.eos);
            }
        }
        Ok(())
    }
}

/// A token and its log-probability for each row of `probs` `[B, V]`; `draws` as for [`Head::draw`].
fn draw_by_probabilities(
    probs: &Tensor,
    draws: &[Option<f64>],
    sampling: SamplingConfig,
) -> Result<Vec<(TokenId, f32)>> {
    let vocab = usize::try_from(probs.size()[1])?;
    let probs = Vec::<f32>::try_from(probs.to_device(Device::Cpu).reshape([-1]))?;
    let row = |(probs, u): (&[f32], &Option<f64>)| match *u {
        Some(u) => draw(probs, sampling.top_k, sampling.top_p, u),
        None => most_likely(probs),
    };
    Ok(probs.par_chunks(vocab).zip(draws).map(row).collect())
}

impl<'r> Row<'r> {
    fn new(request: &'r GenRequest) -> Self {
        Self { request, tokens: Vec::new(), logprobs: Vec::new(), finish: None, n_fed: 0, signals: None }
    }

    /// Position of the next token within the response.
    fn position(&self) -> usize {
        self.request.prefix.len() + self.tokens.len()
    }

    /// Takes the next token. Where its distribution was not finite the response ends with what that gave.
    fn push(&mut self, token: TokenId, logprob: f32, max_new_tokens: usize, eos: &[TokenId]) {
        self.tokens.push(token);
        self.logprobs.push(logprob);
        self.finish = if eos.contains(&token) {
            Some(Finish::Eos)
        } else {
            (self.position() == max_new_tokens || !logprob.is_finite()).then_some(Finish::Length)
        };
    }

    /// Whether the row has a step before it: it is not ended, or its last token's attention is wanted and not yet there.
    fn goes_on(&self, is_read: bool) -> bool {
        self.finish.is_none() || (is_read && self.n_fed < self.tokens.len())
    }

    /// The token to feed next, and whether it is new; rows that have ended feed anything.
    fn feed(&mut self) -> (i64, bool) {
        let is_new = self.n_fed < self.tokens.len();
        self.n_fed = self.tokens.len();
        (self.tokens.last().map_or(0, |token| i64::from(*token)), is_new)
    }

    fn into_completion(self) -> Completion {
        // The loop ends only when every row has a finish.
        let finish = self.finish.unwrap_or(Finish::Length);
        Completion { tokens: self.tokens, logprobs: self.logprobs, finish, signals: self.signals }
    }
}

/// Neighbouring requests with the same prompt and prefix share a context.
fn contexts(requests: &[GenRequest]) -> Vec<Context> {
    let same = |a: &GenRequest, b: &GenRequest| a.prompt.id == b.prompt.id && a.prefix == b.prefix;
    let mut start = 0;
    let runs = requests.chunk_by(same).map(|run| {
        let rows = start..start + run.len();
        start = rows.end;
        let tokens = run[0].prompt.tokens.iter().chain(&run[0].prefix).copied().collect();
        Context { tokens, rows }
    });
    runs.collect()
}

fn check_lengths(policy: &Policy, requests: &[GenRequest], sampling: &SamplingConfig) -> Result<()> {
    for request in requests {
        let prompt = &request.prompt;
        ensure!(
            request.prefix.len() < sampling.max_new_tokens,
            "prompt {}, sample {}: a prefix of {} tokens leaves no room below max_new_tokens = {}",
            prompt.id,
            request.sample,
            request.prefix.len(),
            sampling.max_new_tokens
        );
        let longest = prompt.tokens.len() + sampling.max_new_tokens;
        ensure!(
            longest as i64 <= policy.config.max_position_embeddings,
            "prompt {}: {} prompt tokens and max_new_tokens = {} need {longest} positions, the model has {}; lower \
             [sampling] max_new_tokens or drop long prompts",
            prompt.id,
            prompt.tokens.len(),
            sampling.max_new_tokens,
            policy.config.max_position_embeddings
        );
    }
    Ok(())
}
