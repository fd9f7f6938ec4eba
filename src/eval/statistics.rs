//! Estimates with their uncertainty.

use serde::{Deserialize, Serialize};

/// A mean and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Mean over problems.
    pub mean: f64,
    /// Lower and upper end.
    pub ci95: [f64; 2],
}

impl Estimate {
    /// Half the width of the interval.
    #[must_use]
    pub fn half_width(&self) -> f64 {
        (self.ci95[1] - self.ci95[0]) / 2.0
    }
}

/// Mean and normal 95 % interval (1.96 standard errors) of one value per problem; 0 for no problem at all.
pub fn estimate(values: impl Iterator<Item = f64>) -> Estimate {
    let values: Vec<f64> = values.collect();
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let half = 1.96 * (variance / n).sqrt();
    Estimate { mean, ci95: [mean - half, mean + half] }
}

/// Chance that at least one of `k` responses drawn from `n`, of which `correct` are right, is right.
#[must_use]
pub fn pass_at_k(n: usize, correct: usize, k: usize) -> f64 {
    if n - correct < k {
        return 1.0;
    }
    1.0 - (n - correct + 1..=n).map(|i| 1.0 - k as f64 / i as f64).product::<f64>()
}

/// The k of pass@k that `n` samples are asked about: the powers of two from 2 on and `n` itself. Only a single sample has
/// pass@1, which is its average.
#[must_use]
pub fn pass_sizes(n: usize) -> Vec<usize> {
    let powers = std::iter::successors(Some(2usize), |k| k.checked_mul(2));
    powers.take_while(|k| *k < n).chain([n]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pass_at_k_counts_the_subsets_with_a_right_answer() {
        // n = 4, 1 right: of the 6 pairs, 3 hold it.
        assert!((pass_at_k(4, 1, 2) - 0.5).abs() < 1e-12);
        assert!((pass_at_k(4, 2, 2) - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(pass_at_k(4, 0, 4), 0.0);
        assert_eq!(pass_at_k(4, 1, 4), 1.0);
    }

    /// Against the share of all subsets of k of n responses, the first c of which are right.
    #[test]
    fn pass_at_k_is_the_share_of_subsets_for_every_k() {
        for n in 1..=7u32 {
            for k in 1..=n {
                let subsets = || (0..1u32 << n).filter(|set| set.count_ones() == k);
                for c in 0..=n {
                    let right = subsets().filter(|set| set & ((1 << c) - 1) != 0).count();
                    let expected = right as f64 / subsets().count() as f64;
                    let got = pass_at_k(n as usize, c as usize, k as usize);
                    assert!((got - expected).abs() < 1e-12, "n {n}, c {c}, k {k}: {got}, {expected}");
                }
            }
        }
    }

    #[test]
    fn passes_are_asked_for_powers_of_two_and_all_samples() {
        for (n, expected) in
            [(1, vec![1]), (2, vec![2]), (3, vec![2, 3]), (4, vec![2, 4]), (16, vec![2, 4, 8, 16])]
        {
            assert_eq!(pass_sizes(n), expected);
        }
    }

    #[test]
    fn the_interval_of_a_coin_is_known() {
        let e = estimate((0..100).map(|i| f64::from(i % 2)));
        assert!((e.mean - 0.5).abs() < 1e-12);
        let half = 1.96 * (0.25 / 99.0f64).sqrt();
        assert!((e.ci95[1] - 0.5 - half).abs() < 1e-9, "{e:?}");
    }
}
