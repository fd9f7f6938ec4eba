//! What is said of a run as a whole: at its beginning, to those who get its rows, and at its end.

use std::path::Path;

use anyhow::{Context, Result};

use super::Setup;
use super::writer::RunWriter;
use crate::checkpoint::Milestone;
use crate::environment::Environment;
use crate::eval::Estimate;
use crate::observe::{About, Accuracy, Console, Stage, Summary};
use crate::ranks::{Ranks, counted};
use crate::run_folder::{RunFolder, RunManifest};
use crate::types::Step;

/// What those who get rows are told of the run in `folder`, whose rows up to that of `last_row` stay.
pub(super) fn about(
    setup: &Setup,
    folder: &RunFolder,
    manifest: &RunManifest,
    last_row: Step,
) -> Result<About> {
    let recipe = &setup.recipe;
    let k = recipe.eval.samples;
    let withheld = recipe.reward.iter().flat_map(|entry| entry.grader.settings().variables());
    Ok(About {
        withheld: withheld.collect(),
        name: recipe.run.name.clone(),
        id: manifest.run.to_string(),
        folder: folder.root().canonicalize().unwrap_or_else(|_| folder.root().to_owned()),
        steps: recipe.run.steps,
        after: last_row,
        recipe: serde_json::to_value(recipe)?,
        toml: recipe.to_toml()?,
        headlines: setup.data.eval.iter().map(|set| format!("eval/{}/avg@{k}", set.name)).collect(),
    })
}

/// Says what is trained, on what and by how many.
pub(super) fn describe(
    setup: &Setup,
    root: &Path,
    environment: &Environment,
    ranks: &Ranks,
    console: &Console,
) {
    let Environment { device, backend, threads, dtype, .. } = environment;
    let adapters = setup.lora.as_ref().map_or_else(String::new, |layout| {
        format!(" and {:.2} M of adapters, which learn", layout.n_params() as f64 / 1e6)
    });
    let together =
        if ranks.is_alone() { String::new() } else { format!(" each of {}", counted(ranks.size())) };
    let dtype = serde_json::to_value(dtype).unwrap_or_default();
    console.note(format!(
        "{}: {:.1} M parameters{adapters}, {} on {device}, backend {backend}, {threads} threads{together}",
        root.display(),
        setup.model.n_params() as f64 / 1e6,
        dtype.as_str().unwrap_or_default(),
    ));
    console.note(format!(
        "{} training and {} evaluation problems",
        setup.data.train.len(),
        setup.data.n_eval()
    ));
}

impl RunWriter {
    /// The last words of the run.
    pub(super) fn summary(
        &self,
        setup: &Setup,
        evaluations: &[Milestone],
        wall_s: f64,
        console: &Console,
    ) -> Result<()> {
        let accuracy = |e: &Estimate| Accuracy { mean: e.mean, ci95: e.half_width() };
        let n_sets = setup.data.eval.len();
        let stage = |Milestone { moment, report }: &Milestone| Stage {
            name: if n_sets > 1 { format!("{}, {moment}", report.set) } else { moment.clone() },
            accuracies: vec![
                Some(accuracy(&report.avg)),
                report.pass_of_row().as_ref().map(accuracy),
                report.greedy.as_ref().map(accuracy),
            ],
        };
        let place = |set: &str| setup.data.eval.iter().position(|one| one.name == set);
        let mut by_set: Vec<_> = evaluations.iter().collect();
        by_set.sort_by_key(|milestone| place(&milestone.report.set));
        let k = setup.recipe.eval.samples;
        let root = self.home.folder.root().display();
        let steps = setup.recipe.run.steps;
        let rollouts =
            if setup.recipe.observe.rollouts_every == 0 { "" } else { &format!("{root}/rollouts, ") };
        let policy = self
            .home
            .store
            .latest()?
            .context("the checkpoint of the last step is missing")?
            .folder
            .join("model");
        console.summary(&Summary {
            title: format!("{}: {steps} steps done", setup.recipe.run.name),
            wall_s,
            columns: vec![format!("avg@{k}"), format!("pass@{k}"), String::from("greedy")],
            stages: by_set.into_iter().map(stage).collect(),
            places: vec![
                (String::from("policy"), policy.display().to_string()),
                (String::from("metrics"), format!("{root}/metrics.jsonl")),
                (String::from("curves"), format!("tensorboard --logdir {root}/tb")),
                (String::from("responses"), format!("{rollouts}{root}/eval")),
                (String::from("log"), format!("{root}/run.log")),
            ],
        });
        Ok(())
    }
}
