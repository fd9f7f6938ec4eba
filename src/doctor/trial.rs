//! A tiny run from random weights in a folder that is removed again, [verified](crate::run::verify) like any recipe: that training works,
//! that what draws responses and what learns see the same policy, that a stopped and resumed run ends in the same weights, and that a step
//! can be replayed.

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::Finding;
use crate::interrupt::Interrupt;
use crate::observe::{Console, duration};
use crate::run::verify::{Verified, verify};

const NAME: &str = "self-test";

/// Some rewards, so that something is learned.
const RECIPE: &str = r#"
[run]
name = "doctor"
steps = 4
[model]
scratch = "countdown2m"
[sft]
steps = 20
batch_size = 8
lr = 1e-2
[sft.source]
type = "countdown_demos"
max_lines = 1
guesses = 1
[data]
type = "countdown"
numbers = [3, 3]
max_number = 9
targets = [1, 30]
train_items = 64
eval_items = 8
[explore]
type = "group"
size = 4
[sampling]
max_new_tokens = 24
[[reward]]
type = "countdown"
preset = "tinyzero"
[advantage]
type = "group"
[optim]
lr = 1e-3
[batch]
prompts = 4
minibatches = 2
max_tokens = 512
[eval]
every = 0
[observe]
tensorboard = false
"#;

pub(super) fn trial(interrupt: &Interrupt) -> Finding {
    let begun = Instant::now();
    match tried(interrupt) {
        Ok(found) => finding(&found, &duration(begun.elapsed().as_secs_f64())),
        Err(error) => problem(format!("{error:#}")),
    }
}

fn tried(interrupt: &Interrupt) -> Result<Verified> {
    let folder = tempfile::tempdir().context("no place for a run")?;
    let recipe = folder.path().join("doctor.toml");
    fs::write(&recipe, RECIPE).with_context(|| format!("could not write {}", recipe.display()))?;
    match verify(&recipe, &[], folder.path(), &Console::silent(), interrupt)? {
        Some(found) => Ok(found),
        None => match interrupt.requested() {
            Some(signal) => bail!("stopped by {signal}"),
            None => bail!("stopped"),
        },
    }
}

fn finding(found: &Verified, took: &str) -> Finding {
    let of = |good: Option<bool>| {
        let is_such = found.checked.iter().filter(move |one| one.good == good);
        is_such.map(|one| format!("{}: {}", one.what, one.found)).collect::<Vec<_>>()
    };
    let (wrong, untold) = (of(Some(false)), of(None));
    let names: Vec<&str> = found.checked.iter().map(|one| one.what).collect();
    if !wrong.is_empty() {
        return problem(wrong.join("; "));
    }
    if untold.is_empty() {
        return Finding::ok(NAME, format!("a tiny run, in {took}: {} as they should be", names.join(", ")));
    }
    Finding::warning(
        NAME,
        untold.join("; "),
        "the same holds for your own runs: try them with `rlcredit verify RECIPE`",
    )
}

fn problem(said: String) -> Finding {
    let remedy = "the program does not work on this machine as it should: report it with the output of `doctor --json`, and try [model] \
                  dtype = \"f32\"";
    Finding::problem(NAME, said, remedy)
}
