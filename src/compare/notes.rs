//! What a reader of the results should know of single runs and of what runs differ in, one sentence each.

use std::collections::{BTreeMap, BTreeSet};

use super::collect::RunRecord;
use super::sharing::Apart;
use super::stall::Stall;
use crate::observe::duration;
use crate::recipe::Recipe;
use crate::types::counted;

type Arms = [(String, Vec<RunRecord>)];

/// All there is to say about `arms`, whose runs `apart` tells apart.
pub(super) fn notes(arms: &Arms, baseline: &str, apart: &Apart) -> Vec<String> {
    let runs = || arms.iter().flat_map(|(label, runs)| runs.iter().map(move |run| (label, run)));
    let mut notes: Vec<String> = runs().filter_map(|(label, run)| unfinished(label, run)).collect();
    notes.extend(runs().filter_map(|(label, run)| damaged(label, run)));
    notes.extend(runs().filter_map(|(label, run)| stalled(label, run)));
    notes.extend(runs().flat_map(|(label, run)| changed(label, run)));
    notes.extend(of_two_seeds(arms));
    notes.extend(unpaired(arms, baseline));
    notes.extend(alike(arms));
    notes.extend(differing(runs().map(|(_, run)| &run.recipe)));
    notes.extend(apart.notes());
    notes
}

/// What `recipes` measure differently.
pub(super) fn differing<'r>(recipes: impl Iterator<Item = &'r Recipe> + Clone) -> Vec<String> {
    let differ = |value: fn(&Recipe) -> u64| recipes.clone().map(value).collect::<BTreeSet<u64>>().len() > 1;
    let samples =
        "the runs differ in the samples of an evaluation: their accuracies are not of the same thing";
    let steps = "the runs differ in their steps: read them where as many tokens were sampled";
    let said = [(differ(|r| r.eval.samples as u64), samples), (differ(|r| r.run.steps), steps)];
    said.into_iter().filter(|(differ, _)| *differ).map(|(_, text)| text.to_owned()).collect()
}

fn unfinished(label: &str, run: &RunRecord) -> Option<String> {
    let (seed, step, steps) = (run.recipe.run.seed, run.step, run.recipe.run.steps);
    let why = match &run.diverged {
        Some(_) => format!(", diverged; to try again, delete {}", run.folder.display()),
        None => String::new(),
    };
    (!run.is_finished()).then(|| format!("{label}, seed {seed}: left out, step {step} of {steps}{why}"))
}

fn damaged(label: &str, run: &RunRecord) -> Option<String> {
    let (seed, step) = (run.recipe.run.seed, run.step);
    let fault = run.fault.as_ref()?;
    Some(format!("{label}, seed {seed}: what is behind step {step} is left out: {fault}"))
}

/// What of the run does not stand in its recipe.
fn changed(label: &str, run: &RunRecord) -> Vec<String> {
    let seed = run.recipe.run.seed;
    run.told.iter().map(|told| format!("{label}, seed {seed}: {told}")).collect()
}

fn stalled(label: &str, run: &RunRecord) -> Option<String> {
    let Stall { n, seconds, share, median } =
        Stall::from_seconds(&run.step_seconds).filter(|_| run.is_finished())?;
    Some(format!(
        "{label}, seed {}: {} far above the median of {} took {} of {} of training ({:.0} %), so its training \
         time says little",
        run.recipe.run.seed,
        counted(n, "step"),
        duration(median),
        duration(seconds),
        duration(seconds / share),
        100.0 * share
    ))
}

/// That there are too few seeds to tell anything by.
fn of_two_seeds(arms: &Arms) -> Option<String> {
    let most = arms.iter().map(|(_, runs)| runs.iter().filter(|run| run.is_finished()).count()).max();
    (most == Some(2) && arms.len() > 1).then(|| {
        "of two seeds intervals reach 12.7 standard errors, so that next to nothing can be told apart; five are a start".to_owned()
    })
}

/// Arms whose finished runs have no seed in common with those of the baseline, so that there is no difference.
fn unpaired(arms: &Arms, baseline: &str) -> Vec<String> {
    let seeds = |runs: &[RunRecord]| -> BTreeSet<u64> {
        runs.iter().filter(|run| run.is_finished()).map(|run| run.recipe.run.seed).collect()
    };
    let Some((_, base)) = arms.iter().find(|(label, _)| label == baseline) else { return Vec::new() };
    let base = seeds(base);
    let written =
        |seeds: &BTreeSet<u64>| seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let lonely = arms
        .iter()
        .map(|(label, runs)| (label, seeds(runs)))
        .filter(|(_, own)| !base.is_empty() && !own.is_empty() && base.is_disjoint(own));
    lonely
        .map(|(label, own)| {
            format!(
                "{label} has no finished seed in common with {baseline} ({} against {}), so there is no difference to \
                 take",
                written(&own),
                written(&base)
            )
        })
        .collect()
}

