//! Whole runs on servers.

use std::path::Path;

use serde_json::Value;

use super::stub::{Kind, Stub};
use crate::interrupt::Interrupt;
use crate::observe::glossary::ENTRIES;
use crate::observe::{Console, Jsonl};
use crate::recipe::Recipe;
use crate::run::{Origin, Outcome, Request, Setup, initial_policy, train};
use crate::types::{MetricRow, Span};

const RECIPE: &str = r#"
[run]
name = "served"
steps = 3
[model]
scratch = "countdown2m"
dtype = "f32"
device = "cpu"
[data]
type = "countdown"
numbers = [3, 3]
max_number = 9
targets = [1, 50]
train_items = 20
eval_items = 1
[explore]
type = "group"
size = 2
[sampling]
max_new_tokens = 8
[[reward]]
type = "countdown"
preset = "tinyzero"
[advantage]
type = "group"
[loss]
entropy_bonus = 0.1
[loss.policy]
type = "clip"
[optim]
lr = 1e-3
[batch]
prompts = 2
"#;

/// Overrides: responses of a tree.
const TREE: [&str; 3] = [
    "explore={type=\"tree\", roots=2, branches=1, rule={type=\"entropy\"}}",
    "advantage.type=\"group\"",
    "sampling.max_new_tokens=12",
];

/// The rows of a run, which the bonus of entropy changes in every step, on servers of `kind` with `overrides`.
fn rows(kind: Kind, overrides: &[&str], runs: &Path) -> Vec<MetricRow> {
    let first = Setup::new(Recipe::parse("test.toml", RECIPE, &[]).unwrap()).unwrap();
    let policy = initial_policy(&first).unwrap();
    let stubs = [0, 1].map(|_| Stub::new(kind, &super::other(&policy), |_, _| None));
    let name = format!("{kind:?}").to_lowercase();
    let urls = stubs.each_ref().map(|stub| stub.url.clone());
    let engine = format!("engine={{type={name:?}, urls={urls:?}, dtype=\"f32\"}}");
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).chain([engine]).collect();
    let setup = Setup::new(Recipe::parse("test.toml", RECIPE, &overrides).unwrap()).unwrap();
    let request = Request {
        setup,
        given: None,
        runs: runs.to_owned(),
        sft_folder: runs.to_owned(),
        origin: Origin::New,
        set: Vec::new(),
    };
    let outcome = train(request, &Console::new(), &Interrupt::default()).unwrap();
    assert_eq!(outcome, Outcome::Done);
    let rows = Jsonl::read(&runs.join("served/metrics.jsonl")).unwrap().rows;
    rows.into_iter().map(|(_, row)| row).collect()
}

/// Of how many responses of the run in `folder` tokens are of several weights; that all say of which, with no gap.
fn n_mixed(folder: &Path) -> usize {
    let mut n_mixed = 0;
    for step in 1..4 {
        let text = std::fs::read_to_string(folder.join(format!("rollouts/step_00000{step}.jsonl"))).unwrap();
        for line in text.lines() {
            let response: Value = serde_json::from_str(line).unwrap();
            let spans: Vec<Span> = serde_json::from_value(response["versions"].clone()).unwrap();
            let ends = spans.iter().map(|span| span.end);
            let starts: Vec<usize> = std::iter::once(0).chain(ends).collect();
            assert_eq!(starts.last(), Some(&response["tokens"].as_array().unwrap().len()));
            assert!(spans.iter().zip(starts).all(|(span, start)| span.start == start), "{spans:?}");
            assert!(spans.iter().all(|span| span.version.starts_with("rlcredit-")), "{spans:?}");
            n_mixed += usize::from(spans.len() > 1);
        }
    }
    n_mixed
}

#[test]
fn training_through_servers_is_training() {
    let on_policy: &[&str] = &[];
    let one_step_off = [&TREE[..], &["pipeline.type=\"one_step_off\""]].concat();
    let overlapped = ["pipeline.type=\"overlapped\""];
    for (kind, name, overrides) in [
        (Kind::Vllm, "on_policy", on_policy),
        (Kind::Vllm, "tree", &TREE[..]),
        (Kind::Sglang, "one_step_off", &one_step_off),
        (Kind::Sglang, "overlapped", &overlapped),
        (Kind::Vllm, "rhythm", &["credit=[{type=\"rhythm\"}]", "signals.horizon=[2, 6]"]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let rows = rows(kind, overrides, dir.path());
        assert_eq!(rows.len(), 3, "{name}");
        let of_servers = ENTRIES.iter().filter(|entry| entry.key.starts_with("engine/"));
        let unwritten: Vec<_> = of_servers.filter(|entry| rows[0].get(entry.key).is_none()).collect();
        assert!(unwritten.is_empty(), "{name}: {unwritten:?}");
        for (row, step) in rows.iter().zip(1..) {
            let value = |key: &str| row.get(key).unwrap_or_else(|| panic!("{name}, step {step}: {key}"));
            // Importance sampling is on, so the learner is asked in every step.
            assert!(value("mismatch/importance_mean") > 0.0);
            assert_eq!(value("engine/resent"), 0.0, "{name}");
            if overrides.iter().all(|part| !part.starts_with("pipeline")) {
                assert!(value("mismatch/logprob_abs_max") < 1e-3, "{name}: {row:?}");
                assert!(value("engine/known_abs_max") < 1e-3 && value("engine/publish_s") > 0.0);
            }
        }
        let n_mixed = n_mixed(&dir.path().join("served"));
        // Its branches go on from prefixes of the weights before.
        assert_eq!(n_mixed > 0, name == "one_step_off", "{name}: {n_mixed}");
        assert!(
            !dir.path().join("served/weights").exists(),
            "{name}: nobody comes for these weights any more"
        );
    }
}
