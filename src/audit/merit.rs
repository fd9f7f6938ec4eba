//! Progress per response, relative to uniform credit.
//!
//! ```text
//! merit_B(s) = <mu_s, grad J> / sqrt(|mu_s|^2 + tau_s / B)      progress of a step of fixed RMS length, B prompts a step
//! R_s(B)     = merit_B(s) / merit_B(u) = (N_s / N_u) sqrt(D_u / D_s),   D(B) = M (1 - b / B) + Q b / B
//! B_noise    = tau_u / |grad J|^2                               prompts at which signal and noise are equal
//! B' / B     = (B_noise / B) k^2 / (1 - k^2),  k^2 = R^2 / (1 + B_noise / B)    what uniform would need for the same
//! ```
//!
//! It does not change when all coefficients are multiplied by a number: it says what credit knows, not how much it pays. With
//! large batches nothing beats uniform on the objective that uniform follows. Intervals leave out one fold at a time; all arms
//! have the same folds, so that what they have in common does not widen them.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::gram::{Moments, Products};

/// Signal over standard error below which the alignment of uniform is taken for noise, and no ratio to it is told.
const CLEAR: f64 = 3.0;
/// Half width of an interval of R that settles a mild reweighting.
pub(crate) const SETTLED: f64 = 0.05;

/// The folds of an audit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Folds {
    /// How many, m.
    pub n: usize,
    /// Prompts in each, b.
    pub prompts: usize,
    /// Prompts of a training step, B.
    pub batch: f64,
}

/// An estimate with its standard error and 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Lower and upper end.
    pub ci95: [f64; 2],
}

/// What uniform credit does on its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Uniform {
    /// N_u, of `|grad J|^2`.
    pub signal: f64,
    /// Its standard error.
    pub error: f64,
    /// B_noise in prompts; infinite where no signal was found.
    pub noise_prompts: f64,
    /// Folds that the squared gradients rest on, `(sum Q_a)^2 / sum Q_a^2`: all of them where all are as long.
    pub effective_folds: f64,
}

/// What one arm does, relative to uniform.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Merit {
    /// R at the batch of training.
    pub ratio: Estimate,
    /// B' / B: how many responses of uniform one of this arm is worth.
    pub equivalent: Estimate,
    /// Cosine of `mu_s` and `grad J`: whether it leads elsewhere.
    pub cosine: f64,
    /// `tau_s / tau_u` at equal `<mu_s, grad J>`: whether it is noisier.
    pub noise: f64,
    /// `|mu_s| / |mu_u|`: how much longer its steps are, which R leaves out.
    pub dose: f64,
    /// Two-sided p-value of R = 1.
    pub p: f64,
}

impl Uniform {
    /// Of the products of uniform with itself.
    pub(crate) fn new(products: &Products, folds: Folds) -> Self {
        let whole = products.moments(&vec![1.0; folds.n]);
        let left_out = leave_one_out(folds.n, |weights| products.moments(weights).aligned);
        let noise = (whole.squared - whole.mean_squared) * folds.prompts as f64;
        let noise_prompts = if whole.aligned > 0.0 { noise / whole.aligned } else { f64::INFINITY };
        let squared: Vec<f64> = (0..folds.n).map(|a| products.own.at(a, a)).collect();
        let effective_folds = crate::stats::effective(&squared);
        Self { signal: whole.aligned, error: spread(&left_out), noise_prompts, effective_folds }
    }

    /// Whether the objective's slope was found, so that something can be said relative to it.
    pub(crate) fn is_clear(&self) -> bool {
        self.signal > CLEAR * self.error
    }

    /// How much smaller its error must be to find it, as far as can be told.
    pub(crate) fn narrower(&self) -> f64 {
        if self.error == 0.0 {
            // No two folds have responses that differ in reward.
            return f64::INFINITY;
        }
        // A signal within its own noise may as well be half as large.
        CLEAR * self.error / self.signal.max(0.5 * self.error)
    }
}

/// R at steps of `ratio` folds.
fn progress(arm: Moments, uniform: Moments, ratio: f64) -> f64 {
    (arm.aligned / uniform.aligned) * (uniform.squared_at(ratio) / arm.squared_at(ratio)).sqrt()
}

impl Merit {
    /// Of the products of an arm and those of uniform with itself.
    pub(crate) fn new(arm: &Products, uniform: &Products, folds: Folds) -> Self {
        let all = vec![1.0; folds.n];
        let (own, base) = (arm.moments(&all), uniform.moments(&all));
        let (ratio, p) = Self::ratio_at(arm, uniform, folds, folds.batch);
        let scale = own.aligned / base.aligned;
        let noise = |moments: Moments| moments.squared - moments.mean_squared;
        let noise_prompts = Uniform::new(uniform, folds).noise_prompts;
        let equivalent = |r: f64| equivalent(r, noise_prompts / folds.batch);
        Self {
            ratio,
            equivalent: Estimate { value: equivalent(ratio.value), ci95: ratio.ci95.map(equivalent) },
            // By the same directions above and below where norms are found by these, which cancels most of what chance brings in.
            cosine: scale * (base.mean_squared / own.mean_squared).sqrt(),
            noise: noise(own) / noise(base) / (scale * scale),
            dose: (own.mean_squared / base.mean_squared).sqrt(),
            p,
        }
    }

