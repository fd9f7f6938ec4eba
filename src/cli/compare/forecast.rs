//! What a comparison will run and how long that takes, before it begins.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use super::super::plan::{here, of_setup};
use crate::compare::collect::RunRecord;
use crate::compare::{Plan, finished};
use crate::observe::duration;
use crate::plan::{Speed, Times, times};
use crate::run::Setup;
use crate::types::counted;

/// Runs of a comparison, those that are done, and how long the others take.
pub(super) struct Forecast {
    /// Labels of the arms, each with what its runs are expected to take, seconds.
    arms: Vec<(String, Option<f64>)>,
    n_seeds: usize,
    /// Steps of a run; several where arms differ in them.
    steps: BTreeSet<u64>,
    n_runs: usize,
    n_done: usize,
    /// Seconds of the runs that are left.
    left: Option<f64>,
    /// Whether it is known from runs that are done, and not reckoned.
    is_measured: bool,
}

impl Forecast {
    /// That of `plan` in the folder `out`, where some of its runs may be done.
    ///
    /// # Errors
    /// If a recipe does not make a run, or a run that is there cannot be read.
    pub(super) fn new(plan: &Plan, out: &Path) -> Result<Self> {
        let Some(first) = plan.seeds.first() else { anyhow::bail!("no seeds") };
        let mut speed = None;
        let mut expected = Vec::new();
        let mut steps = BTreeSet::new();
        for arm in &plan.arms {
            let setup = plan.setup(arm, *first)?;
            steps.insert(setup.recipe.run.steps);
            if speed.is_none() {
                speed = Some(here(&of_setup(&setup, 1, 1))?);
            }
            let seconds = speed.flatten().map(|speed| seconds(&setup, &speed));
            expected.push((arm.label.clone(), seconds));
        }
        let mut done: Vec<RunRecord> = Vec::new();
        let mut left = Vec::new();
        for (arm, seed) in plan.runs() {
            match finished(out, arm, seed)? {
                Some(record) => done.push(record),
                None => left.push(&arm.label),
            }
        }
        let mean = done.iter().map(|run| run.wall_s).sum::<f64>() / done.len().max(1) as f64;
        let of_run = |label: &String| match done.is_empty() {
            false => Some(mean),
            true => expected.iter().find(|(own, _)| own == label).and_then(|(_, seconds)| *seconds),
        };
        let seconds: Option<f64> = left.iter().map(|label| of_run(label)).sum();
        Ok(Self {
            n_seeds: plan.seeds.len(),
            steps,
            n_runs: done.len() + left.len(),
            n_done: done.len(),
            left: seconds,
            is_measured: !done.is_empty(),
            arms: expected,
        })
    }

    /// A line each.
    pub(super) fn lines(&self, out: &Path) -> Vec<String> {
        let Self { arms, n_seeds, steps, n_runs, n_done, left, is_measured } = self;
        let of = match (steps.first(), steps.last()) {
            (Some(first), Some(last)) if first == last => counted(first, "step"),
            (Some(first), Some(last)) => format!("{first} to {}", counted(last, "step")),
            _ => counted(0, "step"),
        };
        let mut lines = vec![format!(
            "{}: {} x {} = {} of {of}, one after the other",
            out.display(),
            counted(arms.len(), "arm"),
            counted(n_seeds, "seed"),
            counted(n_runs, "run")
        )];
        lines.extend(arms.iter().map(|(label, _)| format!("  {label}")));
        if *n_done > 0 {
            lines.push(format!(
                "{} already done",
                if *n_done == 1 { "1 is".to_owned() } else { format!("{n_done} are") }
            ));
        }
        let by = if *is_measured {
            "as long as those that are done took"
        } else {
            "reckoned with responses of full length; usually less"
        };
        lines.push(match left {
            _ if n_done == n_runs => "nothing is left to run".to_owned(),
            Some(left) => format!("about {} for all that is left ({by})", duration(*left)),
            None => "how long it takes is known behind the first run".to_owned(),
        });
        if *n_seeds < 3 {
            lines.push(format!(
                "with {} there will be no intervals and no p-values; three tell how far chance reaches",
                counted(n_seeds, "seed")
            ));
        }
        lines
    }
}

/// What a run of `setup` takes at `speed`: its steps, its evaluations and its SFT.
fn seconds(setup: &Setup, speed: &Speed) -> f64 {
    let subject = of_setup(setup, 1, 1);
    let recipe = &setup.recipe;
    let of_step = times(&subject, speed);
    let steps = recipe.run.steps as f64;
    let responses = subject.responses() as f64;
    let per_evaluation = (recipe.eval.samples + usize::from(recipe.eval.greedy)) * setup.data.n_eval();
    let n_evaluations = 2.0 + recipe.run.steps.checked_div(recipe.eval.every).unwrap_or(0) as f64;
    // Those of an evaluation may be longer than those of training.
    let longest = |max_new_tokens: usize| max_new_tokens as f64 / recipe.sampling.max_new_tokens as f64;
    let length = recipe.eval.max_new_tokens.map_or(1.0, longest);
    let evaluating = of_step.generate * per_evaluation as f64 / responses * n_evaluations * length;
    let Times { update, .. } = of_step;
    let learned = responses * recipe.batch.epochs as f64;
    let sft =
        recipe.sft.as_ref().map_or(0.0, |sft| update * (sft.steps as f64 * sft.batch_size as f64) / learned);
    of_step.step() * steps + evaluating + sft
}
