//! What the arguments ask of models, before any is looked at.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use rewards::{RewardConfig, TaskKind};
use serde_json::json;

use super::{Eval, sets};
use crate::cli::policy::Choices;
use crate::cli::require;
use crate::data::{EvalItems, FileConfig};
use crate::eval::EvalConfig;
use crate::exam::{Chat, Plan, PlannedSet};
use crate::files::Fingerprint;
use crate::recipe::Recipe;
use crate::rollout::{SamplingConfig, TEMPERATURES};
use crate::score::{RewardEntry, Scorer};
use crate::types::{Purpose, RunRandom};

/// How questions are asked unless the person says it otherwise.
const QUESTION_PROMPT: &str =
    "{question}\n\nReason step by step, and give the final answer at the end within \\boxed{}.";

/// What the arguments ask for; `recipe` is the one whose problems count where they name none.
pub(super) fn plan(eval: &Eval, recipe: Option<&Recipe>) -> Result<Plan> {
    match recipe {
        Some(recipe) => of_recipe(eval, recipe),
        None => of_files(eval),
    }
}

fn of_recipe(eval: &Eval, recipe: &Recipe) -> Result<Plan> {
    // As in the run that the recipe describes, so that the numbers are those of the run.
    let config = EvalConfig {
        samples: eval.samples.unwrap_or(recipe.eval.samples),
        temperature: eval.temperature.unwrap_or(recipe.eval.temperature),
        greedy: eval.greedy || recipe.eval.greedy,
        ..recipe.eval
    };
    let items = recipe.data.settings().items().context("[data]")?;
    let files: Vec<&FileConfig> = recipe.data.settings().files()[1].clone();
    let files =
        files.iter().map(|file| Ok((file.path.display().to_string(), Fingerprint::read(&file.path)?)));
    let files: Vec<(String, Fingerprint)> = files.collect::<Result<_>>()?;
    let mut settings = json!({ "data": recipe.data, "files": files, "reward": recipe.reward });
    if let Some(limit) = eval.limit {
        settings["limit"] = limit.into();
    }
    let lacking = recipe.reward.iter().find_map(|entry| entry.grader.settings().missing());
    ensure!(lacking.is_none(), "[[reward]] {}", lacking.unwrap_or_default());
    let scorer = Arc::new(Scorer::new(&recipe.reward)?);
    let mut first_id = items.train.len() as u64;
    let seed = eval.seed.unwrap_or(recipe.run.seed);
    let mut sets = Vec::new();
    for mut set in items.eval {
        let n = set.items.len() as u64;
        set.items.truncate(eval.limit.unwrap_or(usize::MAX));
        let (scorer, settings) = (Arc::clone(&scorer), settings.clone());
        sets.push(PlannedSet { items: set, first_id, random: RunRandom::new(seed), scorer, settings });
        first_id += n;
    }
    Ok(Plan {
        sets,
        samples: config.samples,
        greedy: config.greedy,
        sampling: eval.sampling(config.sampling(&recipe.sampling)),
        seed,
        placement: eval.choices(Choices::new(&recipe.model)).resolve()?,
        max_prefill_tokens: recipe.batch.max_tokens,
        chat: recipe.chat.clone().map_or(Chat::Never, Chat::Always),
        few_shot: recipe.data.settings().few_shot(),
    })
}

fn of_files(eval: &Eval) -> Result<Plan> {
    let files = sets::files(&eval.data, &eval.presets, eval.limit)?;
    let seed = eval.seed.unwrap_or(0);
    let planned = files.iter().map(|file| of_file(eval, file, seed));
    // Everything that is wrong at once.
    let (sets, wrong): (Vec<_>, Vec<_>) = planned.partition(Result::is_ok);
    let wrong: Vec<String> =
        wrong.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    ensure!(wrong.is_empty(), wrong.join("\n"));
    let usual = SamplingConfig {
        temperature: 0.6,
        top_p: 0.95,
        top_k: 0,
        max_new_tokens: 1024,
        min_new_tokens: 0,
        stop: Vec::new(),
        max_num_seqs: 128,
    };
    Ok(Plan {
        sets: sets.into_iter().flatten().collect(),
        samples: eval.samples.unwrap_or(EvalConfig::default().samples),
        greedy: eval.greedy,
        sampling: eval.sampling(usual),
        seed,
        placement: eval.choices(Choices::default()).resolve()?,
        max_prefill_tokens: 16384,
        few_shot: Vec::new(),
        chat: eval.chat.put()?,
    })
}

