//! `rlcredit verify RECIPE`: whether a recipe does here what runs promise, tried on a few short steps.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::interrupt::Interrupt;
use crate::observe::Console;
use crate::run::verify::{Checked, Verified, verify};

use super::say;

#[derive(Args)]
pub(super) struct Verify {
    /// The run as a TOML file
    recipe: PathBuf,
    /// Override a key, in TOML's syntax: --set sampling.max_new_tokens=256
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Folder in which the short runs are made, and removed again; the system's own for such things without it
    #[arg(long, value_name = "FOLDER")]
    within: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self) -> Result<ExitCode> {
        let folder = match &self.within {
            Some(within) => tempfile::tempdir_in(within),
            None => tempfile::tempdir(),
        };
        let folder = folder.context("could not make a folder for the short runs")?;
        let console = Console::new();
        let interrupt = Interrupt::install(|_, _| {})?;
        let Some(found) = verify(&self.recipe, &self.overrides, folder.path(), &console, &interrupt)? else {
            let code = interrupt.requested().map_or(1, |signal| signal.exit_code());
            return Ok(ExitCode::from(code));
        };
        if self.json {
            say(serde_json::to_string(&found)?)?;
        } else {
            told(&found)?;
        }
        Ok(if found.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn told(Verified { shortened, checked }: &Verified) -> Result<()> {
    say(format_args!("shortened by --set {}", shortened.join(" --set ")))?;
    let width = checked.iter().map(|one| one.what.len()).max().unwrap_or(0);
    for Checked { what, good, found } in checked {
        let verdict = match good {
            Some(true) => "ok     ",
            Some(false) => "WRONG  ",
            None => "untold ",
        };
        say(format_args!("{verdict} {what:width$}  {found}"))?;
    }
    Ok(())
}
