//! Means over seeds and paired differences, with Student's t.
//!
//! ```text
//! mean      m = Σ x_i / n        interval  m ± t(0.975, n-1) s / √n,   s² = Σ (x_i - m)² / (n-1)
//! paired    x_i = arm - baseline of the same seed,   t = m √n / s,   p = 2 P(T_{n-1} > |t|)
//!           from three values on: two leave one degree of freedom, with which an interval says nothing of use
//! area      Σ (y_i + y_{i+1}) / 2 · (x_{i+1} - x_i)  /  (x_last - x_first)
//! ```

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::stats::{mean, variance};

/// Seeds from which on an interval and a p-value are given.
pub(crate) const LEAST: usize = 3;

/// A mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Mean {
    /// Number of seeds.
    pub n: usize,
    /// The mean.
    pub mean: f64,
    /// 95 % interval, lower and upper end; `None` below [`LEAST`] seeds.
    pub ci95: Option<[f64; 2]>,
}

/// A mean difference over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Paired {
    /// The difference: arm minus baseline, over the seeds that both have.
    #[serde(flatten)]
    pub difference: Mean,
    /// Two-sided p-value of the paired t-test; `None` below [`LEAST`] seeds and for differences that are all the same.
    pub p: Option<f64>,
}

impl Mean {
    /// Of one value per seed; `None` without any.
    #[must_use]
    pub(crate) fn from_values(values: &[f64]) -> Option<Self> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = mean(values);
        let ci95 = standard_error(values).zip(student(n)).map(|(error, t)| {
            let half = t.inverse_cdf(0.975) * error;
            [mean - half, mean + half]
        });
        Some(Self { n, mean, ci95 })
    }

    /// Half the width of the interval.
    #[must_use]
    pub(crate) fn half_width(&self) -> Option<f64> {
        self.ci95.map(|[low, high]| (high - low) / 2.0)
    }
}

impl Paired {
    /// Of one difference per seed; `None` without any.
    #[must_use]
    pub(crate) fn from_differences(differences: &[f64]) -> Option<Self> {
        let difference = Mean::from_values(differences)?;
        let error = standard_error(differences);
        // Differences that are equal up to rounding leave nothing to compare their mean with.
        let error = error.filter(|error| *error > 1e-12 * difference.mean.abs());
        let p = error
            .zip(student(differences.len()))
            .map(|(error, t)| 2.0 * t.sf((difference.mean / error).abs()));
        Some(Self { difference, p })
    }
}

/// s / √n; `None` for fewer than [`LEAST`] values.
fn standard_error(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    (values.len() >= LEAST).then(|| (variance(values) / n).sqrt())
}

/// Student's distribution for the mean of `n` values; `None` below 2.
fn student(n: usize) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, n.checked_sub(1)? as f64).ok()
}

/// Mean height of the curve through `points` (x rising, y) by the trapezoid rule; `None` for fewer than two points.
#[must_use]
pub(crate) fn area(points: &[(f64, f64)]) -> Option<f64> {
    let (first, last) = (points.first()?.0, points.last()?.0);
    let pieces = points.iter().zip(&points[1..]).map(|((x0, y0), (x1, y1))| (y0 + y1) / 2.0 * (x1 - x0));
    (last > first).then(|| pieces.sum::<f64>() / (last - first))
}

/// Height at `x` of the straight pieces through `points` (x rising, y); `None` outside of them.
#[must_use]
pub(crate) fn interpolate(points: &[(f64, f64)], x: f64) -> Option<f64> {
    let next = points.iter().position(|point| point.0 >= x)?;
    let (x1, y1) = points[next];
    if x1 == x {
        return Some(y1);
    }
    let (x0, y0) = points[next.checked_sub(1)?];
    Some(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-9, "{got}, expected {expected}");
    }

    /// scipy 1.17: `x = [0.41, 0.47, 0.52, 0.44, 0.49]; stats.t.interval(0.95, 4, np.mean(x), stats.sem(x))`.
    #[test]
    fn the_interval_is_student_s() {
        let mean = Mean::from_values(&[0.41, 0.47, 0.52, 0.44, 0.49]).unwrap();
        close(mean.mean, 0.466);
        let [low, high] = mean.ci95.unwrap();
        close(low, 0.412_883_477_556);
        close(high, 0.519_116_522_444);
    }

    /// scipy 1.17: `stats.ttest_rel([0.41, 0.47, 0.52, 0.44, 0.49], [0.40, 0.43, 0.53, 0.40, 0.45]).pvalue`.
    #[test]
    fn the_paired_test_is_scipy_s() {
        let paired = Paired::from_differences(&[0.01, 0.04, -0.01, 0.04, 0.04]).unwrap();
        close(paired.difference.mean, 0.024);
        close(paired.p.unwrap(), 0.080_156_674_210);
        let mirrored = Paired::from_differences(&[-0.01, -0.04, 0.01, -0.04, -0.04]).unwrap();
        close(mirrored.p.unwrap(), 0.080_156_674_210);
        assert_eq!(mirrored.difference.mean, -paired.difference.mean);
    }

    /// With three values t has two degrees of freedom, where its distribution is known in closed form: t(0.975) = 0.95 / √(2 · 0.975 ·
    /// 0.025), and p = 1 - t / √(2 + t²) with t = mean √3 / s.
    #[test]
    fn three_seeds_are_enough_for_an_interval() {
        let paired = Paired::from_differences(&[0.1, 0.2, 0.3]).unwrap();
        let error = 0.1 / 3f64.sqrt();
        let quantile = 0.95 / (2.0 * 0.975 * 0.025f64).sqrt();
        close(paired.difference.half_width().unwrap(), quantile * error);
        let t = 0.2 / error;
        close(paired.p.unwrap(), 1.0 - t / (2.0 + t * t).sqrt());
    }

    #[test]
    fn what_cannot_be_said_is_not_said() {
        assert_eq!((Mean::from_values(&[]), Paired::from_differences(&[])), (None, None));
        for few in [&[0.2][..], &[0.1, 0.3]] {
            let Paired { difference, p } = Paired::from_differences(few).unwrap();
            assert_eq!((difference.n, difference.ci95, p), (few.len(), None, None));
            close(difference.mean, 0.2);
        }
        for same in [[0.0; 3], [0.1; 3]] {
            assert_eq!(Paired::from_differences(&same).unwrap().p, None);
        }
    }

    #[test]
    fn areas_are_those_of_trapezoids() {
        // 10 wide: 2 · (0 + 1) / 2 + 8 · (1 + 0.5) / 2 = 7, over 10.
        close(area(&[(0.0, 0.0), (2.0, 1.0), (10.0, 0.5)]).unwrap(), 0.7);
        close(area(&[(5.0, 0.3), (6.0, 0.3), (9.0, 0.3)]).unwrap(), 0.3);
        assert_eq!((area(&[]), area(&[(1.0, 1.0)])), (None, None));
    }

    #[test]
    fn curves_are_read_between_their_points_only() {
        let points = [(0.0, 0.0), (2.0, 1.0), (4.0, 0.0)];
        for (x, y) in
            [(0.0, Some(0.0)), (0.5, Some(0.25)), (2.0, Some(1.0)), (3.0, Some(0.5)), (4.0, Some(0.0))]
        {
            assert_eq!(interpolate(&points, x), y);
        }
        assert_eq!((interpolate(&points, -0.1), interpolate(&points, 4.1)), (None, None));
    }
}
