//! `rlcredit inspect MODEL --input FILE` or `--run RUN --step K`: what attention says about responses, and the credit that
//! follows.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use rlcredit::checkpoint::head_groups;
use rlcredit::files::write_whole;
use rlcredit::inspect::gains::{Gain, gains};
use rlcredit::inspect::source::{self, Limits, Line};
use rlcredit::inspect::terminal::{By, Style, Terminal};
use rlcredit::inspect::text::Shown;
use rlcredit::inspect::{Grouped, Strategies, html, inspect};
use rlcredit::measure::Measurer;
use rlcredit::observe::Console;
use rlcredit::recipe::Recipe;
use rlcredit::run::Failure;
use rlcredit::run_folder::RunFolder;
use rlcredit::signal::{Heads, SignalConfig};
use rlcredit::types::Step;

use super::bench::DtypeArgument;
use super::policy;

#[derive(Args)]
pub struct Inspect {
    /// A run, a checkpoint or a Hugging Face folder. With --run the weights to look with, instead of the run's own: those
    /// that sampled the step if they are kept, else the newest
    #[arg(required_unless_present = "run")]
    model: Option<PathBuf>,
    /// Responses to look at, one in each line: {"prompt": "...", "response": "..."}, read as they stand, or
    /// {"prompt_tokens": [...], "response_tokens": [...]}
    #[arg(long, value_name = "FILE", required_unless_present = "run", conflicts_with = "run")]
    input: Option<PathBuf>,
    /// Look at responses of this run ...
    #[arg(long, requires = "step")]
    run: Option<PathBuf>,
    /// ... those that it sampled in this step
    #[arg(long, requires = "run")]
    step: Option<Step>,
    /// Only the first N responses; groups of heads come from these
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Recipe whose [signals], [[credit]] and sampling temperature count; a run brings its own, else they are the paper's
    #[arg(long)]
    recipe: Option<PathBuf>,
    /// Override a key, in TOML's syntax: --set signals.window=5
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Local and global heads: as in the run (chosen by all responses, unless [signals] regroup_every lets earlier groups
    /// live on and the checkpoint has them), chosen by all responses, or by each response on its own
    #[arg(long, value_enum, default_value = "as-in-run")]
    heads: HeadsArgument,
    /// Compute precision. Training's own may be lower, and then ranks can differ
    #[arg(long, value_enum, default_value = "f32")]
    dtype: DtypeArgument,
    /// Print one JSON object for each response
    #[arg(long)]
    json: bool,
    /// Write a page to look at in a browser; it needs no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Strategy whose gain shades the tokens in the terminal
    #[arg(long, value_enum, default_value = "rhythm")]
    strategy: StrategyArgument,
    /// Colours in the terminal; auto obeys NO_COLOR
    #[arg(long, value_enum, default_value = "auto")]
    color: ColorArgument,
}

#[derive(Clone, Copy, ValueEnum)]
enum HeadsArgument {
    AsInRun,
    Together,
    PerSequence,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum StrategyArgument {
    LocalChunk,
    GlobalAnchor,
    Rhythm,
}

#[derive(Clone, Copy, ValueEnum)]
enum ColorArgument {
    Auto,
    Always,
    Never,
}

/// The smallest recipe there is, for the defaults of everything that counts here.
const BARE: &str = r#"
run = { name = "inspect", steps = 1 }
model = { scratch = "countdown2m" }
data = { type = "jsonl", path = "none", eval_path = "none" }
explore = { type = "group", size = 2 }
sampling = { max_new_tokens = 1 }
reward = [{ type = "countdown", preset = "exact" }]
advantage = { type = "group" }
loss = { type = "clip" }
optim = { lr = 1e-6 }
batch = { prompts = 1, max_tokens = 4096 }
"#;

/// Columns where there is no terminal to say how many it has.
const COLUMNS: usize = 100;

impl Inspect {
    pub fn run(self) -> Result<ExitCode> {
        super::require(self.limit != Some(0), || "--limit: got 0, expected at least 1".to_owned())?;
        let mut lines = self.lines().map_err(Failure::bad_input)?;
        lines.truncate(self.limit.unwrap_or(usize::MAX));
        let (recipe, settings) = self.settings()?;
        let (path, remark) = self.weights()?;
        let (policy, tokenizer, folder) =
            policy::load_for_tokens(&path, recipe.model.device, self.dtype.into())?;
        let fits = recipe.signals.misfits(policy.layout.layers.len());
        super::require(fits.is_none(), || fits.unwrap_or_default())?;
        let limits = Limits {
            tokenizer: tokenizer.as_ref(),
            n_vocab: usize::try_from(policy.config.vocab_size)?,
            n_positions: usize::try_from(policy.config.max_position_embeddings)?,
        };
        let subjects: Result<Vec<_>> = lines.into_iter().map(|line| line.subject(limits)).collect();
        let subjects = subjects.map_err(Failure::bad_input)?;

        let phase = Console::new().step_phase("measure", 0);
        let measurer = Measurer {
            policy: &policy,
            reference: None,
            temperature: recipe.sampling.temperature,
            max_tokens: recipe.batch.max_tokens,
            signals: &recipe.signals,
        };
        let strategies = Strategies::of(&recipe.credit);
        let grouped = self.grouped(&recipe.signals, &folder)?;
        let found = inspect(&measurer, &strategies, &grouped, &subjects)?;
        drop(phase);

        let weights = format!("{}{remark}", folder.display());
        if self.json {
            Console::new().note(format_args!("weights: {weights}; settings: {settings}"));
            found.iter().try_for_each(|found| super::say(serde_json::to_string(found)?))?;
            if self.html.is_none() {
                return Ok(ExitCode::SUCCESS);
            }
        }
        let shown = subjects.iter().zip(found).map(|(s, found)| Shown::new(s, found, tokenizer.as_ref()));
        let shown: Vec<Shown> = shown.collect::<Result<_>>()?;
        let mut facts = vec![("weights".to_owned(), weights), ("settings".to_owned(), settings)];
        facts.extend(reading(&recipe.signals, &grouped, &shown));
        let gains = gains(shown.iter().map(|shown| &shown.inspection));
        let gain = |g: Gain| format!("{} {:.3} ({:.3})", g.strategy, g.mean, g.by_entropy);
        facts.push((
            "gains".to_owned(),
            format!("mean (weighted by entropy): {}", gains.map(gain).join(", ")),
        ));
        match &self.html {
            Some(file) => {
                let page = html::page(&facts, &shown)?;
                write_whole(file, |w| Ok(w.write_all(page.as_bytes())?))?;
                let count = shown.len();
                let responses = if count == 1 { "response" } else { "responses" };
                Console::new().note(format_args!("{}: {count} {responses}", file.display()));
            }
            None => self.print(&facts, &shown)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The recipe whose settings count, and what it is called.
    fn settings(&self) -> Result<(Recipe, String)> {
        let run = self.run.as_ref().or(self.model.as_ref()).map(|run| run.join("resolved.toml"));
        let own = run.filter(|path| self.run.is_some() || path.is_file());
        Ok(match self.recipe.as_ref().or(own.as_ref()) {
            Some(path) => {
                super::require(path.is_file(), || format!("{}: no such file", path.display()))?;
                (Recipe::load(path, &self.overrides)?, path.display().to_string())
            }
            None => (Recipe::parse("the defaults", BARE, &self.overrides)?, "defaults".to_owned()),
        })
    }

    /// The responses to look at.
    fn lines(&self) -> Result<Vec<Line>> {
        match (&self.input, &self.run, self.step) {
            (Some(file), _, _) => source::lines(file),
            (None, Some(run), Some(step)) => {
                let folder = RunFolder::at(run);
                ensure!(
                    folder.resolved().is_file(),
                    "{}: not a run, resolved.toml is missing",
                    folder.root().display()
                );
                source::rollouts(&folder, step)
            }
            _ => bail!("nothing to look at; expected --input FILE, or --run RUN --step K"),
        }
    }

    /// Where the weights are looked for, and what there is to say about them.
    fn weights(&self) -> Result<(PathBuf, String)> {
        if let Some(model) = &self.model {
            return Ok((model.clone(), String::new()));
        }
        let run = self.run.as_ref().context("expected a model or --run")?;
        let step = self.step.unwrap_or_default();
        let sampled = step.checked_sub(1).map(|before| RunFolder::at(run).checkpoint(before));
        Ok(match sampled.filter(|folder| folder.join("model/config.json").is_file()) {
            Some(folder) => (folder, format!(", which sampled step {step}")),
            None => (run.clone(), format!(", the run's newest; those that sampled step {step} are not kept")),
        })
    }

    /// The groups of heads to look with, for a policy in the model folder `folder`.
    fn grouped(&self, signals: &SignalConfig, folder: &Path) -> Result<Grouped> {
        Ok(match self.heads {
            HeadsArgument::Together => Grouped::Together,
            HeadsArgument::PerSequence => Grouped::PerSequence,
            HeadsArgument::AsInRun => {
                let lasting =
                    signals.regroup_every != 1 && self.step.is_none_or(|step| !signals.regroups_at(step));
                let checkpoint = folder.parent().filter(|_| lasting);
                let saved = checkpoint.map(head_groups).transpose()?.flatten();
                saved.map_or(Grouped::Together, Grouped::Given)
            }
        })
    }

    fn print(&self, facts: &[(String, String)], shown: &[Shown]) -> Result<()> {
        let terminal = io::stdout().is_terminal();
        let columns =
            terminal_size::terminal_size().filter(|_| terminal).map(|(columns, _)| columns.0.into());
        let by = match self.strategy {
            StrategyArgument::LocalChunk => By::LocalChunk,
            StrategyArgument::GlobalAnchor => By::GlobalAnchor,
            StrategyArgument::Rhythm => By::Rhythm,
        };
        let color = match self.color {
            ColorArgument::Always => true,
            ColorArgument::Never => false,
            ColorArgument::Auto => terminal && wants_color(),
        };
        let terminal = Terminal::new(Style { color, columns: columns.unwrap_or(COLUMNS), by }, shown);
        for (name, value) in facts {
            super::say(format_args!("{name:9} {value}"))?;
        }
        super::say(terminal.legend())?;
        shown.iter().try_for_each(|shown| super::say(format_args!("\n{}", terminal.draw(shown).trim_end())))
    }
}

/// How attention was read, name and value.
fn reading(signals: &SignalConfig, grouped: &Grouped, shown: &[Shown]) -> Vec<(String, String)> {
    let Some(Shown { inspection: found, .. }) = shown.first() else { return Vec::new() };
    let layers: Vec<String> = found.layers.iter().map(usize::to_string).collect();
    let [near, far] = signals.horizon;
    let by = match (signals.heads, grouped) {
        (Heads::All, _) => "all of them in both groups",
        (_, Grouped::Given(_)) => "those of the checkpoint",
        (_, Grouped::Together) if shown.len() > 1 => "chosen by all responses together",
        _ => "chosen by each response",
    };
    let (local, global, all) = (found.local.len(), found.global.len(), found.spans.len());
    [
        ("layers", layers.join(", ")),
        ("heads", format!("{local} local, {global} global of {all}, {by}")),
        ("window", format!("{} tokens for WAAD; FAI looks {near} to {far} tokens ahead", signals.window)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn wants_color() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn without_a_recipe_the_defaults_count() {
        let recipe = Recipe::parse("", BARE, &[]).unwrap();
        assert_eq!((recipe.signals, recipe.credit), (SignalConfig::default(), Vec::new()));
        assert!((recipe.sampling.temperature - 1.0).abs() < 1e-12);
    }
}
