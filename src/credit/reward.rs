//! Rewards as estimators see them: the graders' at the end of a response, less what a KL penalty takes from each token.
//!
//! ```text
//! r_t = [t last] reward - coef * kl_t
//! ```

use anyhow::{Context, Result};

use crate::types::{KlEstimator, MeasuredTree, PathField, Reward};

/// The rewards of one tree.
pub(crate) struct Rewards<'t> {
    /// The responses and what was measured of them.
    pub tree: &'t MeasuredTree,
    penalties: Option<PathField<f64>>,
}

impl<'t> Rewards<'t> {
    /// What the graders gave, nothing else.
    #[must_use]
    pub(crate) fn of_graders(tree: &'t MeasuredTree) -> Self {
        Self { tree, penalties: None }
    }

    /// Less `coef` times the divergence from the reference, estimated by `estimator` on each token.
    ///
    /// # Errors
    /// If log-probabilities under policy or reference were not measured.
    pub(crate) fn with_kl(tree: &'t MeasuredTree, estimator: KlEstimator, coef: f64) -> Result<Self> {
        let reference =
            tree.ref_logprobs.as_ref().context("KL in the reward: the reference was not measured")?;
        let of_leaf = |leaf| {
            let policy = tree.old_logprobs(leaf);
            let policy = policy.context("KL in the reward: no log-probabilities were measured")?;
            let pairs = policy.iter().zip(reference.path(leaf));
            Ok(pairs.map(|(new, reference)| coef * estimator.token(*new, *reference)).collect())
        };
        let penalties = (0..tree.tree.leaves.len()).map(of_leaf).collect::<Result<_>>()?;
        Ok(Self { tree, penalties: Some(PathField::new(&tree.tree, penalties)?) })
    }

    /// The whole reward of each response; `None` of those that were not graded.
    #[must_use]
    pub(crate) fn totals(&self) -> Vec<Option<f64>> {
        self.rewards().map(|reward| Some(reward?.value)).collect()
    }

    /// The whole rewards of the responses that were graded.
    #[must_use]
    pub(crate) fn graded(&self) -> Vec<f64> {
        self.rewards().flatten().map(|reward| reward.value).collect()
    }

    /// Whether response `leaf` was graded.
    #[must_use]
    pub(crate) fn is_graded(&self, leaf: usize) -> bool {
        self.tree.tree.leaves[leaf].is_graded
    }

    fn rewards(&self) -> impl Iterator<Item = Option<Reward>> {
        self.tree.tree.leaves.iter().enumerate().map(|(leaf, own)| {
            let Reward { mut value, mut rounding } = own.reward()?;
            if let Some(all) = &self.penalties {
                value -= all.path(leaf).iter().sum::<f64>();
                rounding += all.path(leaf).iter().copied().map(Reward::rounding_of).sum::<f64>();
            }
            Some(Reward { value, rounding })
        })
    }

    /// The reward of each token of response `leaf`, `[R]`.
    #[must_use]
    pub(crate) fn tokens(&self, leaf: usize) -> Vec<f64> {
        let own = &self.tree.tree.leaves[leaf];
        let mut tokens = match &self.penalties {
            Some(all) => all.path(leaf).iter().map(|penalty| -penalty).collect(),
            None => vec![0.0; own.tokens.len()],
        };
        if let Some(last) = tokens.last_mut() {
            *last += own.verdict.value;
        }
        tokens
    }

    /// Whether the rewards tell the graded responses apart: false when all are equal but for rounding.
    #[must_use]
    pub(crate) fn differ(&self) -> bool {
        Reward::differ(self.rewards().flatten())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::credit::advantage::testing::group;
    use crate::types::OldLogprobs;

    #[test]
    fn a_penalty_is_taken_from_each_token_and_the_reward_comes_last() {
        let mut tree = group(&[1.0, 1.0]); // responses of 1 and 2 tokens
        assert!(!Rewards::of_graders(&tree).differ());
        assert_eq!(Rewards::of_graders(&tree).tokens(1), [0.0, 1.0]);
        let old = PathField::new(&tree.tree, vec![vec![-1.0], vec![-1.0, -0.5]]).unwrap();
        tree.old_logprobs = OldLogprobs::Measured(old);
        assert!(Rewards::with_kl(&tree, KlEstimator::K1, 0.1).is_err());
        tree.ref_logprobs = Some(PathField::new(&tree.tree, vec![vec![-1.0], vec![-2.0, -0.25]]).unwrap());
        let rewards = Rewards::with_kl(&tree, KlEstimator::K1, 0.1).unwrap();
        assert_eq!(rewards.tokens(0), [1.0]);
        let expected = [-0.1, 1.0 + 0.025];
        assert!(rewards.tokens(1).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12));
        assert!(rewards.graded().iter().zip([1.0, 0.925]).all(|(a, b)| (a - b).abs() < 1e-12));
        assert!(rewards.differ());
    }
}
