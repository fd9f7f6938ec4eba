//! The output layer by kernels: each goes once over the logits, in place.

use anyhow::Result;
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use super::draw::{draw as draw_one, most_likely};
use super::in_kind;
use super::product::{add_outer, linear, mm};
use crate::kernel::{self, Number, Owned, RowGradient, RowStats, Targets, view};
use crate::model::gradient::GradientPart;
use crate::model::head::{Head, RowNumbers, Rows, ScoredRows, StatsGrad, Truncation};
use crate::types::TokenId;

pub(super) fn score(head: &Head<'_>, rows: &Rows) -> Result<ScoredRows> {
    let mut logits = linear(&rows.hidden, head.weight)?;
    if let Some(without) = head.without {
        logits.fill_at(-1, without, f64::NEG_INFINITY);
    }
    let numbers = in_kind!(logits.kind(), T => stats::<T>(&logits, &rows.targets, head.temperature))?;
    Ok(ScoredRows { numbers, logits: Some(logits) })
}

pub(super) fn pull_back(
    head: &Head<'_>,
    rows: &Rows,
    ScoredRows { numbers, logits }: ScoredRows,
    grad: &StatsGrad,
    d_weight: &mut GradientPart<'_>,
) -> Result<Tensor> {
    let mut logits = logits.map_or_else(|| linear(&rows.hidden, head.weight), Ok)?;
    let (targets, temperature) = (&rows.targets, head.temperature);
    in_kind!(logits.kind(), T => stats_back::<T>(&mut logits, targets, temperature, &numbers, grad))?;
    if let Some(without) = head.without {
        logits.fill_at(-1, without, 0.0);
    }
    let d_logits = logits.into_tensor(); // (n, V)
    add_outer(d_weight, &d_logits, &rows.hidden)?;
    Ok(mm(&d_logits, head.weight)?.into_tensor())
}

fn stats<T: Number>(logits: &Owned, targets: &Tensor, temperature: f64) -> Result<RowNumbers> {
    let empty = || Owned::empty(&targets.size(), Kind::Float);
    let (mut logprobs, mut entropies, mut normalisers) = (empty(), empty(), empty());
    let ids = Vec::<i64>::try_from(targets)?;
    let stats = RowStats {
        logprobs: logprobs.numbers()?,
        entropies: entropies.numbers()?,
        normalisers: normalisers.numbers()?,
    };
    let targets = Targets { ids: &ids, by: temperature.recip() as f32 };
    kernel::token_stats(logits.view::<T>()?, targets, stats);
    let [logprobs, entropies, normalisers] = [logprobs, entropies, normalisers].map(Owned::into_tensor);
    Ok(RowNumbers { logprobs, entropies, normalisers })
}

/// Turns `logits` into their gradient.
fn stats_back<T: Number>(
    logits: &mut Owned,
    targets: &Tensor,
    temperature: f64,
    numbers: &RowNumbers,
    grad: &StatsGrad,
) -> Result<()> {
    let ids = Vec::<i64>::try_from(targets)?;
    let d_logprobs = grad.logprobs.contiguous();
    let d_entropies = grad.entropies.as_ref().map(Tensor::contiguous);
    let gradient = RowGradient {
        d_logprobs: view(&d_logprobs)?,
        d_entropies: d_entropies.as_ref().map(view).transpose()?.unwrap_or_default(),
        entropies: view(&numbers.entropies)?,
        normalisers: view(&numbers.normalisers)?,
    };
    let targets = Targets { ids: &ids, by: temperature.recip() as f32 };
    kernel::token_stats_back(logits.numbers::<T>()?, targets, gradient);
    Ok(())
}

/// From the whole distribution in one pass over its logits; from a truncated one by all its probabilities.
pub(super) fn draw(
    head: &Head<'_>,
    hidden: &Tensor,
    draws: &[Option<f64>],
    truncation: Truncation,
) -> Result<Vec<(TokenId, f32)>> {
    if !truncation.keeps_all() {
        return draw_by_probabilities(&head.probabilities(hidden), draws, truncation);
    }
    let mut logits = linear(head.weight, hidden)?; // (V, B)
    if let Some(without) = head.without {
        logits.fill_at(0, without, f64::NEG_INFINITY);
    }
    let drawn = in_kind!(logits.kind(), T => kernel::draw(logits.view::<T>()?, draws, head.temperature));
    Ok(drawn.into_iter().map(|drawn| (drawn.token, drawn.logprob)).collect())
}

/// A token and its log-probability for each row of `probs` `[B, V]`.
fn draw_by_probabilities(
    probs: &Tensor,
    draws: &[Option<f64>],
    truncation: Truncation,
) -> Result<Vec<(TokenId, f32)>> {
    let vocab = usize::try_from(probs.size()[1])?;
    let probs = Vec::<f32>::try_from(probs.to_device(Device::Cpu).reshape([-1]))?;
    let row = |(probs, u): (&[f32], &Option<f64>)| match *u {
        Some(u) => draw_one(probs, truncation, u),
        None => most_likely(probs),
    };
    Ok(probs.par_chunks(vocab).zip(draws).map(row).collect())
}
