//! How fast an audit goes here, so that one of so many minutes knows its size.

use std::time::Instant;

use anyhow::Result;

use super::policy::Audited;
use super::sampling::Sampling;
use super::{Arm, Part, Plan, Watch};
use crate::learner::Weighted;
use crate::measure::Passes;
use crate::model::Policy;
use crate::pipeline::RolloutSource;
use crate::signal::Grouping;

/// Seconds that the parts of an audit take, for each prompt of a fold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Sampling its responses and measuring them.
    pub sample_s: f64,
    /// The gradient of one arm, on average: none is taken where all rewards are the same.
    pub gradient_s: f64,
}

/// How fast `policy` can be audited, by a fold that `source` gives; an earlier one warms the machine up.
///
/// # Errors
/// As [`audit`].
pub(crate) fn pace(
    plan: &Plan,
    arms: &[Arm],
    sampler: &Policy,
    policy: &mut Policy,
    mut source: Box<dyn RolloutSource>,
    watch: &dyn Watch,
) -> Result<Pace> {
    let check = || watch.advance(0);
    let passes = Passes { max_tokens: plan.max_tokens, check: &check };
    let mut sampling = Sampling { plan, arms, sampler, grouping: Grouping::default(), passes };
    watch.begin(Part::Pace, 0);
    let _ = sampling.fold(policy, source.as_mut(), 0, watch)?;
    let start = Instant::now();
    let fold = sampling.fold(policy, source.as_mut(), 1, watch)?;
    let sample_s = start.elapsed().as_secs_f64();
    let mut audited = Audited::new(policy, plan.temperature, passes);
    let ones: Vec<Vec<f32>> = fold.sequences().iter().map(|own| vec![1.0; own.response.len()]).collect();
    let weighted = |(sequence, weights)| Weighted { sequence, weights };
    let all: Vec<Weighted<'_>> =
        fold.sequences().into_iter().zip(ones.iter().map(Vec::as_slice)).map(weighted).collect();
    let mut gradient = audited.policy.network.zero_gradient();
    let start = Instant::now();
    audited.add_gradient(&all, &mut gradient)?;
    let gradient_s = start.elapsed().as_secs_f64();
    // One more than were seen: by few prompts their share is not well known.
    let n_mixed = fold.trees.iter().filter(|tree| tree.tree.has_signal()).count() + 1;
    let n = fold.trees.len() as f64;
    Ok(Pace { sample_s: sample_s / n, gradient_s: gradient_s / n * (n_mixed as f64 / n).min(1.0) })
}
