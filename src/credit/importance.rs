//! `[importance_sampling]`: correcting for a sampler that is not quite the policy that learns (Yao et al. 2025).
//!
//! ```text
//! w_t = pi_learner(t) / pi_sampler(t)          both before the step's first update
//! w   = prod_t w_t
//!
//! token_truncate     A_t <- min(w_t, cap) A_t          sequence_truncate   A_t <- min(w, cap) A_t
//! token_mask         A_t <- w_t [w_t <= cap] A_t       sequence_mask       A_t <- w [w <= cap] A_t
//! ```
//!
//! Every policy loss is linear in the advantage as far as factors of 0 or more go, so that a weight on the advantage is the
//! same as a weight on the loss of the token.

use anyhow::{Context, Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::{MeasuredTree, MetricRow, PathField, Rules};

/// How the ratio of learner to sampler weighs the tokens; without the section it does not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportanceConfig {
    /// Whose ratio counts, and what happens to ratios above `cap`.
    #[serde(default)]
    pub mode: ImportanceMode,
    /// Largest ratio.
    #[serde(default = "cap")]
    pub cap: f64,
}

fn cap() -> f64 {
    2.0
}

impl Default for ImportanceConfig {
    fn default() -> Self {
        Self { mode: ImportanceMode::default(), cap: cap() }
    }
}

/// Whose ratio counts, and what happens to large ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ImportanceMode {
    /// Each token's own ratio, at most the cap.
    #[default]
    TokenTruncate,
    /// Each token's own ratio; a token above the cap has an advantage of 0.
    TokenMask,
    /// The ratio of the whole response, at most the cap.
    SequenceTruncate,
    /// The ratio of the whole response; the tokens of a response above the cap have advantages of 0.
    SequenceMask,
}

impl ImportanceConfig {
    /// The weight of each token of a response, from its log-probabilities under learner and sampler, `[R]` each.
    #[must_use]
    pub(crate) fn weights(&self, learner: &[f32], sampler: &[f32]) -> Vec<f64> {
        let gaps: Vec<f64> =
            learner.iter().zip(sampler).map(|(l, s)| f64::from(*l) - f64::from(*s)).collect();
        let ratios: Vec<f64> = match self.mode {
            ImportanceMode::TokenTruncate | ImportanceMode::TokenMask => {
                gaps.iter().map(|gap| gap.exp()).collect()
            }
            ImportanceMode::SequenceTruncate | ImportanceMode::SequenceMask => {
                vec![gaps.iter().sum::<f64>().exp(); gaps.len()]
            }
        };
        let limit = |ratio: f64| match self.mode {
            ImportanceMode::TokenTruncate | ImportanceMode::SequenceTruncate => ratio.min(self.cap),
            ImportanceMode::TokenMask | ImportanceMode::SequenceMask if ratio <= self.cap => ratio,
            ImportanceMode::TokenMask | ImportanceMode::SequenceMask => 0.0,
        };
        ratios.into_iter().map(limit).collect()
    }

    /// The weight of every response token of `trees`; `mismatch/importance_*`.
    ///
    /// # Errors
    /// If the learner's log-probabilities were not measured.
    pub(crate) fn of_trees(&self, trees: &[MeasuredTree]) -> Result<(Vec<PathField<f64>>, MetricRow)> {
        let (mut n, mut sum, mut limited) = (0.0, 0.0, 0.0);
        let mut fields = Vec::with_capacity(trees.len());
        for measured in trees {
            let tree = &measured.tree;
            let paths = tree.leaves.iter().enumerate().map(|(leaf, own)| {
                let learner = measured.old_logprobs(leaf);
                let learner = learner.context("importance sampling: no log-probabilities were measured")?;
                ensure!(
                    own.logprobs.len() == own.tokens.len(),
                    "importance sampling: a sampler's log-prob is missing"
                );
                let weights = self.weights(learner, &own.logprobs);
                let free = Self { cap: f64::INFINITY, ..*self }.weights(learner, &own.logprobs);
                n += weights.len() as f64;
                sum += weights.iter().sum::<f64>();
                limited += weights.iter().zip(&free).filter(|(weight, free)| weight != free).count() as f64;
                Ok(weights)
            });
            fields.push(PathField::new(tree, paths.collect::<Result<_>>()?)?);
        }
        let share = |part: f64| if n > 0.0 { part / n } else { 0.0 };
        let row =
            [("mismatch/importance_mean", share(sum)), ("mismatch/importance_capped_frac", share(limited))];
        Ok((fields, row.into_iter().collect()))
    }

    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        let holds = self.cap.is_finite() && self.cap > 0.0;
        rules.expect("cap", self.cap, "a finite number above 0; usual are 2 to 10", holds);
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_modes_are_those_of_the_formula() {
        // Ratios 2, 1/2 and 3; 3 for the whole response.
        let (learner, sampler) = ([2f32.ln(), -(2f32.ln()), 3f32.ln()], [0f32; 3]);
        let weights = |mode, cap| ImportanceConfig { mode, cap }.weights(&learner, &sampler);
        for (mode, cap, expected) in [
            (ImportanceMode::TokenTruncate, 2.5, [2.0, 0.5, 2.5]),
            (ImportanceMode::TokenMask, 2.5, [2.0, 0.5, 0.0]),
            (ImportanceMode::SequenceTruncate, 2.5, [2.5; 3]),
            (ImportanceMode::SequenceMask, 2.5, [0.0; 3]),
            (ImportanceMode::SequenceTruncate, 4.0, [3.0; 3]),
            (ImportanceMode::SequenceMask, 4.0, [3.0; 3]),
        ] {
            let got = weights(mode, cap);
            assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{mode:?}, {cap}: {got:?}");
        }
    }

    #[test]
    fn a_sampler_that_is_the_learner_changes_nothing() {
        let logprobs = [-0.3f32, -2.0];
        for mode in [
            ImportanceMode::TokenTruncate,
            ImportanceMode::TokenMask,
            ImportanceMode::SequenceTruncate,
            ImportanceMode::SequenceMask,
        ] {
            let weights = ImportanceConfig { mode, cap: 1.0 }.weights(&logprobs, &logprobs);
            assert_eq!(weights, [1.0, 1.0], "{mode:?}");
        }
    }
}
