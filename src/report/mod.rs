//! How runs went, as one page that needs nothing but itself: curves with intervals, responses by reward, lengths, where the time of a
//! step goes, settings and history.
//!
//! ```text
//! run folder --metrics, eval, rollouts, recipe, history--> Run --page.html--> report.html
//! ```
//!
//! It goes by what lies in the folder. A run that is going on, or of an earlier version, has less; what is missing or damaged is left
//! out and said on the page, and is no error.

mod accuracy;
mod course;
mod ending;
mod links;
mod panels;
mod responses;
mod run;
mod settings;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use serde::Serialize;

use self::panels::{PANELS, Panel};
use self::run::{Run, is_run};
use self::settings::{Differing, differing};
use crate::files::write_named;
use crate::page;
use crate::run_folder::RunFolder;

/// Name of the page.
pub(crate) const FILE: &str = "report.html";

const TEMPLATE: &str = include_str!("page.html");

/// All that the page shows.
#[derive(Serialize)]
struct Data {
    /// Version of rlcredit.
    rlcredit: &'static str,
    /// When it was made, UTC.
    at: String,
    panels: &'static [Panel],
    runs: Vec<Run>,
    /// Keys in which the runs differ.
    differing: Vec<Differing>,
}

/// That there is something of a run in each of `folders`, and each is named once.
///
/// # Errors
/// If it is not so.
pub(crate) fn require_runs(folders: &[PathBuf]) -> Result<()> {
    let mut known = Vec::new();
    for folder in folders {
        let shown = folder.display();
        ensure!(folder.is_dir(), "{shown}: there is no such folder; expected that of a run");
        ensure!(
            is_run(&RunFolder::at(folder)),
            "{shown}: not a run, there is neither a resolved.toml nor a metrics.jsonl; expected the folder of a run, such as runs/NAME"
        );
        let whole = fs::canonicalize(folder).with_context(|| shown.to_string())?;
        ensure!(!known.contains(&whole), "{shown}: named twice; name each run once");
        known.push(whole);
    }
    Ok(())
}

/// That a page at `out` would take the place of nothing that one of the runs in `folders` needs.
///
/// # Errors
/// If it would.
pub(crate) fn require_harmless(folders: &[PathBuf], out: &Path) -> Result<()> {
    let Ok(out) = fs::canonicalize(out) else { return Ok(()) };
    let within =
        folders.iter().find(|folder| fs::canonicalize(folder).is_ok_and(|folder| out.starts_with(folder)));
    let Some(folder) = within.filter(|_| out.extension().is_none_or(|kind| kind != "html")) else {
        return Ok(());
    };
    bail!(
        "--html {}: it is a file of the run {}, which needs it; expected a name that ends in .html",
        out.display(),
        folder.display()
    )
}

/// Writes the page of the runs in `folders` as `out`; gives what a person should know of them, a line each.
///
/// # Errors
/// If the page cannot be written.
pub(crate) fn write(folders: &[PathBuf], out: &Path) -> Result<Vec<String>> {
    let place = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut runs: Vec<Run> = folders.iter().map(|folder| Run::read(folder, place)).collect();
    let names: Vec<String> = runs.iter().map(|run| run.name.clone()).collect();
    for run in &mut runs {
        if names.iter().filter(|name| **name == run.name).count() > 1 {
            run.name.clone_from(&run.folder);
        }
    }
    let recipes: Vec<_> = runs.iter().map(|run| run.recipe.clone()).collect();
    let notes = runs.iter().flat_map(|run| run.notes.clone()).collect();
    let data = Data {
        rlcredit: env!("CARGO_PKG_VERSION"),
        at: Timestamp::now().strftime("%FT%TZ").to_string(),
        panels: PANELS,
        differing: if runs.len() > 1 { differing(&recipes) } else { Vec::new() },
        runs,
    };
    let page = page::fill(TEMPLATE, &data)?;
    write_named(out, &[], |w| Ok(w.write_all(page.as_bytes())?))?;
    Ok(notes)
}

/// Writes the page of a run that has come to its end into its own folder. A run is none the worse without it: gives the page, or why
/// there is none, in a line.
pub(crate) fn write_at_end(folder: &Path) -> String {
    let out = folder.join(FILE);
    match write(&[folder.to_owned()], &out) {
        Ok(_) => format!("how the run went, to look at in a browser: {}", out.display()),
        Err(error) => format!("note: there is no report of the run: {error:#}"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::Value;

    use super::*;

    #[test]
    fn no_text_of_a_run_can_leave_the_data() {
        let nasty = "</script><script>pwn()</script><!--{{data}}&\"'";
        let runs = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(runs.path(), "run").unwrap();
        let line = serde_json::json!({
            "prompt_id": 1, "sample": 0, "tokens": [1], "reward": 1.0, "text": nasty, "prompt": nasty, "answer": nasty,
        });
        fs::write(folder.rollouts(1), format!("{line}\n")).unwrap();
        fs::write(folder.metrics(), "{\"step\":1,\"reward/mean\":1.0}\n").unwrap();
        fs::write(folder.resolved(), format!("[run]\nname = {}\n", Value::from(nasty))).unwrap();
        let out = runs.path().join(FILE);
        write(&[folder.root().to_owned()], &out).unwrap();
        let page = fs::read_to_string(out).unwrap();
        let (_, rest) = page.split_once("id=\"data\">").unwrap();
        let data: Value = serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap();
        let sample = &data["runs"][0]["responses"]["samples"][0];
        assert_eq!((&sample["text"], &sample["answer"]), (&Value::from(nasty), &Value::from(nasty)));
        let without = TEMPLATE.replace("{{data}}", "");
        assert_eq!(page.matches('<').count(), without.matches('<').count());
    }

    #[test]
    fn the_page_asks_the_network_for_nothing() {
        page::assert_whole(TEMPLATE);
    }
}
