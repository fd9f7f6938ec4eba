//! `rlcredit check RECIPE`: everything that can be known to be wrong without loading a model.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use rlcredit::recipe::Draft;
use rlcredit::run::Setup;

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
        let setup = Setup::of_draft(Draft::load(&self.recipe, &self.overrides)?)?;
        let recipe = &setup.recipe;
        if self.resolved {
            super::say(recipe.to_toml()?.trim_end())?;
            return Ok(ExitCode::SUCCESS);
        }
        for note in recipe.notes() {
            super::say(format_args!("note: {note}"))?;
        }
        let batch = recipe.batch;
        let responses = batch.prompts.saturating_mul(recipe.explore.most());
        super::say(format_args!(
            "{}: fine. {} steps of {} prompts x {} responses = {responses}, {} updates each; {} training and {} \
             evaluation problems",
            self.recipe.display(),
            recipe.run.steps,
            batch.prompts,
            recipe.explore.most(),
            batch.minibatches.saturating_mul(batch.epochs),
            setup.data.train.len(),
            setup.data.eval.len()
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}