/// Arms that measured the same at every evaluation of the same seeds, so that one line lies on the other.
fn alike(arms: &Arms) -> Vec<String> {
    let measured = |runs: &[RunRecord]| -> BTreeMap<u64, Vec<(u64, Option<f64>, f64)>> {
        let finished = runs.iter().filter(|run| run.is_finished());
        let curve = |run: &RunRecord| run.curve.iter().map(|p| (p.step, p.greedy, p.avg)).collect();
        finished.map(|run| (run.recipe.run.seed, curve(run))).collect()
    };
    let all: Vec<_> = arms.iter().map(|(label, runs)| (label, measured(runs))).collect();
    let mut notes = Vec::new();
    for (index, (label, own)) in all.iter().enumerate().filter(|(_, (_, own))| !own.is_empty()) {
        if let Some((other, _)) = all[..index].iter().find(|(_, other)| own == other) {
            notes.push(format!(
                "{other} and {label} measured the same throughout: one line hides the other. Their settings come to the same, \
                 or the runs are too short for a difference to show in an answer"
            ));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::super::testing::made_up;
    use super::*;

    fn run(dir: &std::path::Path, name: &str, seed: u64) -> RunRecord {
        let first = 0.01 * name.bytes().map(f64::from).sum::<f64>() / 10.0;
        RunRecord::read(&made_up(&dir.join(name), seed, &[], &[first, 0.3, 0.4])).unwrap().unwrap()
    }

    #[test]
    fn arms_that_hide_each_other_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let record = |folder: &str, seed, last| {
            RunRecord::read(&made_up(&dir.path().join(folder), seed, &[], &[0.2, 0.3, last]))
                .unwrap()
                .unwrap()
        };
        let arms = |last| {
            let pair = |name: &str, last| {
                vec![record(&format!("{name}0"), 0, 0.4), record(&format!("{name}1"), 1, last)]
            };
            [(String::from("uniform"), pair("u", 0.5)), (String::from("rhythm"), pair("r", last))]
        };
        assert_eq!(
            said(&arms(0.5)),
            [
                "uniform and rhythm measured the same throughout: one line hides the other. Their settings come to the same, \
                 or the runs are too short for a difference to show in an answer"
            ]
        );
        assert_eq!(said(&arms(0.6)), [""; 0]);
    }

    /// Beside that there are two seeds.
    fn said(arms: &Arms) -> Vec<String> {
        let all = notes(arms, "uniform", &Apart::default());
        all.into_iter().filter(|note| Some(note) != of_two_seeds(arms).as_ref()).collect()
    }

    #[test]
    fn two_seeds_are_said_to_be_few() {
        let dir = tempfile::tempdir().unwrap();
        let run = |folder: &str, seed: u64| {
            let folder = made_up(&dir.path().join(folder), seed, &[], &[0.2, 0.3, 0.4]);
            RunRecord::read(&folder).unwrap().unwrap()
        };
        let arms = |seeds: u64| {
            let of = |name: &str| (0..seeds).map(|seed| run(&format!("{name}{seed}"), seed)).collect();
            [(String::from("uniform"), of("u")), (String::from("rhythm"), of("r"))]
        };
        let two = notes(&arms(2), "uniform", &Apart::default());
        assert!(two.iter().any(|note| note.contains("intervals reach 12.7 standard errors")), "{two:?}");
        assert_eq!((of_two_seeds(&arms(1)), of_two_seeds(&arms(3))), (None, None));
    }

    #[test]
    fn a_run_with_damaged_rows_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let folder = made_up(&dir.path().join("damaged"), 1, &[], &[0.2, 0.3]);
        let path = folder.join("metrics.jsonl");
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + "\0\n").unwrap();
        let arms = [(String::from("uniform"), vec![RunRecord::read(&folder).unwrap().unwrap()])];
        let said = said(&arms);
        assert_eq!((said.len(), &*said[0]), (2, "uniform, seed 1: left out, step 2 of 4"));
        let start = "uniform, seed 1: what is behind step 2 is left out: ";
        assert!(
            said[1].starts_with(start) && said[1].contains("metrics.jsonl, line 3: not a JSON"),
            "{said:?}"
        );
    }

    #[test]
    fn a_run_that_stalled_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("stalled");
        made_up(&folder, 1, &[], &[0.2, 0.3, 0.4]);
        let path = folder.join("metrics.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("\"time/step\":3.0", "\"time/step\":291.0", 1)).unwrap();
        let stalled = RunRecord::read(&folder).unwrap().unwrap();
        let arms = [
            (String::from("uniform"), vec![run(dir.path(), "a", 0)]),
            (String::from("rhythm"), vec![stalled]),
        ];
        let said = said(&arms);
        let stalls: Vec<&String> = said.iter().filter(|note| note.contains("median")).collect();
        assert_eq!(stalls.len(), 1, "{said:?}");
        let (took, all) = (duration(291.0), duration(300.0));
        assert!(
            stalls[0].starts_with("rhythm, seed 1: 1 step far above the median of 3.0s took "),
            "{said:?}"
        );
        assert!(stalls[0].contains(&format!("took {took} of {all} of training (97 %)")), "{said:?}");
    }

    #[test]
    fn seeds_that_do_not_meet_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let runs = |name: &str, seeds: &[u64]| -> Vec<RunRecord> {
            seeds.iter().map(|seed| run(dir.path(), &format!("{name}{seed}"), *seed)).collect()
        };
        let mut arms = vec![
            (String::from("uniform"), runs("u", &[0, 1])),
            (String::from("random"), runs("n", &[1, 2])),
            (String::from("rhythm"), runs("r", &[2, 3])),
        ];
        let note = "rhythm has no finished seed in common with uniform (2, 3 against 0, 1), so there is no difference \
                    to take";
        assert_eq!(said(&arms), [note]);
        arms[2].1.extend(runs("r", &[0]));
        assert_eq!(said(&arms), [""; 0]);
    }
}
