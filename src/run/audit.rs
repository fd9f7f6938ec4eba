//! From a recipe to an audit of the policy that it starts from, or that a run has come to.

mod shown;
mod sources;

use std::path::Path;

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use self::shown::Shown;
use self::sources::{AT_ONCE, CONTINUED_GROUP, continued, n_continued, of_prompts, random, values};
use super::{Run, Setup, metrics};
use crate::audit::{
    Arm, AuditConfig, Budget, Folds, Kept, Method, MetricKind, Moments, Pace, Plan, Subject, Summary,
    Training, arms, audit, pace,
};
use crate::interrupt::{Interrupt, Stopped};
use crate::model::{Layout, LoraLayout, Policy};
use crate::observe::Console;
use crate::pipeline::ZeroVariance;
use crate::rollout::explore::ValuesConfig;
use crate::signal::Segmenter;
use crate::types::{MetricRow, counted};

/// Parameters above which a gradient for every fold and arm is too much to hold.
const FEW_PARAMETERS: i64 = 20_000_000;
/// Fewest folds from which anything can be said, and most.
const FEWEST_FOLDS: usize = 6;
const MOST_FOLDS: usize = 32;
/// Most folds where a gradient of each is held of a large model.
const MOST_LARGE_FOLDS: usize = 8;
/// Prompts that an audit of so many minutes is timed by.
const TIMED: usize = 32;
/// Changes with the form or the meaning of what is kept of an audit.
const FORMAT: u32 = 5;

/// An audit that can be made.
pub(crate) struct Audit<'s> {
    setup: &'s Setup,
    config: AuditConfig,
    method: Method,
    arms: Vec<Arm>,
}

impl<'s> Audit<'s> {
    /// An audit of the policy of `setup`, with everything that keeps it from telling anything found.
    ///
    /// # Errors
    /// If it could not tell anything; the message names what to change.
    pub(crate) fn new(setup: &'s Setup, config: &AuditConfig, method: Option<Method>) -> Result<Self> {
        let mut problems = config.rules().problems();
        problems.extend(limits(setup, config));
        if !problems.is_empty() {
            bail!("{}", problems.join("\n"));
        }
        let method = method.unwrap_or(if is_small(setup) { Method::Exact } else { Method::Differences });
        let arms = arms(&config.credit, &setup.recipe.credit, setup.recipe.advantage, random(setup))?;
        let audit = Self { setup, config: config.clone(), method, arms };
        audit.check_prompts()?;
        Ok(audit)
    }

    fn check_prompts(&self) -> Result<()> {
        let Self { setup, config, .. } = self;
        let there = setup.data.train.len();
        if let Budget::Responses(responses) = config.budget {
            let wanted = self.distinct(responses / config.group);
            ensure!(
                wanted <= there,
                "`budget`: asks for {wanted} different prompts, with those that heads are grouped by, and [data] has {there} to learn \
                 from; about {} responses would do",
                self.most() * config.group
            );
        }
        Ok(())
    }

    /// All that shapes what is found, beside the weights.
    pub(crate) fn settings(&self) -> Value {
        let arms: Vec<&str> = self.arms.iter().map(|arm| arm.name.as_str()).collect();
        let mut recipe = json!(self.setup.recipe);
        for (section, key) in [("run", "steps"), ("run", "name"), ("audit", "every")] {
            recipe[section][key].take();
        }
        for section in ["eval", "checkpoint", "observe"] {
            recipe[section].take();
        }
        // With the heads of a circuit's file, whatever it is called.
        recipe["signals"] = json!(self.setup.signals);
        json!({ "format": FORMAT, "recipe": recipe, "audit": self.config, "arms": arms, "method": self.method })
    }

    /// What it will do, for those who wait for it.
    pub(crate) fn scope(&self) -> String {
        let Self { config, .. } = self;
        let n_continued = n_continued(self.setup, &self.config);
        let names: Vec<&str> = self.arms.iter().map(|arm| arm.name.as_str()).collect();
        let of_what = match config.budget {
            Budget::Responses(responses) => {
                format!("{} in groups of {}", counted(responses, "response"), config.group)
            }
            Budget::Minutes(minutes) => {
                format!("what can be done in {}, in groups of {}", counted(minutes, "minute"), config.group)
            }
        };
        let how = match self.method {
            Method::Exact => "a gradient of every arm",
            Method::Differences => "differences of forward passes",
        };
        let beside = match config {
            AuditConfig { continued: 0, .. } => "none are continued".to_owned(),
            AuditConfig { cuts, continuations, .. } => {
                format!(
                    "beside them responses to {}, continued from {} each, {}",
                    counted(n_continued, "prompt"),
                    counted(cuts, "place"),
                    counted(continuations, "time")
                )
            }
        };
        format!("  {}\n  {of_what}, by {how}; {beside}", names.join(", "))
    }

