//! Attention-based tree branching (ATB, arXiv 2509.26628): before steps with a high forward context influence.
//!
//! ```text
//! threshold = quantile(FCI, 1 - top_fraction), over all steps; the smallest positive FCI where that is 0
//! taken in order: later steps with FCI >= threshold, FCI > 0, that begin at position min_start or later and at
//! least min_gap behind every one taken; then, while there are fewer than n, the earliest others
//! later: from the second step on; of a branch, those that begin behind the place where it left
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BranchRule, Root, RootNeeds};
use crate::types::Rules;

/// Settings of [`RuleConfig::Attention`](super::RuleConfig::Attention).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AttentionConfig {
    /// Share of the steps that are candidates.
    pub top_fraction: f64,
    /// Steps between a step and the first whose look back at it counts.
    pub distance: usize,
    /// First position, counted from the prompt's first token, at which a branch may begin.
    pub min_start: usize,
    /// Tokens between two branch points, at least.
    pub min_gap: usize,
}

impl Default for AttentionConfig {
    fn default() -> Self {
        Self { top_fraction: 0.2, distance: 4, min_start: 512, min_gap: 512 }
    }
}

impl BranchRule for AttentionConfig {
    fn needs(&self) -> RootNeeds {
        RootNeeds { influence: Some(self.distance), ..RootNeeds::default() }
    }

    fn idle(&self, max_new_tokens: usize) -> Option<String> {
        let more = self.min_start.checked_sub(max_new_tokens).filter(|more| *more > 0)?;
        Some(format!(
            "`min_start` = {} counts from the prompt's first token: with responses of at most {max_new_tokens} tokens, branches \
             leave the earliest steps, whatever attention says, unless prompts have more than {more}; lower it, and `min_gap`",
            self.min_start
        ))
    }

    fn pick(&self, root: &Root<'_>, n: usize) -> Vec<usize> {
        let threshold = self.threshold(root.influence);
        let start = |step: usize| root.steps[step].start;
        let mut taken: Vec<usize> = Vec::new();
        let first = root.steps.iter().take_while(|step| step.start <= root.from).count();
        for (step, influence) in root.influence.iter().enumerate().skip(first) {
            let is_candidate = *influence > 0.0 && f64::from(*influence) >= threshold;
            let far = taken.iter().all(|other| start(step) - start(*other) >= self.min_gap);
            if taken.len() < n && is_candidate && far && root.n_prompt + start(step) >= self.min_start {
                taken.push(step);
            }
        }
        for step in first..root.steps.len() {
            if taken.len() < n && !taken.contains(&step) {
                taken.push(step);
            }
        }
        taken.sort_unstable();
        taken.into_iter().map(start).collect()
    }

    fn rules(&self) -> Rules {
        let Self { top_fraction, distance, min_start: _, min_gap: _ } = self;
        let mut rules = Rules::default();
        let is_share = *top_fraction > 0.0 && *top_fraction <= 1.0;
        rules.expect("top_fraction", format_args!("{top_fraction:?}"), "above 0 and at most 1", is_share);
        rules.expect("distance", distance, "at least 1 step", *distance > 0);
        rules
    }
}

impl AttentionConfig {
    fn threshold(&self, influence: &[f32]) -> f64 {
        let mut sorted: Vec<f64> = influence.iter().map(|y| f64::from(*y)).collect();
        sorted.sort_by(f64::total_cmp);
        let quantile = quantile(&sorted, 1.0 - self.top_fraction);
        match quantile > 0.0 {
            true => quantile,
            false => sorted.into_iter().find(|y| *y > 0.0).unwrap_or(f64::INFINITY),
        }
    }
}

/// The linear quantile `q` of `sorted`; 0 of nothing.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = q * last as f64;
    let (low, high) = (place.floor() as usize, (place.ceil() as usize).min(last));
    sorted[low] + (sorted[high] - sorted[low]) * (place - low as f64)
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::types::RunRandom;

    const NEAR: AttentionConfig =
        AttentionConfig { top_fraction: 0.2, distance: 4, min_start: 0, min_gap: 0 };

    /// Steps of five tokens each.
    fn pick(config: AttentionConfig, influence: &[f32], n: usize) -> Vec<usize> {
        let steps: Vec<Range<usize>> = (0..influence.len()).map(|k| 5 * k..5 * k + 5).collect();
        let root = Root {
            n_prompt: 3,
            steps: &steps,
            influence,
            ..Root::bare(5 * steps.len(), RunRandom::new(0), 1)
        };
        config.pick(&root, n)
    }

    /// numpy 2: `numpy.quantile([0, 0, 0.1, 0.3, 0.4], 0.8)` is 0.32.
    #[test]
    fn steps_above_the_quantile_are_taken_in_order_and_the_earliest_fill_up() {
        assert!((quantile(&[0.0, 0.0, 0.1, 0.3, 0.4], 0.8) - 0.32).abs() < 1e-12);
        let influence = [0.0, 0.3, 0.1, 0.4, 0.0];
        assert_eq!(pick(NEAR, &influence, 1), [15]);
        assert_eq!(pick(NEAR, &influence, 2), [5, 15]);
        assert_eq!(pick(NEAR, &influence, 9), [5, 10, 15, 20]);
        let half = AttentionConfig { top_fraction: 0.5, ..NEAR }; // threshold 0.1
        assert_eq!(pick(half, &influence, 2), [5, 10]);
    }

    #[test]
    fn the_smallest_positive_influence_counts_where_the_quantile_is_zero() {
        assert_eq!(pick(NEAR, &[0.0, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0], 1), [15]);
        assert_eq!(pick(NEAR, &[0.0; 4], 1), [5]);
        assert_eq!(pick(NEAR, &[0.0], 2), [0; 0]);
    }

    #[test]
    fn a_branch_is_left_behind_the_place_where_it_left() {
        let influence = [0.0, 0.5, 0.1, 0.4, 0.3];
        let steps: Vec<Range<usize>> = (0..5).map(|k| 5 * k..5 * k + 5).collect();
        let of = |from| {
            let root =
                Root { from, steps: &steps, influence: &influence, ..Root::bare(25, RunRandom::new(0), 1) };
            NEAR.pick(&root, 2)
        };
        assert_eq!((of(4), of(5), of(12), of(20)), (vec![5, 10], vec![10, 15], vec![15, 20], vec![]));
    }

    #[test]
    fn places_and_distances_bind_candidates_alone() {
        let influence = [0.0, 0.5, 0.5, 0.5, 0.5];
        let late = AttentionConfig { min_start: 14, ..NEAR };
        assert_eq!(pick(late, &influence, 1), [15], "3 + 15 tokens before it");
        let apart = AttentionConfig { min_gap: 10, ..NEAR };
        assert_eq!(pick(apart, &influence, 2), [5, 15]);
        assert_eq!(pick(apart, &influence, 3), [5, 10, 15]);
    }
}
