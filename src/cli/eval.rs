//! `rlcredit eval RUN_OR_MODEL --recipe RECIPE`: accuracy on the recipe's held-out problems.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use rlcredit::data::{Asker, EvalSet};
use rlcredit::eval::{Estimate, EvalConfig, EvalReport, Evaluator};
use rlcredit::observe::Console;
use rlcredit::recipe::Recipe;
use rlcredit::rollout::DecodeEngine;
use rlcredit::run::Failure;
use rlcredit::score::Scorer;
use rlcredit::types::RunRandom;

use super::policy;

#[derive(Args)]
pub struct Eval {
    /// A run, a checkpoint or a Hugging Face folder
    model: PathBuf,
    /// Recipe whose problems, graders and limits count; a run and its checkpoints bring their own
    #[arg(long)]
    recipe: Option<PathBuf>,
    /// Responses per problem; the recipe's number without it
    #[arg(short, long)]
    k: Option<usize>,
    /// Sampling temperature; the recipe's without it
    #[arg(long, allow_negative_numbers = true)]
    temperature: Option<f64>,
    /// Most responses decoded at once; the recipe's number without it
    #[arg(long)]
    max_rows: Option<usize>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

impl Eval {
    pub fn run(self) -> Result<ExitCode> {
        policy::require_folder(&self.model).map_err(Failure::bad_input)?;
        let path = match self.recipe.or_else(|| own_recipe(&self.model)) {
            Some(path) => path,
            None => {
                return Err(Failure::BadInput(format!(
                    "{}: not a run or a part of one, so the problems are not known; name a recipe with --recipe",
                    self.model.display()
                ))
                .into());
            }
        };
        let recipe = Recipe::load(&path, &[])?;
        let config = EvalConfig {
            samples: self.k.unwrap_or(recipe.eval.samples),
            temperature: self.temperature.unwrap_or(recipe.eval.temperature),
            ..recipe.eval
        };
        super::require(config.samples > 0, || "-k: got 0, expected at least 1".to_owned())?;
        let hot = config.temperature.is_finite() && config.temperature > 0.0;
        super::require(hot, || format!("--temperature: got {}, expected more than 0", config.temperature))?;
        let max_rows = self.max_rows.unwrap_or(recipe.sampling.max_rows);
        super::require(max_rows > 0, || "--max-rows: got 0, expected at least 1".to_owned())?;
        // As in the run that the recipe describes, so that the numbers are those of the run.
        let loaded = policy::load(&self.model, recipe.model.device, recipe.model.dtype)?;
        let tokenizer = Arc::new(loaded.tokenizer);
        let asker = Asker::new(&tokenizer, recipe.chat.as_ref()).map_err(Failure::bad_input)?;
        let data = recipe.data.items().and_then(|items| items.tokenize(&asker));
        let data = data.context("[data]").map_err(Failure::bad_input)?;
        let mut engine = DecodeEngine::new(tokenizer.eos_ids().to_vec(), max_rows, recipe.batch.max_tokens);
        let mut json = serde_json::json!({ "model": loaded.folder });
        for EvalSet { name, prompts } in data.eval {
            let evaluator = Evaluator {
                set: name,
                prompts,
                config,
                max_new_tokens: recipe.sampling.max_new_tokens,
                random: RunRandom::new(recipe.run.seed),
                scorer: Arc::new(Scorer::new(&recipe.reward)?),
                tokenizer: Arc::clone(&tokenizer),
            };
            let phase = Console::new().step_phase("evaluate", evaluator.n_responses() as u64);
            let advance = &mut |n| phase.advance(n as u64, "");
            let report = evaluator.run(&loaded.policy, &mut engine, advance)?.report;
            phase.finish();
            if self.json {
                json[&report.set] = report.to_json();
            } else {
                print(&report, &loaded.folder, &path)?;
            }
        }
        if self.json {
            super::say(json)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A table of what was measured.
fn print(report: &EvalReport, folder: &Path, recipe: &Path) -> Result<()> {
    let percent = |e: &Estimate| format!("{:.1} ± {:.1} %", 100.0 * e.mean, 100.0 * e.half_width());
    super::say(format_args!(
        "{}, {} problems of {}, {}",
        folder.display(),
        report.n,
        recipe.display(),
        report.set
    ))?;
    let passes = report.pass.iter().map(|(k, pass)| (format!("pass@{k}"), pass));
    let greedy = report.greedy.iter().map(|greedy| (String::from("greedy"), greedy));
    for (name, value) in [(format!("avg@{}", report.k), &report.avg)].into_iter().chain(passes).chain(greedy)
    {
        super::say(format_args!("  {name:9}{}", percent(value)))?;
    }
    let (length, clipped) = (report.response_length, 100.0 * report.clip_ratio);
    super::say(format_args!("  {length:.1} tokens a response, {clipped:.1} % cut off"))
}

/// The recipe of the run that `path` is, or that it is a checkpoint of, or the model of one.
fn own_recipe(path: &Path) -> Option<PathBuf> {
    let run_of = |path: &Path| {
        let within = |run: &&Path| {
            path.strip_prefix(run)
                .is_ok_and(|rest| rest.as_os_str().is_empty() || rest.starts_with("checkpoints"))
        };
        let mut recipes = path.ancestors().filter(within).map(|run| run.join("resolved.toml"));
        recipes.find(|recipe| recipe.is_file())
    };
    // As it was written, or else from the root on: `.` has no ancestors.
    run_of(path).or_else(|| run_of(&path.canonicalize().ok()?))
}
