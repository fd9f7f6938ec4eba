//! What a run asserts about itself: that sampler and learner agree at its first step, and that numbers stay finite.

use anyhow::Result;
use tch::Kind;

use super::metrics::Mismatch;
use super::{Failure, MAX_REFUSED, Run, metrics};
use crate::types::{CreditedTree, MetricRow};

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

impl Run<'_> {
    /// Before anything is learned, sampler and learner must see the same policy. Truncated sampling (top-k, top-p) draws
    /// from another distribution than the learner's on purpose, so there is nothing to compare then.
    pub(super) fn check_first_step(&self, mismatch: &Mismatch, row: &MetricRow) -> Result<()> {
        let sampling = self.setup.recipe.sampling;
        let comparable = sampling.top_k == 0 && sampling.top_p >= 1.0;
        if self.step != 1 || !comparable {
            return Ok(());
        }
        let Tolerance { mean, max } = tolerance(self.policy.placement.kind);
        // Not `>`: a NaN must not pass.
        let close = mismatch.mean <= mean && mismatch.max <= max;
        let ratio = row.get("policy/first_ratio_gap").unwrap_or(0.0);
        if close && ratio <= max {
            return Ok(());
        }
        Err(Failure::Diverged(format!(
            "step {}: sampler and learner disagree about the same tokens before the first update: log-probabilities \
             differ by {:.2e} on average and {:.2e} at most, the new-to-old log-ratio by {ratio:.2e}; {:?} explains \
             {mean:.0e} and {max:.0e}. Nothing was saved. This is a defect of the program or of a changed model: run \
             with [model] dtype = \"f32\" and report both figures",
            self.step, mismatch.mean, mismatch.max, self.policy.placement.kind
        ))
        .into())
    }

    /// Counts refused updates; the tenth in a row ends the run before anything bad is saved.
    pub(super) fn check_finite(&mut self, trees: &[CreditedTree], not_finite: Option<String>) -> Result<()> {
        let Some(what) = not_finite else {
            self.refused_in_a_row = 0;
            return Ok(());
        };
        self.refused_in_a_row += 1;
        let dump = self.ledger.dump(self.step, trees)?;
        self.console.note(format!(
            "step {}: update skipped, {what}; its batch is in {}",
            self.step,
            dump.display()
        ));
        if self.refused_in_a_row < MAX_REFUSED && self.policy_is_finite() {
            return Ok(());
        }
        Err(Failure::Diverged(format!(
            "step {}: {} updates in a row were not finite, the last because {what}. The newest checkpoint is from before \
             that; lower [optim] lr = {} or [optim] max_grad_norm = {} and look at {}",
            self.step,
            self.refused_in_a_row,
            self.setup.recipe.optim.lr,
            self.setup.recipe.optim.max_grad_norm,
            dump.display()
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
