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

/// The mean gradient of each of `folds` under arm `arm`, `[m, n_params]`.
///
/// # Errors
/// As [`Audited::add_gradient`].
pub(crate) fn gradients(audited: &mut Audited<'_>, folds: &[Fold], arm: usize) -> Result<Tensor> {
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

/// The mean square of each parameter of uniform's gradients of `folds`, `[n_params]`, drawn towards the mean of its tensor as one
/// fold more would: where few folds have touched a parameter, Adam would not take it for one that hardly ever moves.
///
/// # Errors
/// As [`Audited::add_gradient`].
pub(crate) fn squares(audited: &mut Audited<'_>, folds: &[Fold]) -> Result<Tensor> {
    let n = folds.len() as f64;
    let mut gradient = audited.policy.network.zero_gradient();
    let mut squares = gradient.flat().zeros_like();
    for fold in folds {
        gradient.clear();
        audited.add_gradient(&fold.weighted(0), &mut gradient)?;
        let _ = squares.addcmul_(gradient.flat(), gradient.flat());
    }
    let _ = squares.g_div_scalar_(n);
    for entry in audited.policy.network.trainable().entries() {
        let place = squares.narrow(0, entry.start, entry.n_elements());
        let mean = place.mean(tch::Kind::Float);
        place.shallow_clone().copy_(&((&place * n + mean) / (n + 1.0)));
    }
    Ok(squares)
}

/// The products of the gradients `arm` with themselves and with those of `uniform`.
///
/// # Errors
/// If results cannot be copied to the host.
pub(crate) fn products(metric: &Metric, arm: &Tensor, uniform: &Tensor) -> Result<Products> {
    Ok(Products { cross: metric.products(arm, uniform)?, own: metric.products(arm, arm)? })
}
