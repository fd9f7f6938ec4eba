//! How a run stands: done, ended early, diverged, going on, or stopped on its way.

use serde::Serialize;

use crate::files::{Lock, append_to, read_regular_text};
use crate::run::history::{Event, Happened};
use crate::run_folder::RunFolder;
use crate::types::{MetricRow, Step};

/// How a run stands, in a word and in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Ending {
    /// The word.
    pub kind: Kind,
    /// The sentence.
    pub said: String,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// All steps are done.
    Done,
    /// It ended before its last step, since evaluations got no better.
    Early,
    /// It came to numbers that nothing can be learnt from.
    Diverged,
    /// A process trains it now.
    Going,
    /// It was stopped before its last step.
    Stopped,
}

/// How the run in `folder` stands, whose last step of `steps` is `last` with the row `row`, and whose history is `events`.
pub(super) fn ending(
    folder: &RunFolder,
    last: Step,
    row: Option<&MetricRow>,
    steps: Option<Step>,
    events: &[Event],
) -> Ending {
    let of = steps.map(|steps| format!(" of {steps}")).unwrap_or_default();
    let at = format!("step {last}{of}");
    let newest = events.last().filter(|event| event.step >= last);
    let reason = newest.and_then(|event| event.reason.clone()).unwrap_or_default();
    let (kind, said) = if is_held(folder) {
        (Kind::Going, format!("still going on: {at} is done"))
    } else if let Some(why) = why_diverged(folder, last, row, newest) {
        (Kind::Diverged, format!("diverged behind {at}: {why}"))
    } else if newest.is_some_and(|event| event.event == Happened::StoppedEarly) {
        (Kind::Early, format!("ended early, behind {at}: {reason}"))
    } else if steps.is_some_and(|steps| last >= steps) {
        (Kind::Done, format!("all {last} steps are done"))
    } else {
        (Kind::Stopped, format!("stopped behind {at}: it is not finished"))
    };
    Ending { kind, said }
}

/// Whether another process trains in `folder`.
fn is_held(folder: &RunFolder) -> bool {
    let path = folder.root().join(".lock");
    let free = || Lock::try_on(append_to(&path).ok()?, &path).ok();
    path.is_file() && matches!(free(), Some(None))
}

/// Why the run diverged, where it did: as a comparison has noted it, as its history has it, or by the update that it refused last.
fn why_diverged(
    folder: &RunFolder,
    last: Step,
    row: Option<&MetricRow>,
    newest: Option<&Event>,
) -> Option<String> {
    if let Ok(noted) = read_regular_text(&folder.root().join("diverged.txt"), 1 << 20) {
        return Some(noted.trim().to_owned());
    }
    if let Some(event) = newest.filter(|event| event.event == Happened::Diverged) {
        return Some(event.reason.clone().unwrap_or_default());
    }
    let refused = folder.refused(last + 1);
    let was_skipped = row.is_some_and(|row| row.get("optim/skipped") == Some(1.0));
    (was_skipped && refused.is_file()).then(|| {
        format!(
            "the update of step {} was refused as those before it, since its numbers were not finite; its responses lie in {}",
            last + 1,
            refused.display()
        )
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::fs;

    use super::*;

    fn event(event: Happened, step: Step, reason: &str) -> Event {
        Event { reason: Some(reason.to_owned()), ..Event::now(event, step, &[]) }
    }

    #[test]
    fn what_happened_last_says_how_it_stands() {
        let runs = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(runs.path(), "run").unwrap();
        let skipped: MetricRow = [("optim/skipped", 1.0)].into_iter().collect();
        let stands = |last, events: &[Event]| {
            let Ending { kind, said } = ending(&folder, last, Some(&skipped), Some(9), events);
            (kind, said)
        };
        assert_eq!(stands(9, &[]), (Kind::Done, "all 9 steps are done".into()));
        assert_eq!(stands(4, &[]), (Kind::Stopped, "stopped behind step 4 of 9: it is not finished".into()));
        let early = event(Happened::StoppedEarly, 4, "no better");
        assert_eq!(
            stands(4, std::slice::from_ref(&early)),
            (Kind::Early, "ended early, behind step 4 of 9: no better".into())
        );
        // It has gone on since.
        assert_eq!(stands(6, std::slice::from_ref(&early)).0, Kind::Stopped);
        assert_eq!(stands(4, &[early, event(Happened::Resumed, 4, "")]).0, Kind::Stopped);
        let diverged = event(Happened::Diverged, 4, "the policy is broken");
        assert_eq!(
            stands(4, &[diverged]),
            (Kind::Diverged, "diverged behind step 4 of 9: the policy is broken".into())
        );
        let refused = folder.refused(5);
        fs::create_dir_all(refused.parent().unwrap()).unwrap();
        fs::write(refused, "").unwrap();
        assert_eq!(stands(4, &[]).0, Kind::Diverged);
        assert_eq!(
            ending(&folder, 4, None, Some(9), &[]).kind,
            Kind::Stopped,
            "it may have been stopped in that step"
        );
        assert_eq!(stands(7, &[]).0, Kind::Stopped, "the update was refused once, and the run went on");
        let lock = folder.lock().unwrap();
        assert_eq!(stands(4, &[]), (Kind::Going, "still going on: step 4 of 9 is done".into()));
        drop(lock);
        fs::write(folder.root().join("diverged.txt"), "nan\n").unwrap();
        assert_eq!(stands(9, &[]), (Kind::Diverged, "diverged behind step 9 of 9: nan".into()));
    }
}
