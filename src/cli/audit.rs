//! `rlcredit audit RUN_OR_RECIPE --credit rhythm,entropy`: which credit will help, and with what certainty.

mod target;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::{Args, ValueEnum};

use self::target::Target;
use crate::audit::{AuditConfig, Budget, Kept, Method, Summary};
use crate::interrupt::{Interrupt, OrStopped};
use crate::observe::Console;
use crate::run::{self, Failure};

#[derive(Args)]
pub(super) struct Audit {
    /// A recipe, a run or a checkpoint; with --recipe any model
    ///
    /// Of a recipe its policy is audited as it is when reinforcement learning begins, after its SFT; of a run the newest checkpoint, or
    /// another, such as RUN@40. With --recipe a folder or hub:ORG/NAME
    #[arg(value_parser = super::flags::place_or_input)]
    target: PathBuf,
    /// Recipe whose settings count
    ///
    /// Its problems, graders and limits, for a model that is of no run
    #[arg(long, value_name = "RECIPE", value_parser = super::flags::input())]
    recipe: Option<PathBuf>,
    /// Credit strategies: rhythm,shuffled_rhythm
    ///
    /// `shuffled_` before a name is its control; without it all of them with their controls
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    credit: Vec<String>,
    /// What it may take: responses, or minutes such as 10m
    ///
    /// [the recipe's, else 4608]
    #[arg(long, value_name = "N")]
    budget: Option<Budget>,
    /// Responses to each prompt
    ///
    /// [the recipe's, else 8]
    #[arg(long, value_name = "N")]
    group: Option<usize>,
    /// Prompts whose responses are continued; 0: none
    ///
    /// To find where the reward is decided. [the recipe's, else 64]
    #[arg(long, value_name = "N")]
    continued: Option<usize>,
    /// Places that each of them is continued from
    ///
    /// [the recipe's, else 8]
    #[arg(long, value_name = "N", hide_short_help = true)]
    cuts: Option<usize>,
    /// Continuations from each place
    ///
    /// [the recipe's, else 16]
    #[arg(long, value_name = "N", hide_short_help = true)]
    continuations: Option<usize>,
    /// By exact gradients or by differences
    ///
    /// Gradients of every arm, or differences of forward passes; without it what suits the model
    #[arg(long, value_name = "HOW", value_enum, hide_possible_values = true, hide_short_help = true)]
    method: Option<MethodArgument>,
    /// Random directions by which differences find norms
    ///
    /// [the recipe's, else 4]
    #[arg(long, value_name = "N", hide_short_help = true)]
    probes: Option<usize>,
    /// Override a key of the recipe: optim.lr=1e-5
    ///
    /// The value is in TOML's syntax, where a bare word is a text. May be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Where it is kept [default: audit_NAME within --runs]
    ///
    /// What is found, and what is kept on the way: the same command again goes on where it was interrupted. NAME is that of the
    /// recipe, with the step of a checkpoint or the name of a model
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder that holds the runs [default: runs]
    ///
    /// Their SFT is shared
    #[arg(long, value_name = "DIR", default_value = "runs", hide_default_value = true)]
    runs: PathBuf,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MethodArgument {
    Exact,
    Differences,
}

impl Audit {
    pub(super) fn run(self) -> Result<ExitCode> {
        let console = Arc::new(Console::new());
        let phase = console.step_phase("set up", 0);
        let target = Target::find(&self.target, self.recipe.as_deref(), &self.overrides)?;
        let config = self.config(target.setup.recipe.audit.clone().unwrap_or_default());
        let audit = run::Audit::new(&target.setup, &config, self.method()).map_err(Failure::bad_input)?;
        let out = self.out.clone().unwrap_or_else(|| self.runs.join(format!("audit_{}", target.name)));
        let mut settings = audit.settings();
        settings["weights"] = target.weights()?;
        let mut kept = Kept::open(&out, &settings).map_err(Failure::bad_input)?;
        phase.finish();
        let (teller, folder) = (Arc::clone(&console), out.clone());
        let interrupt = Interrupt::install(move |signal, _| {
            teller.note(format_args!(
                "{signal}: stopping; what was found is kept in {}, and the same command goes on from there",
                folder.display()
            ));
        })?;
        console.note(format_args!("audit of {} in {}\n{}", target.name, out.display(), audit.scope()));
        if kept.n() > 0 {
            console.note(format_args!("  goes on behind {} pieces that are kept there", kept.n()));
        }
        let summary = target
            .policy(&self.runs, &console, &interrupt)
            .and_then(|(policy, moments)| audit.run(&policy, moments, &mut kept, &console, &interrupt));
        let summary = match summary.or_stopped()? {
            Ok(summary) => summary,
            Err(signal) => return Ok(ExitCode::from(signal.exit_code())),
        };
        let tokenizer = &target.setup.tokenizer;
        summary.write(&out, &target.name, &super::command(), |tokens| tokenizer.pieces(tokens))?;
        self.say(&summary, &out)?;
        Ok(ExitCode::SUCCESS)
    }

    /// What the recipe says, and what the command line says instead.
    fn config(&self, recipe: AuditConfig) -> AuditConfig {
        AuditConfig {
            credit: if self.credit.is_empty() { recipe.credit } else { self.credit.clone() },
            budget: self.budget.unwrap_or(recipe.budget),
            group: self.group.unwrap_or(recipe.group),
            continued: self.continued.unwrap_or(recipe.continued),
            cuts: self.cuts.unwrap_or(recipe.cuts),
            continuations: self.continuations.unwrap_or(recipe.continuations),
            probes: self.probes.unwrap_or(recipe.probes),
            every: recipe.every,
        }
    }

    fn method(&self) -> Option<Method> {
        self.method.map(|method| match method {
            MethodArgument::Exact => Method::Exact,
            MethodArgument::Differences => Method::Differences,
        })
    }

    fn say(&self, summary: &Summary, out: &Path) -> Result<()> {
        if self.json {
            return super::say(serde_json::to_string(summary)?);
        }
        for fact in summary.facts() {
            super::say(fact)?;
        }
        for (title, table) in summary.tables() {
            super::say(format_args!("\n{title}\n\n{}", table.plain()))?;
        }
        super::say(format_args!("\n{}", summary.ceiling_verdicts.join("\n")))?;
        super::say(format_args!("\n  {0}/audit.html, {0}/audit.md, {0}/audit.json", out.display()))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use clap::{Args, Command};

    use super::*;

    #[test]
    fn its_help_tells_the_defaults_of_a_recipe() {
        let AuditConfig { budget, group, continued, cuts, continuations, probes, .. } =
            AuditConfig::default();
        let defaults = [
            ("budget", budget.to_string()),
            ("group", group.to_string()),
            ("continued", continued.to_string()),
            ("cuts", cuts.to_string()),
            ("continuations", continuations.to_string()),
            ("probes", probes.to_string()),
        ];
        let audit = Audit::augment_args(Command::new("audit"));
        for (flag, default) in defaults {
            let argument = audit.get_arguments().find(|own| own.get_long() == Some(flag)).unwrap();
            let help = argument.get_long_help().unwrap().to_string();
            assert!(help.ends_with(&format!("[the recipe's, else {default}]")), "--{flag}: {help}");
        }
    }
}
