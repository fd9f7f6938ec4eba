//! What would make a run fit: keys and their values, with what each saves, the cheapest first.

use anyhow::Result;
use serde::Serialize;

use super::subject::Subject;
use super::{Plan, Room};
use crate::model::{Dtype, LoraSettings};
use crate::ranks::Shard;

/// A change that makes a run smaller.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Remedy {
    /// What to change, as a person would write it.
    pub change: String,
    /// The override, where a key is enough.
    pub set: Option<String>,
    /// Bytes of the peak that it saves, behind those before it.
    pub saves: f64,
    /// What is left of the peak.
    pub peak: f64,
}

/// A run made smaller: by which change, and by which override where a key is enough.
type Smaller = (Subject, String, Option<String>);

/// A way to make `subject` smaller, if it has not been gone yet.
type Way = fn(&Subject, &Room) -> Result<Option<Smaller>>;

/// The ways in the order of what they cost: none, time, or another course of training. Once updates are small enough, fewer responses at
/// once may be what is left.
const WAYS: &[Way] =
    &[share, fewer_at_once, smaller_micro_batches, fewer_at_once, recompute, half, more_ranks, adapt];

/// Changes, one upon the other, until `subject` fits into `room`; whether it does then. Those that bring little are left out.
///
/// # Errors
/// If the adapters of the recipe do not fit the model.
pub(crate) fn remedies(subject: &Subject, room: &Room) -> Result<(Vec<Remedy>, bool)> {
    let (mut at, mut found) = (subject.clone(), Vec::new());
    let mut plan = Plan::new(&at)?;
    for way in WAYS {
        if plan.fits(room) {
            break;
        }
        let Some((next, change, set)) = way(&at, room)? else { continue };
        let smaller = Plan::new(&next)?;
        let saves = plan.peak() - smaller.peak();
        if saves < 0.01 * plan.peak() {
            continue;
        }
        found.push(Remedy { change, set, saves, peak: smaller.peak() });
        (at, plan) = (next, smaller);
    }
    let fits = plan.fits(room);
    Ok((found, fits))
}

/// The first of `values` with which `changed` fits; where none does, the first that brings as much as the last.
fn first_that_fits(
    values: impl IntoIterator<Item = usize>,
    room: &Room,
    changed: impl Fn(usize) -> Subject,
) -> Result<Option<(Subject, usize)>> {
    let mut tried: Vec<(f64, usize)> = Vec::new();
    for value in values {
        let plan = Plan::new(&changed(value))?;
        if plan.fits(room) {
            return Ok(Some((changed(value), value)));
        }
        tried.push((plan.peak(), value));
    }
    let least = tried.last().map_or(0.0, |(peak, _)| *peak);
    let enough = tried.iter().find(|(peak, _)| *peak <= 1.01 * least);
    Ok(enough.map(|(_, value)| (changed(*value), *value)))
}

/// Halves of `from` down to `least`.
fn halves(from: usize, least: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(from / 2), |n| Some(n / 2)).take_while(move |n| *n >= least.max(1))
}

fn keyed(key: &str, value: &str, was: &str, next: Subject) -> Smaller {
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    (next, format!("[{section}] {name} {was} -> {value}"), Some(format!("{key}={value}")))
}

fn share(subject: &Subject, _: &Room) -> Result<Option<Smaller>> {
    if subject.ranks == 1 || subject.recipe.parallel.shard == Shard::Gradients || subject.adapted()?.is_some()
    {
        return Ok(None);
    }
    let mut next = subject.clone();
    let was = if next.recipe.parallel.shard == Shard::None { "\"none\"" } else { "\"optimizer\"" };
    next.recipe.parallel.shard = Shard::Gradients;
    Ok(Some(keyed("parallel.shard", "\"gradients\"", was, next)))
}

fn fewer_at_once(subject: &Subject, room: &Room) -> Result<Option<Smaller>> {
    /// Fewer than this and a step of decoding is as slow as with this many.
    const LEAST: usize = 8;
    let was = subject.recipe.sampling.max_num_seqs;
    let found = first_that_fits(halves(subject.rows(), LEAST), room, |rows| {
        let mut next = subject.clone();
        next.recipe.sampling.max_num_seqs = rows;
        next
    })?;
    let keyed = |(next, rows): (Subject, usize)| {
        keyed("sampling.max_num_seqs", &rows.to_string(), &was.to_string(), next)
    };
    Ok(found.map(keyed))
}

fn smaller_micro_batches(subject: &Subject, room: &Room) -> Result<Option<Smaller>> {
    let (was, longest) = (subject.recipe.batch.max_tokens, subject.prompt() + subject.response());
    let found = first_that_fits(halves(was, longest), room, |tokens| {
        let mut next = subject.clone();
        next.recipe.batch.max_tokens = tokens;
        next
    })?;
    let keyed = |(next, tokens): (Subject, usize)| {
        keyed("batch.max_tokens", &tokens.to_string(), &was.to_string(), next)
    };
    Ok(found.map(keyed))
}

fn recompute(subject: &Subject, _: &Room) -> Result<Option<Smaller>> {
    if subject.recipe.batch.gradient_checkpointing {
        return Ok(None);
    }
    let mut next = subject.clone();
    next.recipe.batch.gradient_checkpointing = true;
    Ok(Some(keyed("batch.gradient_checkpointing", "true", "false", next)))
}

fn half(subject: &Subject, _: &Room) -> Result<Option<Smaller>> {
    if !subject.is_f32() {
        return Ok(None);
    }
    let mut next = subject.clone();
    next.recipe.model.dtype = Dtype::Bf16;
    next.placement.kind = tch::Kind::BFloat16;
    Ok(Some(keyed("model.dtype", "\"bf16\"", "f32", next)))
}

fn more_ranks(subject: &Subject, room: &Room) -> Result<Option<Smaller>> {
    const MOST: usize = 64;
    // On a CPU more ranks of one machine share the same memory.
    if !subject.is_cuda() {
        return Ok(None);
    }
    let doubled = std::iter::successors(Some(subject.ranks * 2), |n| Some(n * 2)).take_while(|n| *n <= MOST);
    let found = first_that_fits(doubled, room, |ranks| Subject { ranks, ..subject.clone() })?;
    Ok(found.map(|(next, ranks)| (next, format!("{ranks} ranks in the place of {}", subject.ranks), None)))
}

fn adapt(subject: &Subject, _: &Room) -> Result<Option<Smaller>> {
    let model = &subject.recipe.model;
    if model.lora.is_some() || model.scratch.is_some() {
        return Ok(None);
    }
    let mut next = subject.clone();
    next.recipe.model.lora = Some(LoraSettings::default());
    let change = "[model.lora]: adapters of rank 16 in the place of all weights".to_owned();
    Ok(Some((next, change, Some("model.lora={}".to_owned()))))
}
