//! The ceiling: whether any reweighting by what is known of a token would beat uniform here.
//!
//! ```text
//! c_t = theta_0 + sum_k theta_k [t is in bin k]       bins of five: position, step, entropy, WAAD, FAI
//! n_k = <mu_k, grad J>,  S_kl = E <g_k, g_l>          of the gradient that pays the tokens of bin k alone
//! theta = S^-1 n maximises merit = (theta n) / sqrt(theta S theta)        where noise outweighs the signal
//! ```
//!
//! Fitted on one half of the folds and measured on the other, both ways, so that chance does not count as knowledge; slopes
//! for each half come from gradients of that half alone. Where the interval of the result reaches below 1, this policy and
//! these problems leave nothing to gain to a strategy that goes by these numbers.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::merit::Estimate;
use crate::types::MeasuredTree;

/// Bins of each quantity.
const BINS: usize = 5;
/// How much the fit is drawn towards uniform, relative to the noise of a bin.
const RIDGE: f64 = 0.05;

/// Share of the squares of all updates that a bin must carry for something to be said of it.
const LEAST: f64 = 0.01;

/// What is known of a token, in this order.
const QUANTITIES: [&str; 5] = ["position", "step", "entropy", "WAAD", "FAI"];

/// What is known of a token; `None` where it is not known.
pub(crate) type Known = [Option<f32>; 5];

/// Where the best reweighting pays along one quantity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Falls {
    /// What it is called.
    pub quantity: String,
    /// Ends of the bins but the last.
    pub up_to: Vec<f32>,
    /// Mean coefficient of the tokens in each bin over the root mean square of all, where a token counts by the square of its update;
    /// `None` where they carry next to nothing of it. Behind the bins that of tokens of which the quantity is not known.
    pub mean: Vec<Option<f64>>,
}

/// What is known of the tokens of response `leaf` of `tree`, whose token t is in step `steps[t]`.
pub(crate) fn known(tree: &MeasuredTree, leaf: usize, steps: &[usize]) -> Vec<Known> {
    let n = tree.tree.leaves[leaf].tokens.len();
    let entropies = tree.entropies.as_ref().map(|field| field.path(leaf));
    let signals = tree.signals.as_ref();
    let of = |t: usize| {
        [
            Some(t as f32 / n as f32),
            steps.get(t).map(|step| *step as f32),
            entropies.map(|own| own[t]),
            signals.map(|own| own.waad.path(leaf)[t]),
            signals.and_then(|own| own.fai.path(leaf)[t]),
        ]
    };
    (0..n).map(of).collect()
}

/// The bins of tokens.
pub(crate) struct Bins {
    /// Upper ends of all bins but the last, for each quantity.
    edges: Vec<Vec<f32>>,
}

