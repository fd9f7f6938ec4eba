//! `docs/metrics.md` is written from the glossary.

use std::fmt::Write;

use super::page_is;
use crate::observe::glossary::{ENTRIES, Entry};

const INTRODUCTION: &str = "\
# Metrics

What every number of a step means. `metrics.jsonl` in the run's folder has one object a line and step, TensorBoard (`tb/`) the same
numbers with these sentences as descriptions. A key that is not here is never written: a run refuses a row that has one.

`<...>` stands for a name: `eval/<set>/avg@<k>` is `eval/heldout/avg@4` of four samples to each problem of the set `heldout`.
A number is missing from a row where there is nothing to say (an accuracy in steps without evaluation), and `null` where it is not
finite.
";

/// What the keys that begin alike are about, in the order of the glossary.
const FAMILIES: &[(&str, &str)] = &[
    ("reward", "Rewards"),
    ("group", "Groups"),
    ("rollout", "Generation"),
    ("tree", "Trees"),
    ("root", "Roots"),
    ("response_length", "Length"),
    ("policy", "Policy"),
    ("loss", "Loss"),
    ("value", "Critic"),
    ("advantage", "Advantages"),
    ("credit", "Credit"),
    ("values", "Values of prefixes"),
    ("audit", "Audit"),
    ("circuit", "Circuits"),
    ("mismatch", "Generation against training"),
    ("engine", "Servers that answer"),
    ("off_policy", "Age of the responses"),
    ("optim", "Optimiser"),
    ("time", "Time"),
    ("perf", "Performance"),
    ("progress", "Progress"),
    ("eval", "Evaluation"),
];

fn family(entry: &Entry) -> &str {
    entry.key.split('/').next().unwrap()
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (name, title) in FAMILIES {
        _ = writeln!(page, "\n## {title}\n\n| key | unit | meaning |\n|---|---|---|");
        for entry in ENTRIES.iter().filter(|entry| family(entry) == *name) {
            let meaning = entry.meaning.replace('|', "\\|");
            _ = writeln!(page, "| `{}` | {} | {meaning} |", entry.key, entry.unit);
        }
    }
    page
}

#[test]
fn the_page_of_metrics_is_the_glossary() {
    let without: Vec<_> =
        ENTRIES.iter().filter(|entry| FAMILIES.iter().all(|(name, _)| *name != family(entry))).collect();
    assert!(without.is_empty(), "keys of no family: {without:?}");
    page_is("docs/metrics.md", &page());
}
