//! Sampler and learner must see the same policy before anything is learned.

use anyhow::Result;
use tch::Kind;

use super::{Guard, Watched};
use crate::learner::Gap;
use crate::model::Dtype;
use crate::run::metrics::Mismatch;
use crate::run::{Failure, Setup};
use crate::types::Step;

/// Looks at the first update, whenever it comes.
pub(super) struct Agreement;

impl Guard for Agreement {
    /// Cut sampling (top-k, top-p, a least number of tokens) draws from another distribution than the learner's on purpose, so only the learner can
    /// be compared, with itself.
    fn after_step(&mut self, step: &Watched<'_>) -> Result<Option<String>> {
        let Watched { setup, policy, record, .. } = step;
        let (true, Some(ratio)) = (record.is_first_update, record.first_gap) else { return Ok(None) };
        let Some(mismatch) = Mismatch::from_record(record) else { return Ok(None) };
        let comparable = !setup.recipe.sampling.is_cut();
        let mismatch = comparable.then_some(mismatch.gap);
        let kind = policy.network.placement.kind;
        let bounds = Tolerance { mismatch: sampler_bound(setup, kind), ..tolerance(kind) };
        check_agreement(record.step, kind, bounds, mismatch, ratio)?;
        Ok(None)
    }
}

/// Largest distances between log-probabilities of the same tokens that rounding explains, nats.
struct Tolerance {
    /// The sampler's against the learner's: other kernels, one token at a time.
    mismatch: Gap,
    /// The learner's against its own of a moment before: the same kernels, at most other company in the batch.
    ratio: Gap,
}

/// The bounds of a compute precision. bf16 keeps 8 bits: logits from 16 to 32 are rounded to steps of 0.125, so two of them
/// differ by 0.04 on average, which is what a model of 135 M parameters shows; those up to 64 by twice that.
fn tolerance(kind: Kind) -> Tolerance {
    let gap = |mean, max| Gap { mean, max };
    match kind {
        Kind::BFloat16 => Tolerance { mismatch: gap(0.1, 1.0), ratio: gap(0.05, 0.5) },
        _ => Tolerance { mismatch: gap(1e-4, 1e-2), ratio: gap(5e-5, 5e-3) },
    }
}

/// How far the sampler may be from the learner. Servers compute in bf16 by kernels of their own whatever the learner does.
fn sampler_bound(setup: &Setup, kind: Kind) -> Gap {
    match setup.recipe.engine.remote() {
        Some(_) => Gap { mean: 0.3, max: 5.0 },
        None => tolerance(kind).mismatch,
    }
}

/// Whether sampler and learner see the same policy, and so do the update's first pass and the log-probabilities measured
/// before it, so that the ratio new / old starts at 1. `mismatch` is `None` where the sampler drew from another
/// distribution than the learner's on purpose.
fn check_agreement(
    step: Step,
    kind: Kind,
    bounds: Tolerance,
    mismatch: Option<Gap>,
    ratio: Gap,
) -> Result<(), Failure> {
    let pairs = [
        ("sampler and learner", mismatch, bounds.mismatch),
        ("learner and itself", Some(ratio), bounds.ratio),
    ];
    for (who, gap, bound) in pairs {
        let Some(gap) = gap else { continue };
        // Not `>`: a NaN must not pass.
        if gap.mean <= bound.mean && gap.max <= bound.max {
            continue;
        }
        return Err(Failure::Diverged(format!(
            "step {step}: {who} disagree about the same tokens before the first update: log-probabilities differ by \
             {:.2e} on average and {:.2e} at most; {} explains {:.0e} and {:.0e}. Nothing was saved. This is a \
             defect of the program or of a changed model: run with [model] dtype = \"f32\" and report both figures",
            gap.mean,
            gap.max,
            Dtype::of_kind(kind),
            bound.mean,
            bound.max
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mismatch(sampler: &[f32], learner: &[f32]) -> Gap {
        Mismatch::between([(sampler, learner)].into_iter()).gap
    }

    #[test]
    fn the_first_update_passes_only_if_everybody_sees_the_same_policy() {
        let same = mismatch(&[-1.0, -2.0], &[-1.0, -2.00001]);
        let gap = |mean, max| Gap { mean, max };
        let check =
            |mismatch, ratio| check_agreement(1, Kind::Float, tolerance(Kind::Float), Some(mismatch), ratio);
        assert_eq!(check(same, gap(1e-6, 1e-6)), Ok(()));
        for (who, mismatch, ratio) in [
            ("learner and itself", same, gap(0.0, 0.1)),
            ("learner and itself", same, gap(1e-4, 1e-4)),
            ("learner and itself", same, gap(f64::NAN, f64::NAN)),
            ("sampler and learner", mismatch(&[-1.0, -2.0], &[-1.0, -2.5]), gap(0.0, 0.0)),
            ("sampler and learner", mismatch(&[-1.0, -2.0, -3.0], &[-1.0, f32::NAN, -3.0]), gap(0.0, 0.0)),
        ] {
            let failure = check(mismatch, ratio).err();
            let text = failure.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(text.starts_with(&format!("step 1: {who} disagree")), "{text}");
            assert_eq!(failure.map(|f| f.exit_code()), Some(4));
        }
        let kind = Kind::BFloat16;
        let bf16 = |mismatch, ratio| check_agreement(1, kind, tolerance(kind), mismatch, ratio).is_ok();
        assert!(bf16(Some(gap(0.04, 0.3)), gap(0.0, 0.0)));
        assert!(!bf16(Some(gap(0.12, 0.3)), gap(0.0, 0.0)) && !bf16(Some(gap(0.004, 1.5)), gap(0.0, 0.0)));
        // Without a sampler to compare with, the learner is still compared with itself.
        assert!(bf16(None, gap(0.001, 0.1)) && !bf16(None, gap(0.06, 0.1)) && !bf16(None, gap(0.0, 0.6)));
    }
}
