//! The audit: which credit helps this policy on these problems, before training is paid for.
//!
//! ```text
//! prompts -> folds of responses -> weights of every arm -> inner products -> progress per response, relative to uniform
//!         -> responses, continued from many places -> where the reward is decided -> what each arm captures of it
//! ```
//!
//! See [`merit`] for what is estimated, [`gram`] for why only products of different folds count, [`capture`] for the second
//! measure and [`ceiling`] for what is left to gain.

mod arm;
mod budget;
mod capture;
mod ceiling;
mod config;
mod differences;
mod fold;
mod gradients;
mod gram;
mod kept;
mod known;
mod merit;
mod metric;
mod pace;
mod policy;
mod report;
mod sampling;
mod summary;
mod tables;
#[cfg(test)]
mod tests;
mod tokens;
#[cfg(test)]
mod toy;
mod training;
mod watch;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use tch::Tensor;

pub(crate) use arm::{Arm, arms};
pub(crate) use budget::Budget;
pub(crate) use config::AuditConfig;
pub(crate) use kept::Kept;
pub(crate) use merit::Folds;
pub(crate) use metric::{MetricKind, Moments};
pub(crate) use pace::{Pace, pace};
pub(crate) use summary::Summary;
pub(crate) use training::Training;
pub(crate) use watch::{Part, Watch};

use self::capture::{Captures, Decided, captures};
use self::differences::Probes;
use self::fold::Fold;
use self::gram::Products;
use self::metric::Metric;
use self::policy::Audited;
use self::sampling::Sampling;
use self::tokens::Tokens;
use crate::measure::Passes;
use crate::model::Policy;
use crate::pipeline::RolloutSource;
use crate::signal::{Grouping, Segmenter, SignalConfig};
use crate::stats::mean;
use crate::text::Tokenizer;
use crate::types::RunRandom;

/// How the products of gradients are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Method {
    /// From gradients, one backward pass an arm: for models of which some dozens fit into memory.
    Exact,
    /// From differences of forward passes, for all arms at once.
    Differences,
}

/// What an audit is told.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The folds.
    pub folds: Folds,
    /// Responses to each prompt of a fold, with those who continue them for an arm that goes by values; at most.
    pub generated: usize,
    /// Further folds, from which heads are grouped and squared gradients are taken.
    pub n_apart: usize,
    /// Calls for responses that are continued.
    pub n_continued: usize,
    /// Responses, continuations among them, of all such calls; at most.
    pub continued: usize,
    /// How products are found.
    pub method: Method,
    /// Random directions by which norms are found.
    pub n_probes: usize,
    /// How gradients are measured.
    pub metrics: Vec<MetricKind>,
    /// Randomness of the audit.
    pub random: RunRandom,
    /// How attention is read.
    pub signals: SignalConfig,
    /// Temperature of the sampling distribution.
    pub temperature: f64,
    /// Tokens per forward pass.
    pub max_tokens: usize,
    /// What makes gradients of training longer or shorter.
    pub training: Training,
    /// What Adam adds to the root of squared gradients.
    pub adam_eps: f64,
}

/// What is audited.
pub(crate) struct Subject<'a> {
    /// The policy as it samples, computing as it does in training.
    pub sampler: &'a Policy,
    /// The same in f32; afterwards its weights are what they were.
    pub policy: &'a mut Policy,
    /// Where the responses of folds come from.
    pub source: Box<dyn RolloutSource>,
    /// Where the responses of each call come from that others continue, by the number of the call.
    pub continued: &'a dyn Fn(usize) -> Result<Box<dyn RolloutSource>>,
    /// Cuts responses into steps.
    pub segmenter: &'a Segmenter,
    /// Of the policy.
    pub tokenizer: &'a Tokenizer,
    /// What an optimiser has seen of it, if there is one.
    pub moments: Option<Moments>,
}

/// What was found in one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct InMetric {
    /// The metric.
    pub metric: MetricKind,
    /// The products of each arm, uniform first.
    pub products: Vec<Products>,
}

