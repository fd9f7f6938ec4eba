//! A tiny run from random weights in a folder that is removed again: that training works, that a run which was stopped and resumed ends
//! in the same weights, and that what draws responses and what learns see the same policy.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tch::Cuda;

use super::Finding;
use crate::interrupt::Interrupt;
use crate::observe::{Console, duration};
use crate::recipe::Draft;
use crate::run::{Origin, Outcome, Request, Setup, train};
use crate::run_folder::RunFolder;

const NAME: &str = "self-test";

/// Steps of the run, and those after which it is stopped.
const STEPS: u64 = 4;
const STOPPED: u64 = 2;

/// Some rewards, so that something is learned; a constant rate, so that the run may grow.
const RECIPE: &str = r#"
[run]
name = "undisturbed"
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
rollouts_every = 0
"#;

pub(super) fn trial(interrupt: &Interrupt) -> Finding {
    let begun = Instant::now();
    match tried(interrupt) {
        Ok(Tried { is_same, mismatch }) => {
            let took = duration(begun.elapsed().as_secs_f64());
            let bits = if is_same { "the same bits" } else { "other bits" };
            let said = format!(
                "trained {STEPS} steps in {took}; resumed to {bits}; decode and learner differ by {mismatch:.1e}"
            );
            match is_same {
                true => Finding::ok(NAME, said),
                false => Finding::warning(
                    NAME,
                    said,
                    "this GPU adds in an order of its own, so that a resumed run is as good, but not the same to the last bit",
                ),
            }
        }
        Err(error) => Finding::problem(
            NAME,
            format!("{error:#}"),
            "the program does not work on this machine as it should: report it with the output of `doctor --json`, and try [model] \
             dtype = \"f32\"",
        ),
    }
}

/// What came of it.
struct Tried {
    /// Whether the resumed run ended in the weights of the other.
    is_same: bool,
    /// The mean difference of log-probabilities between who samples and who learns, the largest of the steps.
    mismatch: f64,
}

fn tried(interrupt: &Interrupt) -> Result<Tried> {
    let folder = tempfile::tempdir().context("no place for a run")?;
    let run = |name: &str, steps: u64, resume: bool| {
        let runs = folder.path();
        let sets = [format!("run.name={name}"), format!("run.steps={steps}")];
        let setup = Setup::of_draft(Draft::parse("doctor.toml", RECIPE, &sets)?)?;
        let (sft_folder, given) = (runs.to_owned(), Some(RECIPE.to_owned()));
        let (origin, set) = (Origin::planned(resume), Vec::new());
        let request = Request { setup, given, runs: runs.to_owned(), sft_folder, origin, set };
        match train(request, &Console::silent(), interrupt)? {
            Outcome::Done => Ok(RunFolder::at(&runs.join(name))),
            Outcome::Interrupted(signal) => bail!("stopped by {signal}"),
        }
    };
    let undisturbed = run("undisturbed", STEPS, false)?;
    run("resumed", STOPPED, false)?;
    let resumed = run("resumed", STEPS, true)?;
    let weights = |run: &RunFolder| {
        let path = run.checkpoint(STEPS).join("model").join("model.safetensors");
        fs::read(&path).with_context(|| path.display().to_string())
    };
    let is_same = weights(&undisturbed)? == weights(&resumed)?;
    ensure!(
        is_same || Cuda::is_available(),
        "a run that was stopped after {STOPPED} steps and resumed ended in other weights than one that was not"
    );
    Ok(Tried { is_same, mismatch: mismatch(&undisturbed.metrics())? })
}

/// The largest of the steps.
fn mismatch(metrics: &Path) -> Result<f64> {
    let text = fs::read_to_string(metrics).with_context(|| metrics.display().to_string())?;
    let of_row = |line: &str| {
        let row: Value = serde_json::from_str(line).ok()?;
        row["mismatch/logprob_abs_mean"].as_f64()
    };
    let all = text.lines().filter_map(of_row);
    all.reduce(f64::max)
        .with_context(|| format!("{}: says nothing of sampler and learner", metrics.display()))
}
