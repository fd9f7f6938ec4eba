//! Gradients in the units of training, which the number that Adam adds to its roots is in.
//!
//! ```text
//! audit      g_a = sum_t A_t / n score_t            A: reward less the mean of the other responses;  n responses
//! training   g_t = sum_t A'_t c_t score_t           A': the recipe's advantage;  c_t: its aggregation
//! E g_t^2 ~ E g_a^2  b sum (A'_t c_t)^2 / (B sum (A_t / n)^2)         b prompts of a fold, B of a step: noise is nearly all of it
//! ```

use anyhow::Result;
use tch::{Kind, Tensor};

use super::fold::Fold;
use super::merit::Folds;
use crate::credit::Credit;
use crate::credit::advantage::{AdvantageConfig, BatchBaselineConfig, LeaveOneOutConfig};
use crate::loss::{Aggregation, token_weights};
use crate::types::{MeasuredTree, PathField};

/// What of a recipe makes gradients longer or shorter.
#[derive(Clone, Debug)]
pub(crate) struct Training {
    /// How rewards become advantages.
    pub advantage: AdvantageConfig,
    /// How token losses become one number.
    pub aggregation: Aggregation,
    /// The longest response allowed.
    pub longest: usize,
    /// Whether prompts leave the batch whose responses all have the same reward.
    pub drops: bool,
    /// Longest gradient; 0: any.
    pub max_grad_norm: f64,
}

impl Training {
    /// The squared gradients of a step of training, where those of uniform are `own` on the folds `apart`.
    ///
    /// # Errors
    /// If advantages cannot be estimated.
    pub(super) fn squares(&self, own: &Tensor, apart: &[Fold], folds: Folds) -> Result<Tensor> {
        let (mut theirs, mut ours) = (0.0, 0.0);
        for fold in apart {
            theirs += self.sum_of_squares(&fold.trees)?;
            ours += fold.arms[0].weights.iter().flat_map(PathField::iter).map(sum_of_squares).sum::<f64>();
        }
        if ours == 0.0 {
            // No reward differs: there is no gradient, in whatever unit.
            return Ok(own.shallow_clone());
        }
        let squares = own * (theirs / ours * folds.prompts as f64 / folds.batch);
        let norm = squares.sum(Kind::Double).double_value(&[]).sqrt();
        let clips = self.max_grad_norm > 0.0 && norm > self.max_grad_norm;
        Ok(if clips { squares * (self.max_grad_norm / norm).powi(2) } else { squares })
    }

    /// Of the weights that training gives the tokens of `trees`.
    fn sum_of_squares(&self, trees: &[MeasuredTree]) -> Result<f64> {
        let counts = |tree: &&MeasuredTree| !self.drops || tree.tree.has_signal();
        let trees: Vec<MeasuredTree> = trees.iter().filter(counts).cloned().collect();
        let lengths: Vec<usize> =
            trees.iter().flat_map(|tree| tree.tree.leaves.iter().map(|leaf| leaf.tokens.len())).collect();
        let per_token = token_weights(self.aggregation, &lengths, self.longest);
        let (credited, _) = Credit::new(self.flat()).assign(trees, 1, 0.0)?;
        let advantages = credited.iter().flat_map(|tree| tree.advantages.iter());
        Ok(advantages.zip(per_token).map(|(own, weight)| sum_of_squares(own) * weight.powi(2)).sum())
    }

    /// The advantage by rewards alone that is about as large: an audit has no critic, and continues no response of a fold.
    fn flat(&self) -> AdvantageConfig {
        match self.advantage {
            AdvantageConfig::Gae(_) => AdvantageConfig::BatchBaseline(BatchBaselineConfig {}),
            AdvantageConfig::Segment(_) => AdvantageConfig::LeaveOneOut(LeaveOneOutConfig {}),
            flat => flat,
        }
    }
}

fn sum_of_squares(numbers: &[f32]) -> f64 {
    numbers.iter().map(|x| f64::from(*x).powi(2)).sum()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::audit::arms;
    use crate::credit::advantage::testing::group;
    use crate::credit::advantage::{GaeConfig, GroupConfig, Scale};
    use crate::types::RunRandom;

    /// Of three prompts with two responses two count: A is 1 and -1 in an audit, over six responses; 1/2 and -1/2 in training, over all
    /// tokens.
    #[test]
    fn squares_are_those_of_a_step() {
        let trees = || vec![group(&[1.0, 0.0]), group(&[0.0, 1.0]), group(&[1.0, 1.0])];
        let advantage = AdvantageConfig::Group(GroupConfig { scale: Scale::None });
        let arms = arms(&["entropy".to_owned()], &[], advantage, RunRandom::new(0));
        let uniform = &arms.unwrap()[..1];
        let fold = Fold::new(trees(), &[], uniform).unwrap();
        let n_tokens: usize = fold.trees.iter().map(|tree| tree.tree.n_tokens()).sum();
        let training = |drops: bool, max_grad_norm: f64, advantage: AdvantageConfig| Training {
            advantage,
            aggregation: Aggregation::TokenMean,
            longest: 8,
            drops,
            max_grad_norm,
        };
        let of = |training: Training| {
            let folds = Folds { n: 6, prompts: 3, batch: 1.0 };
            let own = Tensor::from_slice(&[3f32, 1.0]);
            let squares = training.squares(&own, std::slice::from_ref(&fold), folds).unwrap();
            Vec::<f64>::try_from(squares.to_kind(Kind::Double)).unwrap()
        };
        let close = |a: &[f64], b: [f64; 2]| a.iter().zip(b).all(|(a, b)| (a / b - 1.0).abs() < 1e-5);
        // 1/4 over T^2, relative to 1 over 6^2; noise falls with three prompts.
        let scale = |n_tokens: usize| 0.25 * 36.0 / (n_tokens * n_tokens) as f64 * 3.0;
        let whole = scale(n_tokens);
        assert!(close(&of(training(false, 0.0, advantage)), [3.0 * whole, whole]));
        let dropped = scale(n_tokens - fold.trees[2].tree.n_tokens());
        assert!(close(&of(training(true, 0.0, advantage)), [3.0 * dropped, dropped]));
        // Gradients that are clipped are as long as they may be.
        assert!(close(&of(training(false, 1e-3, advantage)), [0.75e-6, 0.25e-6]));
        // Without a critic an advantage of about its size stands in.
        let gae = of(training(false, 0.0, AdvantageConfig::Gae(GaeConfig::default())));
        assert!(gae.iter().all(|square| square.is_finite() && *square > 0.0));
        let silent = Fold::new(vec![group(&[1.0, 1.0])], &[], uniform).unwrap();
        let own = Tensor::from_slice(&[0f32]);
        let folds = Folds { n: 6, prompts: 1, batch: 1.0 };
        assert_eq!(training(false, 1.0, advantage).squares(&own, &[silent], folds).unwrap(), own);
    }
}
