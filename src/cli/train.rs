//! `rlcredit train RECIPE`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use rlcredit::interrupt::Interrupt;
use rlcredit::observe::Console;
use rlcredit::recipe::Draft;
use rlcredit::run::{Outcome, Request, Setup, train};

#[derive(Args)]
pub struct Train {
    /// The run as a TOML file
    recipe: PathBuf,
    /// Continue the run of that name from its newest checkpoint
    #[arg(long)]
    resume: bool,
    /// Override a key, in TOML's syntax: --set optim.lr=1e-5
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Name of the run, instead of the recipe's
    #[arg(long)]
    name: Option<String>,
    /// Folder that holds the runs
    #[arg(long, default_value = "runs")]
    runs: PathBuf,
}

impl Train {
    pub fn run(self) -> Result<ExitCode> {
        let name = self.name.map(|name| format!("run.name={}", toml::Value::String(name)));
        let overrides: Vec<String> = self.overrides.into_iter().chain(name).collect();
        let console = Arc::new(Console::new());
        let phase = console.step_phase("set up", 0);
        let setup = Setup::of_draft(Draft::load(&self.recipe, &overrides)?)?;
        phase.finish();
        let given =
            std::fs::read_to_string(&self.recipe).with_context(|| self.recipe.display().to_string())?;
        for note in setup.recipe.notes() {
            console.note(note);
        }
        let teller = Arc::clone(&console);
        let interrupt = Interrupt::install(move |signal| {
            teller.note(format_args!("{signal}: stopping after this step (again: quit without saving)"));
        })?;
        let request =
            Request { setup, given, warm_starts: self.runs.clone(), runs: self.runs, resume: self.resume };
        Ok(match train(request, &console, &interrupt)? {
            Outcome::Done => ExitCode::SUCCESS,
            Outcome::Interrupted(signal) => ExitCode::from(signal.exit_code()),
        })
    }
}
