//! How fast an audit goes here, so that one of so many minutes knows its size.

use std::time::Instant;

use anyhow::Result;

use super::gradients::gradients;
use super::policy::Audited;
use super::sampling::Sampling;
use super::{Arm, Plan, Watch};
use crate::measure::Passes;
use crate::model::Policy;
use crate::pipeline::RolloutSource;
use crate::signal::Grouping;

/// Seconds that the parts of an audit take, for each prompt of a fold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Sampling its responses and measuring them.
    pub sample_s: f64,
    /// The gradient of one arm.
    pub gradient_s: f64,
}

/// How fast `policy` can be audited, by the first fold that `source` gives.
///
/// # Errors
/// As [`audit`].
pub(crate) fn pace(
    plan: &Plan,
    arms: &[Arm],
    policy: &mut Policy,
    mut source: Box<dyn RolloutSource>,
    watch: &dyn Watch,
) -> Result<Pace> {
    let check = || watch.advance(0);
    let passes = Passes { max_tokens: plan.max_tokens, check: &check };
    let mut sampling = Sampling { plan, arms, grouping: Grouping::default(), passes };
    watch.begin("time a fold", 0);
    let start = Instant::now();
    let fold = sampling.fold(policy, source.as_mut(), 0, watch)?;
    let sample_s = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let audited = Audited { policy, temperature: plan.temperature, passes };
    let _ = gradients(&audited, std::slice::from_ref(&fold), 0)?;
    let prompts = plan.folds.prompts as f64;
    Ok(Pace { sample_s: sample_s / prompts, gradient_s: start.elapsed().as_secs_f64() / prompts })
}
