//! `metrics.jsonl` and the rollouts keep the promises made about them.

use std::collections::BTreeSet;
use std::path::Path;

use super::place::{FINISHED, Place, RECIPE};

const PROMISED: &[&str] = &[
    "reward/mean",
    "reward/std",
    "reward/correct/mean",
    "group/solve_all",
    "group/solve_none",
    "group/mixed",
    "tree/leaves",
    "tree/shared_token_frac",
    "tree/valid_leaf_frac",
    "root/reward_mean",
    "root/correct_mean",
    "root/length_mean",
    "response_length/mean",
    "response_length/min",
    "response_length/max",
    "response_length/clip_ratio",
    "policy/entropy",
    "policy/approx_kl",
    "policy/ratio_mean",
    "policy/clip_frac_low",
    "policy/clip_frac_high",
    "loss/policy",
    "advantage/mean",
    "advantage/std",
    "advantage/min",
    "advantage/max",
    "advantage/valid_token_frac",
    "mismatch/logprob_abs_mean",
    "mismatch/logprob_abs_max",
    "mismatch/kl",
    "off_policy/age_mean",
    "off_policy/age_max",
    "optim/lr",
    "optim/grad_norm",
    "optim/param_delta",
    "time/step",
    "time/generate",
    "time/score",
    "time/measure",
    "time/credit",
    "time/train",
    "perf/generate_tokens_per_s",
    "perf/train_tokens_per_s",
    "perf/tokens_per_s",
    "perf/mfu",
    "perf/rss_peak_gb",
    "progress/prompts",
    "progress/samples",
    "progress/tokens_generated",
    "progress/wall_s",
];

const EVALUATED: &[&str] =
    &["eval/heldout/avg@2", "eval/heldout/pass@2", "eval/heldout/ci95", "eval/heldout/greedy", "time/eval"];

/// The keys that `docs/metrics.md` explains, `eval/<set>/avg@<k>` among them.
fn explained() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(key, _)| key.to_owned()).collect()
}

/// Whether `pattern` explains `key`: the same part by part, where `<...>` stands for some text.
fn covers(pattern: &str, key: &str) -> bool {
    let (patterns, parts): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), key.split('/').collect());
    let part_is = |(pattern, part): (&&str, &&str)| match pattern.split_once('<') {
        Some((fixed, _)) => part.len() > fixed.len() && part.starts_with(fixed),
        None => pattern == part,
    };
    patterns.len() == parts.len() && patterns.iter().zip(&parts).all(part_is)
}

#[test]
fn every_row_has_the_promised_keys_and_no_unexplained_one() {
    let rows = FINISHED.lines("runs/tiny/metrics.jsonl");
    assert_eq!(rows.len(), 6);
    for (row, step) in rows.iter().zip(1u64..) {
        let row = row.as_object().unwrap();
        assert_eq!(row["step"], step);
        let number = |key: &str| row.get(key).and_then(|v| v.as_f64());
        for key in PROMISED {
            assert!(number(key).is_some(), "step {step}: {key}");
        }
        for key in EVALUATED {
            assert_eq!(number(key).is_some(), step % 3 == 0, "step {step}: {key}");
        }
        // The checkpoint of step 3 is reported by the row after it.
        assert_eq!(number("time/checkpoint").is_some(), step == 4, "step {step}");
        assert!(row.keys().any(|key| key.starts_with("reward/status/")));
        for key in row.keys().filter(|key| *key != "step") {
            assert!(
                explained().iter().any(|pattern| covers(pattern, key)),
                "{key} is not in docs/metrics.md"
            );
        }
        let sum: f64 = ["generate", "score", "measure", "credit", "train"]
            .map(|part| number(&format!("time/{part}")).unwrap())
            .iter()
            .sum();
        assert!(sum <= number("time/step").unwrap(), "step {step}: the parts take {sum} s");
        assert_eq!(number("progress/samples"), Some(16.0 * step as f64));
        let mfu = number("perf/mfu").unwrap();
        assert!(mfu > 0.0 && mfu < 1.5, "step {step}: {mfu}");
        assert!(number("mismatch/logprob_abs_mean").unwrap() < 0.05);
    }
    let wall: Vec<f64> = rows.iter().map(|row| row["progress/wall_s"].as_f64().unwrap()).collect();
    assert!(wall[0] > rows[0]["time/step"].as_f64().unwrap() && wall.is_sorted(), "{wall:?}");
    let lr: Vec<f64> = rows.iter().map(|row| row["optim/lr"].as_f64().unwrap()).collect();
    assert!(lr[0] < lr[1] && lr[1] > lr[2] && lr[2] > lr[5], "{lr:?}");
}

