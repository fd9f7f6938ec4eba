//! `rlcredit replay RUN --step K`: a step of a run once more, without generating, by its own settings and by others.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::compare::arms::{self, Choice};
use crate::files::{require_writable, write_named};
use crate::observe::Console;
use crate::page;
use crate::recipe::Recipe;
use crate::run::Failure;
use crate::run::replay::{self, Agreement, Arm, Replayed, replay};
use crate::run_folder::RunFolder;
use crate::table::Table;
use crate::types::{Step, counted};

use super::{require, say};

/// What it looks like.
const TEMPLATE: &str = include_str!("replay/page.html");

/// Distances up to which another machine may round differently and nothing else is wrong: of an advantage, and of a metric as a share
/// of itself.
const ROUNDING: f64 = 0.02;

#[derive(Args)]
pub(super) struct Replay {
    /// The folder of a run
    run: PathBuf,
    /// The step of the run; kept with what it began with
    ///
    /// Its responses and the checkpoint before it must be kept
    #[arg(long, value_name = "N")]
    step: Step,
    /// Only the first N (responses on the page) [default: 64]
    #[arg(long, value_name = "N", default_value = "64", hide_default_value = true)]
    limit: usize,
    /// Override a key of the recipe: signals.window=5
    ///
    /// Of all arms but the run's own. The value is in TOML's syntax, where a bare word is a text. May be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// A key and its values, one arm each: optim.lr=1e-5,1e-4
    ///
    /// Times the arms of what stands before it
    #[arg(long, value_name = "KEY=V1,V2")]
    vary: Vec<String>,
    /// Credit strategies: rhythm,shuffled_rhythm
    ///
    /// An arm each, with their defaults; `shuffled_` before a name is its control
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    credit: Vec<String>,
    /// Advantage estimators: leave_one_out,gae
    ///
    /// An arm each, with their defaults
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    advantage: Vec<String>,
    /// Policy losses: gspo,cispo
    ///
    /// An arm each, with their defaults
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    loss: Vec<String>,
    /// Print JSON instead of text
    ///
    /// One object, with the advantages of every token under each arm
    #[arg(long)]
    json: bool,
    /// Write a page to look at in a browser
    ///
    /// It needs no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Replay {
    pub(super) fn run(self) -> Result<ExitCode> {
        require(self.limit > 0, || "--limit: got 0, expected at least 1".to_owned())?;
        let folder = RunFolder::at(&self.run);
        let resolved = folder.checked_resolved().map_err(Failure::bad_input)?;
        if let Some(file) = &self.html {
            require_writable(file, std::slice::from_ref(&resolved)).map_err(Failure::bad_input)?;
        }
        let choices = self.choices(&Recipe::load(&resolved, &[])?)?;
        let console = Console::new();
        let mut found = replay(&folder, self.step, &choices, &console)?;
        let good = told(&found.agreement, &console);
        if self.json {
            say(serde_json::to_string(&found)?)?;
        } else {
            table(&found)?;
        }
        if let Some(file) = &self.html {
            found.responses.truncate(self.limit);
            let page = page::fill(TEMPLATE, &found)?;
            write_named(file, &[resolved], |w| Ok(w.write_all(page.as_bytes())?))?;
            let n = counted(found.responses.len(), "response");
            console.note(format_args!("{}: {n}", file.display()));
        }
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The arms beside the run's own settings, `own`.
    fn choices(&self, own: &Recipe) -> Result<Vec<replay::Choice>> {
        let mut axes = arms::choices(own, &self.credit, &self.vary)?;
        for (key, names) in [("advantage", &self.advantage), ("loss.policy", &self.loss)] {
            let of_name = |name: &String| Choice {
                label: name.clone(),
                overrides: vec![format!("{key}={{type={}}}", toml::Value::String(name.clone()))],
            };
            if !names.is_empty() {
                axes.push(names.iter().map(of_name).collect());
            }
        }
        let all =
            if axes.is_empty() && self.overrides.is_empty() { Vec::new() } else { Choice::product(&axes) };
        let choice = |Choice { label, overrides }: Choice| replay::Choice {
            label: if label.is_empty() { self.overrides.join(", ") } else { label },
            set: [&self.overrides[..], &overrides].concat(),
        };
        Ok(all.into_iter().map(choice).collect())
    }
}

/// Says whether the run's own settings gave its own numbers; whether they did but for rounding.
fn told(agreement: &Agreement, console: &Console) -> bool {
    let Agreement { advantages_max_abs, n_metrics, .. } = agreement;
    if agreement.is_exact() {
        console.note(format_args!(
            "check: by its own settings every advantage and {} are the run's own, to the last bit",
            counted(n_metrics, "metric")
        ));
        return true;
    }
    let worst = agreement.worst();
    let of_metric = worst.map_or(0.0, |(_, share)| share);
    let good = *n_metrics > 0 && *advantages_max_abs <= ROUNDING && of_metric <= ROUNDING;
    let metric = match worst {
        Some((key, share)) => {
            format!("of {n_metrics} metrics {key} is furthest off, by {:.2e} of itself", share)
        }
        None => format!("losses, norms and advantages of {n_metrics} metrics are the run's own"),
    };
    let verdict = match good {
        true => "so the machine rounds differently, and nothing else",
        false => {
            "so this is NOT the step that the run made, and the other arms say as little: the files of the run were changed, or another \
             version of rlcredit made it (env.json names it)"
        }
    };
    console.note(format_args!(
        "check: by its own settings advantages are at most {advantages_max_abs:.2e} from the run's own, and {metric}; {verdict}"
    ));
    good
}

/// Prints the numbers of each arm, an arm a column.
fn table(found: &Replayed) -> Result<()> {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), short);
    type Row = (&'static str, fn(&Arm) -> Option<f64>);
    let rows: [Row; 12] = [
        ("loss/policy", |arm| arm.metrics.get("loss/policy")),
        ("gradient's norm", |arm| arm.metrics.get("optim/grad_norm")),
        ("gradient, cosine", |arm| arm.gradient.cosine),
        ("update's norm", |arm| Some(arm.update.norm)),
        ("update, cosine", |arm| arm.update.cosine),
        ("advantage, mean |A|", |arm| Some(arm.advantages.mean_abs)),
        ("advantage, correlation", |arm| arm.advantages.correlation),
        ("advantage, turned", |arm| Some(arm.advantages.turned_frac)),
        ("credit/boosted_frac", |arm| arm.metrics.get("credit/boosted_frac")),
        ("policy/entropy", |arm| arm.metrics.get("policy/entropy")),
        ("policy/kl_ref", |arm| arm.metrics.get("policy/kl_ref")),
        ("loss/value", |arm| arm.metrics.get("loss/value")),
    ];
    let header = std::iter::once("arm").chain(rows.iter().map(|row| row.0));
    let columns: Vec<Vec<String>> = found
        .arms
        .iter()
        .map(|arm| {
            std::iter::once(arm.label.clone()).chain(rows.iter().map(|(_, of)| number(of(arm)))).collect()
        })
        .collect();
    let mut lines: Vec<Vec<String>> = header
        .enumerate()
        .map(|(row, name)| {
            std::iter::once(name.to_owned()).chain(columns.iter().map(|arm| arm[row].clone())).collect()
        })
        .collect();
    lines.retain(|line| line[1..].iter().any(|cell| cell != "-"));
    let header = lines.remove(0);
    let n_tokens: usize = found.responses.iter().map(|response| response.pieces.len()).sum();
    say(format_args!(
        "{}, step {}: {}, {}, from {}",
        found.run.display(),
        found.step,
        counted(found.responses.len(), "response"),
        counted(n_tokens, "token"),
        found.checkpoint.display()
    ))?;
    say(Table { header, rows: lines }.plain())
}

/// Four significant digits.
fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e5).contains(&size) { format!("{value:.3e}") } else { format!("{value:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_the_network_for_nothing() {
        page::assert_whole(TEMPLATE);
    }
}
