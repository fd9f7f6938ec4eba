//! The inner products of all arms, from gradients themselves.
//!
//! ```text
//! one backward pass a fold and arm; m gradients of uniform and m of one arm are held at a time
//! ```

use anyhow::Result;
use tch::Tensor;

use super::fold::Fold;
use super::gram::Products;
use super::metric::Metric;
use super::policy::Audited;
use crate::model::Layout;

/// The mean gradient of each of `folds` under arm `arm`, `[m, n_params]`.
///
/// # Errors
/// As [`Audited::add_gradient`].
pub(crate) fn gradients(audited: &Audited<'_>, folds: &[Fold], arm: usize) -> Result<Tensor> {
    let mut gradient = audited.policy.network.zero_gradient();
    let n_params = gradient.flat().size1()?;
    let all = Tensor::zeros([folds.len() as i64, n_params], (tch::Kind::Float, gradient.flat().device()));
    for (fold, a) in folds.iter().zip(0..) {
        gradient.clear();
        audited.add_gradient(&fold.weighted(arm), &mut gradient)?;
        all.get(a).copy_(gradient.flat());
    }
    Ok(all)
}

/// The mean square of each parameter over the rows of `gradients`, `[n, n_params]`, drawn towards the mean of its tensor as one
/// row more would: where few rows have touched a parameter, Adam would not take it for one that hardly ever moves.
pub(crate) fn squares(gradients: &Tensor, layout: &Layout) -> Tensor {
    let n = gradients.size()[0] as f64;
    let squares = gradients.square().mean_dim(0, false, tch::Kind::Float);
    for entry in layout.entries() {
        let place = squares.narrow(0, entry.start, entry.n_elements());
        let mean = place.mean(tch::Kind::Float);
        place.shallow_clone().copy_(&((&place * n + mean) / (n + 1.0)));
    }
    squares
}

/// The products of the gradients `arm` with themselves and with those of `uniform`.
///
/// # Errors
/// If results cannot be copied to the host.
pub(crate) fn products(metric: &Metric, arm: &Tensor, uniform: &Tensor) -> Result<Products> {
    Ok(Products { cross: metric.products(arm, uniform)?, own: metric.products(arm, arm)? })
}
