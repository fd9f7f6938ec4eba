//! Token by token: whose updates move the objective, and what is left to gain by knowing more of them.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::Watch;
use super::ceiling::{Bins, Falls, FoldSums, Known, best, ceiling, known};
use super::differences::{Probes, Slopes, Step, along};
use super::fold::Fold;
use super::merit::Estimate;
use super::metric::{Metric, MetricKind};
use super::policy::Audited;
use crate::signal::Segmenter;
use crate::types::{PathField, TokenId};

/// Responses that are shown token by token.
const SHOWN: usize = 8;

/// What was found of tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tokens {
    /// Largest distance of `sum_t w_t d_t` from the product of gradients that it stands for, over the mean size of these.
    pub difference_error: f64,
    /// R of the best reweighting by what is known of tokens, in each metric but that without the embedding.
    pub ceilings: Vec<Ceiling>,
    /// Prompts that the alignment of uniform rests on, `(sum |x|)^2 / sum x^2` of what each adds to it: all of them where all add
    /// as much.
    pub effective_prompts: f64,
    /// Some responses.
    pub shown: Vec<Shown>,
}

/// R of the best reweighting in one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ceiling {
    /// The metric.
    pub metric: MetricKind,
    /// R; `None` where half of the folds have no slope to fit. As found it is that of steps whose noise is all there is, in a summary
    /// the most that it can be at the batch of training.
    pub ratio: Option<Estimate>,
    /// Where it pays, as fitted to all folds.
    pub falls: Vec<Falls>,
}

/// A response, token by token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// Its prompt.
    pub prompt: String,
    /// Its tokens.
    pub tokens: Vec<TokenId>,
    /// Its reward.
    pub reward: f64,
    /// `w_t d_t`, the progress that the update of each token makes, over the mean size of all of them.
    pub moves: Vec<f64>,
    /// Entropy before each token, nats.
    pub entropies: Vec<f32>,
    /// What each arm multiplies its advantage by, by token.
    pub gains: Vec<Vec<f32>>,
}

/// What the tokens of `folds` say; `uniform` are the gradients of uniform, `[m, n_params]`.
///
/// # Errors
/// As [`Audited::slopes`].
pub(super) fn tokens(
    audited: &mut Audited<'_>,
    folds: &[Fold],
    uniform: &Tensor,
    metrics: &[Metric],
    probes: &mut Probes,
    segmenter: &Segmenter,
    watch: &dyn Watch,
) -> Result<Tokens> {
    let slopes = along(audited, folds, &mut Step::default(), |fold| of_others(uniform, fold, |_, _| true))?;
    watch.advance(1)?;
    let columns = Columns::new(folds, segmenter);
    let same_half = |fold: usize, other: usize| fold % 2 == other % 2;
    let mut ceilings = Vec::new();
    for metric in metrics.iter().filter(|metric| metric.kind != MetricKind::Body) {
        let direction = |fold: usize| metric.weighed(&of_others(uniform, fold, same_half));
        let of_half = along(audited, folds, &mut Step::default(), direction)?;
        let random = probes.of(audited, folds, metric)?;
        let sums = |(number, fold)| columns.sums(fold, number, &of_half[number], random);
        let sums: Vec<FoldSums> = folds.iter().enumerate().map(sums).collect();
        let ratio = ceiling(&sums)?;
        let best = ratio.map(|_| best(&sums)).transpose()?;
        let falls = best.map_or_else(Vec::new, |best| columns.falls(folds, random, &best));
        ceilings.push(Ceiling { metric: metric.kind, ratio, falls });
        watch.advance(1)?;
    }
    Ok(Tokens {
        difference_error: difference_error(folds, uniform, &slopes)?,
        ceilings,
        effective_prompts: crate::stats::effective(
            &folds.iter().zip(&slopes).flat_map(|(fold, x)| by_prompt(fold, x)).collect::<Vec<_>>(),
        ),
        shown: shown(folds, &slopes),
    })
}

/// The mean gradient of the other folds that `counts`.
fn of_others(uniform: &Tensor, fold: usize, counts: impl Fn(usize, usize) -> bool) -> Tensor {
    let m = uniform.size()[0] as usize;
    let mut sum = uniform.get(0).zeros_like();
    let mut n = 0;
    // One after another: rows may be as large as a model.
    for other in (0..m).filter(|other| *other != fold && counts(fold, *other)) {
        let _ = sum.g_add_(&uniform.get(other as i64));
        n += 1;
    }
    let _ = sum.g_div_scalar_(f64::from(n.max(1)));
    sum
}

fn difference_error(folds: &[Fold], uniform: &Tensor, slopes: &Slopes) -> Result<f64> {
    let mut pairs = Vec::with_capacity(folds.len());
    for (a, (fold, slopes)) in folds.iter().zip(slopes).enumerate() {
        let others = of_others(uniform, a, |_, _| true);
        let exact = f64::try_from(uniform.get(a as i64).dot(&others)).context("a product of gradients")?;
        pairs.push((exact, fold.dot(0, slopes)));
    }
    let size = pairs.iter().map(|(exact, _)| exact.abs()).sum::<f64>() / pairs.len().max(1) as f64;
    let largest = pairs.iter().map(|(exact, found)| (exact - found).abs()).fold(0.0, f64::max);
    Ok(if size > 0.0 { largest / size } else { 0.0 })
}

