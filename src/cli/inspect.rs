//! `rlcredit inspect MODEL --input FILE` or `--run RUN --step K`: what attention says about responses, and the credit that
//! follows.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::circuit::with_heads_of_file;
use crate::data::jsonl;
use crate::files::{require_writable, write_named};
use crate::inspect::source::{Limits, Line};
use crate::inspect::terminal::{Style, Terminal};
use crate::inspect::text::Shown;
use crate::inspect::{Branching, Grouped, Lens, Strategies, Subject, TRAINED, html, inspect};
use crate::measure::Passes;
use crate::model::{BackendChoice, Dtype};
use crate::observe::Console;
use crate::run::Failure;
use crate::run_folder::RunFolder;
use crate::signal::Segmenter;
use crate::types::{RunRandom, Step, counted};

mod facts;
mod given;

pub(super) use given::BARE;

use super::policy::Choices;
use super::scale_heads::ScaleHeads;
use super::{policy, require, say, say_drawn};

#[derive(Args)]
pub(super) struct Inspect {
    /// A run, a checkpoint, a folder or hub:ORG/NAME
    ///
    /// With --run the weights to look with, instead of the run's own: those that sampled the step if they are kept, else the newest
    #[arg(required_unless_present = "run", value_parser = policy::place)]
    model: Option<PathBuf>,
    /// Responses to look at, one a line; - reads standard input
    ///
    /// {"prompt": "...", "response": "..."}, read as they stand, without the token with which a tokenizer begins texts, or
    /// {"prompt_tokens": [...], "response_tokens": [...]}
    #[arg(long, value_name = "FILE", value_parser = super::flags::input(), required_unless_present = "run", conflicts_with = "run")]
    input: Option<PathBuf>,
    /// Look at responses of this run, by --step
    #[arg(long, value_name = "RUN")]
    run: Option<PathBuf>,
    /// The step of the run; its responses
    #[arg(long, value_name = "N", requires = "run")]
    step: Option<Step>,
    /// Only the first N (of each file)
    ///
    /// Where all responses together choose the groups of heads, all are still measured
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Recipe whose settings count [default: the run's]
    ///
    /// Its [signals], [[credit]] and sampling temperature; without a run they are the paper's
    #[arg(long, value_name = "RECIPE", value_parser = super::flags::input())]
    recipe: Option<PathBuf>,
    /// Override a key of the recipe: optim.lr=1e-5
    ///
    /// The value is in TOML's syntax, where a bare word is a text. May be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Local and global heads: as-in-run, together or per-sequence
    ///
    /// As in the run (chosen by all responses, unless [signals] regroup_every lets earlier groups live on and the checkpoint has them),
    /// chosen by all responses, or by each response on its own
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        default_value = "as-in-run",
        hide_default_value = true,
        hide_possible_values = true,
        hide_short_help = true
    )]
    heads: HeadsArgument,
    /// Multiply what attention heads write: 1.2=0
    ///
    /// LAYER.HEAD=FACTOR,..., 0 leaves a head out; or FILE.json:heads[:10]=0 for the ten of most importance in a circuit
    #[arg(long, value_name = "HEADS", hide_short_help = true)]
    scale_heads: Option<ScaleHeads>,
    /// Precision: auto, f32 or bf16
    ///
    /// Without it f32. Training's own may be lower, and then ranks can differ
    #[arg(
        long,
        value_enum,
        default_value = "f32",
        hide_default_value = true,
        hide_possible_values = true,
        hide_short_help = true
    )]
    dtype: Dtype,
    /// By what: auto, or ops for libtorch's operations
    ///
    /// Without it the recipe's
    #[arg(long, value_enum, hide_possible_values = true, hide_short_help = true)]
    backend: Option<BackendChoice>,
    /// Strategy whose gains shade the tokens
    ///
    /// In the terminal; the recipe's first unless given. `trained` is what training gave a response of a run
    #[arg(long, value_name = "NAME")]
    strategy: Option<String>,
    /// Colours in the terminal: auto, always or never
    ///
    /// auto obeys NO_COLOR and CLICOLOR
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true
    )]
    color: ColorArgument,
    /// Print JSON instead of text
    ///
    /// One object for each response
    #[arg(long)]
    json: bool,
    /// Write a page to look at in a browser
    ///
    /// It needs no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum HeadsArgument {
    AsInRun,
    Together,
    PerSequence,
}

#[derive(Clone, Copy, ValueEnum)]
enum ColorArgument {
    Auto,
    Always,
    Never,
}

/// Columns where there is no terminal to say how many it has.
const COLUMNS: usize = 100;

