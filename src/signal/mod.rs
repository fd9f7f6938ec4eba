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
mod influence;
mod read;
mod spelling;
mod steps;
mod stream;
#[cfg(test)]
mod tests;

use anyhow::{Context, Result, ensure};

#[cfg(test)]
pub(crate) use config::Layers;
pub(crate) use config::{CircuitHeads, Heads, Regroup, SignalConfig};
pub(crate) use decode::DecodePlan;
pub(crate) use decode::DecodeReader;
pub(crate) use groups::{Grouping, HeadGroups};
pub(crate) use influence::influence;
pub(crate) use read::Reader;
pub(crate) use steps::{Segmented, Segmenter};

use crate::types::{HeadId, HeadSignal, HeadSignals, PathField, Signals, Tree};

/// Averages the heads of `groups`; `leaves` holds the signals of each leaf of `tree`.
///
/// # Errors
/// If `leaves` does not fit the tree, or a head of the groups was not read.
pub(crate) fn average(tree: &Tree, leaves: &[HeadSignals], groups: &HeadGroups) -> Result<Signals> {
    let waad = leaves.iter().map(|leaf| waad(leaf, groups)).collect::<Result<_>>()?;
    let fai = leaves.iter().map(|leaf| fai(leaf, groups)).collect::<Result<_>>()?;
    Ok(Signals { waad: PathField::new(tree, waad)?, fai: PathField::new(tree, fai)? })
}

/// WAAD of each response token: the mean over the local heads, `[R]`.
///
/// # Errors
/// If one of them was not read.
pub(crate) fn waad(response: &HeadSignals, groups: &HeadGroups) -> Result<Vec<f32>> {
    let heads = members(response, &groups.local)?;
    Ok(mean(heads.iter().map(|head| head.waad.as_slice())))
}

/// FAI of each response token: the mean over the global heads, `[R]`; `None` where no later token is near enough.
///
/// # Errors
/// If one of them was not read.
pub(crate) fn fai(response: &HeadSignals, groups: &HeadGroups) -> Result<Vec<Option<f32>>> {
    let heads = members(response, &groups.global)?;
    let n_tokens = heads.first().map_or(0, |head| head.waad.len());
    let mut fai: Vec<Option<f32>> =
        mean(heads.iter().map(|head| head.fai.as_slice())).into_iter().map(Some).collect();
    fai.resize(n_tokens, None);
    Ok(fai)
}

/// What was read of each of `ids`.
fn members<'s>(response: &'s HeadSignals, ids: &[HeadId]) -> Result<Vec<&'s HeadSignal>> {
    ensure!(!ids.is_empty(), "head groups: a group has no head; expected at least one");
    let member = |id: &HeadId| {
        response.heads.iter().find(|head| head.id == *id).with_context(|| {
            let mut layers: Vec<usize> = response.heads.iter().map(|head| head.id.layer).collect();
            layers.dedup();
            format!(
                "head groups: head {} of layer {} belongs to a group, but was not read; the layers read are {layers:?}. \
                 Groups fit the [signals] `layers` that they were chosen with",
                id.head, id.layer
            )
        })
    };
    ids.iter().map(member).collect()
}

/// The mean of lists of one length, place by place.
fn mean<'s>(lists: impl ExactSizeIterator<Item = &'s [f32]> + Clone) -> Vec<f32> {
    let n = lists.len() as f32;
    let n_places = lists.clone().next().map_or(0, <[f32]>::len);
    (0..n_places).map(|t| lists.clone().map(|list| list[t]).sum::<f32>() / n).collect()
}