#[test]
fn rollouts_have_exactly_the_keys_of_the_contract_in_order() {
    let expected = "step prompt_id sample parent fork_at prompt prompt_tokens gold tokens text answer finish reward reward_parts status \
                    logprobs old_logprobs entropies advantages gamma trained";
    for step in 1..=6u64 {
        let lines = FINISHED.lines(&format!("runs/tiny/rollouts/step_{step:06}.jsonl"));
        assert_eq!(lines.len(), 16);
        for line in &lines {
            // How far rounding may have moved a reward is said where it may have, and of an answer that is wrong, why.
            let is_always = |key: &&String| !["rounding", "note"].contains(&key.as_str());
            let keys: Vec<&String> = line.as_object().unwrap().keys().filter(is_always).collect();
            assert_eq!(keys, expected.split(' ').collect::<Vec<_>>());
            let is_wrong = !line["answer"].is_null() && line["reward_parts"]["correct"] == 0.0;
            assert_eq!(line["note"].is_string(), is_wrong, "{line}");
            let n_tokens = line["tokens"].as_array().unwrap().len();
            for key in ["logprobs", "old_logprobs", "entropies", "advantages", "gamma"] {
                assert_eq!(line[key].as_array().unwrap().len(), n_tokens, "{key}");
            }
        }
        // Four samples of each of four different prompts, also where the epoch ends.
        let coordinates: BTreeSet<(u64, u64)> =
            lines.iter().map(|l| (l["prompt_id"].as_u64().unwrap(), l["sample"].as_u64().unwrap())).collect();
        assert_eq!(coordinates.len(), 16);
        let prompts: BTreeSet<u64> = coordinates.iter().map(|(prompt, _)| *prompt).collect();
        assert_eq!(prompts.len(), 4);
    }
}