impl Inspect {
    pub(super) fn run(self) -> Result<ExitCode> {
        require(self.limit != Some(0), || "--limit: got 0, expected at least 1".to_owned())?;
        let mut lines = self.lines().map_err(Failure::bad_input)?;
        let (recipe, settings) = self.settings()?;
        let strategies = Strategies::new(&recipe.credit, RunRandom::new(recipe.run.seed));
        let by = self.shading(&strategies)?;
        let (path, remark) = self.weights()?;
        if let Some(file) = &self.html {
            self.make_folder(file)?;
            require_writable(file, &self.inputs(&path)).map_err(Failure::bad_input)?;
        }
        let usual = Choices::new(&recipe.model);
        let backend = self.backend.unwrap_or(usual.backend);
        let choices = Choices { dtype: self.dtype, backend, heads: self.scale_heads.as_ref(), ..usual };
        let (policy, tokenizer, folder, signals) =
            policy::load_fitting(&path, choices, |config| with_heads_of_file(&recipe.signals, config))?;
        let grouped = self.grouped(&signals, &folder).map_err(Failure::bad_input)?;
        let limit = self.limit.unwrap_or(usize::MAX);
        if grouped != Grouped::Together {
            lines.truncate(limit);
        }
        if let Some(tokenizer) = &tokenizer {
            super::warn_of_unknown(&tokenizer.unknown(lines.iter().flat_map(Line::texts))?);
        }
        let limits = Limits {
            tokenizer: tokenizer.as_ref(),
            n_vocab: usize::try_from(policy.network.config.vocab_size)?,
            n_positions: usize::try_from(policy.network.config.max_position_embeddings)?,
        };
        let subjects = lines.into_iter().map(|line| line.subject(limits));
        let subjects = jsonl::all(subjects).map_err(Failure::bad_input)?;
        require_known(&by, &subjects)?;

        let phase = Console::new().step_phase("measure", 0);
        let lens = Lens {
            policy: &policy,
            temperature: recipe.sampling.temperature,
            signals: &signals,
            passes: Passes::new(recipe.batch.max_tokens),
        };
        let segmenter = tokenizer.as_ref().map(Segmenter::new).transpose()?.unwrap_or_default();
        let branching = Branching::new(&recipe.explore, segmenter);
        let found = inspect(&lens, &strategies, &grouped, &branching, &subjects)?;
        drop(phase);

        let scaled = self.scale_heads.as_ref().map(|heads| format!(", with heads scaled: {}", heads.label()));
        let weights = format!("{}{remark}{}", folder.display(), scaled.unwrap_or_default());
        let shown = subjects.iter().zip(found).map(|(s, found)| Shown::new(s, found, tokenizer.as_ref()));
        let shown: Vec<Shown> = shown.take(limit).collect::<Result<_>>()?;
        if self.json {
            Console::new().note(format_args!("weights: {weights}; settings: {settings}"));
            shown.iter().try_for_each(|shown| say(serde_json::to_string(shown)?))?;
            if self.html.is_none() {
                return Ok(ExitCode::SUCCESS);
            }
        }
        let mut facts = vec![("weights".to_owned(), weights), ("settings".to_owned(), settings)];
        facts.extend(facts::facts(&signals, &grouped, subjects.len(), &shown));
        match &self.html {
            Some(file) => {
                let page = html::page(&facts, &shown)?;
                write_named(file, &self.inputs(&folder), |w| Ok(w.write_all(page.as_bytes())?))?;
                let responses = counted(shown.len(), "response");
                Console::new().note(format_args!("{}: {responses}", file.display()));
            }
            None => self.print(by, &facts, &shown)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Makes the folder in which a report looks for pages of its run, where `file` is to lie there.
    fn make_folder(&self, file: &Path) -> Result<()> {
        let pages = self.run.as_ref().map(|run| RunFolder::at(run).inspections());
        match pages.filter(|pages| file.parent() == Some(pages.as_path())) {
            Some(pages) => {
                fs::create_dir_all(&pages).with_context(|| format!("could not create {}", pages.display()))
            }
            None => Ok(()),
        }
    }

    /// The name of the strategy that shades the terminal.
    fn shading(&self, strategies: &Strategies) -> Result<String> {
        let names: Vec<&str> = strategies.names().chain([TRAINED]).collect();
        let name = self.strategy.as_deref().unwrap_or(names[0]);
        require(names.contains(&name), || {
            format!("--strategy: got {name:?}, expected one of {}", names.join(", "))
        })?;
        Ok(name.to_owned())
    }

    fn print(&self, by: String, facts: &[(String, String)], shown: &[Shown]) -> Result<()> {
        let terminal = io::stdout().is_terminal();
        let columns =
            terminal_size::terminal_size().filter(|_| terminal).map(|(columns, _)| columns.0.into());
        let color = match self.color {
            ColorArgument::Always => true,
            ColorArgument::Never => false,
            ColorArgument::Auto => AutoStream::choice(&io::stdout()) != ColorChoice::Never,
        };
        let terminal = Terminal::new(Style { color, columns: columns.unwrap_or(COLUMNS), by }, shown);
        for (name, value) in facts {
            say(format_args!("{name:9} {value}"))?;
        }
        say_drawn(terminal.legend())?;
        shown.iter().try_for_each(|shown| say_drawn(format_args!("\n{}", terminal.draw(shown).trim_end())))
    }
}

/// That the gains under the name `by` are known of all of `subjects`.
fn require_known(by: &str, subjects: &[Subject]) -> Result<()> {
    let unknown = subjects.iter().find(|subject| by == TRAINED && subject.trained.is_none());
    unknown.map_or(Ok(()), |subject| {
        require(false, || {
            format!(
                "--strategy trained: {}: what training gave is not known; expected a response of a run, --run RUN --step K",
                subject.label
            )
        })
    })
}
