//! Estimates with their uncertainty.

use serde::{Deserialize, Serialize};

use crate::stats::{mean, squares};

/// A mean and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Estimate {
    /// Mean over problems.
    pub mean: f64,
    /// Lower and upper end.
    pub ci95: [f64; 2],
}

impl Estimate {
    /// Half the width of the interval; an interval of a share near 0 or 1 reaches farther to the other side.
    #[must_use]
    pub(crate) fn half_width(&self) -> f64 {
        (self.ci95[1] - self.ci95[0]) / 2.0
    }
}

/// Mean of one share per problem, 0 to 1, and its 95 % interval; for no problem at all 0, of which nothing is known.
///
/// ```text
/// centre (p + z^2 / 2m) / (1 + z^2 / m),  half z / (1 + z^2 / m) * sqrt(p (1 - p) / m + z^2 / 4m^2)      Wilson 1927
/// m = n p (1 - p) / s^2, the number of coins of chance p whose mean varies as much as that of the n shares, at most the
/// n * `responses` that there were; n where all shares are the same
/// ```
///
/// Unlike mean ± z s / √n it has a width where all or none of a few problems are solved, and stays within 0 and 1.
pub(crate) fn estimate(values: impl Iterator<Item = f64>, responses: usize) -> Estimate {
    const Z: f64 = 1.959_963_984_540_054;
    let values: Vec<f64> = values.collect();
    if values.is_empty() {
        return Estimate { mean: 0.0, ci95: [0.0, 1.0] };
    }
    let n = values.len() as f64;
    let (mean, variance) = (mean(&values), squares(&values) / n);
    let coin = mean * (1.0 - mean);
    let m = if variance > 1e-12 { (n * coin / variance).min(n * responses as f64) } else { n };
    let shrink = 1.0 + Z * Z / m;
    let centre = (mean + Z * Z / (2.0 * m)) / shrink;
    let half = Z / shrink * (coin / m + (Z / (2.0 * m)).powi(2)).sqrt();
    Estimate { mean, ci95: [(centre - half).clamp(0.0, mean), (centre + half).clamp(mean, 1.0)] }
}

/// Chance that at least one of `k` responses drawn from `n`, of which `correct` are right, is right.
#[must_use]
pub(crate) fn pass_at_k(n: usize, correct: usize, k: usize) -> f64 {
    if n - correct < k {
        return 1.0;
    }
    1.0 - (n - correct + 1..=n).map(|i| 1.0 - k as f64 / i as f64).product::<f64>()
}

/// The k of pass@k that `n` samples are asked about: the powers of two from 2 on and `n` itself. Only a single sample has
/// pass@1, which is its average.
#[must_use]
pub(crate) fn pass_sizes(n: usize) -> Vec<usize> {
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

    fn interval(values: &[f64], responses: usize) -> [f64; 2] {
        estimate(values.iter().copied(), responses).ci95
    }

    fn assert_near(got: [f64; 2], expected: [f64; 2]) {
        assert!(
            got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6),
            "{got:?}, expected {expected:?}"
        );
    }

    /// scipy 1.17: `stats.binomtest(50, 100).proportion_ci(method="wilson")`, `(0, 8)` and `(7, 8)`.
    #[test]
    fn the_interval_of_coins_is_wilson_s() {
        let coins: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        assert_near(interval(&coins, 1), [0.403_831_530, 0.596_168_470]);
        assert_near(interval(&[0.0; 8], 1), [0.0, 0.324_407_563]);
        assert_near(interval(&[0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 1), [0.529_111_818, 0.977_582_509]);
    }

    #[test]
    fn shares_of_several_responses_count_for_as_many_coins_as_they_vary() {
        // Problems that are always or never solved are single coins, whatever the number of responses.
        let sure: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        assert_eq!(interval(&sure, 1), interval(&sure, 4));
        // Half the spread is a quarter of the variance: 400 coins, but no more than there were responses.
        let half: Vec<f64> = sure.iter().map(|v| 0.25 + v / 2.0).collect();
        let coins: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        assert_near(interval(&half, 8), interval(&coins, 1));
        assert_near(interval(&half, 2), interval(&coins[..200], 1));
        assert_near(interval(&[0.5; 50], 8), interval(&sure[..50], 1));
        assert_eq!(interval(&[], 4), [0.0, 1.0]);
    }
}
