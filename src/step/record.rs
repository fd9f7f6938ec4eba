//! What a step was.

use std::fmt;

use super::Trainer;
use crate::batch::{NotLearned, TrainSample};
use crate::learner::{CriticReport, Gap};
use crate::model::Arithmetic;
use crate::pipeline::Discarded;
use crate::rollout::{Counts, Served};
use crate::types::{KlEstimator, MetricRow, RatioStart, Step, TrainedTree};

/// All that there is to say about a step.
pub(crate) struct StepRecord {
    /// Which one.
    pub step: Step,
    /// Its responses with all that was decided about them.
    pub trees: Vec<TrainedTree>,
    /// Steps that the weights had moved on since those that each tree was sampled from.
    pub ages: Vec<Step>,
    /// What was sampled beside them.
    pub discarded: Discarded,
    /// What contexts took.
    pub contexts: Counts,
    /// What it took to have servers answer, where they did.
    pub served: Option<Served>,
    /// Where the ratio started.
    pub start: RatioStart,
    /// Whether the policy changed for the first time.
    pub is_first_update: bool,
    /// Weight that the KL penalty had; `None` without one.
    pub kl_coef: Option<f64>,
    /// What credit reports.
    pub credit: MetricRow,
    /// What the policy's update reports.
    pub update: MetricRow,
    /// How far its first pass was from the old log-probabilities; `None` if there was nothing to train on.
    pub first_gap: Option<Gap>,
    /// What the critic's update reports; empty without one.
    pub value: CriticReport,
    /// Why the step was not learned from as a whole, if it was not.
    pub not_learned: Option<NotLearned>,
    /// How long it took.
    pub times: Times,
    /// How much it was.
    pub work: Work,
}

/// Seconds of the parts of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Times {
    /// Generating.
    pub generate_s: f64,
    /// Scoring.
    pub score_s: f64,
    /// Measuring.
    pub measure_s: f64,
    /// Crediting, and making the batch.
    pub credit_s: f64,
    /// Updating policy and critic.
    pub train_s: f64,
    /// All of it.
    pub step_s: f64,
    /// Share of the time of its threads that they were kept waiting for a processor which others had.
    pub waited_frac: f64,
}

impl fmt::Display for Times {
    /// `generate 3.2 s, score 0.1 s, measure 0.4 s, credit 0.0 s, train 2.9 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generate_s, score_s, measure_s, credit_s, train_s, step_s: _, waited_frac: _ } = self;
        write!(f, "generate {generate_s:.1} s, score {score_s:.1} s, measure {measure_s:.1} s, ")?;
        write!(f, "credit {credit_s:.1} s, train {train_s:.1} s")
    }
}

/// What a step computed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Work {
    /// Response tokens that were sampled.
    pub generated_tokens: usize,
    /// Prompt and response tokens that were trained on, once an epoch.
    pub trained_tokens: usize,
    /// Floating-point operations: generation, each measuring pass, and three forward passes' worth per epoch of training, policy
    /// and critic.
    pub operations: f64,
}