/// A single update per step needs no measurement beforehand: its first pass finds the same numbers.
#[test]
fn a_single_update_reports_the_log_probs_of_its_own_pass() {
    let place = Place::warmed();
    place.write("one.toml", RECIPE.replace("minibatches = 2", "minibatches = 1"));
    let ended = place.run(&["train", "one.toml", "--set", "run.steps=3"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let rows = place.lines("runs/tiny/metrics.jsonl");
    let measure: Vec<f64> = rows.iter().map(|row| row["time/measure"].as_f64().unwrap()).collect();
    assert!(measure[1] < measure[0] / 10.0, "only the first step measures for its self-check: {measure:?}");
    for step in 1..=3 {
        for line in place.lines(&format!("runs/tiny/rollouts/step_{step:06}.jsonl")) {
            let read = |key: &str| -> Vec<f64> {
                line[key]
                    .as_array()
                    .unwrap_or_else(|| panic!("step {step}: no {key}"))
                    .iter()
                    .map(|v| v.as_f64().unwrap())
                    .collect()
            };
            let (sampler, learner) = (read("logprobs"), read("old_logprobs"));
            assert!(sampler.iter().zip(&learner).all(|(s, l)| (s - l).abs() < 0.1), "step {step}");
            assert!(read("entropies").iter().all(|e| *e > 0.0 && *e < 7.0));
        }
        assert!(rows[step - 1]["policy/entropy"].as_f64().unwrap() > 0.0);
        assert_eq!(rows[step - 1]["policy/ratio_mean"].as_f64().unwrap(), 1.0);
    }
}

/// Recipes of every kind, what they set, and the metrics that the kind is known by.
const KINDS: &[(&str, &[&str], &[&str])] = &[
    ("group", &["credit=[{type=\"rhythm\"}]", "signals.horizon=[2, 20]"], &["credit/dominated_frac"]),
    (
        "refill",
        &["groups.zero_variance=refill", "loss.entropy_bonus=0.01"],
        &["group/refill_rounds", "loss/entropy"],
    ),
    ("kl", &["loss.kl={coef=0.1, estimator=\"k2\"}"], &["policy/kl_ref", "policy/kl_coef", "loss/kl"]),
    (
        "ppo",
        &[
            "advantage={type=\"gae\"}",
            "critic={optim={lr=1e-3}}",
            "loss.kl={coef=0.1, place=\"reward\", estimator=\"k1\"}",
        ],
        &["loss/value", "value/clip_frac", "optim/critic_lr", "optim/critic_grad_norm", "policy/kl_ref"],
    ),
    (
        "segment",
        &[
            "advantage={type=\"segment\"}",
            "values={cuts=2, continuations=2, rule={type=\"every\", tokens=4}}",
            "audit={every=1, credit=[\"entropy\"], budget=24, group=2, continued=0, probes=1}",
            "circuit={every=1, n_pairs=2, steps=2}",
        ],
        &[
            "values/prefixes",
            "values/tokens_frac",
            "values/changes_squared",
            "values/closure",
            "audit/entropy/ratio",
            "audit/ceiling",
            "circuit/share_top10",
            "time/circuit",
        ],
    ),
    (
        "tree",
        &[
            "explore={type=\"tree\", roots=3, branches=1, rule={type=\"entropy\"}}",
            "advantage={type=\"tree\"}",
            "pipeline.type=one_step_off",
            "importance_sampling.cap=2.0",
        ],
        &["mismatch/importance_mean", "mismatch/importance_capped_frac", "rollout/reused_tokens"],
    ),
    ("overlapped", &["pipeline.type=overlapped"], &["off_policy/age_max", "mismatch/importance_mean"]),
];

/// A key has one writer, and a sentence that explains it; a sentence has a writer.
#[test]
fn rows_of_every_kind_of_recipe_are_explained_and_all_that_is_explained_is_written() {
    let place = Place::warmed();
    let mut written = BTreeSet::new();
    for (name, sets, known_by) in KINDS {
        let own = format!("run.name={name}");
        let common =
            ["run.steps=2", "eval.every=2", "checkpoint.every=1", "batch.max_tokens=1024", own.as_str()];
        let args = common.iter().chain(*sets).flat_map(|set| ["--set", *set]);
        let ended = place.run(&["train", "tiny.toml"].into_iter().chain(args).collect::<Vec<_>>());
        assert_eq!(ended.code, 0, "{name}: {}", ended.err);
        let rows = place.lines(&format!("runs/{name}/metrics.jsonl"));
        assert_eq!(rows.len(), 2, "{name}");
        for row in &rows {
            let row = row.as_object().unwrap();
            assert!(known_by.iter().all(|key| row.contains_key(*key)), "{name}: {known_by:?}: {row:?}");
            written.extend(row.keys().cloned());
        }
    }
    written.remove("step");
    let is_explained = |key: &&String| explained().iter().any(|pattern| covers(pattern, key));
    let unexplained: Vec<_> = written.iter().filter(|key| !is_explained(key)).collect();
    assert!(unexplained.is_empty(), "{unexplained:?}");
    // Servers have their own test, `training_through_servers_is_training` of the library.
    let of_servers = |pattern: &str| pattern.starts_with("engine/");
    let is_written =
        |pattern: &&String| of_servers(pattern) || written.iter().any(|key| covers(pattern, key));
    let (explained, all) = (explained(), explained().len());
    let unwritten: Vec<_> = explained.iter().filter(|pattern| !is_written(pattern)).collect();
    assert!(all > 60 && unwritten.is_empty(), "{unwritten:?} of {all}");
}
