//! A single update per step sees every sample once, before it changes the weights: what it found on the way is what a
//! measurement beforehand would have found.

use anyhow::Result;

use crate::batch::TrainSample;
use crate::learner::UpdateReport;
use crate::types::{CreditedTree, PathField};

/// Gives the trees that were not measured beforehand the log-probabilities and entropies of the update's first pass.
/// Trees that were not trained on as a whole stay as they are.
///
/// # Errors
/// If the report does not fit the samples.
pub(super) fn adopt(
    trees: &mut [CreditedTree],
    samples: &[TrainSample],
    report: &UpdateReport,
) -> Result<()> {
    let mut found = report.first_logprobs.iter().zip(&report.first_entropies);
    for own in samples.chunk_by(|a, b| a.place.0 == b.place.0) {
        let (logprobs, entropies): (Vec<_>, Vec<_>) =
            found.by_ref().take(own.len()).map(|(l, e)| (l.clone(), e.clone())).unzip();
        let measured = &mut trees[own[0].place.0].measured;
        if measured.entropies.is_some() || logprobs.len() != measured.tree.leaves.len() {
            continue;
        }
        measured.entropies = Some(PathField::new(&measured.tree, entropies)?);
        if measured.old_logprobs.is_none() {
            measured.old_logprobs = Some(PathField::new(&measured.tree, logprobs)?);
        }
    }
    Ok(())
}
