//! How gradients are measured: by which weight each parameter counts.
//!
//! ```text
//! <x, y>_w = sum_j w_j x_j y_j        raw w = 1;  adam w = 1 / (sqrt(v) + eps);  body w = 0 on the embedding, 1 elsewhere
//! ```
//!
//! Under Adam a step is P g with P = diag(w): progress is `<mu, grad J>_w`, noise is measured by the same weights. The
//! embedding, where it is the output layer too, has most of the gradient's norm, so that it may decide alone.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::gram::Square;

/// Parameters whose products are taken at a time, so that what is in between stays small.
const BLOCK: i64 = 1 << 20;

/// Which metric.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(crate) enum MetricKind {
    /// Plain gradient descent.
    Raw,
    /// Adam's second moments.
    Adam,
    /// Plain, without the embedding.
    Body,
}

impl MetricKind {
    /// What it stands for.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Raw => "plain gradient descent",
            Self::Adam => "Adam",
            Self::Body => "plain gradient descent, the embedding left out",
        }
    }
}

/// The squared gradients that an optimiser has seen.
pub(crate) struct Moments {
    /// Their mean, `[n_params]`.
    mean: Tensor,
    /// Steps that it goes back.
    steps: f64,
}

impl Moments {
    /// Behind Adam's `second` moments after `updates` steps that each leave the share `beta` of them; `None` before the first.
    pub(crate) fn new(second: &Tensor, updates: u64, beta: f64) -> Option<Self> {
        let seen = 1.0 - beta.powf(updates as f64);
        (seen > 0.0).then(|| Self { mean: second / seen, steps: seen / (1.0 - beta) })
    }

    /// What the next step is divided by, whose own squared gradients are in proportion to `own` on average, and all together as
    /// large as those before. They are in the moments by then: a parameter that no gradient has reached so far does not take a
    /// step without bounds.
    pub(crate) fn with(&self, own: &Tensor) -> Tensor {
        let sum = |squares: &Tensor| squares.sum(Kind::Double).double_value(&[]);
        let size = sum(own);
        if size <= 0.0 {
            return self.mean.shallow_clone();
        }
        (&self.mean * self.steps + own * (sum(&self.mean) / size)) / (self.steps + 1.0)
    }
}

/// A metric with its weights.
pub(crate) struct Metric {
    /// Which it is.
    pub kind: MetricKind,
    /// The weight of each parameter, `[n_params]`; `None` where all are 1.
    weights: Option<Tensor>,
}

impl Metric {
    /// All parameters alike.
    pub(crate) fn raw() -> Self {
        Self { kind: MetricKind::Raw, weights: None }
    }

    /// By the mean of squared gradients, `[n_params]`, and the number that Adam adds to its root.
    pub(crate) fn adam(squares: &Tensor, eps: f64) -> Self {
        Self { kind: MetricKind::Adam, weights: Some((squares.sqrt() + eps).reciprocal()) }
    }

    /// Without the parameters of `places`.
    pub(crate) fn body(n_params: i64, places: &[std::ops::Range<i64>], device: Device) -> Self {
        let weights = Tensor::ones([n_params], (Kind::Float, device));
        for place in places {
            let _ = weights.narrow(0, place.start, place.end - place.start).fill_(0.0);
        }
        Self { kind: MetricKind::Body, weights: Some(weights) }
    }

    /// `gradient` with each number times its weight.
    pub(crate) fn weighed(&self, gradient: &Tensor) -> Tensor {
        self.weights.as_ref().map_or_else(|| gradient.shallow_clone(), |weights| gradient * weights)
    }

    /// The roots of the weights, where not all are 1.
    pub(crate) fn roots(&self) -> Option<Tensor> {
        self.weights.as_ref().map(Tensor::sqrt)
    }

    /// `<x_a, y_b>` of the rows of two matrices `[m, n_params]`.
    ///
    /// # Errors
    /// If results cannot be copied to the host.
    pub(crate) fn products(&self, x: &Tensor, y: &Tensor) -> Result<Square> {
        let (m, n_params) = x.size2()?;
        let sum = Tensor::zeros([m, m], (Kind::Double, x.device()));
        for start in (0..n_params).step_by(BLOCK as usize) {
            let length = BLOCK.min(n_params - start);
            let block = |matrix: &Tensor| matrix.narrow(1, start, length);
            let left = match &self.weights {
                Some(weights) => block(x) * weights.narrow(0, start, length),
                None => block(x),
            };
            let _ = sum.shallow_clone().g_add_(&left.matmul(&block(y).tr()).to_kind(Kind::Double));
        }
        let m = usize::try_from(m)?;
        let flat = Vec::<f64>::try_from(sum.flatten(0, 1).to_device(Device::Cpu))?;
        Ok(Square::from_fn(m, |a, b| flat[a * m + b]))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_step_counts_in_the_moments_that_divide_it() {
        let of = |numbers: &[f32]| Tensor::from_slice(numbers);
        // Gradients 2 and 0, then 0 and 0: by hand (1 - beta) g^2 beta, over 1 - beta^2.
        let moments = Moments::new(&of(&[0.25 * 4.0 * 0.75, 0.0]), 2, 0.75).unwrap();
        assert_eq!(moments.steps, 1.75);
        // A third step adds what Adam would, up to the decay of the others: as much as the mean of those before, 12 / 7, whatever
        // unit the proportions were in.
        for unit in [1e-4f32, 9.0] {
            let next = moments.with(&of(&[unit, 3.0 * unit]));
            let mean = 0.75 / 0.4375;
            let expected = of(&[mean * 2.0 / 2.75, 0.75 * mean / 2.75]);
            assert!((next - expected).abs().max().double_value(&[]) < 1e-6);
        }
        assert_eq!(moments.with(&of(&[0.0, 0.0])), moments.mean);
        assert!(Moments::new(&of(&[0.0]), 0, 0.999).is_none());
    }

    #[test]
    fn products_are_weighed() {
        let x = Tensor::from_slice(&[1f32, 2.0, 3.0, 0.0, 1.0, -1.0]).view([2, 3]);
        let y = Tensor::from_slice(&[1f32, 1.0, 1.0, 2.0, 0.0, 1.0]).view([2, 3]);
        let of = |metric: &Metric| metric.products(&x, &y).unwrap();
        let rows = |rows: [[f64; 2]; 2]| Square::from_fn(2, |a, b| rows[a][b]);
        assert_eq!(of(&Metric::raw()), rows([[6.0, 5.0], [0.0, -1.0]]));
        assert_eq!(
            of(&Metric::body(3, std::slice::from_ref(&(1..2)), Device::Cpu)),
            rows([[4.0, 5.0], [-1.0, -1.0]])
        );
        // Weights 2, 1 and 1/2.
        let adam = Metric::adam(&Tensor::from_slice(&[0.25f32, 1.0, 4.0]), 0.0);
        assert_eq!(of(&adam), rows([[5.5, 5.5], [0.5, -0.5]]));
        let roots = adam.roots().unwrap();
        assert!(
            (&roots * &roots - adam.weighed(&Tensor::ones([3], (Kind::Float, Device::Cpu))))
                .abs()
                .max()
                .double_value(&[])
                < 1e-6
        );
    }
}
