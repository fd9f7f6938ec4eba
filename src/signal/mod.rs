//! Statistics of the policy's own attention: how far each token looks back (WAAD), and how much later tokens look back at
//! it (FAI). Source: *Attention Illuminates LLM Reasoning*, arXiv 2510.13554, section 3.
//!
//! ```text
//! queries, keys --stream, per layer--> HeadSignals (span, WAAD, FAI per head) --groups--> Signals (per token)
//! ```
//!
//! No attention map is ever held: `stream` takes blocks of rows and keeps one number per row and one per column. The rows
//! come from a forward pass (`read`), or from the sampler, which computes them anyway (`decode`).

mod config;
mod decode;
mod groups;
mod read;
mod stream;
#[cfg(test)]
mod tests;

use anyhow::Result;

pub use config::{Heads, Layers, Row, SignalConfig};
pub use decode::DecodePlan;
pub(crate) use decode::DecodeReader;
pub use groups::{Grouping, HeadGroups, mean_spans};
pub(crate) use read::Reader;

use crate::types::{HeadSignal, HeadSignals, PathField, Signals, Tree};

/// Averages the heads of `groups`; `leaves` holds the signals of each leaf of `tree`.
///
/// # Errors
/// If `leaves` does not fit the tree, or a head of the groups was not read.
pub fn average(tree: &Tree, leaves: &[HeadSignals], groups: &HeadGroups) -> Result<Signals> {
    let waad = leaves.iter().map(|leaf| waad(leaf, groups)).collect();
    let fai = leaves.iter().map(|leaf| fai(leaf, groups)).collect();
    Ok(Signals { waad: PathField::new(tree, waad)?, fai: PathField::new(tree, fai)? })
}

/// WAAD of each response token: the mean over the local heads, `[R]`.
#[must_use]
pub fn waad(response: &HeadSignals, groups: &HeadGroups) -> Vec<f32> {
    let heads: Vec<&HeadSignal> = members(response, &groups.local);
    let n_tokens = heads.first().map_or(0, |head| head.waad.len());
    let mean = |t: usize| heads.iter().map(|head| head.waad[t]).sum::<f32>() / heads.len() as f32;
    (0..n_tokens).map(mean).collect()
}

/// FAI of each response token: the mean over the global heads, `[R]`; `None` where no later token is near enough.
#[must_use]
pub fn fai(response: &HeadSignals, groups: &HeadGroups) -> Vec<Option<f32>> {
    let heads: Vec<&HeadSignal> = members(response, &groups.global);
    let n_tokens = heads.first().map_or(0, |head| head.fai.len());
    // Whether a token has a value depends on its place alone, so all heads agree.
    let mean = |t: usize| {
        let sum: Option<f32> = heads.iter().map(|head| head.fai[t]).sum();
        sum.map(|sum| sum / heads.len() as f32)
    };
    (0..n_tokens).map(mean).collect()
}

fn members<'s>(response: &'s HeadSignals, ids: &[crate::types::HeadId]) -> Vec<&'s HeadSignal> {
    response.heads.iter().filter(|head| ids.contains(&head.id)).collect()
}
