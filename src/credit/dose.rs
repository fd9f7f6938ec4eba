//! How much credit there is beside uniform, whatever it falls on: the dose, and the drift that comes with it.
//!
//! ```text
//! mean   sum_t gamma_t / n                          1 is uniform; under plain gradient descent a larger learning rate
//! sum    sum_t gamma_t over a response              what a response weighs in the batch
//! Gini   sum_k (2 k - n - 1) gamma_(k) / (n sum_t gamma_t)            0 pays all alike, 1 - 1/n pays one token alone
//! drift  mean_t (gamma_t - 1) A_t                   a push on what was sampled, whether it was right or not
//! entropy drift  - cov_t( (gamma_t - 1) A_t, log p_t )               below 0 that push makes the policy surer
//! ```
//!
//! Advantages that compare responses sum to 0 over a group. Gains that follow the token or the rest of its response break
//! this: the push that is left acts without any reward, and its covariance with the log-probabilities says whether it makes the policy
//! surer. Tokens of all states are taken together, so that its sign counts and not its size.

use crate::types::{Leaf, MeasuredTree, MetricRow, PathField};

/// A leaf with its gains and estimated advantages.
type Path<'t> = (&'t Leaf, (&'t [f32], &'t [f32]));

/// `credit/*` of every chain: `gains` on the advantages `estimated` of the leaves of `trees` that are paid.
pub(super) fn metrics(
    trees: &[MeasuredTree],
    gains: &[PathField<f32>],
    estimated: &[PathField<f32>],
    is_paid: impl Fn(&Leaf) -> bool,
) -> MetricRow {
    let mut paths: Vec<Path<'_>> = Vec::new();
    for ((tree, gains), estimated) in trees.iter().zip(gains).zip(estimated) {
        let own = tree.tree.leaves.iter().zip(gains.iter().zip(estimated.iter()));
        paths.extend(own.filter(|(leaf, _)| is_paid(leaf)));
    }
    let mut sorted: Vec<f64> =
        paths.iter().flat_map(|(_, (gains, _))| gains.iter()).copied().map(f64::from).collect();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len().max(1) as f64;
    let n_responses = paths.len().max(1) as f64;
    let sum: f64 = sorted.iter().sum();
    let boosted = sorted.iter().filter(|gain| **gain > 1.0).count() as f64;
    let Drift { push, entropy } = Drift::new(&paths);
    MetricRow::from_iter([
        ("credit/boosted_frac", boosted / n),
        ("credit/gain_mean", sum / n),
        ("credit/gain_sum", sum / n_responses),
        ("credit/gain_gini", gini(&sorted)),
        ("credit/drift", push),
        ("credit/entropy_drift", entropy),
    ])
}

/// Gini's coefficient of numbers of at least 0 that are in order; 0 of none, and where all are 0.
pub(crate) fn gini(sorted: &[f64]) -> f64 {
    let (n, sum) = (sorted.len() as f64, sorted.iter().sum::<f64>());
    let ranked: f64 = sorted.iter().zip(1u32..).map(|(x, k)| (2.0 * f64::from(k) - n - 1.0) * x).sum();
    if sum > 0.0 { ranked / (n * sum) } else { 0.0 }
}

/// What credit adds to the advantages of all tokens alike.
struct Drift {
    push: f64,
    entropy: f64,
}

impl Drift {
    fn new(paths: &[Path<'_>]) -> Self {
        let (mut n, mut sum, mut logprobs, mut products) = (0u64, 0.0, 0.0, 0.0);
        for (leaf, (gains, estimated)) in paths {
            for ((gain, advantage), logprob) in gains.iter().zip(*estimated).zip(&leaf.logprobs) {
                let added = (f64::from(*gain) - 1.0) * f64::from(*advantage);
                n += 1;
                sum += added;
                logprobs += f64::from(*logprob);
                products += added * f64::from(*logprob);
            }
        }
        let n = n.max(1) as f64;
        let push = sum / n;
        Self { push, entropy: push * (logprobs / n) - products / n }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::credit::advantage::testing::group;

    #[test]
    fn gini_says_how_unevenly_gains_are_spread() {
        let close =
            |sorted: &[f64], expected: f64| assert!((gini(sorted) - expected).abs() < 1e-12, "{sorted:?}");
        close(&[], 0.0);
        close(&[0.0, 0.0], 0.0);
        close(&[1.5, 1.5, 1.5], 0.0);
        close(&[0.0, 0.0, 0.0, 2.0], 0.75);
        // The mean absolute difference, 2 (2 + 1 + 1) / 9, over twice the mean of 2.
        close(&[1.0, 2.0, 3.0], 2.0 / 9.0);
        // Six in ten get 1, four 1.5: 0.6 0.4 0.5 / 1.2.
        close(&[1.0, 1.0, 1.0, 1.5, 1.5], 0.1);
    }

    #[test]
    fn drift_is_what_is_left_of_the_push_without_the_reward() {
        // Responses of one and two tokens; advantages 0.5 and -0.5.
        let mut tree = group(&[1.0, 0.0]);
        tree.tree.leaves[0].logprobs = vec![-1.0];
        tree.tree.leaves[1].logprobs = vec![-2.0, -3.0];
        let advantages = [PathField::from_fn(&tree.tree, |leaf, _| [0.5, -0.5][leaf])];
        let trees = [tree];
        let row = |gain: fn(usize, usize) -> f32| {
            metrics(&trees, &[PathField::from_fn(&trees[0].tree, gain)], &advantages, |_| true)
        };
        let close = |row: &MetricRow, key: &str, expected: f64| {
            assert!((row.get(key).unwrap() - expected).abs() < 1e-7, "{key}: {:?}", row.get(key));
        };
        let uniform = row(|_, _| 1.0);
        for (key, expected) in [
            ("credit/boosted_frac", 0.0),
            ("credit/gain_mean", 1.0),
            ("credit/gain_sum", 1.5),
            ("credit/gain_gini", 0.0),
            ("credit/drift", 0.0),
            ("credit/entropy_drift", 0.0),
        ] {
            close(&uniform, key, expected);
        }
        // 0.5 more for the first token of both: pushes of 0.25, -0.25 and 0.
        let first = row(|_, t| if t == 0 { 1.5 } else { 1.0 });
        close(&first, "credit/drift", 0.0);
        close(&first, "credit/entropy_drift", (0.25 - 0.5) / 3.0);
        close(&first, "credit/gain_sum", 2.0);
        // For the last of the wrong one alone: less of what is rare, so that entropy falls.
        let last = row(|_, t| if t == 1 { 1.5 } else { 1.0 });
        close(&last, "credit/drift", -0.25 / 3.0);
        close(&last, "credit/entropy_drift", (-0.25 / 3.0) * -2.0 - (-0.25 * -3.0) / 3.0);
    }
}
