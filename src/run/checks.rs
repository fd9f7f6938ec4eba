//! What a run asserts about itself: that sampler and learner agree at its first step, and that numbers stay finite.

use anyhow::Result;
use tch::Kind;

use super::metrics::Mismatch;
use super::{Failure, MAX_REFUSED, Run, metrics};
use crate::types::{CreditedTree, MetricRow, Step};

/// Largest mean and largest single distance of log-probabilities, and of the mean ratio from 1, that rounding explains.
struct Tolerance {
    mean: f64,
    max: f64,
}

/// The bounds of a compute precision: bf16 keeps 8 bits, so a logit of 20 is off by up to 0.06 before anything adds up.
fn tolerance(kind: Kind) -> Tolerance {
    match kind {
        Kind::BFloat16 => Tolerance { mean: 0.05, max: 2.0 },
        _ => Tolerance { mean: 1e-4, max: 1e-2 },
    }
}

/// Whether sampler and learner, and the update's first pass and the log-probabilities measured before it, see the same
/// policy: `ratio_gap` is the largest log-ratio of new to old before the first update.
fn check_agreement(step: Step, kind: Kind, mismatch: &Mismatch, ratio_gap: f64) -> Result<(), Failure> {
    let Tolerance { mean, max } = tolerance(kind);
    // Not `>`: a NaN must not pass.
    if mismatch.mean <= mean && mismatch.max <= max && ratio_gap <= max {
        return Ok(());
    }
    Err(Failure::Diverged(format!(
        "step {step}: sampler and learner disagree about the same tokens before the first update: log-probabilities \
         differ by {:.2e} on average and {:.2e} at most, the new-to-old log-ratio by {ratio_gap:.2e}; {kind:?} explains \
         {mean:.0e} and {max:.0e}. Nothing was saved. This is a defect of the program or of a changed model: run with \
         [model] dtype = \"f32\" and report both figures",
        mismatch.mean, mismatch.max
    )))
}

impl Run<'_> {
    /// Before anything is learned, sampler and learner must see the same policy. Truncated sampling (top-k, top-p) draws
    /// from another distribution than the learner's on purpose, so there is nothing to compare then.
    pub(super) fn check_first_step(&self, mismatch: &Mismatch, row: &MetricRow) -> Result<()> {
        let sampling = self.setup.recipe.sampling;
        let comparable = sampling.top_k == 0 && sampling.top_p >= 1.0;
        if self.step != 1 || !comparable {
            return Ok(());
        }
        // Without a key nothing was trained on, so there was no ratio.
        let ratio_gap = row.get("policy/first_ratio_gap").unwrap_or(0.0);
        Ok(check_agreement(self.step, self.policy.placement.kind, mismatch, ratio_gap)?)
    }

    /// Counts refused updates; the tenth in a row ends the run before anything bad is saved.
    pub(super) fn check_finite(&mut self, trees: &[CreditedTree], not_finite: Option<&str>) -> Result<()> {
        let Some(what) = not_finite else {
            self.refused_in_a_row = 0;
            return Ok(());
        };
        let dump = self.ledger.dump(self.step, trees)?;
        self.refuse(what, &format!("its batch is in {}", dump.display()))
    }

    /// Counts a step that could not be taken because `what` is not finite; `evidence` says where to look.
    pub(super) fn refuse(&mut self, what: &str, evidence: &str) -> Result<()> {
        self.refused_in_a_row += 1;
        self.console.note(format!("step {}: update skipped, {what}; {evidence}", self.step));
        if self.refused_in_a_row < MAX_REFUSED && self.policy_is_finite() {
            return Ok(());
        }
        let optim = &self.setup.recipe.optim;
        Err(Failure::Diverged(format!(
            "step {}: {} updates in a row were not finite, the last because {what}; {evidence}. The newest checkpoint is \
             from before that; lower [optim] lr = {} or [optim] max_grad_norm = {}",
            self.step, self.refused_in_a_row, optim.lr, optim.max_grad_norm
        ))
        .into())
    }

    fn policy_is_finite(&self) -> bool {
        self.policy.master().sum(Kind::Double).double_value(&[]).is_finite()
    }

    /// Moves the counters on and reports them.
    pub(super) fn count(&mut self, trees: &[CreditedTree], row: &mut MetricRow) {
        let progress = &mut self.progress;
        progress.prompts += trees.len() as u64;
        progress.samples += trees.iter().map(|tree| tree.measured.tree.leaves.len() as u64).sum::<u64>();
        progress.tokens_generated +=
            trees.iter().map(|tree| tree.measured.tree.n_tokens() as u64).sum::<u64>();
        row.set("progress/prompts", progress.prompts as f64);
        row.set("progress/samples", progress.samples as f64);
        row.set("progress/tokens_generated", progress.tokens_generated as f64);
        let entropies: Vec<_> = trees.iter().filter_map(|tree| tree.measured.entropies.as_ref()).collect();
        if !entropies.is_empty() {
            row.set("policy/entropy", metrics::mean_over_tokens(entropies.into_iter()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mismatch(sampler: &[f32], learner: &[f32]) -> Mismatch {
        Mismatch::of([(sampler, learner)].into_iter())
    }

    #[test]
    fn the_first_step_passes_only_if_everybody_sees_the_same_policy() {
        let same = mismatch(&[-1.0, -2.0], &[-1.0, -2.00001]);
        let check = |mismatch: &Mismatch, gap| check_agreement(1, Kind::Float, mismatch, gap);
        assert_eq!(check(&same, 1e-6), Ok(()));
        for (mismatch, gap) in [
            (same, 0.1),
            (same, f64::NAN),
            (mismatch(&[-1.0, -2.0], &[-1.0, -2.5]), 0.0),
            (mismatch(&[-1.0, -2.0, -3.0], &[-1.0, f32::NAN, -3.0]), 0.0),
        ] {
            let failure = check(&mismatch, gap).err();
            let text = failure.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(text.starts_with("step 1: sampler and learner disagree"), "{text}");
            assert_eq!(failure.map(|f| f.exit_code()), Some(4));
        }
        assert!(check_agreement(1, Kind::BFloat16, &mismatch(&[-1.0], &[-1.02]), 0.1).is_ok());
    }
}