    /// Audits `sampler`, of which an optimiser has seen `moments`; what is `kept` is not found again.
    ///
    /// # Errors
    /// If responses cannot be generated or measured; a [`crate::interrupt::Stopped`] if a signal asks for a stop.
    pub(crate) fn run(
        &self,
        sampler: &Policy,
        moments: Option<Moments>,
        kept: &mut Kept,
        console: &Console,
        interrupt: &Interrupt,
    ) -> Result<Summary> {
        let (setup, config) = (self.setup, &self.config);
        let segmenter = Segmenter::new(&setup.tokenizer)?;
        // A policy of its own: training goes on with the same bits, and differences are lost in fewer digits.
        let policy = &mut sampler.apart()?;
        let watch = Shown::new(console, interrupt);
        let signals = setup.signals_of(sampler, &|| interrupt.check())?;
        let continued = |number| continued(setup, config, number);
        let source =
            |prompts| of_prompts(setup, setup.data.train.clone(), prompts, config.group, self.own_values());
        let prompts = match config.budget {
            Budget::Responses(responses) => responses / config.group,
            Budget::Minutes(minutes) => kept.piece("prompts", || {
                let pilot = Plan { signals: signals.clone(), ..self.plan(FEWEST_FOLDS * TIMED) };
                let pace = pace(&pilot, &self.arms, sampler, policy, source(TIMED)?, &watch)?;
                self.affordable(minutes, pace)
            })?,
        };
        let plan = Plan { signals, ..self.plan(prompts) };
        let subject = Subject {
            sampler,
            policy,
            source: source(plan.folds.prompts)?,
            continued: &continued,
            segmenter: &segmenter,
            tokenizer: &setup.tokenizer,
            moments,
        };
        Ok(Summary::new(audit(&plan, &self.arms, subject, kept, &watch)?))
    }

    /// How responses of folds are continued, if any arm goes by that.
    fn own_values(&self) -> Option<&ValuesConfig> {
        self.setup.recipe.values.as_ref().filter(|_| self.arms.iter().any(Arm::continues))
    }

    /// An audit of so many prompts.
    fn plan(&self, prompts: usize) -> Plan {
        let Self { setup, config, method, .. } = self;
        let recipe = &setup.recipe;
        let batch = (recipe.batch.prompts / recipe.batch.minibatches).max(1);
        let most = if is_small(setup) { MOST_FOLDS } else { MOST_LARGE_FOLDS };
        let folds = folds(prompts, batch, most);
        let n_continued = n_continued(setup, config);
        Plan {
            folds,
            generated: self.own_values().map_or(config.group, |values| values.most(config.group)),
            n_apart: (folds.n / 4).max(4),
            n_continued: n_continued.div_ceil(AT_ONCE),
            continued: n_continued * values(config).most(CONTINUED_GROUP),
            method: *method,
            n_probes: config.probes,
            metrics: metric_kinds(*method),
            random: random(setup),
            signals: setup.signals.clone(),
            temperature: recipe.sampling.temperature,
            max_tokens: recipe.batch.max_tokens,
            training: Training {
                advantage: recipe.advantage,
                aggregation: recipe.loss.aggregation(),
                longest: recipe.sampling.max_new_tokens,
                drops: recipe.groups.zero_variance != ZeroVariance::Keep,
                max_grad_norm: recipe.optim.max_grad_norm,
            },
            adam_eps: recipe.optim.eps,
        }
    }

    /// How many different prompts an audit of so many takes, with those that are sampled apart: folds that shared some would take
    /// what they have in common for a slope.
    fn distinct(&self, prompts: usize) -> usize {
        let Plan { folds, n_apart, .. } = self.plan(prompts);
        (folds.n + n_apart) * folds.prompts
    }

    /// The most prompts that there are enough different ones for.
    fn most(&self) -> usize {
        let there = self.setup.data.train.len();
        (0..=there).rev().find(|prompts| self.distinct(*prompts) <= there).unwrap_or(0)
    }

    /// How many prompts an audit of `minutes` may have.
    fn affordable(&self, minutes: f64, pace: Pace) -> Result<usize> {
        let (config, probes) = (&self.config, self.config.probes as f64);
        let forward_s = pace.gradient_s / 3.0;
        // Passes forward: slopes along the objective; and in two metrics those of halves and along random directions.
        let tokens = forward_s * 2.0 * (1.0 + 2.0 * (1.0 + probes));
        let arms = match self.method {
            Method::Exact => pace.gradient_s * self.arms.len() as f64,
            Method::Differences => {
                let folds = self.plan(usize::MAX / 2).folds.n as f64;
                pace.gradient_s + forward_s * 2.0 * 2.0 * (folds - 1.0)
            }
        };
        // Between a quarter and two thirds more are sampled apart.
        let each = 1.5 * (pace.sample_s + pace.gradient_s) + arms + tokens;
        let of_response = pace.sample_s / config.group as f64;
        let continued = (n_continued(self.setup, &self.config) * CONTINUED_GROUP) as f64 * of_response;
        let continued = continued * (1.0 + (config.cuts * config.continuations) as f64 / 2.0);
        let prompts = ((60.0 * minutes - continued) / each).max(0.0) as usize;
        let (least, most) = (2 * FEWEST_FOLDS, self.most());
        ensure!(
            most >= least,
            "[data] has {} different prompts to learn from, and an audit takes at least {}",
            self.setup.data.train.len(),
            self.distinct(least)
        );
        ensure!(
            prompts >= least,
            "`budget`: {minutes} minutes are too few here, expected at least {:.1}: continuing responses takes {:.1} of them \
             (`continued`), and a prompt {each:.2} s",
            (continued + each * least as f64) / 60.0,
            continued / 60.0
        );
        Ok(prompts.min(most))
    }
}

