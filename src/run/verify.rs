//! Whether a recipe does on this machine what runs promise, tried on a few short steps of it:
//!
//! ```text
//! run of 4 steps, a checkpoint behind each second  --copied as it was behind step 2, and resumed-->  the same to the last bit?
//!                                                  --step 3 replayed from its responses--------->  the same to the last bit?
//! ```
//!
//! Only what makes it short is changed: steps, prompts, lengths, evaluations. What is left as it is and cannot be shortened, such as the
//! size of the model, takes its time.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::replay::replay;
use super::{Failure, Origin, Outcome, Request, Setup, train};
use crate::files::{list, read_regular};
use crate::interrupt::Interrupt;
use crate::observe::{Console, Jsonl};
use crate::recipe::{Draft, Recipe};
use crate::run_folder::RunFolder;
use crate::types::{MetricRow, Step, counted};

/// Steps of the short run, and the one behind which it is stopped.
const STEPS: Step = 4;
const STOPPED: Step = 2;

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Checked {
    /// What: `resume`.
    pub what: &'static str,
    /// Whether it is as it should be; `None` where it could not be told.
    pub good: Option<bool>,
    /// What was found.
    pub found: String,
}

/// What verifying a recipe found.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    /// What was set to make it short.
    pub shortened: Vec<String>,
    /// What was checked, in order.
    pub checked: Vec<Checked>,
}

impl Verified {
    /// Whether nothing is wrong.
    #[must_use]
    pub(crate) fn is_good(&self) -> bool {
        self.checked.iter().all(|one| one.good != Some(false))
    }
}

/// Tries the recipe in `file` with `overrides` in runs within `folder`, which is empty.
///
/// # Errors
/// Whatever keeps the recipe from running at all. Gives nothing where a signal has stopped it.
pub(crate) fn verify(
    file: &Path,
    overrides: &[String],
    folder: &Path,
    console: &Console,
    interrupt: &Interrupt,
) -> Result<Option<Verified>> {
    let shortened = shortened(file, overrides)?;
    let set = [&shortened[..], overrides, &needed()].concat();
    let setup = |name: &str| {
        let named = [&set[..], &[format!("run.name={name}")]].concat();
        let mut draft = Draft::load(file, &named)?;
        without_best(&mut draft);
        // Nobody outside is told of runs that are removed again.
        draft.change(|recipe| recipe.observe.sink.clear());
        Setup::of_draft(draft)
    };
    let run = |name: &str, origin: Origin, what: &str| -> Result<bool> {
        let _phase = console.phase(what, 0);
        let (runs, sft_folder) = (folder.to_owned(), folder.to_owned());
        let request = Request { setup: setup(name)?, given: None, runs, sft_folder, origin, set: Vec::new() };
        Ok(train(request, &Console::silent(), interrupt)? == Outcome::Done)
    };
    let shortened = [&shortened[..], &needed()].concat();
    match run("whole", Origin::New, "train 4 steps") {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        // The run itself ends where sampler and learner, or learner and itself, disagree.
        Err(error) => match error.downcast_ref() {
            Some(Failure::Diverged(found)) => {
                let checked = Checked { what: "training", good: Some(false), found: found.clone() };
                return Ok(Some(Verified { shortened, checked: vec![checked] }));
            }
            _ => return Err(error),
        },
    }
    let whole = RunFolder::at(&folder.join("whole"));
    let rows: Vec<MetricRow> = Jsonl::read(&whole.metrics())?.rows.into_iter().map(|(_, row)| row).collect();
    let Setup { recipe, placement, .. } = setup("whole")?;
    let mut checked = vec![learned(&rows), first_update(&rows), sampler(&recipe, &rows)];
    checked.extend(reference(&recipe, &rows));

    let cut = RunFolder::at(&folder.join("cut"));
    stopped(&whole, &cut)?;
    if !run("cut", Origin::planned(true), "stop behind step 2 and resume")? {
        return Ok(None);
    }
    let inexact = match placement.device {
        _ if recipe.engine.remote().is_some() => Some("; servers answered, which draw anew"),
        device if device.is_cuda() => Some("; a GPU adds in an order of its own"),
        _ => None,
    };
    checked.push(resumed(&whole, &cut, inexact)?);
    checked.push(replayed(&whole, if placement.device.is_cuda() { inexact } else { None }, console)?);
    Ok(Some(Verified { shortened, checked }))
}

