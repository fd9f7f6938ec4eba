//! Many workers on many responses, and whether the grader behind them works at all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::protocol::Failure;
use super::stop::Stop;
use super::{PATIENCE, PATIENCE_AT_FIRST};
use crate::{Response, Task, Verdict};

/// Time between two looks whether the work is to go on. A verdict that comes at once is not kept waiting long.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// One response to grade.
pub(super) type Item<'a> = (&'a Task, Response<'a>);

/// What a grader has done so far.
#[derive(Debug, Default)]
pub(super) struct Crew(Mutex<Record>);

#[derive(Debug, Default)]
struct Record {
    has_answered: bool,
    /// Failures since the last answer.
    failures: usize,
    last: String,
}

impl Crew {
    /// Has `workers` share `items`, each one at a time, for as long as `go_on`: the verdicts in order. `grade` hears of the stop
    /// as well, so that it waits for nothing then; what it says afterwards is dropped.
    ///
    /// # Errors
    /// If the grader has never answered, or was not to go on.
    pub(super) fn grade_all<W: Send>(
        &self,
        workers: impl Iterator<Item = W>,
        items: &[Item<'_>],
        go_on: &mut dyn FnMut() -> bool,
        grade: impl Fn(&mut W, &Item<'_>, &Stop) -> Result<Verdict, Failure> + Sync,
    ) -> Result<Vec<Verdict>, String> {
        self.forgive();
        let (next, stop) = (AtomicUsize::new(0), Stop::default());
        let work = |mut worker: W| {
            let mut graded = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(index).filter(|_| !stop.is_set()) else { return graded };
                let outcome = match self.given_up() {
                    Some(failure) => Err(failure),
                    None => {
                        let outcome = grade(&mut worker, item, &stop);
                        // A wait that was cut short says nothing of the grader.
                        if stop.is_set() {
                            return graded;
                        }
                        self.noted(outcome)
                    }
                };
                graded.push((index, outcome.unwrap_or_else(Failure::verdict)));
            }
        };
        let mut graded: Vec<(usize, Verdict)> = thread::scope(|scope| {
            let start = |worker| scope.spawn(|| work(worker));
            let threads: Vec<_> = workers.take(items.len()).map(start).collect();
            while threads.iter().any(|thread| !thread.is_finished()) {
                if !go_on() {
                    stop.set();
                    break;
                }
                thread::sleep(LOOK_EVERY);
            }
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        });
        if stop.is_set() {
            return Err("it was stopped".to_owned());
        }
        if let Some(reason) = self.dead() {
            return Err(reason);
        }
        graded.sort_unstable_by_key(|(index, _)| *index);
        Ok(graded.into_iter().map(|(_, verdict)| verdict).collect())
    }

    /// `outcome`, of which note is taken.
    fn noted(&self, outcome: Result<Verdict, Failure>) -> Result<Verdict, Failure> {
        self.record(|record| match &outcome {
            Ok(_) => *record = Record { has_answered: true, ..Record::default() },
            Err(failure) => {
                record.failures += 1;
                record.last.clone_from(&failure.note);
            }
        });
        outcome
    }

    /// Why no further response is worth a try, if none is.
    fn given_up(&self) -> Option<Failure> {
        self.record(|Record { has_answered, failures, last }| {
            let patience = if *has_answered { PATIENCE } else { PATIENCE_AT_FIRST };
            let note = || format!("not tried after {failures} failures in a row, the last: {last}");
            (*failures >= patience).then(|| Failure::error(note()))
        })
    }

    /// Why the grader does not work, where it has never answered.
    fn dead(&self) -> Option<String> {
        self.record(|Record { has_answered, failures, last }| {
            let reason =
                || format!("it has answered none of the first {failures} responses, the last: {last}");
            (*failures >= PATIENCE_AT_FIRST && !*has_answered).then(reason)
        })
    }

    /// Gives a grader that has worked before another chance.
    fn forgive(&self) {
        self.record(|record| {
            if record.has_answered {
                record.failures = 0;
            }
        });
    }

    fn record<T>(&self, with: impl FnOnce(&mut Record) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{Question, Status};

    #[test]
    fn waits_that_a_stop_cuts_short_are_no_failures_of_the_grader() {
        let (crew, task, begun) = (Crew::default(), Task::Question(Question::new("42")), AtomicUsize::new(0));
        let items = vec![(&task, Response::new("42")); PATIENCE_AT_FIRST + 1];
        let waits = |(): &mut (), _: &Item<'_>, stop: &Stop| {
            begun.fetch_add(1, Ordering::Relaxed);
            stop.pause(Duration::from_secs(60));
            Err(Failure::timeout(60.0))
        };
        let mut go_on = || begun.load(Ordering::Relaxed) < items.len();
        let stopped = crew.grade_all(items.iter().map(|_| ()), &items, &mut go_on, waits);
        assert_eq!(stopped.unwrap_err(), "it was stopped");
        let answers = |(): &mut (), _: &Item<'_>, _: &Stop| Ok(Verdict::from_correct(true, Status::Ok));
        let verdicts = crew.grade_all([()].into_iter(), &items, &mut || true, answers).unwrap();
        assert!(verdicts.iter().all(Verdict::correct));
    }
}
