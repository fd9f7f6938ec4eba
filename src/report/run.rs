//! One run as the page has it. What is missing or damaged is left out and said.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;
use toml::Table;

use super::accuracy::{Evaluation, evaluations};
use super::course::Course;
use super::ending::{Ending, ending};
use super::links::link;
use super::responses::{Responses, responses};
use super::settings::{departures, resolved};
use crate::files::{read_regular, read_regular_text};
use crate::observe::{Jsonl, Sound, duration};
use crate::recipe::{Departure, telling, whole};
use crate::run::history::{self, Event};
use crate::run_folder::RunFolder;
use crate::types::{MetricRow, Step, program, shell_word};

/// Most runs that one was forked from, one from the other, that are followed.
const MOST_PARENTS: usize = 20;

/// A run.
#[derive(Debug, Serialize)]
pub(super) struct Run {
    /// What it is called.
    pub name: String,
    /// Its folder, as a person named it.
    pub folder: String,
    /// How it stands.
    pub ending: Ending,
    /// What is missing or could not be read.
    pub notes: Vec<String>,
    /// What else there is to say of it, name and value.
    pub facts: Vec<(&'static str, String)>,
    /// Its rows.
    pub course: Course,
    /// Its evaluations.
    pub evaluations: Vec<Evaluation>,
    /// What came before its first step, of a run that was forked.
    pub before: Option<Before>,
    /// Its responses.
    pub responses: Responses,
    /// Keys that differ from their defaults; `None` where the recipe is not known.
    pub settings: Option<Vec<Departure>>,
    /// What people did to it; `None` where it is not known.
    pub history: Option<Vec<Event>>,
    /// How `inspect` makes the page of a step, the step put in for `{step}`.
    pub inspect: String,
    /// Its recipe.
    #[serde(skip)]
    pub recipe: Option<Table>,
}

/// The runs that a run was forked from, as far as it goes on from them.
#[derive(Debug, Serialize)]
pub(super) struct Before {
    /// The run right before.
    pub folder: String,
    /// Their rows.
    pub course: Course,
    /// Their evaluations.
    pub evaluations: Vec<Evaluation>,
}

/// Whether there is anything of a run in `folder`.
pub(super) fn is_run(folder: &RunFolder) -> bool {
    [folder.resolved(), folder.metrics(), folder.manifest(), folder.history()]
        .iter()
        .any(|file| file.is_file())
}

impl Run {
    /// The run in the folder `root`, for a page in the folder `page`.
    pub(super) fn read(root: &Path, page: &Path) -> Self {
        let folder = RunFolder::at(root);
        let mut notes = Vec::new();
        let recipe = noted(&mut notes, resolved(&folder));
        let settings = recipe.as_ref().and_then(|recipe| noted(&mut notes, departures(recipe)));
        let history = if folder.history().exists() {
            noted(&mut notes, history::read(&folder))
        } else {
            notes.push(format!(
                "{}: there is none, as in runs of earlier versions",
                folder.history().display()
            ));
            None
        };
        let rows = rows(&folder, &mut notes);
        let (evaluations, unread) = evaluations(&folder, &rows);
        notes.extend(unread);
        let events = history.as_deref().unwrap_or_default();
        let begun = events.iter().find_map(|event| event.parent.as_ref()).map_or(0, |parent| parent.step);
        let last = rows.last().map(|(step, _)| *step);
        let (mut responses, unread) = responses(&folder, last);
        notes.extend(unread);
        for sample in &mut responses.samples {
            let fragment = format!("#{}.{}", sample.prompt_id, sample.sample);
            sample.link = link(page, &inspected(root, sample.step)).map(|link| link + &fragment);
        }
        let before = before(&folder, events, &mut notes);
        let last_row = rows.last().map(|(_, row)| row);
        Self {
            name: name_of(root),
            folder: root.display().to_string(),
            ending: ending(&folder, last.unwrap_or(begun), last_row, steps(recipe.as_ref()), events),
            facts: facts(&folder, last_row, &mut notes),
            course: Course::of(&rows),
            evaluations,
            before,
            responses,
            settings,
            history: history.map(|events| events.into_iter().map(told).collect()),
            inspect: inspect_command(root),
            recipe,
            notes,
        }
    }
}

/// What was read, or `None` and a note of why not.
fn noted<T>(notes: &mut Vec<String>, read: Result<T>) -> Option<T> {
    read.map_err(|error| notes.push(format!("{error:#}"))).ok()
}

fn name_of(root: &Path) -> String {
    let whole = || root.canonicalize().ok()?.file_name().map(|name| name.to_string_lossy().into_owned());
    let own = root.file_name().map(|name| name.to_string_lossy().into_owned());
    own.or_else(whole).unwrap_or_else(|| root.display().to_string())
}

fn steps(recipe: Option<&Table>) -> Option<Step> {
    recipe?.get("run")?.get("steps")?.as_integer()?.try_into().ok()
}

/// The rows of the run in `folder` up to the first fault.
fn rows(folder: &RunFolder, notes: &mut Vec<String>) -> Vec<(Step, MetricRow)> {
    let path = folder.metrics();
    if !path.exists() {
        notes.push(format!("{}: there is none, so there are no curves", path.display()));
        return Vec::new();
    }
    let Sound { rows, fault } = noted(notes, Jsonl::read(&path)).unwrap_or_default();
    notes.extend(fault.map(|fault| format!("{fault}; the rows from there on are left out")));
    rows
}

/// `event` with those of its changes that say something.
fn told(mut event: Event) -> Event {
    event.changes = telling(&event.changes).into_iter().cloned().collect();
    event
}

/// The page of `inspect` with the responses of `step`.
fn inspected(root: &Path, step: Step) -> PathBuf {
    RunFolder::at(root).inspections().join(format!("step_{step:06}.html"))
}

/// How that page is made, `{step}` and `{file}` standing for the step and its six digits.
fn inspect_command(root: &Path) -> String {
    let root = whole(root);
    let run = shell_word(&root.display().to_string());
    let page = RunFolder::at(&root).inspections().join("step_").display().to_string();
    format!("{} inspect --run {run} --step {{step}} --html {}{{file}}.html", program(), shell_word(&page))
}

/// What `env.json`, the last row and the checkpoints say in a few words.
fn facts(
    folder: &RunFolder,
    last: Option<&MetricRow>,
    notes: &mut Vec<String>,
) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let env = folder.env();
    let read = || -> Result<Value> {
        let text = read_regular(&env, 1 << 20).with_context(|| env.display().to_string())?;
        serde_json::from_slice(&text).with_context(|| env.display().to_string())
    };
    let environment = noted(notes, read()).unwrap_or_default();
    for (name, key) in [
        ("run", "run"),
        ("started", "started"),
        ("rlcredit", "rlcredit"),
        ("device", "device"),
        ("precision", "dtype"),
        ("backend", "backend"),
        ("threads", "threads"),
    ] {
        match &environment[key] {
            Value::Null => {}
            Value::String(text) => facts.push((name, text.clone())),
            value => facts.push((name, value.to_string())),
        }
    }
    let of = |key: &str| last.and_then(|row| row.get(key)).filter(|value| value.is_finite());
    let wall = of("progress/wall_s");
    facts.extend(wall.map(|wall| ("took", duration(wall))));
    let tokens = of("progress/tokens_generated");
    facts.extend(tokens.map(|tokens| ("tokens sampled", format!("{tokens:.0}"))));
    for name in ["latest", "best"] {
        let named = read_regular_text(&folder.checkpoints().join(name), 1000);
        let label = if name == "best" { "best checkpoint" } else { "newest checkpoint" };
        facts.extend(named.ok().map(|named| (label, named.trim().to_owned())));
    }
    facts
}