/// `sum_t w_t x_t` of uniform, prompt by prompt.
fn by_prompt(fold: &Fold, x: &[Vec<f32>]) -> Vec<f64> {
    let mut rest = x;
    let of_tree = |weights: &PathField<f32>| {
        let n = weights.iter().count();
        let (own, others) = rest.split_at(n);
        rest = others;
        let pairs = weights.iter().zip(own).flat_map(|(weights, x)| weights.iter().zip(x));
        pairs.map(|(weight, x)| f64::from(*weight) * f64::from(*x)).sum()
    };
    fold.arms[0].weights.iter().map(of_tree).collect()
}

/// The columns of every token: `[fold][response][token]`.
struct Columns {
    bins: Bins,
    known: Vec<Vec<Vec<Known>>>,
}

impl Columns {
    fn new(folds: &[Fold], segmenter: &Segmenter) -> Self {
        let of_fold = |fold: &Fold| -> Vec<Vec<Known>> {
            let of_tree = |tree: &crate::types::MeasuredTree| {
                let of_leaf =
                    |leaf: usize| known(tree, leaf, &steps(segmenter, &tree.tree.leaves[leaf].tokens));
                (0..tree.tree.leaves.len()).map(of_leaf).collect::<Vec<_>>()
            };
            fold.trees.iter().flat_map(of_tree).collect()
        };
        let known: Vec<Vec<Vec<Known>>> = folds.iter().map(of_fold).collect();
        Self { bins: Bins::new(known.iter().flatten().flatten()), known }
    }

    /// Where coefficients `theta`, one per column, fall; squares of updates are told by slopes along random directions.
    fn falls(&self, folds: &[Fold], random: &[Slopes], theta: &[f64]) -> Vec<Falls> {
        let weights = folds.iter().flat_map(|fold| &fold.arms[0].weights).flat_map(PathField::iter);
        let responses =
            self.known.iter().enumerate().flat_map(|(fold, own)| (0..own.len()).map(move |i| (fold, i)));
        let tokens = weights.zip(responses).flat_map(|(weights, (fold, i))| {
            let square = move |t: usize| {
                let moved = |direction: &Slopes| f64::from(weights[t]) * f64::from(direction[fold][i][t]);
                random.iter().map(|direction| moved(direction).powi(2)).sum::<f64>()
            };
            self.known[fold][i].iter().enumerate().map(move |(t, known)| (known, square(t)))
        });
        self.bins.falls(tokens, theta)
    }

    /// The sums of fold `number` over columns, with slopes along the objective and along random directions.
    fn sums(&self, fold: &Fold, number: usize, slopes: &[Vec<f32>], random: &[Slopes]) -> FoldSums {
        let mut sums = FoldSums::zeros(self.bins.n());
        let mut response = 0;
        for weights in &fold.arms[0].weights {
            let n = weights.iter().count();
            let of_prompt = |x: &[Vec<f32>]| {
                let mut own = vec![0.0; self.bins.n()];
                for (leaf, weights) in weights.iter().enumerate() {
                    let tokens =
                        self.known[number][response + leaf].iter().zip(weights).zip(&x[response + leaf]);
                    for ((known, weight), x) in tokens {
                        let product = f64::from(*weight) * f64::from(*x);
                        self.bins.columns(known).for_each(|column| own[column] += product);
                    }
                }
                own
            };
            sums.add_aligned(&of_prompt(slopes));
            random.iter().for_each(|direction| sums.add_squared(&of_prompt(&direction[number])));
            response += n;
        }
        sums
    }
}

/// The step that each token is in.
fn steps(segmenter: &Segmenter, tokens: &[TokenId]) -> Vec<usize> {
    let mut steps = vec![0; tokens.len()];
    for (number, step) in segmenter.segment(tokens).steps.into_iter().enumerate() {
        steps[step].fill(number);
    }
    steps
}

/// Some responses whose prompts have right and wrong ones, one of each in turn.
fn shown(folds: &[Fold], slopes: &Slopes) -> Vec<Shown> {
    let mut all = Vec::new();
    let mut sizes = Vec::new();
    for (fold, slopes) in folds.iter().zip(slopes) {
        let mut response = 0;
        for (t, tree) in fold.trees.iter().enumerate() {
            let mut seen = Vec::new();
            for (l, leaf) in tree.tree.leaves.iter().enumerate() {
                let weights = fold.arms[0].weights[t].path(l);
                let moves: Vec<f64> = weights
                    .iter()
                    .zip(&slopes[response + l])
                    .map(|(w, d)| f64::from(*w) * f64::from(*d))
                    .collect();
                sizes.extend(moves.iter().map(|size| size.abs()).filter(|size| *size > 0.0));
                let is_new = !seen.contains(&leaf.verdict.value);
                if tree.tree.has_signal() && is_new && all.len() < SHOWN {
                    seen.push(leaf.verdict.value);
                    all.push(Shown {
                        prompt: tree.tree.prompt.text.clone(),
                        tokens: leaf.tokens.clone(),
                        reward: leaf.verdict.value,
                        moves,
                        entropies: tree.entropies.as_ref().map_or_else(Vec::new, |own| own.path(l).to_vec()),
                        gains: fold.arms.iter().map(|arm| arm.gains[t].path(l).to_vec()).collect(),
                    });
                }
            }
            response += tree.tree.leaves.len();
        }
    }
    let size = crate::stats::mean(&sizes);
    for shown in &mut all {
        shown.moves.iter_mut().for_each(|own| *own /= if size > 0.0 { size } else { 1.0 });
    }
    all
}
