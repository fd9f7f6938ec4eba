//! `rlcredit doctor`: is this machine ready, and what is to be done where it is not?

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::say;
use crate::doctor::{Finding, State, examine, try_out};
use crate::interrupt::{Interrupt, OrStopped};
use crate::types::counted;

#[derive(Args)]
pub(super) struct Doctor {
    /// Leave out the run that tries everything
    #[arg(long)]
    skip_test: bool,
    /// Folder that holds the runs [default: runs]
    #[arg(long, value_name = "DIR", default_value = "runs", hide_default_value = true)]
    runs: PathBuf,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(self) -> Result<ExitCode> {
        let interrupt = Interrupt::install(|_, _| ())?;
        let mut found = Vec::new();
        let mut tell = |finding: Finding| {
            if !self.json {
                print(&finding)?;
            }
            found.push(finding);
            interrupt.check()
        };
        let all = examine(&self.runs, &mut tell).and_then(|()| match self.skip_test {
            true => Ok(()),
            false => tell(try_out(&interrupt)),
        });
        if let Err(signal) = all.or_stopped()? {
            return Ok(ExitCode::from(signal.exit_code()));
        }
        let n = |state| found.iter().filter(|finding| finding.state == state).count();
        let (problems, warnings) = (n(State::Problem), n(State::Warning));
        if self.json {
            say(json!({ "ok": problems == 0, "problems": problems, "warnings": warnings, "checks": found }))?;
        } else {
            let (problems, warnings) = (counted(problems, "problem"), counted(warnings, "warning"));
            say(format_args!("\n{problems}, {warnings}"))?;
        }
        Ok(if problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// A line of what there is, and one of what to do about it.
fn print(finding: &Finding) -> Result<()> {
    let Finding { name, state, said, remedy } = finding;
    say(format_args!("{:8} {name:10} {said}", state.name()))?;
    remedy.iter().try_for_each(|remedy| say(format_args!("{:8} {:10} -> {remedy}", "", "")))
}
