//! What a person writes who comes from another trainer, and what that is called here.

use std::{collections::BTreeSet, fs, path::Path};

use super::{BASE, parse};
use crate::recipe::{
    draft::SHAPE,
    elsewhere,
    schema::{Shape, Takes},
};

/// What is said of the first problem with `entry`.
fn said(entry: &str) -> String {
    parse(BASE, &[entry]).unwrap_err().to_string().lines().next().unwrap_or_default().to_owned()
}

/// The names of TRL and verl that a newcomer tries, where they would write them.
#[test]
fn keys_of_other_trainers_are_known_where_a_newcomer_writes_them() {
    for (entry, expected) in [
        ("model.gradient_checkpointing=true", "it belongs in [batch]"),
        ("optim.gradient_checkpointing=true", "it belongs in [batch]"),
        ("model.torch_dtype=bf16", "did you mean `dtype`?"),
        ("run.torch_dtype=bf16", "it is called `dtype` and belongs in [model]"),
        ("optim.num_iterations=2", "it is called `epochs` and belongs in [batch]"),
        ("batch.num_iterations=2", "did you mean `epochs`?"),
        ("run.eval_steps=10", "it is called `every` and belongs in [eval]"),
        ("eval.eval_steps=10", "did you mean `every`?"),
        ("run.save_steps=10", "it is called `every` and belongs in [checkpoint]"),
        ("checkpoint.save_steps=10", "did you mean `every`?"),
        ("checkpoint.save_total_limit=2", "did you mean `keep`?"),
        ("run.save_total_limit=2", "it is called `keep` and belongs in [checkpoint]"),
        ("run.test_freq=5", "it is called `every` and belongs in [eval]"),
        ("run.save_freq=5", "it is called `every` and belongs in [checkpoint]"),
        ("data.train_batch_size=64", "it is called `prompts` and belongs in [batch]"),
        ("batch.train_batch_size=64", "did you mean `prompts`?"),
        ("data.response_length=512", "it is called `max_new_tokens` and belongs in [sampling]"),
        ("sampling.response_length=512", "did you mean `max_new_tokens`?"),
        ("loss.kl_loss_coef=0.1", "it is called `coef` and belongs in [loss.kl]"),
        ("loss.kl.kl_loss_coef=0.1", "did you mean `coef`?"),
        ("sampling.n=8", "it is called `size` and belongs in [explore]"),
        ("explore.n=8", "did you mean `size`?"),
        ("eval.n=8", "did you mean `samples`?"),
        (
            "run.total_epochs=3",
            "did you mean `steps`? (a run is as long as its number of steps, each a batch",
        ),
        ("run.num_train_epochs=3", "did you mean `steps`? (a run is as long as"),
        ("run.epochs=3", "did you mean `steps`? (a run is as long as"),
        (
            "run.report_to=wandb",
            "it is [observe] `sink` or [observe] `tensorboard` here: metrics always go to",
        ),
        (
            "observe.report_to=wandb",
            "did you mean `sink`? (metrics always go to metrics.jsonl; [[observe.sink]] sends",
        ),
        ("model.dtype=bfloat16", "did you mean \"bf16\"?"),
        ("model.dtype=float32", "did you mean \"f32\"?"),
        ("model.dtype=fp16", "half precision loses small gradients"),
        (
            "actor_rollout_ref={rollout={n=5, temperature=1.0}, actor={ppo_epochs=2}}",
            "is in [model], [optim], [loss], [batch] and [sampling]: `actor.ppo_epochs` is [batch] `epochs`, \
             `rollout.n` is [explore] `size`",
        ),
        ("model.device=gpu", "did you mean \"cuda\"?"),
        ("model.bf16=true", "did you mean `dtype`? (write dtype = \"bf16\")"),
        ("loss.policy={type=\"grpo\"}", "did you mean \"clip\"?"),
        ("observe.sink=[{type=\"wandb\", program=[\"x\"]}]", "scripts/sinks/wandb_sink.py"),
        ("optim.lr_warmup_steps=5", "did you mean `warmup_steps`?"),
        (
            "optim.lr_warmup_steps_ratio=0.1",
            "did you mean `warmup_steps`? (a number of steps, not a share of them)",
        ),
        ("sampling.stop_strings=[\"x\"]", "did you mean `stop`?"),
        ("sampling.min_tokens=3", "did you mean `min_new_tokens`?"),
        ("critic={optim={lr=1e-4, lr_warmup_steps=5}}", "did you mean `warmup_steps`?"),
        ("rollout.n=8", "[rollout] is not a section; what it holds elsewhere is in [sampling] and [explore]"),
        ("trainer.total_epochs=3", "[trainer] is not a section; what it holds elsewhere is in [run], [eval]"),
    ] {
        let said = said(entry);
        assert!(said.contains(expected), "{entry}: {said}");
        assert!(said.len() < 400, "{entry}: {said}");
    }
}