impl Bins {
    /// Bins that hold about as many of `tokens` each.
    pub(crate) fn new<'t>(tokens: impl Iterator<Item = &'t Known> + Clone) -> Self {
        let edges = |quantity: usize| {
            let mut values: Vec<f32> = tokens.clone().filter_map(|known| known[quantity]).collect();
            values.sort_by(f32::total_cmp);
            let mut edges: Vec<f32> =
                (1..BINS).filter_map(|i| values.get(i * values.len() / BINS).copied()).collect();
            edges.dedup();
            edges
        };
        Self { edges: (0..5).map(edges).collect() }
    }

    /// Number of columns: uniform, and the bins of each quantity with one for what is not known.
    pub(crate) fn n(&self) -> usize {
        1 + self.edges.len() * (BINS + 1)
    }

    /// The columns that a token belongs to.
    pub(crate) fn columns(&self, known: &Known) -> impl Iterator<Item = usize> {
        let bin = |quantity: usize, value: f32| self.edges[quantity].partition_point(|edge| *edge <= value);
        let column = |(quantity, value): (usize, &Option<f32>)| {
            1 + quantity * (BINS + 1) + value.map_or(BINS, |value| bin(quantity, value))
        };
        std::iter::once(0).chain(known.iter().enumerate().map(column)).collect::<Vec<_>>().into_iter()
    }

    /// Where coefficients `theta`, one per column, fall on `tokens`, each with the square of its update. By these the fit counts
    /// them: what a token gets that hardly moves anything is arbitrary.
    pub(crate) fn falls<'t>(
        &self,
        tokens: impl Iterator<Item = (&'t Known, f64)>,
        theta: &[f64],
    ) -> Vec<Falls> {
        let (mut sums, mut squares) = (vec![0.0; self.n()], vec![0.0; self.n()]);
        let mut all = 0.0;
        for (known, square) in tokens {
            let coefficient: f64 = self.columns(known).map(|column| theta[column]).sum();
            // Of squares, since the mean may be near 0 or below.
            all += square * coefficient * coefficient;
            for column in self.columns(known) {
                sums[column] += square * coefficient;
                squares[column] += square;
            }
        }
        let all = (all / squares[0]).sqrt();
        let counts = |column: usize| squares[column] > 0.0 && squares[column] >= LEAST * squares[0];
        let mean = |column: usize| counts(column).then(|| sums[column] / squares[column] / all);
        let of = |(i, edges): (usize, &Vec<f32>)| {
            let first = 1 + i * (BINS + 1);
            let bins = first..=first + edges.len();
            Falls {
                quantity: QUANTITIES[i].to_owned(),
                up_to: edges.clone(),
                mean: bins.chain([first + BINS]).map(mean).collect(),
            }
        };
        self.edges.iter().enumerate().map(of).collect()
    }
}

/// What one fold says of all columns.
#[derive(Clone, Debug)]
pub(crate) struct FoldSums {
    /// n of each column.
    pub aligned: Vec<f64>,
    /// S, row after row.
    pub squared: Vec<f64>,
}

impl FoldSums {
    /// Of nothing, with `n` columns.
    pub(crate) fn zeros(n: usize) -> Self {
        Self { aligned: vec![0.0; n], squared: vec![0.0; n * n] }
    }

    /// Adds what a prompt's sums over columns along the objective are.
    pub(crate) fn add_aligned(&mut self, sums: &[f64]) {
        self.aligned.iter_mut().zip(sums).for_each(|(all, own)| *all += own);
    }

    /// Adds what a prompt's sums over columns along a random direction are.
    pub(crate) fn add_squared(&mut self, sums: &[f64]) {
        let n = sums.len();
        for (i, a) in sums.iter().enumerate().filter(|(_, a)| **a != 0.0) {
            for (j, b) in sums.iter().enumerate() {
                self.squared[i * n + j] += a * b;
            }
        }
    }

    fn add(&mut self, other: &Self) {
        self.add_aligned(&other.aligned);
        self.squared.iter_mut().zip(&other.squared).for_each(|(all, own)| *all += own);
    }
}

/// The best reweighting by these columns, of all folds.
///
/// # Errors
/// If the fit cannot be solved.
pub(crate) fn best(folds: &[FoldSums]) -> Result<Vec<f64>> {
    let mut all = FoldSums::zeros(folds[0].aligned.len());
    folds.iter().for_each(|fold| all.add(fold));
    fit(&all)
}

/// R of the best reweighting by these columns, cross-fitted; folds with even and odd numbers are the halves. `None` where a half has
/// nothing to fit, or nothing to measure by. The interval leaves out what a fold says of itself and not its share in the direction of
/// the others: it is that of a reweighting that was given.
///
/// # Errors
/// If the fit cannot be solved.
pub(crate) fn ceiling(folds: &[FoldSums]) -> Result<Option<Estimate>> {
    let all: Vec<usize> = (0..folds.len()).collect();
    let Some(whole) = cross_fitted(folds, &all)? else { return Ok(None) };
    let left_out = all.iter().map(|out| {
        let rest: Vec<usize> = all.iter().copied().filter(|fold| fold != out).collect();
        cross_fitted(folds, &rest)
    });
    let left_out: Option<Vec<f64>> = left_out.collect::<Result<_>>()?;
    Ok(left_out.map(|left_out| Estimate::jackknife(whole, &left_out)))
}

