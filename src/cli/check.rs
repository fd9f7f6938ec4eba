//! `rlcredit check RECIPE`: everything that can be known to be wrong without loading a model.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::recipe::Draft;
use crate::rollout::explore::ExploreSettings;
use crate::run::{Failure, Setup};
use crate::run_folder::RunFolder;

#[derive(Args)]
pub(super) struct Check {
    /// The run as a TOML file
    recipe: PathBuf,
    /// Override a key, in TOML's syntax: --set optim.lr=1e-5
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Print the recipe with every default filled in
    #[arg(long)]
    resolved: bool,
    /// Name of the run, instead of the recipe's
    #[arg(long)]
    name: Option<String>,
    /// Folder that holds the runs, `runs` without it
    #[arg(long, default_value = "runs", hide_default_value = true)]
    runs: PathBuf,
}

impl Check {
    pub(super) fn run(self) -> Result<ExitCode> {
        let name = self.name.as_deref().map(super::train::name_override);
        let overrides: Vec<String> = self.overrides.iter().cloned().chain(name).collect();
        let draft = Draft::load(&self.recipe, &overrides)?;
        let read = draft.notes();
        let setup = Setup::of_draft(draft)?;
        let recipe = &setup.recipe;
        if self.resolved {
            super::say(recipe.lasting()?.to_toml()?.trim_end())?;
            return Ok(ExitCode::SUCCESS);
        }
        let place = place_note(&self.runs, &recipe.run.name)?;
        for note in read.into_iter().chain(recipe.notes()).chain(setup.data.notes()).chain(place) {
            super::say(format_args!("note: {note}"))?;
        }
        let batch = recipe.batch;
        let most = recipe.exploration().most();
        let (prompts, responses) = match recipe.sampler.settings().most() {
            Some(most_prompts) => {
                let prompts = format!("{} prompts at first and at most {most_prompts}", batch.prompts);
                (prompts, format!("at most {most} responses to each"))
            }
            None => {
                let each = if recipe.exploration().rounds() > 0 { "at most " } else { "" };
                (
                    format!("{} prompts", batch.prompts),
                    format!("{each}{most} responses = {each}{}", batch.prompts.saturating_mul(most)),
                )
            }
        };
        super::say(format_args!(
            "{}: fine. {} steps of {prompts} x {responses}, {} updates each; {} training and {} evaluation problems",
            self.recipe.display(),
            recipe.run.steps,
            batch.minibatches.saturating_mul(batch.epochs),
            setup.data.train.len(),
            setup.data.n_eval()
        ))?;
        let (placement, backend) = (setup.placement, setup.backend());
        let device = format!("{:?}", placement.device).to_lowercase();
        super::say(format_args!("computes in {:?} on {device}, backend {backend}", placement.kind))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Refuses a place where `train` could not begin the run, in its words. A run that is there already may be meant, to be
/// continued, so of that it is a note.
fn place_note(runs: &Path, name: &str) -> Result<Option<String>> {
    let Err(error) = RunFolder::check_free(runs, name) else { return Ok(None) };
    if RunFolder::at(&runs.join(name)).resolved().is_file() {
        return Ok(Some(format!("{error:#}")));
    }
    Err(Failure::bad_input(error))
}
