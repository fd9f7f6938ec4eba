//! Segment advantage by Monte-Carlo values: VinePPO's steps (arXiv 2410.01679), SPO's chain (arXiv 2505.23564).
//!
//! ```text
//! A_t = V(end) - V(start)      of the segment that t is in; at the end of a response V is its reward
//! V(cut)    = mean reward of the responses that continue from there, see `[values]`
//! V(prompt) = mean reward of the other responses to the prompt
//! ```
//!
//! Both ends rest on continuations of their own and neither on the response itself, so that the advantage of what was
//! sampled between them has no bias, however few they are, as long as the cut does not tell what comes behind it: where a step
//! ends, or every so many tokens. Cuts before unlikely tokens (SPO), and the choice of some steps of many, look ahead a little and
//! have a bias. Those who continue say what the responses are worth, and are worth nothing themselves. With `mask_above` tokens of
//! at least that probability get no advantage (SPO's probability mask); with `mask_counts = "kept"` the others get as much more as
//! makes the mean over all tokens theirs.

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AdvantageEstimator, Rewards, whiten};
use crate::credit::values::Values;
use crate::types::{PathField, Rules};

/// Settings of the segment advantage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SegmentConfig {
    /// Whether advantages are moved to mean 0 and deviation 1 over the step, as VinePPO does; few continuations make the
    /// deviation large and all advantages small.
    pub whiten: bool,
    /// Tokens that the sampler gave at least this probability have no advantage; left out, all have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask_above: Option<f64>,
    /// What the mean over tokens is taken over where some are masked.
    pub mask_counts: MaskCounts,
}

/// Over which tokens a mean is taken where some are masked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MaskCounts {
    /// All of them, so that a mask makes steps smaller (TRL).
    #[default]
    All,
    /// Those that are not masked (SPO).
    Kept,
}

impl AdvantageEstimator for SegmentConfig {
    fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        if let Some(above) = self.mask_above {
            rules.expect(
                "mask_above",
                above,
                "a probability, above 0 and at most 1",
                above > 0.0 && above <= 1.0,
            );
        }
        rules
    }

    fn continues(&self) -> bool {
        true
    }

    fn estimate(&self, trees: &[Rewards<'_>]) -> Result<Vec<PathField<f32>>> {
        let mut fields: Vec<PathField<f32>> = trees.iter().map(field).collect();
        if self.whiten {
            // Those who continue have none, and would say what is usual.
            whiten(&mut fields, trees, |leaf| leaf.fork.is_none());
        }
        let Some(above) = self.mask_above else { return Ok(fields) };
        let masks = |tree: &Rewards<'_>, leaf: usize, t: usize| {
            f64::from(tree.tree.tree.leaves[leaf].logprobs[t]).exp() >= above
        };
        let (mut all, mut kept) = (0usize, 0usize);
        for (field, tree) in fields.iter_mut().zip(trees) {
            *field = field.map(|leaf, t, a| if masks(tree, leaf, t) { 0.0 } else { *a });
            let own = tree.tree.tree.leaves.iter().enumerate().filter(|(_, own)| own.fork.is_none());
            for (leaf, own) in own {
                all += own.tokens.len();
                kept += (0..own.tokens.len()).filter(|t| !masks(tree, leaf, *t)).count();
            }
        }
        if self.mask_counts == MaskCounts::Kept && kept > 0 {
            let scale = all as f32 / kept as f32;
            fields.iter_mut().for_each(|field| *field = field.map(|_, _, a| a * scale));
        }
        Ok(fields)
    }
}

