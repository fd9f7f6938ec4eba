//! `rlcredit check RECIPE`: everything that can be known to be wrong without loading a model.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use rlcredit::recipe::Recipe;
use rlcredit::run::{Failure, Setup};

#[derive(Args)]
pub struct Check {
    /// The run as a TOML file
    recipe: PathBuf,
    /// Override a key, in TOML's syntax: --set optim.lr=1e-5
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Print the recipe with every default filled in
    #[arg(long)]
    resolved: bool,
}

impl Check {
    pub fn run(self) -> Result<ExitCode> {
        let recipe = Recipe::load(&self.recipe, &self.overrides)?;
        recipe.check_files()?;
        if self.resolved {
            super::say(recipe.to_toml()?.trim_end())?;
            return Ok(ExitCode::SUCCESS);
        }
        for note in recipe.notes() {
            super::say(format_args!("note: {note}"))?;
        }
        let batch = recipe.batch;
        let setup = Setup::new(recipe).map_err(Failure::bad_input)?;
        let responses = batch.prompts * setup.recipe.explore.n_first();
        super::say(format_args!(
            "{}: fine. {} steps of {} prompts x {} responses = {responses}, {} updates each; {} training and {} \
             evaluation problems",
            self.recipe.display(),
            setup.recipe.run.steps,
            batch.prompts,
            setup.recipe.explore.n_first(),
            batch.minibatches * batch.epochs,
            setup.data.train.len(),
            setup.data.eval.len()
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}
