//! Inner products of the gradients of disjoint batches, and what they say without bias.
//!
//! ```text
//! g_s^a    mean gradient of arm s over the prompts of fold a;  u the uniform arm;  m folds of b prompts each
//! N = mean over a != b of <g_s^a, g_u^b>        E N = <mu_s, grad J>
//! M = mean over a != b of <g_s^a, g_s^b>        E M = |mu_s|^2
//! Q = mean over a      of <g_s^a, g_s^a>        E Q = |mu_s|^2 + tau_s / b
//! ```
//!
//! A product within one batch holds the noise that both gradients have in common, which is far above what they agree in: it
//! makes every arm with positive coefficients look aligned. So products of different batches alone say where an arm leads.

use serde::{Deserialize, Serialize};

/// A square matrix of m rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Square {
    rows: Vec<Vec<f64>>,
}

impl Square {
    /// The matrix whose entry in row a and column b is `entry(a, b)`.
    pub(crate) fn from_fn(m: usize, entry: impl Fn(usize, usize) -> f64) -> Self {
        Self { rows: (0..m).map(|a| (0..m).map(|b| entry(a, b)).collect()).collect() }
    }

    /// The entry in row `a` and column `b`.
    pub(crate) fn at(&self, a: usize, b: usize) -> f64 {
        self.rows[a][b]
    }
}

/// The inner products of one arm in one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Products {
    /// `<g_s^a, g_u^b>` in row a and column b.
    pub cross: Square,
    /// `<g_s^a, g_s^b>`.
    pub own: Square,
}

/// What the products of an arm estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moments {
    /// N, of `<mu_s, grad J>`.
    pub aligned: f64,
    /// M, of `|mu_s|^2`.
    pub mean_squared: f64,
    /// Q, of `|mu_s|^2 + tau_s / b`.
    pub squared: f64,
}

impl Products {
    /// Estimates in which fold a counts `weights[a]` times: all 1 for the whole, one 0 to leave a fold out, other whole
    /// numbers to draw folds again.
    pub(crate) fn moments(&self, weights: &[f64]) -> Moments {
        Moments {
            aligned: across(&self.cross, weights),
            mean_squared: across(&self.own, weights),
            squared: within(&self.own, weights),
        }
    }
}

impl Moments {
    /// E of the squared norm of the gradient of `ratio` batches of b prompts together: `|mu_s|^2 + tau_s / (ratio b)`.
    pub(crate) fn squared_at(&self, ratio: f64) -> f64 {
        self.mean_squared + (self.squared - self.mean_squared) / ratio
    }
}

/// Mean over pairs of different folds.
fn across(products: &Square, weights: &[f64]) -> f64 {
    let (mut sum, mut n) = (0.0, 0.0);
    for (a, row) in products.rows.iter().enumerate() {
        for (b, product) in row.iter().enumerate().filter(|(b, _)| *b != a) {
            let weight = weights[a] * weights[b];
            sum += weight * product;
            n += weight;
        }
    }
    if n > 0.0 { sum / n } else { 0.0 }
}

/// Mean over folds.
fn within(products: &Square, weights: &[f64]) -> f64 {
    let n: f64 = weights.iter().sum();
    let sum: f64 = weights.iter().enumerate().map(|(a, weight)| weight * products.at(a, a)).sum();
    if n > 0.0 { sum / n } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_formulas() {
        // Gradients (1, 2), (3, 0), (0, 1) of the arm and (1, 0), (0, 1), (2, 2) of uniform.
        let (arm, uniform) = ([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]]);
        let dot = |x: [f64; 2], y: [f64; 2]| x[0] * y[0] + x[1] * y[1];
        let products = Products {
            cross: Square::from_fn(3, |a, b| dot(arm[a], uniform[b])),
            own: Square::from_fn(3, |a, b| dot(arm[a], arm[b])),
        };
        // Rows of cross: (1, 2, 6), (3, 0, 6), (0, 1, 2). By the sums: <(4, 3), (3, 3)> = 21, less 1 + 0 + 2 within.
        let whole = Moments { aligned: 18.0 / 6.0, mean_squared: 10.0 / 6.0, squared: 15.0 / 3.0 };
        assert_eq!(products.moments(&[1.0; 3]), whole);
        let without = Moments { aligned: 5.0 / 2.0, mean_squared: 3.0, squared: 7.0 };
        assert_eq!(products.moments(&[1.0, 1.0, 0.0]), without);
        // A fold drawn twice is no pair with itself.
        let again = products.moments(&[2.0, 1.0, 0.0]);
        assert_eq!((again.aligned, again.squared), (5.0 / 2.0, (2.0 * 5.0 + 9.0) / 3.0));
        assert_eq!(whole.squared_at(1.0), whole.squared);
        assert!((whole.squared_at(4.0) - (10.0 / 6.0 + (5.0 - 10.0 / 6.0) / 4.0)).abs() < 1e-12);
    }
}
