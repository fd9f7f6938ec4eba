//! From rewards to one finished advantage per response token.
//!
//! `advantage` estimates it; credit strategies reshape it. Both see plain numbers only: nothing here knows tensors.

pub mod advantage;

use anyhow::Result;

use self::advantage::{AdvantageEstimator, WithoutSignal};
use crate::types::{CreditedTree, MeasuredTree};

/// Gives every response token its advantage and says which leaves are trained.
///
/// # Errors
/// If the estimator cannot work on one of the trees.
pub fn credit(
    trees: Vec<MeasuredTree>,
    estimator: &dyn AdvantageEstimator,
    without_signal: WithoutSignal,
) -> Result<Vec<CreditedTree>> {
    let advantages = estimator.estimate(&trees)?;
    let credited = trees.into_iter().zip(advantages).map(|(measured, advantages)| {
        let kept = without_signal == WithoutSignal::Keep || measured.tree.has_signal();
        let trained = vec![kept; measured.tree.leaves.len()];
        CreditedTree { measured, advantages, trained }
    });
    Ok(credited.collect())
}
