//! What a run was before it was forked: the course of its parent up to there, and of that one's parent.

use crate::observe::{Jsonl, Sound};
use crate::recipe::telling;
use crate::run::history::{self, Event, Happened};
use crate::run_folder::RunFolder;
use crate::types::{MetricRow, Step};

/// Deepest line of parents that is followed.
const MOST: usize = 100;

/// The rows of the run in `files` from the first step on, those of its parents before its `own`, and the folder of the first of them: there
/// lies what the policy was before it learnt.
#[must_use]
pub(super) fn whole(files: &RunFolder, own: Sound) -> (RunFolder, Sound) {
    let (mut first, mut sound) = (files.clone(), own);
    for _ in 0..MOST {
        let Some(parent) =
            history::read(&first).unwrap_or_default().into_iter().find_map(|event| event.parent)
        else {
            break;
        };
        let Some(folder) = history::find_parent(&first, &parent) else { break };
        let before = Jsonl::read(&folder.metrics()).unwrap_or_default();
        let kept: Vec<(Step, MetricRow)> =
            before.rows.into_iter().filter(|(step, _)| *step <= parent.step).collect();
        if kept.last().map(|(step, _)| *step) != Some(parent.step) {
            break;
        }
        sound.rows = kept.into_iter().chain(sound.rows).collect();
        first = folder;
    }
    (first, sound)
}

/// What people changed of the run in `files` as it went, of its parents up to where it left them, and why it ended early, a sentence each.
#[must_use]
pub(super) fn told(files: &RunFolder) -> Vec<String> {
    let (mut run, mut until, mut told) = (files.clone(), Step::MAX, Vec::new());
    for _ in 0..MOST {
        let events = history::read(&run).unwrap_or_default();
        let parent = events.iter().find_map(|event| event.parent.clone());
        let own: Vec<String> =
            events.iter().filter(|event| event.step < until).filter_map(of_event).collect();
        told.splice(0..0, own);
        let Some((parent, folder)) =
            parent.and_then(|parent| Some((parent.clone(), history::find_parent(&run, &parent)?)))
        else {
            break;
        };
        (run, until) = (folder, parent.step);
    }
    told
}

fn of_event(event: &Event) -> Option<String> {
    let changed = telling(&event.changes).into_iter().filter(|change| change.shapes_results());
    let changed: Vec<String> =
        changed.map(|change| format!("{} from {} to {}", change.key, change.before, change.now)).collect();
    let changed = changed.join(", ");
    match (event.event, &event.parent) {
        (Happened::Forked, Some(parent)) => {
            let from = format!("forked from {} behind step {}", parent.folder.display(), parent.step);
            Some(if changed.is_empty() { from } else { format!("{from}: {changed}") })
        }
        (Happened::StoppedEarly, _) => {
            let reason = event.reason.as_deref().unwrap_or("evaluations got no better");
            Some(format!("ended early behind step {}: {reason}", event.step))
        }
        _ => (!changed.is_empty()).then(|| format!("changed behind step {}: {changed}", event.step)),
    }
}
