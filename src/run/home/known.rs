//! What a run that is taken up must still have, and which run it is.

use anyhow::{Context, Result, ensure};

use crate::checkpoint::{Latest, run_of};
use crate::files::read_regular;
use crate::observe::Jsonl;
use crate::run_folder::{RunFolder, RunManifest};
use crate::types::{MetricRow, RunId, Step};

/// That a run which has saved something still has it: it may not begin again over what it has done.
pub(super) fn check_not_lost(folder: &RunFolder, known: Option<&RunManifest>) -> Result<()> {
    let checkpoints = folder.checkpoints();
    if checkpoints.is_dir() && Latest::find(&checkpoints)?.is_some() {
        return Ok(());
    }
    let rows = Jsonl::read(&folder.metrics()).unwrap_or_default().rows;
    // The row behind a checkpoint has the time that it took.
    let timed = |(_, row): &(Step, MetricRow)| row.get("time/checkpoint").is_some();
    let saved = known.and_then(|known| known.saved);
    let lost =
        saved.is_some() || rows.iter().any(timed) || (!checkpoints.is_dir() && folder.metrics().exists());
    let last = saved.map_or_else(String::new, |step| format!(", the last of them of step {step}"));
    ensure!(
        !lost,
        "{}: the run has written checkpoints{last}, which are gone; put the folder back, or, to begin again, start under \
         another --name or remove {}",
        checkpoints.display(),
        folder.root().display()
    );
    Ok(())
}

/// Which run it is. Where it has no manifest, its checkpoints, its reference or `env.json` may know.
pub(super) fn find_id(folder: &RunFolder, known: Option<&RunManifest>) -> Result<RunId> {
    if let Some(known) = known {
        return Ok(known.run.clone());
    }
    let told = || {
        let newest = Latest::find(&folder.checkpoints()).ok().flatten();
        if let Some(run) = newest.and_then(|newest| run_of(&newest.folder)) {
            return Some(run);
        }
        if let Some(run) = run_of(&folder.reference()) {
            return Some(run);
        }
        let text = read_regular(&folder.env(), u64::MAX).ok()?;
        let env: serde_json::Value = serde_json::from_slice(&text).ok()?;
        serde_json::from_value(env.get("run")?.clone()).ok()
    };
    told().map_or_else(|| RunId::draw().context("the run needs an id"), Ok)
}