fn field(rewards: &Rewards<'_>) -> PathField<f32> {
    let (tree, totals) = (&rewards.tree.tree, rewards.totals());
    let values = Values::new(tree, &totals);
    let mut paths: Vec<Vec<f32>> = tree.leaves.iter().map(|leaf| vec![0.0; leaf.tokens.len()]).collect();
    for leaf in values.responses() {
        for ends in values.stops(leaf).windows(2) {
            paths[leaf][ends[0].at..ends[1].at].fill((ends[1].value - ends[0].value) as f32);
        }
    }
    PathField::from_fn(tree, |leaf, t| paths[leaf][t])
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::credit::advantage::testing::grown;
    use crate::types::MeasuredTree;

    /// Responses of 4 and 3 tokens with rewards 1 and 0; the first is continued from 1 (rewards 1, 0, 0, 1) and 3 (1, 1), the
    /// second from 2 (0, 1).
    fn tree() -> MeasuredTree {
        let from = |parent, at, reward| (Some((parent, at)), 5, reward);
        grown(&[
            (None, 4, 1.0),
            (None, 3, 0.0),
            from(0, 1, 1.0),
            from(0, 1, 0.0),
            from(0, 1, 0.0),
            from(0, 1, 1.0),
            from(0, 3, 1.0),
            from(0, 3, 1.0),
            from(1, 2, 0.0),
            from(1, 2, 1.0),
        ])
    }

    fn estimate(config: SegmentConfig, tree: &MeasuredTree) -> PathField<f32> {
        config.estimate(&[Rewards::of_graders(tree)]).unwrap().remove(0)
    }

    #[test]
    fn a_segment_is_worth_what_it_adds() {
        let tree = tree();
        let field = estimate(SegmentConfig::default(), &tree);
        assert_eq!(field.path(0), [0.5, 0.5, 0.5, 0.0]);
        assert_eq!(field.path(1), [-0.5, -0.5, -0.5]);
        assert!((2..10).all(|leaf| field.path(leaf).iter().all(|a| *a == 0.0)));
        // A token of each segment: they add up to the reward less that of the others.
        let sum = |leaf: usize, tokens: &[usize]| tokens.iter().map(|t| field.path(leaf)[*t]).sum::<f32>();
        assert!((sum(0, &[0, 1, 3]) - 1.0).abs() < 1e-6 && (sum(1, &[0, 2]) + 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_prefix_in_common_has_one_value() {
        let mut tree = tree();
        let beginning = tree.tree.leaves[0].tokens[0];
        tree.tree.leaves[1].tokens[0] = beginning;
        for leaf in [8, 9] {
            tree.tree.leaves[leaf].tokens[0] = beginning;
        }
        // The second response passes through the first's cut at 1, worth 1/2; the cut at 2 is worth 1/2 too.
        assert_eq!(estimate(SegmentConfig::default(), &tree).path(1), [-0.5, 0.0, -0.5]);
    }

    #[test]
    fn those_who_continue_are_not_whitened_with_the_rest() {
        let field = estimate(SegmentConfig { whiten: true, ..SegmentConfig::default() }, &tree());
        assert!((2..10).all(|leaf| field.path(leaf).iter().all(|a| *a == 0.0)));
        let own: Vec<f64> = (0..2).flat_map(|leaf| field.path(leaf)).map(|a| f64::from(*a)).collect();
        assert!(
            crate::stats::mean(&own).abs() < 1e-6 && (crate::stats::std(&own) - 1.0).abs() < 1e-4,
            "{own:?}"
        );
    }

    #[test]
    fn what_was_not_graded_says_nothing() {
        let mut tree = tree();
        tree.tree.leaves[2].is_graded = false; // the value at 1 is 1/3
        let field = estimate(SegmentConfig::default(), &tree);
        assert!((field.path(0)[0] - 1.0 / 3.0).abs() < 1e-6 && (field.path(0)[1] - 2.0 / 3.0).abs() < 1e-6);
        tree.tree.leaves[1].is_graded = false; // nobody to compare the first with
        let field = estimate(SegmentConfig::default(), &tree);
        assert!(field.iter().flatten().all(|a| *a == 0.0));
    }

    #[test]
    fn likely_tokens_are_masked() {
        let mut tree = tree();
        tree.tree.leaves[0].logprobs = [0.95f32, 0.5, 0.91, 0.2].map(f32::ln).to_vec();
        tree.tree.leaves[1].logprobs = [0.1f32, 0.99, 0.3].map(f32::ln).to_vec();
        let config = SegmentConfig { mask_above: Some(0.9), ..SegmentConfig::default() };
        let field = estimate(config, &tree);
        assert_eq!((field.path(0), field.path(1)), (&[0.0, 0.5, 0.0, 0.0][..], &[-0.5, 0.0, -0.5][..]));
        let field = estimate(SegmentConfig { mask_counts: MaskCounts::Kept, ..config }, &tree);
        assert_eq!((field.path(0)[1], field.path(1)[0]), (0.5 * 7.0 / 4.0, -0.5 * 7.0 / 4.0));
        assert_eq!(SegmentConfig { mask_above: Some(1.5), ..config }.rules().problems().len(), 1);
    }
}