/// What of the recipe's sampling keeps audits from telling anything.
fn limits(setup: &Setup, config: &AuditConfig) -> Vec<String> {
    let sampling = &setup.recipe.sampling;
    let mut problems = Vec::new();
    if sampling.is_cut() {
        problems.push(
            "[sampling] `top_p`, `top_k` and `min_new_tokens` cut the distribution off, and progress is told of the whole one; set \
             top_p = 1.0, top_k = 0 and min_new_tokens = 0 (--set sampling.top_p=1.0)"
                .to_owned(),
        );
    }
    if config.continued > 0 && config.cuts >= sampling.max_new_tokens {
        problems.push(format!(
            "`cuts`: got {}, expected below [sampling] `max_new_tokens` = {}, the longest response",
            config.cuts, sampling.max_new_tokens
        ));
    }
    problems
}

/// The folds of `prompts`, at most `most` of about `batch` each.
fn folds(prompts: usize, batch: usize, most: usize) -> Folds {
    let n = (prompts / batch).clamp(FEWEST_FOLDS, most);
    // Or fewer folds of one prompt more, where that leaves fewer prompts out.
    let sizes = [prompts.div_ceil(n), prompts / n].map(|each| each.max(1));
    let folds = sizes.map(|each| Folds { n: n.min(prompts / each), prompts: each, batch: batch as f64 });
    let folds = folds.into_iter().filter(|folds| folds.n >= FEWEST_FOLDS);
    let none = Folds { n: FEWEST_FOLDS, prompts: 0, batch: batch as f64 };
    folds.max_by_key(|folds| folds.n * folds.prompts).unwrap_or(none)
}

/// How gradients are measured: with differences each metric costs as much as the first.
fn metric_kinds(method: Method) -> Vec<MetricKind> {
    match method {
        Method::Exact => vec![MetricKind::Adam, MetricKind::Raw, MetricKind::Body],
        Method::Differences => vec![MetricKind::Adam, MetricKind::Raw],
    }
}

/// Whether a gradient for every fold of two arms can be held.
fn is_small(setup: &Setup) -> bool {
    let learn =
        setup.lora.as_ref().map_or_else(|| Layout::new(&setup.model).n_params(), LoraLayout::n_params);
    learn <= FEW_PARAMETERS
}

impl Run<'_> {
    /// Audits the policy as it is now, if that is due; what there is of it for the row. What keeps an audit from telling anything,
    /// such as responses that are all right by now, is noted: training goes on.
    ///
    /// # Errors
    /// A [`crate::interrupt::Stopped`] if a signal asks for a stop.
    pub(super) fn audit(&mut self, interrupt: &Interrupt) -> Result<MetricRow> {
        let Some(config) = self.setup.recipe.audit.as_ref().filter(|config| config.every > 0) else {
            return Ok(MetricRow::default());
        };
        if !self.step.is_multiple_of(config.every) {
            return Ok(MetricRow::default());
        }
        let folder = self.writer.audit_folder(self.step);
        self.console.note(format_args!("audit of step {} in {}", self.step, folder.display()));
        match self.audited(config, &folder, interrupt) {
            Ok(summary) => {
                self.console.note(format_args!("  {}", summary.in_a_line()));
                Ok(metrics::of_audit(&summary))
            }
            Err(error) if error.is::<Stopped>() => Err(error),
            Err(error) => {
                self.console
                    .note(format_args!("no audit of step {}: {error:#}; training goes on", self.step));
                Ok(MetricRow::default())
            }
        }
    }

    fn audited(&self, config: &AuditConfig, folder: &Path, interrupt: &Interrupt) -> Result<Summary> {
        let own = Audit::new(self.setup, config, None)?;
        let mut kept = Kept::open(folder, &own.settings())?;
        let state = self.trainer.learner.state();
        let moments = Moments::new(&state.second, state.updates, self.setup.recipe.optim.betas[1]);
        let summary = own.run(&self.trainer.policy, moments, &mut kept, self.console, interrupt)?;
        let title = format!("{}, step {}", self.setup.recipe.run.name, self.step);
        summary.write(folder, &title, "", |tokens| self.setup.tokenizer.pieces(tokens))?;
        Ok(summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_leave_few_prompts_out() {
        let of = |prompts, batch| {
            let Folds { n, prompts, .. } = folds(prompts, batch, MOST_FOLDS);
            (n, prompts)
        };
        assert_eq!((of(576, 24), of(960, 24)), ((24, 24), (32, 30)));
        // Not 32 of 3 and of 7.
        assert_eq!((of(120, 2), of(240, 2), of(63, 1)), ((30, 4), (30, 8), (31, 2)));
        // One more each would be fewer than six.
        assert_eq!((of(13, 24), of(12, 24), of(0, 24)), ((6, 2), (6, 2), (6, 0)));
    }
}
