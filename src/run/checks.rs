//! What a run asserts about itself: that sampler and learner agree before anything is learned, and that numbers stay
//! finite.

use anyhow::{Error, Result};
use tch::Kind;

use super::critic::explained_in_training;
use super::metrics::Mismatch;
use super::{Failure, MAX_REFUSED, Run, metrics};
use crate::learner::Gap;
use crate::model::Inputs;
use crate::pipeline::Discarded;
use crate::types::{CreditedTree, MetricRow, NotFinite, Step, Tree};

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

/// Whether sampler and learner see the same policy, and so do the update's first pass and the log-probabilities measured
/// before it, so that the ratio new / old starts at 1. `mismatch` is `None` where the sampler drew from another
/// distribution than the learner's on purpose.
fn check_agreement(step: Step, kind: Kind, mismatch: Option<Gap>, ratio: Gap) -> Result<(), Failure> {
    let bounds = tolerance(kind);
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
             {:.2e} on average and {:.2e} at most; {kind:?} explains {:.0e} and {:.0e}. Nothing was saved. This is a \
             defect of the program or of a changed model: run with [model] dtype = \"f32\" and report both figures",
            gap.mean, gap.max, bound.mean, bound.max
        )));
    }
    Ok(())
}

/// What kept a step from being taken.
pub(super) struct Broken {
    /// What is not finite, and where.
    what: String,
    /// Whether the graders made it, not the policy.
    by_rewards: bool,
}

impl Broken {
    /// A number that the policy made.
    pub fn of_policy(what: String) -> Self {
        Self { what, by_rewards: false }
    }
}

/// A number of a harvest that is not finite, looked for before anything is learned from it. Advantages come last: a bad
/// reward spoils those of its whole group.
pub(super) fn find_not_finite(trees: &[CreditedTree]) -> Option<Broken> {
    let leaves =
        || trees.iter().flat_map(|tree| (0..tree.measured.tree.leaves.len()).map(move |l| (tree, l)));
    let place = |tree: &CreditedTree, l: usize| {
        let Tree { prompt, leaves } = &tree.measured.tree;
        format!("prompt {}, sample {}", prompt.id, leaves[l].sample)
    };
    let reward = leaves().find_map(|(tree, l)| {
        let reward = tree.measured.tree.leaves[l].verdict.value;
        let what = || format!("{}: the reward is {reward}", place(tree, l));
        (!reward.is_finite()).then(|| Broken { what: what(), by_rewards: true })
    });
    let find = |name: &str, by_rewards, values: fn(&CreditedTree, usize) -> Option<&[f32]>| {
        leaves().find_map(|(tree, l)| {
            let (token, value) = values(tree, l)?.iter().enumerate().find(|(_, value)| !value.is_finite())?;
            let what = format!("{}: the {name} of token {token} is {value}", place(tree, l));
            Some(Broken { what, by_rewards })
        })
    };
    let logprob = |model: &str, values| find(&format!("log-probability under the {model}"), false, values);
    reward
        .or_else(|| logprob("sampler", |tree, l| Some(&tree.measured.tree.leaves[l].logprobs)))
        .or_else(|| logprob("learner", |tree, l| Some(tree.measured.old_logprobs.as_ref()?.path(l))))
        .or_else(|| logprob("reference", |tree, l| Some(tree.measured.ref_logprobs.as_ref()?.path(l))))
        .or_else(|| find("advantage", true, |tree, l| Some(tree.advantages.path(l))))
}

/// The end of a run whose evaluation met a distribution that is not finite; other errors stay what they are.
pub(super) fn diverged(when: &str, error: Error, remedy: &str) -> Error {
    match error.downcast_ref::<NotFinite>() {
        Some(what) => Failure::Diverged(format!("evaluation {when}: {what}; {remedy}")).into(),
        None => error,
    }
}

