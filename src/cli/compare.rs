//! `rlcredit compare RECIPE --credit uniform,rhythm --seeds 5`, `rlcredit compare RECIPE RECIPE ...`, and
//! `rlcredit compare --of RUN RUN ...`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use crate::compare::folder::has_comparison;
use crate::compare::{
    ComparisonFolder, Origin, Plan, Summary, Wanted, execute, of, report, summarise, write_results,
};
use crate::interrupt::Interrupt;
use crate::observe::Console;
use crate::run::{Failure, Outcome};

#[derive(Args)]
pub(super) struct Compare {
    /// The run that arms share, as a TOML file; several are arms of their own, called by their [run] name
    #[arg(required_unless_present = "of", value_name = "RECIPE")]
    recipes: Vec<PathBuf>,
    /// Credit strategies, one arm each: with the settings of the recipe's [[credit]] entry of that type, else defaults
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    credit: Vec<String>,
    /// An arm more for each strategy of --credit: its gains, shuffled within each response, so that only their dose is left
    #[arg(long, requires = "credit")]
    controls: bool,
    /// A key and its values, one arm each, times those before: --vary loss.policy.clip_high=0.2,0.28
    #[arg(long, value_name = "KEY=V1,V2")]
    vary: Vec<String>,
    /// Override a key for all arms, in TOML's syntax: --set run.steps=70; curves have a point every eval.every steps
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Number of seeds, from the recipe's run.seed on
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Label of the arm that the others are compared with; without it the first of the comparison
    #[arg(long, value_name = "LABEL")]
    baseline: Option<String>,
    /// A first look: at most 30 steps, evaluated every 10 with at most 2 samples per problem
    #[arg(long)]
    quick: bool,
    /// Compare these runs, without training; runs that differ in their seed alone are one arm
    #[arg(long, num_args = 1.., value_name = "RUN", conflicts_with_all = ["recipes", "credit", "controls", "vary", "overrides", "seeds", "quick"])]
    of: Vec<PathBuf>,
    /// Folder of the comparison; without it compare_NAME, with --quick compare_NAME_quick, within the folder of runs
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder that holds the runs, whose SFT runs are shared
    #[arg(long, default_value = "runs")]
    runs: PathBuf,
}

impl Compare {
    pub(super) fn run(self) -> Result<ExitCode> {
        if self.of.is_empty() { self.train() } else { self.look() }
    }

    /// Compares runs that are there.
    fn look(self) -> Result<ExitCode> {
        let out = self.out.unwrap_or_else(|| self.runs.join("compare"));
        super::require(!has_comparison(&out), || {
            format!(
                "{}: holds a comparison with runs of its own; choose another folder with --out",
                out.display()
            )
        })?;
        let arms = of::arms(&self.of)?;
        let labels: Vec<&str> = arms.iter().map(|(label, _)| label.as_str()).collect();
        let first = labels.first().map(|label| (*label).to_owned()).unwrap_or_default();
        let baseline = self.baseline.unwrap_or(first);
        super::require(labels.contains(&baseline.as_str()), || {
            format!("--baseline: no arm is called `{baseline}`; the arms are {}", labels.join(" / "))
        })?;
        let origin = Origin {
            title: String::from("runs"),
            commands: vec![super::command()],
            quick: Vec::new(),
            baseline,
            n_runs: self.of.len(),
        };
        let summary = Summary::new(origin, arms)?;
        write_results(&summary, &out)?;
        say_results(&summary, &out)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Trains what is missing and compares.
    fn train(self) -> Result<ExitCode> {
        let console = Arc::new(Console::new());
        let phase = console.step_phase("check all arms", 0);
        let mut plan = Plan::new(Wanted {
            recipes: self.recipes,
            overrides: self.overrides,
            credit: self.credit,
            controls: self.controls,
            vary: self.vary,
            seeds: self.seeds,
            baseline: self.baseline,
            quick: self.quick,
        })?;
        phase.finish();
        let title = plan.title();
        let ending = if self.quick { "_quick" } else { "" };
        let out = self
            .out
            .unwrap_or_else(|| self.runs.join(format!("compare_{}{ending}", title.replace(' ', "_"))));
        let folder = ComparisonFolder::open(&out, &mut plan, &super::command())?;
        let teller = Arc::clone(&console);
        let interrupt = Interrupt::install(move |signal, at_once| {
            let how = if at_once { "stopped, there is nothing to save" } else { super::STOPPING };
            teller.note(format_args!("{signal}: {how}"));
        })?;
        plan.notes()?.into_iter().for_each(|note| console.note(note));
        let (arms, seeds) = (plan.arms.len(), plan.seeds.len());
        console.note(format!("{}: {arms} arms x {seeds} seeds = {} runs", out.display(), arms * seeds));
        if self.quick {
            console.note(format!("--quick: {}", plan.quick().join(", ")));
        }
        let outcome = execute(&plan, &folder, &self.runs, &console, &interrupt, &mut || {
            write_results(&summarise(&folder, &title)?, &out)
        });
        let summary = summarise(&folder, &title)?;
        write_results(&summary, &out)?;
        match outcome {
            Ok(Outcome::Interrupted(signal)) => Ok(ExitCode::from(signal.exit_code())),
            Ok(Outcome::Done) => {
                say_results(&summary, &out)?;
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => {
                if matches!(error.downcast_ref(), Some(Failure::Diverged(_))) {
                    say_results(&summary, &out)?;
                }
                Err(error)
            }
        }
    }
}

fn say_results(summary: &Summary, out: &std::path::Path) -> Result<()> {
    for note in &summary.notes {
        super::say(format_args!("note: {note}"))?;
    }
    super::say(format_args!("\n{}\n", report::console_table(summary)))?;
    super::say(format_args!("  {0}/compare.md, {0}/compare.json, {0}/curves_by_*.png", out.display()))
}