/// What came before the run in `folder` whose history is `events`, where the runs that it was forked from are still there.
fn before(folder: &RunFolder, events: &[Event], notes: &mut Vec<String>) -> Option<Before> {
    let parent = events.iter().find_map(|event| event.parent.as_ref())?;
    let told = parent.folder.display().to_string();
    let (mut all_rows, mut all_evaluations) = (Vec::new(), Vec::new());
    let (mut child, mut wanted) = (folder.clone(), Some(parent.clone()));
    for _ in 0..MOST_PARENTS {
        let Some(parent) = wanted.take() else { break };
        let Some(place) = history::find_parent(&child, &parent) else {
            notes.push(format!(
                "{}: the run that this was forked from behind step {} is not there, so its curves are left out",
                parent.folder.display(),
                parent.step
            ));
            break;
        };
        let step = parent.step;
        child = place;
        let mut own = rows(&child, notes);
        own.retain(|(own, _)| *own <= step);
        let (evaluations, _) = evaluations(&child, &own);
        let until = evaluations.into_iter().filter(|one| one.step.is_none_or(|own| own <= step));
        drop(all_evaluations.splice(..0, until));
        drop(all_rows.splice(..0, own));
        let events = history::read(&child).unwrap_or_default();
        wanted = events.iter().find_map(|event| event.parent.clone());
    }
    (!all_rows.is_empty()).then(|| Before {
        folder: told,
        course: Course::of(&all_rows),
        evaluations: all_evaluations,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_command_is_one_for_a_shell_whatever_the_run_is_called() {
        assert_eq!(
            inspect_command(Path::new("/runs/a")),
            "rlcredit inspect --run /runs/a --step {step} --html /runs/a/inspect/step_{file}.html"
        );
        assert_eq!(
            inspect_command(Path::new("/my runs")),
            "rlcredit inspect --run '/my runs' --step {step} --html '/my runs/inspect/step_'{file}.html"
        );
    }

    #[test]
    fn a_folder_with_next_to_nothing_in_it_is_told_of_as_far_as_it_goes() {
        let runs = tempfile::tempdir().unwrap();
        let root = runs.path().join("old");
        std::fs::create_dir(&root).unwrap();
        assert!(!is_run(&RunFolder::at(&root)));
        std::fs::write(root.join("metrics.jsonl"), "{\"step\":1,\"reward/mean\":0.5}\n{\"step\":2,\n")
            .unwrap();
        assert!(is_run(&RunFolder::at(&root)));
        let run = Run::read(&root, runs.path());
        assert_eq!((run.name.as_str(), run.course.steps.as_slice()), ("old", &[1][..]));
        assert_eq!(run.ending.said, "stopped behind step 1: it is not finished");
        for part in ["resolved.toml", "history.jsonl: there is none", "line 2: not a JSON object", "env.json"]
        {
            assert!(run.notes.iter().any(|note| note.contains(part)), "{part}: {:?}", run.notes);
        }
    }
}
