//! What a run says at its end: how accurate the policy was when, and what lies where.

use anyhow::{Context, Result};

use super::Setup;
use super::writer::RunWriter;
use crate::checkpoint::Milestone;
use crate::eval::Estimate;
use crate::observe::{Accuracy, Console, Stage, Summary};
use crate::types::{Step, counted, shell_word};

impl RunWriter {
    /// The last words of the run.
    pub(super) fn summary(
        &self,
        setup: &Setup,
        step: Step,
        evaluations: &[Milestone],
        wall_s: f64,
        console: &Console,
    ) -> Result<()> {
        let accuracy = |e: &Estimate| Accuracy { mean: e.mean, ci95: e.half_width() };
        let n_sets = setup.data.eval.len();
        let k = setup.recipe.eval.samples;
        let stage = |Milestone { moment, report }: &Milestone| {
            let set = if n_sets > 1 { format!("{}, ", report.set) } else { String::new() };
            // Where the samples changed as the run went, pass@k is of something else.
            let (samples, pass) = match report.k {
                own if own == k => (String::new(), report.pass_of_row()),
                own => (format!(" (avg@{own})"), None),
            };
            Stage {
                name: format!("{set}{moment}{samples}"),
                accuracies: vec![
                    Some(accuracy(&report.avg)),
                    pass.as_ref().map(accuracy),
                    report.greedy.as_ref().map(accuracy),
                ],
            }
        };
        let place = |set: &str| setup.data.eval.iter().position(|one| one.name == set);
        let mut by_set: Vec<_> = evaluations.iter().collect();
        by_set.sort_by_key(|milestone| place(&milestone.report.set));
        let root = self.home().folder.root().display();
        let observe = &setup.recipe.observe;
        let steps = match setup.recipe.run.steps {
            steps if steps == step => format!("{} done", counted(steps, "step")),
            steps => format!("ended early, behind step {step} of {steps}"),
        };
        let rollouts = if observe.rollouts_every == 0 { "" } else { &format!("{root}/rollouts, ") };
        let policy = self
            .home()
            .store
            .latest()?
            .context("the checkpoint of the last step is missing")?
            .folder
            .join("model");
        let curves = || format!("tensorboard --logdir {}", shell_word(&format!("{root}/tb")));
        let places = [
            Some(("policy", policy.display().to_string())),
            Some(("metrics", format!("{root}/metrics.jsonl"))),
            observe.tensorboard.then(|| ("curves", curves())),
            Some(("responses", format!("{rollouts}{root}/eval"))),
            Some(("log", format!("{root}/run.log"))),
        ];
        console.summary(&Summary {
            title: format!("{}: {steps}", setup.recipe.run.name),
            wall_s,
            columns: vec![format!("avg@{k}"), format!("pass@{k}"), String::from("greedy")],
            stages: by_set.into_iter().map(stage).collect(),
            places: places.into_iter().flatten().map(|(what, where_)| (what.to_owned(), where_)).collect(),
        });
        Ok(())
    }
}