/// What an audit has found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Findings {
    /// Names of the arms, uniform first.
    pub arms: Vec<String>,
    /// The folds.
    pub folds: Folds,
    /// Number of responses in the folds.
    pub n_responses: usize,
    /// Mean reward of these.
    pub reward: f64,
    /// Number of prompts whose responses differ in reward.
    pub n_mixed: usize,
    /// Tokens that are generated for a response of each arm, relative to uniform.
    pub tokens_each: Vec<f64>,
    /// In each metric.
    pub metrics: Vec<InMetric>,
    /// Token by token.
    pub tokens: Tokens,
    /// Prompts whose responses were continued.
    pub n_continued: usize,
    /// Where the reward is decided, by continuing responses; `None` where no reward of these differs.
    pub captures: Option<Captures>,
    /// Where it is decided, token by token, if the task tells the value of every prefix.
    pub known: Option<Captures>,
}

/// Audits `subject`; what is `kept` already is not found again.
///
/// # Errors
/// If responses cannot be generated or measured; that of `watch`.
pub(crate) fn audit(
    plan: &Plan,
    arms: &[Arm],
    subject: Subject<'_>,
    kept: &mut Kept,
    watch: &dyn Watch,
) -> Result<Findings> {
    let Subject { sampler, policy, mut source, continued, segmenter, tokenizer, moments } = subject;
    let check = || watch.advance(0);
    let passes = Passes { max_tokens: plan.max_tokens, check: &check };
    let mut sampling = Sampling { plan, arms, sampler, grouping: Grouping::default(), passes };
    let n_folds = plan.n_apart + plan.folds.n;
    watch.begin(Part::Responses, n_folds * plan.folds.prompts * plan.generated);
    let mut folds: Vec<Fold> = (0..n_folds)
        .map(|number| sampling.fold(policy, source.as_mut(), number, watch))
        .collect::<Result<_>>()?;
    let rest = folds.split_off(plan.n_apart);
    let (apart, folds) = (folds, rest);
    let mut trees = folds.iter().flat_map(|fold| &fold.trees);
    ensure!(
        trees.any(|tree| tree.tree.has_signal()),
        "all responses to each prompt have the same reward, so that no credit moves anything; take easier problems or a policy that \
         solves some of them"
    );
    kept.same("responses", fold::fingerprint(&folds))?;

    watch.begin(Part::Values, plan.continued);
    let mut decided: Vec<Decided> = Vec::new();
    for number in 0..plan.n_continued {
        let own = kept.piece(&format!("decided/{number}"), || {
            sampling.decided(policy, continued(number)?.as_mut(), n_folds + number, watch)
        });
        decided.extend(own?);
    }
    let is_decided = decided.iter().any(|own| own.variance > 0.0);
    let by_continuing = is_decided.then(|| captures(&decided, arms.len(), plan.random));
    let known = known::known(&folds, policy, tokenizer, plan.temperature, passes)?;
    let by_task = known.map(|decided| captures(&decided, arms.len(), plan.random));

    let mut audited = Audited::new(policy, plan.temperature, passes);
    watch.begin(Part::Uniform, 0);
    let own = gradients::squares(&mut audited, &apart)?;
    let squares = match moments {
        Some(moments) => moments.with(&own),
        None => plan.training.squares(&own, &apart, plan.folds)?,
    };
    let uniform = gradients::gradients(&mut audited, &folds, 0)?;
    let metrics: Vec<Metric> =
        plan.metrics.iter().map(|kind| metric(*kind, &audited, &squares, plan.adam_eps)).collect();
    let mut probes = Probes::new(plan.n_probes, plan.random);
    let found = match plan.method {
        Method::Exact => exact(&mut audited, arms, &folds, &metrics, &uniform, kept, watch)?,
        Method::Differences => {
            by_differences(&mut audited, &folds, &metrics, &uniform, &mut probes, kept, watch)?
        }
    };
    let n_ceilings = metrics.iter().filter(|metric| metric.kind != MetricKind::Body).count();
    watch.begin(Part::Tokens, 1 + n_ceilings);
    let tokens = kept.piece("tokens", || {
        tokens::tokens(&mut audited, &folds, &uniform, &metrics, &mut probes, segmenter, watch)
    })?;
    Ok(Findings {
        metrics: found,
        n_continued: decided.len(),
        captures: by_continuing,
        known: by_task,
        ..Findings::of_folds(plan, arms, &folds, tokens)
    })
}