/// R by the folds `chosen`.
fn cross_fitted(folds: &[FoldSums], chosen: &[usize]) -> Result<Option<f64>> {
    let half = |parity: usize| {
        let mut sums = FoldSums::zeros(folds[0].aligned.len());
        chosen.iter().filter(|fold| *fold % 2 == parity).for_each(|fold| sums.add(&folds[*fold]));
        sums
    };
    let halves = [half(0), half(1)];
    if halves.iter().any(|half| half.squared[0] <= 0.0) {
        return Ok(None);
    }
    let (mut fitted, mut uniform) = ((0.0, 0.0), (0.0, 0.0));
    for (train, test) in [(&halves[0], &halves[1]), (&halves[1], &halves[0])] {
        let theta = fit(train)?;
        let (aligned, squared) = measured(&theta, test);
        fitted = (fitted.0 + aligned, fitted.1 + squared);
        uniform = (uniform.0 + test.aligned[0], uniform.1 + test.squared[0]);
    }
    let ratio = (fitted.0 / uniform.0) * (uniform.1 / fitted.1).sqrt();
    Ok(Some(ratio).filter(|ratio| ratio.is_finite()))
}

/// The coefficients that fit `sums` best, of the noise that uniform has there.
fn fit(sums: &FoldSums) -> Result<Vec<f64>> {
    let n = sums.aligned.len();
    let mut squared = sums.squared.clone();
    for i in 1..n {
        // A column that no token is in has no noise of its own.
        squared[i * n + i] += RIDGE * squared[i * n + i] + 1e-6 * sums.squared[0] + f64::MIN_POSITIVE;
    }
    let matrix = Tensor::from_slice(&squared).view([n as i64, n as i64]);
    let right = Tensor::from_slice(&sums.aligned).to_kind(Kind::Double);
    let theta = Vec::<f64>::try_from(Tensor::f_linalg_solve(&matrix, &right, true)?)?;
    let (_, noise) = measured(&theta, sums);
    let scale = (sums.squared[0] / noise).sqrt();
    Ok(theta.into_iter().map(|theta| theta * scale).collect())
}

