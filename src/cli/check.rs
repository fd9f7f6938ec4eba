//! `rlcredit check RECIPE`: everything that can be known to be wrong without loading a model.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::recipe::Draft;
use crate::rollout::explore::ExploreSettings;
use crate::run::{Failure, Setup};
use crate::run_folder::RunFolder;
use crate::types::counted;

#[derive(Args)]
pub(super) struct Check {
    /// The recipe, a TOML file; - reads standard input
    #[arg(value_name = "RECIPE", value_parser = super::flags::input())]
    recipe: PathBuf,
    /// Override a key of the recipe: optim.lr=1e-5
    ///
    /// The value is in TOML's syntax, where a bare word is a text. May be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Print the recipe with every default filled in
    #[arg(long)]
    resolved: bool,
    /// Name of the run, instead of the recipe's
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Folder that holds the runs [default: runs]
    #[arg(long, value_name = "DIR", default_value = "runs", hide_default_value = true)]
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
                let prompts =
                    format!("{} at first and at most {most_prompts}", counted(batch.prompts, "prompt"));
                (prompts, format!("at most {} to each", counted(most, "response")))
            }
            None => {
                let each = if recipe.exploration().rounds() > 0 { "at most " } else { "" };
                (
                    counted(batch.prompts, "prompt"),
                    format!(
                        "{each}{} = {each}{}",
                        counted(most, "response"),
                        batch.prompts.saturating_mul(most)
                    ),
                )
            }
        };
        super::say(format_args!(
            "{}: fine. {} of {prompts} x {responses}, {} each; {} training and {}",
            self.recipe.display(),
            counted(recipe.run.steps, "step"),
            counted(batch.minibatches.saturating_mul(batch.epochs), "update"),
            setup.data.train.len(),
            counted(setup.data.n_eval(), "evaluation problem")
        ))?;
        let (placement, backend) = (setup.placement, setup.backend());
        super::say(format_args!("computes in {placement}, backend {backend}"))?;
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