impl Findings {
    /// What `folds` say of themselves, and their `tokens`.
    fn of_folds(plan: &Plan, arms: &[Arm], folds: &[Fold], tokens: Tokens) -> Self {
        let trees = || folds.iter().flat_map(|fold| &fold.trees).map(|tree| &tree.tree);
        let rewards: Vec<f64> =
            trees().flat_map(|tree| tree.graded().map(|leaf| leaf.verdict.value)).collect();
        Self {
            arms: arms.iter().map(|arm| arm.name.clone()).collect(),
            folds: plan.folds,
            n_responses: trees().map(|tree| tree.leaves.len()).sum(),
            reward: mean(&rewards),
            n_mixed: trees().filter(|tree| tree.has_signal()).count(),
            tokens_each: arms.iter().map(|arm| if arm.continues() { beside(folds) } else { 1.0 }).collect(),
            metrics: Vec::new(),
            tokens,
            n_continued: 0,
            captures: None,
            known: None,
        }
    }
}

fn metric(kind: MetricKind, audited: &Audited<'_>, squares: &Tensor, eps: f64) -> Metric {
    match kind {
        MetricKind::Raw => Metric::raw(),
        MetricKind::Adam => Metric::adam(squares, eps),
        MetricKind::Body => {
            let network = &audited.policy.network;
            let (learns, device) = (network.trainable(), network.placement.device);
            Metric::body(learns.n_params(), &learns.vocabulary(), device)
        }
    }
}

/// Tokens of a response with those that continue it, over its own.
fn beside(folds: &[Fold]) -> f64 {
    let sum = |i: usize| folds.iter().map(|fold| fold.n_tokens[i]).sum::<usize>() as f64;
    1.0 + sum(1) / sum(0).max(1.0)
}

/// Products from the gradients of every arm.
fn exact(
    audited: &mut Audited<'_>,
    arms: &[Arm],
    folds: &[Fold],
    metrics: &[Metric],
    uniform: &Tensor,
    kept: &mut Kept,
    watch: &dyn Watch,
) -> Result<Vec<InMetric>> {
    watch.begin(Part::Arms, arms.len());
    let mut found: Vec<InMetric> =
        metrics.iter().map(|metric| InMetric { metric: metric.kind, products: Vec::new() }).collect();
    for (arm, own) in arms.iter().enumerate() {
        let products: Vec<Products> = kept.piece(&format!("products/{}", own.name), || {
            let own =
                if arm == 0 { uniform.shallow_clone() } else { gradients::gradients(audited, folds, arm)? };
            metrics.iter().map(|metric| gradients::products(metric, &own, uniform)).collect()
        })?;
        found.iter_mut().zip(products).for_each(|(found, products)| found.products.push(products));
        watch.advance(1)?;
    }
    Ok(found)
}

/// Products from differences of forward passes.
fn by_differences(
    audited: &mut Audited<'_>,
    folds: &[Fold],
    metrics: &[Metric],
    uniform: &Tensor,
    probes: &mut Probes,
    kept: &mut Kept,
    watch: &dyn Watch,
) -> Result<Vec<InMetric>> {
    watch.begin(Part::Arms, metrics.len());
    let mut found = Vec::with_capacity(metrics.len());
    for metric in metrics {
        let name: &'static str = metric.kind.into();
        let products = kept.piece(&format!("differences/{name}"), || {
            let probed = probes.of(audited, folds, metric)?;
            differences::products(audited, folds, metric, uniform, probed)
        })?;
        found.push(InMetric { metric: metric.kind, products });
        watch.advance(1)?;
    }
    Ok(found)
}
