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
    /// The recipe, a TOML file; - reads standard input
    #[arg(value_name = "RECIPE", value_parser = super::flags::input())]
    recipe: PathBuf,
    /// Override a key of the recipe: optim.lr=1e-5
    ///
    /// What is set is not shortened. The value is in TOML's syntax, where a bare word is a text. May be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Folder that holds the short runs, which are removed
    ///
    /// Without it the system's own for such things
    #[arg(long, value_name = "DIR")]
    within: Option<PathBuf>,
    /// Print JSON instead of text
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
