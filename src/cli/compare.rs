//! `rlcredit compare RECIPE --credit uniform,rhythm --seeds 5`, `rlcredit compare RECIPE RECIPE ...`, and
//! `rlcredit compare --of RUN RUN ...`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;

mod forecast;

use self::forecast::Forecast;
use crate::compare::folder::{has_comparison, require_fit};
use crate::compare::{
    ComparisonFolder, Origin, Plan, Summary, Wanted, execute, of, report, summarise, write_results,
};
use crate::interrupt::Interrupt;
use crate::observe::Console;
use crate::run::{Failure, Outcome};

#[derive(Args)]
pub(super) struct Compare {
    /// The recipe that the arms share; several are arms of their own
    ///
    /// TOML files; several are called by their [run] name
    #[arg(required_unless_present = "of", value_name = "RECIPE", value_parser = super::flags::input())]
    recipes: Vec<PathBuf>,
    /// Credit strategies: uniform,rhythm
    ///
    /// One arm each, with the settings of the recipe's [[credit]] entry of that type, else defaults
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    credit: Vec<String>,
    /// For each of --credit also its shuffled self
    ///
    /// An arm more for each strategy: its gains, shuffled within each response, so that only their dose is left
    #[arg(long, requires = "credit")]
    controls: bool,
    /// A key and its values, one arm each: optim.lr=1e-5,1e-4
    ///
    /// Times the arms of what stands before it
    #[arg(long, value_name = "KEY=V1,V2")]
    vary: Vec<String>,
    /// Override a key of the recipe: optim.lr=1e-5
    ///
    /// Of all arms; curves have a point every eval.every steps. The value is in TOML's syntax, where a bare word is a text. May be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Number of seeds, from run.seed on [default: 5]
    ///
    /// Below three there are neither intervals nor p-values
    #[arg(long, value_name = "N", default_value_t = 5, hide_default_value = true)]
    seeds: u64,
    /// What the others are compared with [default: the first]
    ///
    /// The label of an arm; the comparison remembers it
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,
    /// A first look: at most 30 steps, two samples a problem
    ///
    /// Evaluated every 10 steps
    #[arg(long)]
    quick: bool,
    /// Compare these runs, without training
    ///
    /// Runs that differ in their seed alone are one arm
    #[arg(long, num_args = 1.., value_name = "RUN", conflicts_with_all = ["recipes", "credit", "controls", "vary", "overrides", "seeds", "quick", "dry_run"])]
    of: Vec<PathBuf>,
    /// Say what would be run and how long it takes, and end
    #[arg(long)]
    dry_run: bool,
    /// Where it is kept [default: compare_NAME within --runs]
    ///
    /// With --quick compare_NAME_quick
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder that holds the runs [default: runs]
    ///
    /// Their SFT is shared
    #[arg(long, value_name = "DIR", default_value = "runs", hide_default_value = true)]
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
        require_fit(&out, &mut plan, &super::command())?;
        let forecast = Forecast::new(&plan, &out)?.lines(&out);
        if self.dry_run {
            forecast.into_iter().try_for_each(super::say)?;
            return Ok(ExitCode::SUCCESS);
        }
        let folder = ComparisonFolder::open(&out, &mut plan, &super::command())?;
        let teller = Arc::clone(&console);
        let interrupt = Interrupt::install(move |signal, at_once| {
            let how = if at_once { "stopped, there is nothing to save" } else { super::STOPPING };
            teller.note(format_args!("{signal}: {how}"));
        })?;
        plan.notes()?.into_iter().for_each(|note| console.note(note));
        forecast.into_iter().for_each(|line| console.note(line));
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