impl Work {
    /// Of a step of `trainer` on `samples` of `trees`.
    pub(super) fn new(
        trainer: &Trainer,
        step: Step,
        start: RatioStart,
        trees: &[TrainedTree],
        samples: &[TrainSample],
    ) -> Self {
        let trees = || trees.iter().map(TrainedTree::tree);
        let prompts: usize = trees().map(|tree| tree.prompt.tokens.len()).sum();
        let generated: usize = trees().map(|tree| tree.n_sampled_tokens()).sum();
        let rows: usize = trees().map(|tree| tree.leaves.len()).sum();
        let in_rows: usize = trees().map(|tree| tree.leaves.len() * tree.prompt.tokens.len()).sum();
        let trained_on: usize = samples.iter().map(|s| s.tokens.len()).sum();
        let of_trees = samples.chunk_by(|a, b| a.place.0 == b.place.0);
        let trained: usize = of_trees.map(|tree| tree[0].prompt.tokens.len()).sum::<usize>() + trained_on;
        let in_samples: usize = samples.iter().map(|s| s.prompt.tokens.len() + s.tokens.len()).sum();

        let all_epochs = trainer.config.learner.batch.epochs;
        let epochs = if trainer.critic_learns_alone(step) { 0 } else { all_epochs };
        let critic_epochs = trainer.critic.as_ref().map(|_| all_epochs);
        let needs = trainer.needs(start, step);
        let measurements = usize::from(needs.old_logprobs) + usize::from(needs.ref_logprobs);

        let length = (in_rows + generated) as f64 / rows.max(1) as f64;
        let cost = Arithmetic::new(&trainer.policy.network.config, &trainer.policy.network.layout, length);
        // A prompt counts once, though a group that is split over two micro-batches reads it again.
        let read = cost.forward((prompts + generated) as f64, generated as f64);
        // A critic predicts no words.
        let critic = critic_epochs.map_or(0.0, |epochs| {
            cost.forward((prompts + generated) as f64, 0.0) + epochs as f64 * cost.train(trained as f64, 0.0)
        });
        Self {
            generated_tokens: generated,
            trained_tokens: in_samples * epochs.max(critic_epochs.unwrap_or(0)),
            operations: read * (1.0 + measurements as f64)
                + epochs as f64 * cost.train(trained as f64, trained_on as f64)
                + critic,
        }
    }
}

/// Mean of the divergence from the reference over the response tokens of all trees of which it is known (those that leave the
/// batch are not where a single update measures for itself); `None` where it is of none.
pub(super) fn kl_to_reference(trees: &[TrainedTree], estimator: KlEstimator) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0usize);
    for tree in trees {
        let Some(reference) = &tree.credited.measured.ref_logprobs else { continue };
        let policy: Option<Vec<&[f32]>> = (0..tree.seen.len()).map(|leaf| tree.old_logprobs(leaf)).collect();
        for (new, reference) in policy.iter().flatten().zip(reference.iter()) {
            for (new, reference) in new.iter().zip(reference) {
                sum += estimator.token(*new, *reference);
                n += 1;
            }
        }
    }
    (n > 0).then(|| sum / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credit::advantage::testing::group;
    use crate::types::{CreditedTree, MeasuredTree, OldLogprobs, PathField, Seen};

    fn trained(measured: MeasuredTree, seen: Vec<Option<Seen>>) -> TrainedTree {
        let field = || PathField::from_fn(&measured.tree, |_, _| 0.0);
        let (advantages, gains) = (field(), field());
        let trained = vec![Some(0); measured.tree.leaves.len()];
        TrainedTree { credited: CreditedTree { measured, advantages, returns: None, gains, trained }, seen }
    }

    #[test]
    fn the_divergence_is_that_of_the_trees_it_was_measured_of() {
        let mut measured = group(&[0.0, 1.0]);
        measured.ref_logprobs = Some(PathField::from_fn(&measured.tree, |_, _| -1.5));
        let by_update = measured.clone();
        measured.old_logprobs = OldLogprobs::Measured(PathField::from_fn(&measured.tree, |_, _| -1.0));
        let seen = |n: usize| Some(Seen { logprobs: vec![-1.0; n], entropies: vec![0.0; n] });
        let (known, whole) =
            (trained(measured, vec![None, None]), trained(by_update.clone(), vec![seen(1), seen(2)]));
        let (partly, unknown) =
            (trained(by_update, vec![seen(1), None]), trained(group(&[1.0, 1.0]), vec![None, None]));
        let kl = |trees: &[TrainedTree]| kl_to_reference(trees, KlEstimator::K1);
        assert_eq!(kl(&[known.clone(), unknown.clone()]), Some(0.5));
        assert_eq!(kl(&[known, partly.clone()]), Some(0.5));
        assert_eq!(kl(&[whole]), Some(0.5));
        assert_eq!((kl(&[unknown]), kl(&[partly])), (None, None));
    }
}