/// What makes the recipe in `file` short, as far as it stays a recipe; what a person has set stays.
fn shortened(file: &Path, overrides: &[String]) -> Result<Vec<String>> {
    let recipe = Draft::load(file, overrides)?.finish()?;
    let prompts = recipe.batch.minibatches.max(recipe.batch.prompts.min(4));
    let mut wanted = vec![format!("batch.prompts={prompts}")];
    if recipe.critic.is_some_and(|critic| critic.warmup_steps > 1) {
        wanted.push("critic.warmup_steps=1".to_owned());
    }
    if recipe.sft.as_ref().is_some_and(|sft| sft.steps > 20) {
        wanted.push("sft.steps=20".to_owned());
    }
    if recipe.sampling.max_new_tokens > 64 {
        wanted.push("sampling.max_new_tokens=64".to_owned());
    }
    if recipe.audit.as_ref().is_some_and(|audit| audit.every > 0) {
        wanted.push("audit.every=0".to_owned());
    }
    let key = |set: &str| set.split('=').next().unwrap_or_default().trim().to_owned();
    wanted.retain(|set| overrides.iter().all(|own| key(own) != key(set)));
    let mut kept: Vec<String> = Vec::new();
    for set in wanted {
        let tried = [&kept[..], &[set], overrides].concat();
        let works = |mut draft: Draft| {
            without_best(&mut draft);
            draft.finish().is_ok()
        };
        if Draft::load(file, &tried).is_ok_and(works) {
            kept = tried[..=kept.len()].to_vec();
        }
    }
    Ok(kept)
}

/// What the checks go by, whatever a person sets.
fn needed() -> Vec<String> {
    [
        &format!("run.steps={STEPS}"),
        &format!("checkpoint.every={STOPPED}"),
        "checkpoint.keep=0",
        "checkpoint.keep_model_every=0",
        "observe.rollouts_every=1",
        "eval.patience=0",
        "eval.every=0",
    ]
    .map(String::from)
    .to_vec()
}

/// Nothing is evaluated, so nothing can be the best.
fn without_best(draft: &mut Draft) {
    draft.change(|recipe| (recipe.checkpoint.best, recipe.eval.patience) = (None, 0));
}

/// `whole` as a stop behind step 2 would have left it, as `cut`.
fn stopped(whole: &RunFolder, cut: &RunFolder) -> Result<()> {
    let is_later = |name: &str| {
        let step = name.strip_prefix("step_").and_then(|rest| rest.split('.').next()?.parse::<Step>().ok());
        step.is_some_and(|step| step > STOPPED)
    };
    copy(whole.root(), cut.root(), &is_later)?;
    let latest = cut.checkpoints().join("latest");
    fs::write(&latest, format!("step_{STOPPED:06}\n")).with_context(|| latest.display().to_string())
}

fn copy(from: &Path, to: &Path, is_left_out: &dyn Fn(&str) -> bool) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("could not create {}", to.display()))?;
    for entry in list(from)? {
        let (path, name) = (entry.path(), entry.file_name());
        let target = to.join(&name);
        if is_left_out(&name.to_string_lossy()) {
            continue;
        }
        if path.is_dir() {
            copy(&path, &target, is_left_out)?;
        } else {
            fs::copy(&path, &target).with_context(|| format!("could not write {}", target.display()))?;
        }
    }
    Ok(())
}

/// Whether updates change the policy, and rewards differ.
fn learned(rows: &[MetricRow]) -> Checked {
    let sum = |key: &str| rows.iter().filter_map(|row| row.get(key)).sum::<f64>();
    let (moved, mixed) =
        (sum("optim/param_delta"), rows.iter().filter_map(|row| row.get("group/mixed")).fold(0.0, f64::max));
    let found = format!(
        "weights moved by {moved:.2e} in {}; groups whose rewards differ: at most {:.0} %",
        counted(rows.len(), "step"),
        100.0 * mixed
    );
    // Of so few responses all may well be wrong.
    let good = (moved > 0.0).then_some(true).or((mixed > 0.0).then_some(false));
    Checked { what: "learning", good, found }
}

/// Whether the ratio of the first update starts at 1.
fn first_update(rows: &[MetricRow]) -> Checked {
    let first = rows.iter().find(|row| row.get("policy/first_ratio_gap").is_some());
    let Some(gap) = first.and_then(|row| row.get("policy/first_ratio_gap")) else {
        let found = "no step had an update whose ratio was measured before it".to_owned();
        return Checked { what: "first update", good: None, found };
    };
    let found =
        format!("log-probabilities of its first pass are at most {gap:.2e} from those measured before it");
    Checked { what: "first update", good: Some(gap < 0.5), found }
}

/// Whether sampler and learner agree.
fn sampler(recipe: &Recipe, rows: &[MetricRow]) -> Checked {
    let most = |key: &str| rows.iter().filter_map(|row| row.get(key)).fold(0.0, f64::max);
    let (mean, max) = (most("mismatch/logprob_abs_mean"), most("mismatch/logprob_abs_max"));
    let cut = recipe.sampling.is_cut();
    let found = format!(
        "log-probabilities of the same tokens are {mean:.2e} apart on average, {max:.2e} at most{}",
        if cut {
            " (the sampler draws from a part of the distribution: top_k, top_p, min_new_tokens)"
        } else {
            ""
        }
    );
    // Step by step the run itself ends where they disagree before the first update; one step off they are of different weights.
    let good = (!cut && !recipe.pipeline.settings().is_off_policy()).then_some(mean < 0.3);
    Checked { what: "sampler against learner", good, found }
}

