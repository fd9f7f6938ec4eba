//! `rlcredit report RUN...`: how runs went, as one page.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::observe::Console;
use crate::report;
use crate::run::Failure;

#[derive(Args)]
pub(super) struct Report {
    /// Folders of runs
    ///
    /// Done, going on, or of an earlier version; the curves of several lie over one another
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Write a page to look at in a browser
    ///
    /// It needs no network. Without it RUN/report.html, and of several runs report.html in this folder
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Report {
    pub(super) fn run(self) -> Result<ExitCode> {
        let out = self.html.unwrap_or_else(|| match self.runs.as_slice() {
            [run] => run.join(report::FILE),
            _ => Path::new(report::FILE).to_owned(),
        });
        report::require_runs(&self.runs).map_err(Failure::bad_input)?;
        report::require_harmless(&self.runs, &out).map_err(Failure::bad_input)?;
        let console = Console::new();
        for note in report::write(&self.runs, &out)? {
            console.note(format_args!("note: {note}"));
        }
        super::say(out.display())?;
        Ok(ExitCode::SUCCESS)
    }
}
