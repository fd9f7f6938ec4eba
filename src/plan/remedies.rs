//! What would make a run fit: keys and their values, with what each saves, the cheapest first.

use anyhow::Result;
use serde::Serialize;

use super::subject::Subject;
use super::{Plan, Room};
use crate::model::{Dtype, LoraSettings};
use crate::ranks::Shard;
use crate::types::counted;

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

/// What a way changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A key that is one thing or the other.
    Whole,
    /// A number, which it leaves as large as may be: behind all others, which may leave room for a larger one.
    Graded,
    /// How many ranks there are.
    Ranks,
}

/// The ways in the order of what they cost: none, time, or another course of training. Once updates are small enough, fewer responses at
/// once may be what is left.
const WAYS: &[(Kind, Way)] = &[
    (Kind::Whole, share),
    (Kind::Graded, fewer_at_once),
    (Kind::Graded, smaller_micro_batches),
    (Kind::Graded, fewer_at_once),
    (Kind::Whole, recompute),
    (Kind::Whole, half),
    (Kind::Ranks, more_ranks),
    (Kind::Whole, adapt),
];

/// Where ways have led, and which of them have led there.
struct Walk {
    at: Subject,
    gone: Vec<usize>,
    found: Vec<Remedy>,
    fits: bool,
}

/// Changes, one upon the other, until `subject` fits into `room`; whether it does then. Those that bring little are left out, and so are
/// those without which it would fit as well.
///
/// # Errors
/// If the adapters of the recipe do not fit the model.
pub(crate) fn remedies(subject: &Subject, room: &Room) -> Result<(Vec<Remedy>, bool)> {
    let all: Vec<Way> = WAYS.iter().map(|(_, way)| *way).collect();
    let Walk { at, gone, found, fits } = walk(subject, &all, room)?;
    if !fits {
        return Ok((found, fits));
    }
    let begun = Subject { ranks: at.ranks, ..subject.clone() };
    let of_kind = |kind| gone.iter().filter(move |i| WAYS[**i].0 == kind).map(|i| WAYS[*i].1);
    let mut ways: Vec<Way> = of_kind(Kind::Whole).chain(of_kind(Kind::Graded)).collect();
    let mut i = 0;
    while i < ways.len() {
        let without = [&ways[..i], &ways[i + 1..]].concat();
        if walk(&begun, &without, room)?.fits {
            ways = without;
        } else {
            i += 1;
        }
    }
    let mut found = Vec::new();
    if at.ranks != subject.ranks {
        let (before, behind) = (Plan::new(subject)?.peak(), Plan::new(&begun)?.peak());
        let change = in_the_place_of(at.ranks, subject.ranks);
        found.push(Remedy { change, set: None, saves: before - behind, peak: behind });
    }
    found.extend(walk(&begun, &ways, room)?.found);
    Ok((found, fits))
}

/// Goes `ways` until `subject` fits into `room`.
fn walk(subject: &Subject, ways: &[Way], room: &Room) -> Result<Walk> {
    let (mut at, mut gone, mut found) = (subject.clone(), Vec::new(), Vec::new());
    let mut plan = Plan::new(&at)?;
    for (i, way) in ways.iter().enumerate() {
        if plan.fits(room) {
            break;
        }
        let Some((next, change, set)) = way(&at, room)? else { continue };
        let smaller = Plan::new(&next)?;
        let saves = plan.peak() - smaller.peak();
        if saves < 0.01 * plan.peak() {
            continue;
        }
        gone.push(i);
        found.push(Remedy { change, set, saves, peak: smaller.peak() });
        (at, plan) = (next, smaller);
    }
    let fits = plan.fits(room);
    Ok(Walk { at, gone, found, fits })
}

fn in_the_place_of(ranks: usize, before: usize) -> String {
    format!("{} in the place of {before}", counted(ranks, "rank"))
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
    Ok(found.map(|(next, ranks)| (next, in_the_place_of(ranks, subject.ranks), None)))
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