/// Whether the policy begins as its reference.
fn reference(recipe: &Recipe, rows: &[MetricRow]) -> Option<Checked> {
    let own = rows.first()?.get("policy/kl_ref").filter(|_| recipe.loss.kl().is_some())?;
    // Of several updates the later ones have moved on.
    let is_single = recipe.batch.minibatches * recipe.batch.epochs == 1;
    let found = format!("in the first step the policy is {own:.2e} nats from its reference");
    Some(Checked { what: "reference", good: is_single.then_some(own.abs() < 0.01), found })
}

/// Whether both runs have left the same. `inexact` says why they need not.
fn resumed(whole: &RunFolder, cut: &RunFolder, inexact: Option<&str>) -> Result<Checked> {
    let mut compared = 0;
    let mut differing = Vec::new();
    for step in STOPPED + 1..=STEPS {
        let name = format!("rollouts/step_{step:06}.jsonl");
        compare(whole, cut, &name, &mut compared, &mut differing)?;
    }
    let last = format!("checkpoints/step_{STEPS:06}");
    for file in files(&whole.root().join(&last), "")? {
        // What has a time, or the hash of it, in it.
        if !["state.json", "manifest.json"].contains(&file.as_str()) {
            compare(whole, cut, &format!("{last}/{file}"), &mut compared, &mut differing)?;
        }
    }
    let rows = |folder: &RunFolder| Ok::<_, anyhow::Error>(untimed(&Jsonl::read(&folder.metrics())?.rows));
    compared += 1;
    if rows(whole)? != rows(cut)? {
        differing.push("metrics.jsonl".to_owned());
    }
    let found = match differing.first() {
        None => format!(
            "stopped behind step {STOPPED} and resumed: {compared} files of weights, moments, responses and metrics are the same to the last bit"
        ),
        Some(first) => format!(
            "stopped behind step {STOPPED} and resumed: {} of {compared} files differ, {first} among them",
            differing.len()
        ),
    };
    Ok(told("resume", differing.is_empty(), found, inexact))
}

/// What was found, where it has to be the same to the last bit, unless something is `inexact`.
fn told(what: &'static str, is_same: bool, found: String, inexact: Option<&str>) -> Checked {
    match inexact {
        Some(why) if !is_same => Checked { what, good: None, found: found + why },
        _ => Checked { what, good: Some(is_same), found },
    }
}

fn compare(
    whole: &RunFolder,
    cut: &RunFolder,
    name: &str,
    compared: &mut usize,
    differing: &mut Vec<String>,
) -> Result<()> {
    let read = |folder: &RunFolder| read_regular(&folder.root().join(name), u64::MAX);
    *compared += 1;
    if read(whole)? != read(cut).unwrap_or_default() {
        differing.push(name.to_owned());
    }
    Ok(())
}

/// The files below `folder`, their paths within it.
fn files(folder: &Path, within: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in list(&folder.join(within))? {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if within.is_empty() { name } else { format!("{within}/{name}") };
        if entry.path().is_dir() { found.extend(files(folder, &path)?) } else { found.push(path) }
    }
    found.sort();
    Ok(found)
}

/// Rows less what depends on the clock and on the machine's memory; numbers as their bits.
fn untimed(rows: &[(Step, MetricRow)]) -> Vec<(Step, Vec<(String, u64)>)> {
    let is_timed =
        |key: &str| key.starts_with("time/") || key.starts_with("perf/") || key == "progress/wall_s";
    let row = |row: &MetricRow| {
        row.iter()
            .filter(|(key, _)| !is_timed(key))
            .map(|(key, value)| (key.to_owned(), value.to_bits()))
            .collect()
    };
    rows.iter().map(|(step, own)| (*step, row(own))).collect()
}

/// Whether a step made again from its responses is what it was.
fn replayed(whole: &RunFolder, inexact: Option<&str>, console: &Console) -> Result<Checked> {
    let agreement = replay(whole, STOPPED + 1, &[], console)?.agreement;
    let found = match agreement.worst() {
        None => format!(
            "step {} made again from its responses: every advantage and {} metrics are the same to the last bit",
            STOPPED + 1,
            agreement.n_metrics
        ),
        Some((key, share)) => format!(
            "step {} made again from its responses: advantages at most {:.2e} apart, {key} by {share:.2e} of itself",
            STOPPED + 1,
            agreement.advantages_max_abs
        ),
    };
    Ok(told("replay", agreement.is_exact(), found, inexact))
}