    /// R at steps of `batch` prompts, and the p-value of R = 1.
    pub(crate) fn ratio_at(arm: &Products, uniform: &Products, folds: Folds, batch: f64) -> (Estimate, f64) {
        let ratio = batch / folds.prompts as f64;
        let of = |weights: &[f64]| progress(arm.moments(weights), uniform.moments(weights), ratio);
        let whole = of(&vec![1.0; folds.n]);
        let left_out = leave_one_out(folds.n, of);
        (Estimate::jackknife(whole, &left_out), Scaled::new(whole, &left_out).p())
    }
}

/// A ratio on the scale of logarithms where it has one, so that no interval reaches below 0.
struct Scaled {
    is_log: bool,
    centre: f64,
    error: f64,
    student: Option<StudentsT>,
}

impl Scaled {
    fn new(whole: f64, left_out: &[f64]) -> Self {
        let is_log = whole > 0.0 && left_out.iter().all(|ratio| *ratio > 0.0);
        let to = |ratio: f64| if is_log { ratio.ln() } else { ratio };
        let error = spread(&left_out.iter().copied().map(to).collect::<Vec<_>>());
        let student = StudentsT::new(0.0, 1.0, (left_out.len().max(2) - 1) as f64).ok();
        Self { is_log, centre: to(whole), error, student }
    }

    fn ci95(&self) -> [f64; 2] {
        let half = self.student.map_or(f64::INFINITY, |student| student.inverse_cdf(0.975)) * self.error;
        [self.centre - half, self.centre + half].map(|end| if self.is_log { end.exp() } else { end })
    }

    /// Two-sided, of a ratio of 1; 1 where there is no ratio, since a squared norm was estimated below 0.
    fn p(&self) -> f64 {
        let distance = self.centre - if self.is_log { 0.0 } else { 1.0 };
        let student = self.student.filter(|_| self.error > 0.0 && distance.is_finite());
        student.map_or(1.0, |student| 2.0 * student.sf((distance / self.error).abs()))
    }
}

impl Estimate {
    /// A ratio, from the ratios with one fold left out each.
    pub(crate) fn jackknife(whole: f64, left_out: &[f64]) -> Self {
        Self { value: whole, ci95: Scaled::new(whole, left_out).ci95() }
    }

    /// The same on another scale, which keeps the order.
    pub(crate) fn map(self, to: impl Fn(f64) -> f64) -> Self {
        Self { value: to(self.value), ci95: self.ci95.map(to) }
    }

    /// Half the width of the interval.
    pub(crate) fn half_width(&self) -> f64 {
        (self.ci95[1] - self.ci95[0]) / 2.0
    }
}

/// Responses of uniform that one response of an arm with R = `r` is worth, where B_noise is `noise` batches; infinite where
/// uniform would never get as far.
fn equivalent(r: f64, noise: f64) -> f64 {
    if !noise.is_finite() {
        return r * r.abs();
    }
    let k = r * r / (1.0 + noise);
    if k >= 1.0 { r.signum() * f64::INFINITY } else { r.signum() * noise * k / (1.0 - k) }
}

/// `of` with each fold left out in turn.
fn leave_one_out(n: usize, of: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let without = |fold: usize| {
        let weights: Vec<f64> = (0..n).map(|other| if other == fold { 0.0 } else { 1.0 }).collect();
        of(&weights)
    };
    (0..n).map(without).collect()
}

/// The jackknife's standard error from the values with one fold left out each.
fn spread(left_out: &[f64]) -> f64 {
    let n = left_out.len().max(1) as f64;
    ((n - 1.0) / n * crate::stats::squares(left_out)).sqrt()
}

/// p-values after Holm, in the order given: each is at most `p` with the chance `p`, however many there are.
pub(crate) fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let (mut adjusted, mut largest) = (vec![1.0; p.len()], 0f64);
    for (rank, i) in order.into_iter().enumerate() {
        largest = largest.max((p.len() - rank) as f64 * p[i]).min(1.0);
        adjusted[i] = largest;
    }
    adjusted
}

/// How much wider an interval of `m` folds is that holds for one of `n` arms as that of 95 % does for one.
pub(crate) fn wider(n: f64, m: usize) -> f64 {
    let quantile = |n: f64| {
        StudentsT::new(0.0, 1.0, (m.max(2) - 1) as f64).map(|student| student.inverse_cdf(1.0 - 0.025 / n))
    };
    let ratio = quantile(n.max(1.0)).and_then(|many| quantile(1.0).map(|one| many / one));
    ratio.unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random directions may estimate a squared norm below 0, most of all at large steps.
    #[test]
    fn a_ratio_that_there_is_not_has_no_p_value() {
        for (whole, left_out) in
            [(f64::NAN, [1.0, 1.1, 0.9]), (1.0, [f64::NAN, 1.1, 0.9]), (f64::INFINITY, [1.0, 1.1, 0.9])]
        {
            assert_eq!(Scaled::new(whole, &left_out).p(), 1.0, "{whole} {left_out:?}");
        }
        assert!(Scaled::new(1.5, &[1.5, 1.51, 1.49]).p() < 0.05);
    }
}