/// A key under another heading is no sign of a lost heading, unless the section could not be without it.
#[test]
fn a_key_that_means_something_else_where_it_stands_is_not_taken_for_a_lost_heading() {
    let lost = BASE.split("[batch]").next().unwrap();
    let text = lost.replacen("[run]\n", "[run]\nepochs = 3\n", 1);
    let problems = parse(&text, &[]).unwrap_err().to_string();
    assert!(
        problems.contains("[run] `epochs` is not a key here; did you mean `steps`? (a run is as long"),
        "{problems}"
    );
    assert!(problems.contains("[batch] is missing; it needs `prompts`"), "{problems}");
    assert!(!problems.contains("above the first of them"), "{problems}");
}

fn shape_at<'s>(shape: &'s Shape, path: &str) -> Option<&'s Shape> {
    path.split('.').filter(|part| !part.is_empty()).try_fold(shape, |shape, part| {
        let keys = shape.variants.iter().flat_map(|(_, keys)| keys);
        keys.filter(|key| key.name == part).find_map(|key| match &key.takes {
            Takes::Tables(within) => Some(within),
            _ => None,
        })
    })
}

#[test]
fn every_counterpart_is_a_key() {
    let shape = SHAPE.as_ref().unwrap();
    for (name, homes) in elsewhere::all() {
        for home in homes {
            let (table, key) = home.rsplit_once('.').unwrap_or(("", home));
            let there = shape_at(shape, table).is_some_and(|table| table.has(key));
            assert!(there, "{name}: {home} is no key");
        }
    }
}

/// All keys of recipes, wherever they are.
fn all_keys(shape: &Shape, found: &mut BTreeSet<&'static str>) {
    for key in shape.variants.iter().flat_map(|(_, keys)| keys) {
        found.insert(key.name);
        if let Takes::Tables(within) = &key.takes {
            all_keys(within, found);
        }
    }
}

/// The page says it to those who read, hints say it to those who write.
#[test]
fn what_the_page_of_migration_names_is_known_to_hints() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migration.md");
    let page = fs::read_to_string(page).unwrap();
    let mut own = BTreeSet::new();
    all_keys(SHAPE.as_ref().unwrap(), &mut own);
    let mut unknown = Vec::new();
    for row in page.lines().filter(|line| line.starts_with("| `[")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        // Ours with its default, then those of others with theirs.
        for code in cells.iter().skip(2).step_by(2).flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
            let name = code.split([' ', '=']).next().unwrap_or_default();
            let last = name.rsplit('.').next().unwrap_or_default();
            let is_name = last.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            let is_value = code.contains('"') && !code.contains('=');
            if !is_name || is_value || last.is_empty() || own.contains(last) {
                continue;
            }
            if elsewhere::key("", last).is_none() {
                unknown.push(format!("{last} ({row})"));
            }
        }
    }
    assert!(unknown.is_empty(), "hints do not know\n{}", unknown.join("\n"));
}
