//! Comparing: several arms, each over several seeds, down to a table, curves and a paired test.
//!
//! ```text
//! recipes --plan--> arms x seeds --execute--> run folders --collect--> curves --summary--> compare.json, .md, figures
//! ```
//!
//! What keeps a comparison fair: the runs of a seed share starting policy, prompts and held-out items as far as no arm
//! changes them, which `sharing` finds out and the report says; differences are taken seed by seed, and everything an arm
//! changes is in its label. `compare.json` is described in [`summary`], the folder in [`folder`]. Results are written after
//! every run, from the runs that are finished by then.

pub(crate) mod arms;
pub(crate) mod base;
pub(crate) mod collect;
mod course;
mod draw;
pub(crate) mod execute;
pub(crate) mod folder;
mod notes;
pub(crate) mod of;
mod past;
pub(crate) mod plan;
pub(crate) mod plot;
pub(crate) mod report;
pub(crate) mod sharing;
mod stall;
pub(crate) mod statistics;
pub(crate) mod summary;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::{Context, Result};

pub(crate) use execute::execute;
pub(crate) use folder::{ComparisonFolder, finished};
pub(crate) use plan::{Plan, Wanted};
pub(crate) use summary::{Origin, Summary};

use crate::files::write_whole;

/// Writes `compare.json`, `compare.md` and the figures into `folder`.
///
/// # Errors
/// If a file cannot be written or a figure drawn.
pub(crate) fn write_results(summary: &Summary, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
    plot::write(summary, folder)?;
    write_whole(&folder.join("compare.json"), |mut w| {
        serde_json::to_writer_pretty(&mut w, summary)?;
        Ok(w.write_all(b"\n")?)
    })?;
    write_whole(&folder.join("compare.md"), |w| Ok(w.write_all(report::markdown(summary).as_bytes())?))
}

/// The results of the comparison in `folder` as they are now.
///
/// # Errors
/// If a run cannot be read.
pub(crate) fn summarise(folder: &ComparisonFolder, title: &str) -> Result<Summary> {
    let manifest = &folder.manifest;
    let origin = Origin {
        title: title.to_owned(),
        commands: manifest.commands.clone(),
        quick: manifest.quick.clone(),
        baseline: manifest.baseline.clone(),
        n_runs: manifest.runs.len(),
    };
    Summary::new(origin, folder.records()?)
}