fn of_file(eval: &Eval, file: &FileConfig, seed: u64) -> Result<PlannedSet> {
    let name = file.name();
    let of_set = || format!("--data {name}");
    if let Some(problem) = file.unasked(eval.prompt.as_deref()) {
        return Err(anyhow!("--prompt: {problem}").context(of_set()));
    }
    let is_countdown = file.columns().is_countdown();
    let kind = if is_countdown { TaskKind::Countdown } else { TaskKind::Question };
    let prompt = eval.prompt.clone().or_else(|| (!is_countdown).then(|| QUESTION_PROMPT.to_owned()));
    let (items, report) = file.items(prompt.as_deref(), None).with_context(of_set)?;
    ensure!(
        report.n_broken == 0,
        "--data {name}: {report}\n{}\nmend these rows, or evaluate on a copy of the file without them",
        report.broken_rows()
    );
    ensure!(!items.is_empty(), "--data {name}: {}: no problem can be used, {report}", file.path.display());
    let usual = if is_countdown { "{type = \"countdown\"}" } else { "{type = \"math\"}" };
    let reward = eval.reward.clone().map_or_else(|| sets::table(usual), Ok)?;
    check_reward(&reward, kind).with_context(of_set)?;
    let entry = RewardEntry { weight: 1.0, grader: reward };
    let mut settings = json!({
        "columns": FileConfig { path: Default::default(), name: None, ..file.clone() },
        "file": Fingerprint::read(&file.path)?,
        "prompt": prompt,
        "reward": entry.grader,
        "n": items.len(),
    });
    settings["columns"].as_object_mut().map(|columns| columns.shift_remove("path"));
    // Draws of one set do not depend on which others there are, and are not those of another.
    let letters: Vec<u64> = name.bytes().map(u64::from).collect();
    Ok(PlannedSet {
        items: EvalItems { name: name.clone(), items },
        first_id: 0,
        random: RunRandom::new(RunRandom::new(seed).bits(Purpose::Eval, &letters)),
        scorer: Arc::new(Scorer::new(&[entry])?),
        settings,
    })
}

/// That `reward` can say of problems of this kind whether a response solves them.
fn check_reward(reward: &RewardConfig, kind: TaskKind) -> Result<()> {
    let problem =
        reward.settings().rules().problems().into_iter().next().or_else(|| reward.settings().missing());
    if let Some(problem) = problem {
        return Err(anyhow!("--reward: {problem}"));
    }
    ensure!(
        reward.settings().says_correct(),
        "--reward: this grader judges the form alone, expected one that says what is correct"
    );
    ensure!(
        reward.settings().judges(kind),
        "--reward: this grader cannot judge {kind:?} problems; choose another, such as math"
    );
    Ok(())
}

/// That responses can be drawn as `plan` says.
///
/// # Errors
/// If not.
pub(super) fn check_numbers(plan: &Plan) -> Result<()> {
    let SamplingConfig { temperature, top_p, top_k, max_new_tokens, max_num_seqs, .. } = plan.sampling;
    require(plan.samples > 0, || "-n: got 0, expected at least 1".to_owned())?;
    require(temperature.is_finite() && temperature > 0.0, || {
        format!(
            "--temperature: got {temperature}, expected more than 0; --greedy measures the most likely responses"
        )
    })?;
    require(TEMPERATURES.contains(&temperature), || {
        format!(
            "--temperature: got {temperature:e}, expected 1e-6 to 1e6, by which single precision can divide; --greedy \
             measures the most likely responses"
        )
    })?;
    require(top_p > 0.0 && top_p <= 1.0, || {
        format!("--top-p: got {top_p}, expected more than 0 and at most 1")
    })?;
    require(top_k != 1 || plan.samples == 1, || {
        format!(
            "--top-k: got 1, with which the {} samples of a problem are all the same; expected 0 or at least 2, or -n 1 with \
             --greedy for the most likely responses",
            plan.samples
        )
    })?;
    require(max_new_tokens > 0, || "--max-new-tokens: got 0, expected at least 1".to_owned())?;
    require(max_num_seqs > 0, || "--max-num-seqs: got 0, expected at least 1".to_owned())
}