impl Run<'_> {
    /// Before anything is learned, sampler and learner must see the same policy. Truncated sampling (top-k, top-p) draws
    /// from another distribution than the learner's on purpose, so only the learner can be compared, with itself.
    pub(super) fn check_first_update(&self, mismatch: &Mismatch, ratio: Option<Gap>) -> Result<()> {
        let Some(ratio) = ratio else { return Ok(()) };
        let sampling = self.setup.recipe.sampling;
        let comparable = sampling.top_k == 0 && sampling.top_p >= 1.0;
        let mismatch = comparable.then_some(mismatch.gap);
        Ok(check_agreement(self.step, self.policy.placement.kind, mismatch, ratio)?)
    }

    /// Counts refused updates; the tenth in a row ends the run before anything bad is saved.
    pub(super) fn check_finite(&mut self, trees: &[CreditedTree], broken: Option<Broken>) -> Result<()> {
        let Some(Broken { what, by_rewards }) = broken else {
            self.refused_in_a_row = 0;
            return Ok(());
        };
        let dump = self.ledger.dump(self.step, trees)?;
        self.refused_in_a_row += 1;
        let (step, dump) = (self.step, dump.display());
        self.console.note(format!("step {step}: update skipped, {what}; its batch is in {dump}"));
        if self.refused_in_a_row < MAX_REFUSED {
            return Ok(());
        }
        let remedy = if by_rewards {
            String::from("lower every `weight` of [[reward]] to what single precision can hold")
        } else {
            self.smaller_updates()
        };
        Err(Failure::Diverged(format!(
            "step {step}: {MAX_REFUSED} updates in a row were not finite, the last because {what}; its batch is in {dump}, \
             {}; {remedy}",
            self.ledger.newest_checkpoint()?
        ))
        .into())
    }

    /// What to change where updates lead astray.
    pub(super) fn smaller_updates(&self) -> String {
        let optim = &self.setup.recipe.optim;
        format!("lower [optim] lr = {} or [optim] max_grad_norm = {}", optim.lr, optim.max_grad_norm)
    }

    /// Whether the weights are finite and so is the distribution over the token after the first training problem. Costs
    /// far less than writing the weights.
    ///
    /// # Errors
    /// If the policy is not where its placement says.
    pub(super) fn policy_is_sound(&self) -> Result<bool> {
        if !self.policy.master().sum(Kind::Double).double_value(&[]).is_finite() {
            return Ok(false);
        }
        let Some(prompt) = self.setup.data.train.first() else { return Ok(true) };
        let inputs = Inputs::rows(&prompt.tokens, 1, self.policy.placement.device);
        let hidden = self.policy.hidden(&inputs, None)?;
        let last = hidden.narrow(0, hidden.size()[0] - 1, 1); // (1, E)
        let probs = self.policy.head(self.setup.recipe.sampling.temperature).probabilities(&last);
        Ok(probs.sum(Kind::Double).double_value(&[]).is_finite())
    }

    /// A broken policy is never saved.
    pub(super) fn check_policy(&self) -> Result<()> {
        if self.policy_is_sound()? {
            return Ok(());
        }
        Err(Failure::Diverged(format!(
            "step {}: the policy's distribution over tokens is no longer finite, so it is not saved; {}; {}",
            self.step,
            self.ledger.newest_checkpoint()?,
            self.smaller_updates()
        ))
        .into())
    }

    /// Moves the counters on and reports them.
    pub(super) fn count(&mut self, trees: &[CreditedTree], discarded: Discarded, row: &mut MetricRow) {
        let trees_of = || trees.iter().map(|tree| &tree.measured.tree);
        let progress = &mut self.progress;
        progress.prompts += trees.len() as u64 + discarded.prompts;
        progress.samples += trees_of().map(|tree| tree.leaves.len() as u64).sum::<u64>() + discarded.samples;
        progress.tokens_generated +=
            trees_of().map(|tree| tree.n_sampled_tokens() as u64).sum::<u64>() + discarded.tokens;
        row.set("progress/prompts", progress.prompts as f64);
        row.set("progress/samples", progress.samples as f64);
        row.set("progress/tokens_generated", progress.tokens_generated as f64);
        let entropies: Vec<_> = trees.iter().filter_map(|tree| tree.measured.entropies.as_ref()).collect();
        if !entropies.is_empty() {
            row.set("policy/entropy", metrics::mean_over_tokens(entropies.into_iter()));
        }
        row.extend(
            explained_in_training(trees).map(|v| ("value/explained_variance", v)).into_iter().collect(),
        );
    }

    /// Reports the weight that the KL penalty had, and moves it on for the next step.
    pub(super) fn steer_kl(&mut self, trees: &[CreditedTree], row: &mut MetricRow) {
        let Some(kl) = self.setup.recipe.loss.kl() else { return };
        row.set("policy/kl_coef", self.kl_coef);
        if let Some(divergence) = metrics::kl_to_reference(trees, kl.estimator) {
            let samples = trees.iter().map(|tree| tree.measured.tree.leaves.len() as u64).sum();
            self.kl_coef = kl.next_coef(self.kl_coef, divergence, samples);
        }
    }

    /// Whether only the critic learns in this step.
    pub(super) fn critic_warms_up(&self) -> bool {
        self.critic.as_ref().is_some_and(|own| own.warms_up(self.step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mismatch(sampler: &[f32], learner: &[f32]) -> Gap {
        Mismatch::of([(sampler, learner)].into_iter()).gap
    }

    #[test]
    fn the_first_update_passes_only_if_everybody_sees_the_same_policy() {
        let same = mismatch(&[-1.0, -2.0], &[-1.0, -2.00001]);
        let gap = |mean, max| Gap { mean, max };
        let check = |mismatch, ratio| check_agreement(1, Kind::Float, Some(mismatch), ratio);
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
        let bf16 = |mismatch, ratio| check_agreement(1, Kind::BFloat16, mismatch, ratio).is_ok();
        assert!(bf16(Some(gap(0.04, 0.3)), gap(0.0, 0.0)));
        assert!(!bf16(Some(gap(0.12, 0.3)), gap(0.0, 0.0)) && !bf16(Some(gap(0.004, 1.5)), gap(0.0, 0.0)));
        // Without a sampler to compare with, the learner is still compared with itself.
        assert!(bf16(None, gap(0.001, 0.1)) && !bf16(None, gap(0.06, 0.1)) && !bf16(None, gap(0.0, 0.6)));
    }
}
