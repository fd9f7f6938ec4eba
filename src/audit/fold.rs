//! A fold: the responses to some prompts, with the weight that each arm gives each of their tokens.

use anyhow::Result;
use sha2::{Digest, Sha256};

use super::arm::Arm;
use crate::batch::Sequence;
use crate::learner::Weighted;
use crate::types::{CreditedTree, MeasuredTree, PathField, Tree};

/// The responses of a batch of prompts.
pub(crate) struct Fold {
    /// They, with what was measured of them.
    pub trees: Vec<MeasuredTree>,
    /// What each arm makes of them, in order.
    pub arms: Vec<Shaped>,
    /// Tokens of the responses, and those that were generated beside them to find what they are worth.
    pub n_tokens: [usize; 2],
}

/// What an arm makes of a fold.
pub(crate) struct Shaped {
    /// Weight of each token's log-probability in the mean gradient of the fold.
    pub weights: Vec<PathField<f32>>,
    /// What the arm's strategies multiply each token's advantage by.
    pub gains: Vec<PathField<f32>>,
}

impl Fold {
    /// `trees` under each of `arms`; `continued` are the same with the responses that continue them, where there are any.
    ///
    /// # Errors
    /// If something that an arm goes by was not measured.
    pub(crate) fn new(trees: Vec<MeasuredTree>, continued: &[Tree], arms: &[Arm]) -> Result<Self> {
        let n: usize = trees.iter().map(|tree| tree.tree.leaves.len()).sum();
        let whole = |arm: &Arm| match arm.continues() {
            true => continued.iter().cloned().map(MeasuredTree::bare).collect(),
            false => trees.clone(),
        };
        let shaped = arms.iter().map(|arm| {
            let (credited, _) = arm.credit.assign(whole(arm), 1, 0.0)?;
            // Responses come before those who continue them.
            let own = |field: &PathField<f32>, tree: &MeasuredTree, scale: f32| {
                PathField::from_fn(&tree.tree, |leaf, t| field.path(leaf)[t] * scale)
            };
            let share = |(credited, tree): (CreditedTree, &MeasuredTree)| {
                (own(&credited.advantages, tree, 1.0 / n as f32), own(&credited.gains, tree, 1.0))
            };
            let (weights, gains) = credited.into_iter().zip(&trees).map(share).unzip();
            Ok(Shaped { weights, gains })
        });
        let arms = shaped.collect::<Result<_>>()?;
        let tokens: usize = trees.iter().map(|tree| tree.tree.n_tokens()).sum();
        let all: usize = continued.iter().map(Tree::n_sampled_tokens).sum();
        Ok(Self { trees, arms, n_tokens: [tokens, all.saturating_sub(tokens)] })
    }

    /// Its responses, leaf after leaf.
    pub(crate) fn sequences(&self) -> Vec<Sequence<'_>> {
        sequences(&self.trees).collect()
    }

    /// The responses that some arm gives a weight, by their places: where all rewards to a prompt are the same, none does.
    pub(crate) fn weighed(&self) -> Vec<usize> {
        let mut is_weighed = vec![false; self.sequences().len()];
        for arm in &self.arms {
            let weights = arm.weights.iter().flat_map(PathField::iter);
            for (own, weights) in is_weighed.iter_mut().zip(weights) {
                *own |= weights.iter().any(|weight| *weight != 0.0);
            }
        }
        (0..is_weighed.len()).filter(|i| is_weighed[*i]).collect()
    }

    /// Its responses with the weights of arm `arm`.
    pub(crate) fn weighted(&self, arm: usize) -> Vec<Weighted<'_>> {
        let weights = self.arms[arm].weights.iter().flat_map(PathField::iter);
        sequences(&self.trees)
            .zip(weights)
            .map(|(sequence, weights)| Weighted { sequence, weights })
            .collect()
    }

    /// `sum_t w_t x_t` over its tokens, w the weights of arm `arm` and `x` a list for each response.
    pub(crate) fn dot(&self, arm: usize, x: &[Vec<f32>]) -> f64 {
        let weights = self.arms[arm].weights.iter().flat_map(PathField::iter);
        let of_response = |(weights, x): (&[f32], &Vec<f32>)| -> f64 {
            weights.iter().zip(x).map(|(weight, x)| f64::from(*weight) * f64::from(*x)).sum()
        };
        weights.zip(x).map(of_response).sum()
    }
}

/// A digest of the responses of `folds` and their rewards, which differs where any of them does.
pub(crate) fn fingerprint(folds: &[Fold]) -> String {
    let mut digest = Sha256::new();
    for leaf in folds.iter().flat_map(|fold| &fold.trees).flat_map(|tree| &tree.tree.leaves) {
        digest.update((leaf.tokens.len() as u64).to_le_bytes());
        leaf.tokens.iter().for_each(|token| digest.update(token.to_le_bytes()));
        digest.update(leaf.verdict.value.to_le_bytes());
    }
    hex::encode(digest.finalize())
}

fn sequences(trees: &[MeasuredTree]) -> impl Iterator<Item = Sequence<'_>> {
    trees.iter().flat_map(|tree| {
        let prompt = &tree.tree.prompt.tokens;
        tree.tree.leaves.iter().map(move |leaf| Sequence { prompt, response: &leaf.tokens })
    })
}
