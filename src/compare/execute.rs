//! Makes the runs of a comparison one after the other in this process.
//!
//! A run that is finished is left alone, one that has begun is resumed, and the others are started. A run that diverges
//! is reported and the next one begins: that a strategy diverges is a result. It would diverge again, so it is marked and
//! left alone from then on.

use std::path::Path;

use anyhow::Result;

use super::arms::Arm;
use super::collect::RunRecord;
use super::folder::ComparisonFolder;
use super::plan::Plan;
use crate::interrupt::{Interrupt, StopSignal};
use crate::observe::{Console, duration};
use crate::report;
use crate::run::{Failure, Origin, Outcome, Request, has_diverged, train};
use crate::types::counted;

/// Makes what is missing of the runs of `plan`. `after_run` is called after each run that was made. Results of SFT are taken
/// from and kept for all runs in `sft_folder`.
///
/// # Errors
/// What stops a run for good; a [`Failure::Diverged`] at the end, if runs diverged.
pub(crate) fn execute(
    plan: &Plan,
    folder: &ComparisonFolder,
    sft_folder: &Path,
    console: &Console,
    interrupt: &Interrupt,
    after_run: &mut dyn FnMut() -> Result<()>,
) -> Result<Outcome> {
    let (runs, mut diverged): (Vec<(&Arm, u64)>, Vec<String>) = (plan.runs().collect(), Vec::new());
    for (index, (arm, seed)) in runs.iter().enumerate() {
        let name = arm.run_name(*seed);
        let label = format!("{}, seed {seed}", arm.label);
        let place = format!("run {} of {}, {label}", index + 1, runs.len());
        if let Some(signal) = interrupt.requested() {
            return Ok(stopped(signal, console));
        }
        let setup = plan.setup_beside(arm, *seed, folder.run_folders(&name)?)?;
        let steps = setup.recipe.run.steps;
        if folder.is_finished(&name, steps)? {
            console.note(format!("compare: {place}: finished before"));
            continue;
        }
        if let Some(why) = folder.divergence(&name)? {
            let run = folder.runs().join(&name);
            console.note(format!(
                "compare: {place}: diverged before and is left alone; to try again, delete {}; {}",
                run.display(),
                why.trim_end()
            ));
            diverged.push(label);
            continue;
        }
        let left = time_left(folder, &runs[index..])?
            .map_or_else(String::new, |left| format!("; about {} left of all", duration(left)));
        console.note(format!("\ncompare: {place}{left}"));
        let whole = console.step_phase(&format!("compare {}/{}", index + 1, runs.len()), 0);
        whole.advance(0, format!("{label}{left}"));
        let request = Request {
            setup,
            given: Some(plan.base(arm)?.text.whole()),
            runs: folder.runs(),
            sft_folder: sft_folder.to_owned(),
            origin: Origin::planned(folder.has_begun(&name)),
            set: Vec::new(),
        };
        match train(request, console, interrupt) {
            Ok(Outcome::Done) => {}
            Ok(Outcome::Interrupted(signal)) => return Ok(stopped(signal, console)),
            Err(error) if has_diverged(&error) => {
                console.note(format!("compare: {label}: {error:#}"));
                folder.keep_divergence(&name, &format!("{error:#}"))?;
                diverged.push(label);
            }
            Err(error) => return Err(of_run(error, &label)),
        }
        whole.finish();
        console.note(format!("compare: {}", report::write_at_end(&folder.runs().join(&name))));
        after_run()?;
    }
    if diverged.is_empty() {
        return Ok(Outcome::Done);
    }
    Err(Failure::Diverged(format!(
        "{} of {} diverged; left out of the results: {}",
        diverged.len(),
        counted(runs.len(), "run"),
        diverged.join(" / ")
    ))
    .into())
}

fn stopped(signal: StopSignal, console: &Console) -> Outcome {
    console.note(format!("{signal}: the comparison stopped; the same command goes on from here"));
    Outcome::Interrupted(signal)
}

/// The error of a run, saying which; a [`Failure`] keeps its kind, on which the exit code depends.
fn of_run(error: anyhow::Error, label: &str) -> anyhow::Error {
    match error.downcast::<Failure>() {
        Ok(Failure::BadInput(text)) => Failure::BadInput(format!("{label}: {text}")).into(),
        Ok(Failure::ResumeRefused(text)) => Failure::ResumeRefused(format!("{label}: {text}")).into(),
        Ok(Failure::Diverged(text) | Failure::Lost { text, .. }) => {
            Failure::Diverged(format!("{label}: {text}")).into()
        }
        Err(error) => error.context(label.to_owned()),
    }
}

/// Seconds until all of `runs` are done if each takes as long as those that are finished did on average, and those that
/// have diverged are left alone; `None` before the first of them.
fn time_left(folder: &ComparisonFolder, runs: &[(&Arm, u64)]) -> Result<Option<f64>> {
    let records: Vec<RunRecord> = folder.records()?.into_iter().flat_map(|(_, records)| records).collect();
    let finished: Vec<f64> = records.iter().filter(|run| run.is_finished()).map(|run| run.wall_s).collect();
    if finished.is_empty() {
        return Ok(None);
    }
    let each = finished.iter().sum::<f64>() / finished.len() as f64;
    let spent = |(arm, seed): &(&Arm, u64)| {
        let own = folder.runs().join(arm.run_name(*seed));
        let record = records.iter().find(|run| run.folder == own);
        record.map_or(0.0, |run| if run.diverged.is_some() { each } else { run.wall_s })
    };
    Ok(Some(runs.iter().map(|run| (each - spent(run)).max(0.0)).sum()))
}
