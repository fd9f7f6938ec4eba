//! `history.jsonl`: what people did to a run, one line for each process that took it up.
//!
//! ```text
//! {"event": "begun", "step": 0, "at": "2026-01-31T23:59:59Z", "rlcredit": "0.1.0", "command": "rlcredit train ...", "set": ["run.steps=300"], "changes": []}
//! {"event": "forked", "step": 40, ..., "parent": {"run": "c0ffee0123456789", "folder": "runs/countdown", "step": 40}, "changes": [...]}
//! {"event": "resumed", "step": 120, ..., "changes": [{"key": "optim.lr", "before": "0.001", "now": "0.0003", "effect": "learning"}]}
//! {"event": "stopped_early", "step": 160, ..., "reason": "..."}
//! {"event": "diverged", "step": 160, ..., "reason": "..."}
//! ```
//!
//! Runs of earlier versions have none. A run that goes on needs none; forks, replays and steps made again know by it which recipe an
//! earlier step went by.

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::files::{read_regular_text, set_aside, write_whole};
use crate::observe::Jsonl;
use crate::recipe::{Change, Effect, Recipe};
use crate::run_folder::{Parent, RunFolder, RunManifest};
use crate::types::{Step, masked, shell_word};

/// What happened to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Happened {
    /// It began.
    Begun,
    /// It began from a checkpoint of another run.
    Forked,
    /// It went on from a checkpoint of its own.
    Resumed,
    /// It ended before its last step, since evaluations got no better.
    StoppedEarly,
    /// It came to numbers that nothing can be learnt from.
    Diverged,
}

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// What happened.
    pub event: Happened,
    /// The step behind which it did.
    pub step: Step,
    /// When, UTC, `2026-01-31T23:59:59Z`.
    pub at: String,
    /// Version of rlcredit.
    pub rlcredit: String,
    /// The command line, what is secret of addresses in it masked.
    pub command: String,
    /// What its `--set` said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<String>,
    /// Whose checkpoint it began from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// Keys that changed: of the recipe so far, or of the parent's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Event {
    /// That `event` happened now behind `step`, to a process whose `--set` said `set`.
    #[must_use]
    pub(crate) fn now(event: Happened, step: Step, set: &[String]) -> Self {
        let words = std::env::args_os().map(|word| shell_word(&masked(&word.to_string_lossy())));
        Self {
            event,
            step,
            at: Timestamp::now().strftime("%FT%TZ").to_string(),
            rlcredit: env!("CARGO_PKG_VERSION").to_owned(),
            command: words.collect::<Vec<_>>().join(" "),
            set: set.iter().map(|one| masked(one)).collect(),
            parent: None,
            changes: Vec::new(),
            reason: None,
        }
    }
}

/// What people did to the run in `folder`, in order; nothing of a run of an earlier version.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn read(folder: &RunFolder) -> Result<Vec<Event>> {
    let path = folder.history();
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = read_regular_text(&path, u64::MAX)?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let events = lines.map(serde_json::from_str).collect::<Result<_, _>>();
    events.with_context(|| {
        format!(
            "{}: damaged; put it back, or remove it: what was changed earlier is then taken as it is now",
            path.display()
        )
    })
}

/// The recipe by which the run in `folder` made the step behind `step`: that of now, without what people changed later.
///
/// # Errors
/// If its recipe or what is to be taken back of it cannot be read.
pub(crate) fn recipe_behind(folder: &RunFolder, step: Step) -> Result<Recipe> {
    let resolved = folder.checked_resolved()?;
    let now = Recipe::load(&resolved, &[])
        .with_context(|| format!("{}: not a recipe of this version", resolved.display()))?;
    let events = read(folder)?;
    // Whoever went back to an earlier step took the recipe of then along.
    let last = events.iter().rposition(|event| event.step <= step);
    let later = &events[last.map_or(0, |last| last + 1).min(events.len())..];
    now.before(later.iter().flat_map(|event| &event.changes))
}

/// Whether people changed what is learnt in the run of `folder` between its steps `from` and `to`.
///
/// # Errors
/// As of [`read`].
pub(super) fn changes_between(folder: &RunFolder, from: Step, to: Step) -> Result<bool> {
    let events = read(folder)?;
    let learning = |event: &Event| event.changes.iter().any(|change| change.effect == Effect::Learning);
    Ok(events.iter().any(|event| event.step > from && event.step < to && learning(event)))
}

/// Where `parent` of the run in `folder` lies, as far as it is still there: where it lay, or beside its fork.
#[must_use]
pub(crate) fn find_parent(folder: &RunFolder, parent: &Parent) -> Option<RunFolder> {
    let beside = folder.root().parent().zip(parent.folder.file_name()).map(|(runs, name)| runs.join(name));
    let places = [Some(parent.folder.clone()), beside].into_iter().flatten();
    let is_it =
        |place: &RunFolder| RunManifest::read(place).ok().flatten().is_some_and(|own| own.run == parent.run);
    places.map(|place| RunFolder::at(&place)).find(is_it)
}

/// Adds that the run in `folder` has diverged behind the last step that its metrics have, and why; what a damaged history became.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn add_divergence(folder: &RunFolder, reason: &str) -> Result<Option<String>> {
    let rows = Jsonl::read(&folder.metrics()).map(|sound| sound.rows).unwrap_or_default();
    let step = rows.last().map_or(0, |(step, _)| *step);
    add(folder, Event { reason: Some(masked(reason)), ..Event::now(Happened::Diverged, step, &[]) })
}

/// Adds `event` to the history of the run in `folder`; one that cannot be read is set aside, and that is said.
///
/// # Errors
/// If the file cannot be written.
pub(super) fn add(folder: &RunFolder, event: Event) -> Result<Option<String>> {
    let path = folder.history();
    let (mut events, note) = match read(folder) {
        Ok(events) => (events, None),
        Err(error) => {
            let aside = set_aside(&path)?;
            (Vec::new(), Some(format!("{error:#}; it is set aside as {}", aside.display())))
        }
    };
    events.push(event);
    write_whole(&path, |mut writer| {
        for event in &events {
            serde_json::to_writer(&mut writer, event)?;
            writer.write_all(b"\n")?;
        }
        Ok(())
    })?;
    Ok(note)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::fs;

    use super::*;

    #[test]
    fn a_history_is_read_as_it_was_written_and_a_damaged_one_makes_way() {
        let runs = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(runs.path(), "run").unwrap();
        assert_eq!(read(&folder).unwrap(), []);
        let begun = Event::now(Happened::Begun, 0, &["run.steps=300".to_owned()]);
        let change = Change {
            key: "optim.lr".to_owned(),
            before: "0.001".to_owned(),
            now: "0.0003".to_owned(),
            effect: Effect::Learning,
        };
        let resumed = Event { changes: vec![change], ..Event::now(Happened::Resumed, 40, &[]) };
        for event in [&begun, &resumed] {
            assert_eq!(add(&folder, event.clone()).unwrap(), None);
        }
        assert_eq!(read(&folder).unwrap(), [begun.clone(), resumed]);

        fs::write(folder.history(), "{\"event\": \n").unwrap();
        assert!(format!("{:#}", read(&folder).unwrap_err()).contains("history.jsonl: damaged"));
        let note = add(&folder, begun.clone()).unwrap().unwrap();
        assert!(note.ends_with("history.jsonl.damaged"), "{note}");
        assert_eq!(read(&folder).unwrap(), [begun]);
    }
}
