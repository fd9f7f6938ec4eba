//! `rlcredit eval RUN_OR_MODEL --recipe RECIPE`: accuracy on the recipe's held-out problems.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Args;
use rlcredit::eval::{EvalConfig, Evaluator};
use rlcredit::observe::Console;
use rlcredit::recipe::Recipe;
use rlcredit::rollout::DecodeEngine;
use rlcredit::score::Scorer;
use rlcredit::types::RunRandom;

use super::policy;

#[derive(Args)]
pub struct Eval {
    /// A run, a checkpoint or a Hugging Face folder
    model: PathBuf,
    /// Recipe whose problems, graders and limits count; a run brings its own
    #[arg(long)]
    recipe: Option<PathBuf>,
    /// Responses per problem; the recipe's number without it
    #[arg(short, long)]
    k: Option<usize>,
    /// Sampling temperature; the recipe's without it
    #[arg(long)]
    temperature: Option<f64>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

impl Eval {
    pub fn run(self) -> Result<ExitCode> {
        let own = self.model.join("resolved.toml");
        let path = match self.recipe {
            Some(path) => path,
            None if own.is_file() => own,
            None => anyhow::bail!(
                "{}: not a run, so the problems are not known; name a recipe with --recipe",
                self.model.display()
            ),
        };
        let recipe = Recipe::load(&path, &[])?;
        let config = EvalConfig {
            samples: self.k.unwrap_or(recipe.eval.samples),
            temperature: self.temperature.unwrap_or(recipe.eval.temperature),
            ..recipe.eval
        };
        ensure!(config.samples > 0, "-k: got 0, expected at least 1");
        ensure!(config.temperature > 0.0, "--temperature: got {}, expected more than 0", config.temperature);
        let loaded = policy::load(&self.model)?;
        let tokenizer = Arc::new(loaded.tokenizer);
        let data = recipe.data.build(&tokenizer).context("[data]")?;
        let evaluator = Evaluator {
            set: String::from("heldout"),
            prompts: data.eval,
            config,
            max_new_tokens: recipe.sampling.max_new_tokens,
            random: RunRandom::new(recipe.run.seed),
            scorer: Arc::new(Scorer::new(&recipe.reward)),
            tokenizer: Arc::clone(&tokenizer),
        };
        let mut engine = DecodeEngine::new(tokenizer.eos_ids().to_vec(), 512, recipe.batch.max_tokens);
        let phase = Console::new().step_phase("evaluate", evaluator.n_responses() as u64);
        let (report, _) = evaluator.run(&loaded.policy, &mut engine, &mut |n| phase.advance(n as u64, ""))?;
        phase.finish();
        if self.json {
            let json = serde_json::json!({ "model": loaded.folder, report.set.clone(): report.to_json() });
            println!("{json}");
            return Ok(ExitCode::SUCCESS);
        }
        let percent =
            |e: &rlcredit::eval::Estimate| format!("{:.1} ± {:.1} %", 100.0 * e.mean, 100.0 * e.half_width());
        println!("{}, {} problems of {}", loaded.folder.display(), report.n, path.display());
        println!("  avg@{}    {}", report.k, percent(&report.avg));
        println!("  pass@{}   {}", report.k, percent(&report.pass));
        if let Some(greedy) = &report.greedy {
            println!("  greedy   {}", percent(greedy));
        }
        println!(
            "  {:.1} tokens a response, {:.1} % cut off",
            report.response_length,
            100.0 * report.clip_ratio
        );
        Ok(ExitCode::SUCCESS)
    }
}
