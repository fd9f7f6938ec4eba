//! The inner products of all arms at once, from differences of forward passes.
//!
//! ```text
//! <g_s^a, g_u^b>_w = sum over the tokens t of fold a of  w^s_t d_t,     d_t the slope along diag(w) g_u^b
//! <g_s^a, g_s^b>_w = E (sum_t w^s_t z_t)(sum_t' w^s_t' z_t'),           z_t the slope along diag(w)^(1/2) z, z signs by lot
//! ```
//!
//! Two passes a direction serve every arm, so that more strategies cost nothing. Signs are the same for all arms: what chance
//! they bring in is mostly the same in all of them, and cancels in a ratio.

use anyhow::Result;
use tch::Tensor;

use super::fold::Fold;
use super::gram::{Products, Square};
use super::metric::Metric;
use super::policy::{Audited, probe};
use crate::types::RunRandom;

/// The slopes of each fold's tokens along one direction: `[fold][response][token]`.
pub(crate) type Slopes = Vec<Vec<Vec<f32>>>;

/// The products of all arms in `metric`; `uniform` are the gradients of uniform, `[m, n_params]`, and `probed` the slopes along
/// random directions.
///
/// # Errors
/// As [`Audited::slopes`].
pub(crate) fn products(
    audited: &mut Audited<'_>,
    folds: &[Fold],
    metric: &Metric,
    uniform: &Tensor,
    probed: &[Slopes],
) -> Result<Vec<Products>> {
    let (m, n_arms) = (folds.len(), folds.first().map_or(0, |fold| fold.arms.len()));
    let mut cross = vec![vec![vec![0.0; m]; m]; n_arms];
    for b in 0..m {
        let direction = metric.weighed(&uniform.get(b as i64));
        let others: Vec<usize> = (0..m).filter(|a| *a != b).collect();
        let Some(first) = others.first() else { continue };
        let length = audited.step_length(&folds[*first].sequences(), &direction)?;
        for a in others {
            let slopes = audited.slopes(&folds[a].sequences(), &direction, length)?;
            for (arm, cross) in cross.iter_mut().enumerate() {
                cross[a][b] = folds[a].dot(arm, &slopes);
            }
        }
    }
    let products = |(arm, cross): (usize, &Vec<Vec<f64>>)| {
        let sketches: Vec<Vec<f64>> = probed
            .iter()
            .map(|slopes| folds.iter().zip(slopes).map(|(fold, x)| fold.dot(arm, x)).collect())
            .collect();
        let mean = |a: usize, b: usize| {
            sketches.iter().map(|x: &Vec<f64>| x[a] * x[b]).sum::<f64>() / sketches.len().max(1) as f64
        };
        Products { cross: Square::from_fn(m, |a, b| cross[a][b]), own: Square::from_fn(m, mean) }
    };
    Ok(cross.iter().enumerate().map(products).collect())
}

/// The slopes of the tokens of `folds` along `n` random directions in `metric`.
///
/// # Errors
/// As [`Audited::slopes`].
pub(crate) fn probed(
    audited: &mut Audited<'_>,
    folds: &[Fold],
    metric: &Metric,
    n: usize,
    random: RunRandom,
) -> Result<Vec<Slopes>> {
    let network = &audited.policy.network;
    let (n_params, device, roots) = (network.layout.n_params(), network.placement.device, metric.roots());
    let mut all = Vec::with_capacity(n);
    for number in 0..n as u64 {
        let direction = probe(n_params, random, number, roots.as_ref(), device)?;
        all.push(along(audited, folds, |_| Ok(direction.shallow_clone()))?);
    }
    Ok(all)
}

/// The slopes of each fold's tokens along the `direction` of that fold.
///
/// # Errors
/// As [`Audited::slopes`].
pub(crate) fn along(
    audited: &mut Audited<'_>,
    folds: &[Fold],
    direction: impl Fn(usize) -> Result<Tensor>,
) -> Result<Slopes> {
    let Some(first) = folds.first() else { return Ok(Slopes::new()) };
    let length = audited.step_length(&first.sequences(), &direction(0)?)?;
    let of_fold = |(a, fold): (usize, &Fold)| audited.slopes(&fold.sequences(), &direction(a)?, length);
    folds.iter().enumerate().map(of_fold).collect()
}