/// `theta n` and `theta S theta`.
fn measured(theta: &[f64], sums: &FoldSums) -> (f64, f64) {
    let n = theta.len();
    let aligned = theta.iter().zip(&sums.aligned).map(|(theta, n)| theta * n).sum();
    let row =
        |i: usize| -> f64 { theta.iter().zip(&sums.squared[i * n..]).map(|(theta, s)| theta * s).sum() };
    (aligned, (0..n).map(|i| theta[i] * row(i)).sum())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::types::{Purpose, RunRandom};

    #[test]
    fn bins_hold_as_many_tokens_each() {
        let known =
            |i: i32| [Some(i as f32), Some(1.0), None, Some((i % 2) as f32), (i > 50).then_some(i as f32)];
        let tokens: Vec<Known> = (0..100).map(known).collect();
        let bins = Bins::new(tokens.iter());
        assert_eq!(bins.n(), 31);
        let mut counts = vec![0; bins.n()];
        tokens.iter().flat_map(|token| bins.columns(token)).for_each(|column| counts[column] += 1);
        assert_eq!(counts[..6], [100, 20, 20, 20, 20, 20]);
        assert_eq!(counts[13..19], [0, 0, 0, 0, 0, 100], "what is not known of any");
        assert_eq!(counts[25..31].iter().sum::<i32>(), 100);
        assert_eq!(counts[30], 51);
    }

    #[test]
    fn means_are_of_the_tokens_in_a_bin() {
        let known = |i: i32| [Some(i as f32), None, None, (i < 5).then_some(0.0), None];
        let tokens: Vec<Known> = (0..10).map(known).collect();
        let bins = Bins::new(tokens.iter());
        let mut theta = vec![0.0; bins.n()];
        // All get 1, the first two tokens 5 more, and 2 where the fourth quantity is not known.
        (theta[0], theta[1], theta[1 + 3 * (BINS + 1) + BINS]) = (1.0, 5.0, 2.0);
        let found = bins.falls(tokens.iter().map(|known| (known, 0.25)), &theta);
        // Two tokens with 6, three with 1 and five with 3.
        let all = ((2.0 * 36.0 + 3.0 + 5.0 * 9.0) / 10f64).sqrt();
        let expected = [6.0, 1.0, (1.0 + 3.0) / 2.0, 3.0, 3.0].map(|own| Some(own / all));
        assert_eq!((found[0].quantity.as_str(), &found[0].mean[..5]), ("position", &expected[..]));
        assert_eq!((&found[0].up_to[..], found[0].mean[5]), (&[2.0, 4.0, 6.0, 8.0][..], None));
        let known_or_not = [Some((5.0 * 2.0 + 5.0) / 5.0 / all), Some(3.0 / all)];
        assert_eq!(found[3].mean[found[3].mean.len() - 2..], known_or_not);
        // The first token gets 6 and the fourth 1: counted by squares of 1 and 3, the others by none.
        let square = |i: usize| [1.0, 0.0, 0.0, 3.0].get(i).copied().unwrap_or(0.0);
        let found = bins.falls(tokens.iter().enumerate().map(|(i, known)| (known, square(i))), &theta);
        let all = ((36.0 + 3.0) / 4f64).sqrt();
        let expected = [Some(6.0 / all), Some(1.0 / all), None, None, None, None];
        assert_eq!(found[0].mean, expected);
    }

    /// Folds of prompts with ten tokens in two bins, of which `signal` of the slope is in the first.
    fn folds(signal: f64, seed: u64) -> Vec<FoldSums> {
        let mut rng = RunRandom::new(seed).stream(Purpose::Audit, &[]);
        let mut noise = move |scale: f64| scale * (0..12).map(|_| rng.random::<f64>() - 0.5).sum::<f64>();
        let mut fold = || {
            let mut sums = FoldSums::zeros(3);
            for _ in 0..60 {
                let (a, b) = (signal + noise(1.5), 1.0 - signal + noise(1.5));
                sums.add_aligned(&[a + b, a, b]);
                let (a, b) = (noise(1.0), noise(1.0));
                sums.add_squared(&[a + b, a, b]);
            }
            sums
        };
        (0..20).map(|_| fold()).collect()
    }

    #[test]
    fn what_there_is_to_know_is_found_and_chance_is_not() {
        // All of the signal in half of the noise: 1 / sqrt(1/2).
        let found = ceiling(&folds(1.0, 1)).unwrap().unwrap();
        assert!((found.value - 2f64.sqrt()).abs() < 0.06 && found.ci95[0] > 1.2, "{found:?}");
        let mut below = 0;
        for seed in 2..22 {
            let nothing = ceiling(&folds(0.5, seed)).unwrap().unwrap();
            assert!(nothing.value < 1.05, "{nothing:?}");
            below += usize::from(nothing.ci95[0] <= 1.0);
        }
        assert!(below >= 18, "of 20 intervals {below} reach down to 1");
    }

    /// Prompts that are all right or all wrong add nothing.
    #[test]
    fn where_a_half_has_no_slope_nothing_is_told() {
        let mut folds = folds(1.0, 1);
        folds.iter_mut().skip(1).step_by(2).for_each(|fold| *fold = FoldSums::zeros(3));
        assert_eq!(ceiling(&folds).unwrap(), None);
        // Nor where leaving out one leaves none.
        folds[1] = folds[0].clone();
        assert_eq!(ceiling(&folds).unwrap(), None);
    }
}
