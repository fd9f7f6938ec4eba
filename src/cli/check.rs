//! `rlcredit check RECIPE`: everything that can be known to be wrong without loading a model.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use rlcredit::data::sampler::SamplerConfig;
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
        for note in recipe.notes().into_iter().chain(setup.data.notes()) {
            super::say(format_args!("note: {note}"))?;
        }
        let batch = recipe.batch;
        let most = recipe.explore.most();
        let (prompts, responses) = match recipe.sampler {
            SamplerConfig::Adaptive(adaptive) => {
                let prompts = format!("{} prompts at first and at most {}", batch.prompts, adaptive.most);
                (prompts, format!("at most {most} responses to each"))
            }
            SamplerConfig::Uniform(_) => {
                let each = if recipe.explore.rounds() > 0 { "at most " } else { "" };
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
        Ok(ExitCode::SUCCESS)
    }
}
