//! The inner products of all arms at once, from differences of forward passes.
//!
//! ```text
//! <g_s^a, g_u^b>_w = sum over the tokens t of fold a of  w^s_t d_t,     d_t the slope along diag(w) g_u^b
//! <g_s^a, g_s^b>_w = E (sum_t w^s_t z_t)(sum_t' w^s_t' z_t'),           z_t the slope along diag(w)^(1/2) z, z signs by lot
//! ```
//!
//! Two passes a direction serve every arm, so that more strategies cost nothing. Signs are the same for all arms: what chance
//! they bring in is mostly the same in all of them, and cancels in a ratio.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use anyhow::Result;
use tch::Tensor;

use super::fold::Fold;
use super::gram::{Products, Square};
use super::metric::{Metric, MetricKind};
use super::policy::{Audited, probe};
use crate::batch::Sequence;
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
    let mut step = Step::default();
    for b in 0..m {
        let direction = metric.weighed(&uniform.get(b as i64));
        for a in (0..m).filter(|a| *a != b) {
            let slopes = slopes(audited, &folds[a], &mut step, &direction)?;
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
    let (n_params, device, roots) =
        (network.trainable().n_params(), network.placement.device, metric.roots());
    let mut step = Step::default();
    let mut of_probe = |number| {
        let direction = probe(n_params, random, number, roots.as_ref(), device)?;
        along(audited, folds, &mut step, |_| direction.shallow_clone())
    };
    (0..n as u64).map(&mut of_probe).collect()
}

/// The slopes of each fold's tokens along the `direction` of that fold; 0 for responses that count nowhere.
///
/// # Errors
/// As [`Audited::slopes`].
pub(crate) fn along(
    audited: &mut Audited<'_>,
    folds: &[Fold],
    step: &mut Step,
    direction: impl Fn(usize) -> Tensor,
) -> Result<Slopes> {
    let of_fold = |(a, fold): (usize, &Fold)| slopes(audited, fold, step, &direction(a));
    folds.iter().enumerate().map(of_fold).collect()
}

/// The slopes of the tokens of `fold` along `direction`; 0 for responses that count nowhere.
fn slopes(
    audited: &mut Audited<'_>,
    fold: &Fold,
    step: &mut Step,
    direction: &Tensor,
) -> Result<Vec<Vec<f32>>> {
    let (all, weighed) = (fold.sequences(), fold.weighed());
    let mut slopes: Vec<Vec<f32>> = all.iter().map(|sequence| vec![0.0; sequence.response.len()]).collect();
    let responses: Vec<Sequence<'_>> = weighed.iter().map(|i| all[*i]).collect();
    if !responses.is_empty() {
        let length = step.length(audited, &responses, direction)?;
        let found = audited.slopes(&responses, direction, length)?;
        weighed.into_iter().zip(found).for_each(|(i, found)| slopes[i] = found);
    }
    Ok(slopes)
}

/// The slopes along random directions in each metric, found where they are first asked for.
pub(crate) struct Probes {
    n: usize,
    random: RunRandom,
    found: BTreeMap<MetricKind, Vec<Slopes>>,
}

impl Probes {
    /// `n` directions in each metric, by `random`.
    pub(crate) fn new(n: usize, random: RunRandom) -> Self {
        Self { n, random, found: BTreeMap::new() }
    }

    /// Those in `metric`.
    ///
    /// # Errors
    /// As [`probed`].
    pub(crate) fn of(
        &mut self,
        audited: &mut Audited<'_>,
        folds: &[Fold],
        metric: &Metric,
    ) -> Result<&[Slopes]> {
        Ok(match self.found.entry(metric.kind) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(place) => place.insert(probed(audited, folds, metric, self.n, self.random)?),
        })
    }
}

/// How far differences of one kind step: all of them as far as the first, which is searched for, since that takes as many passes
/// as two differences do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Step {
    distance: Option<f64>,
}

impl Step {
    /// What to multiply `direction` by.
    fn length(
        &mut self,
        audited: &mut Audited<'_>,
        responses: &[Sequence<'_>],
        direction: &Tensor,
    ) -> Result<f64> {
        let norm = direction.norm().double_value(&[]);
        if norm == 0.0 {
            return Ok(1.0);
        }
        if let Some(distance) = self.distance {
            return Ok(distance / norm);
        }
        let length = audited.step_length(responses, direction)?;
        self.distance = Some(length * norm);
        Ok(length)
    }
}
