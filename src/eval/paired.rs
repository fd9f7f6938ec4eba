//! Two policies on the same problems.
//!
//! ```text
//! d = a - b,   φ = corr(a_i, b_i) over problems, 0 where one of them does not vary
//! lower  d - sqrt((a - a_low)²  - 2 φ (a - a_low) (b_high - b) + (b_high - b)²)
//! upper  d + sqrt((a_high - a)² - 2 φ (a_high - a) (b - b_low) + (b - b_low)²)      Newcombe 1998 (paired), method 8
//! ```
//!
//! a_low, a_high, b_low, b_high are the ends of the intervals of [`estimate`]; so the difference has a width where neither
//! policy solves anything.

use super::statistics::{Estimate, estimate};

/// Mean of `a` minus mean of `b`, of which each pair is one problem, and its 95 % interval; `responses` as for [`estimate`].
#[must_use]
pub(crate) fn difference(pairs: &[(f64, f64)], responses: usize) -> Estimate {
    let a = estimate(pairs.iter().map(|pair| pair.0), responses);
    let b = estimate(pairs.iter().map(|pair| pair.1), responses);
    let covariance = |x: fn(&(f64, f64)) -> (f64, f64), (mx, my): (f64, f64)| {
        pairs.iter().map(x).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>()
    };
    let (aa, bb) =
        (covariance(|p| (p.0, p.0), (a.mean, a.mean)), covariance(|p| (p.1, p.1), (b.mean, b.mean)));
    let scale = (aa * bb).sqrt();
    let correlation = if scale > 1e-12 { covariance(|p| *p, (a.mean, b.mean)) / scale } else { 0.0 };
    let reach = |x: f64, y: f64| (x * x - 2.0 * correlation * x * y + y * y).max(0.0).sqrt();
    let mean = a.mean - b.mean;
    let below = reach(a.mean - a.ci95[0], b.ci95[1] - b.mean);
    let above = reach(a.ci95[1] - a.mean, b.mean - b.ci95[0]);
    Estimate { mean, ci95: [(mean - below).max(-1.0), (mean + above).min(1.0)] }
}

/// Mean of independent estimates, each with the same weight. Each end of the interval is as far as those of the estimates
/// are together: `sqrt(Σ distance²) / n` (Zou and Donner 2008). `None` of none.
#[must_use]
pub(crate) fn average(estimates: &[Estimate]) -> Option<Estimate> {
    let n = estimates.len() as f64;
    let mean = estimates.iter().map(|e| e.mean).sum::<f64>() / n;
    let reach = |end: usize| estimates.iter().map(|e| (e.ci95[end] - e.mean).powi(2)).sum::<f64>().sqrt() / n;
    (!estimates.is_empty()).then(|| Estimate { mean, ci95: [mean - reach(0), mean + reach(1)] })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const LOWER: f64 = -0.127901781;
    const UPPER: f64 = 0.535751736;

    fn assert_near(got: Estimate, mean: f64, ci95: [f64; 2]) {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
        let holds = near(got.mean, mean) && near(got.ci95[0], ci95[0]) && near(got.ci95[1], ci95[1]);
        assert!(holds, "{got:?}, expected {mean} {ci95:?}");
    }

    /// By hand: 2 of 4 is 0.5 in [0.150039, 0.849961] and 1 of 4 is 0.25 in [0.045587, 0.699358] (Wilson), φ = 1/√3.
    /// lower 0.25 - √(0.349961² - 2φ · 0.349961 · 0.449358 + 0.449358²), upper 0.25 + √(0.349961² - 2φ · 0.349961 · 0.204413 +
    /// 0.204413²).
    #[test]
    fn the_interval_of_a_difference_is_newcombe_s() {
        let pairs = [(1.0, 1.0), (1.0, 0.0), (0.0, 0.0), (0.0, 0.0)];
        assert_near(difference(&pairs, 1), 0.25, [LOWER, UPPER]);
        let swapped = pairs.map(|(a, b)| (b, a));
        assert_near(difference(&swapped, 1), -0.25, [-UPPER, -LOWER]);
    }

    #[test]
    fn a_policy_does_not_differ_from_itself_and_nothing_solved_is_not_known_to_be_the_same() {
        let own = [(0.5, 0.5), (1.0, 1.0), (0.0, 0.0), (0.25, 0.25)];
        let same = difference(&own, 4);
        assert!(same.mean == 0.0 && same.half_width() < estimate(own.iter().map(|p| p.0), 4).half_width());
        // Neither solves any of 8: each is within [0, 0.324408], independently.
        assert_near(difference(&[(0.0, 0.0); 8], 1), 0.0, [-0.324_407_563, 0.324_407_563]);
    }

    #[test]
    fn an_average_of_sets_is_surer_than_each() {
        let set = |mean: f64, low: f64, high: f64| Estimate { mean, ci95: [low, high] };
        let both = average(&[set(0.5, 0.2, 0.9), set(0.1, 0.06, 0.4)]).unwrap();
        // (0.3, 0.04) and (0.4, 0.3) below and above.
        assert_near(both, 0.3, [0.3 - 0.0916f64.sqrt() / 2.0, 0.3 + 0.25]);
        assert_eq!(average(&[]), None);
        assert_near(average(&[set(0.5, 0.2, 0.9)]).unwrap(), 0.5, [0.2, 0.9]);
    }
}
