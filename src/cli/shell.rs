//! `rlcredit completions SHELL` and `rlcredit man`: what a shell and `man` know of the program.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use super::flags::arranged;
use super::{Arguments, say_drawn};
use crate::files::write_whole;

/// What the program is called where it is installed.
const NAME: &str = "rlcredit";

#[derive(Args)]
pub(super) struct Completions {
    /// The shell: bash, zsh, fish, elvish or powershell
    #[arg(value_enum, hide_possible_values = true)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut written = Vec::new();
        clap_complete::generate(self.shell, &mut arranged(Arguments::command(), NAME), NAME, &mut written);
        say_drawn(String::from_utf8(written)?.trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args)]
pub(super) struct Man {
    /// Where it is kept: a folder, one page for each verb
    ///
    /// Without it the page of the program is printed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut program = arranged(Arguments::command(), NAME);
        program.build();
        let Some(out) = self.out else {
            say_drawn(String::from_utf8(page(program)?)?.trim_end())?;
            return Ok(ExitCode::SUCCESS);
        };
        fs::create_dir_all(&out).with_context(|| format!("could not create {}", out.display()))?;
        let verbs = program.get_subcommands().filter(|verb| verb.get_name() != "help").cloned().map(|verb| {
            let name = format!("{NAME}-{}", verb.get_name());
            let bin = format!("{NAME} {}", verb.get_name());
            verb.name(name.clone()).bin_name(bin).display_name(name)
        });
        let pages: Vec<Command> = std::iter::once(program.clone()).chain(verbs).collect();
        for command in pages {
            let path = out.join(format!("{}.1", command.get_name()));
            let text = page(command)?;
            write_whole(&path, |w| Ok(w.write_all(&text)?))?;
            super::say(path.display())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The page of `command`, as `man` reads it.
fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(page)
}
