//! `rlcredit circuit MODEL --pairs FILE`: which heads and edges carry an answer.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::policy::{self, Choices};
use super::{require, say};
use crate::circuit::{
    CircuitConfig, CircuitFile, Findings, Graph, Importance, Search, SourceFile, SourceScores, pairs,
};
use crate::files::{require_writable, write_named};
use crate::interrupt::{Interrupt, OrStopped};
use crate::model::{BackendChoice, DeviceChoice, Dtype};
use crate::observe::Console;
use crate::recipe::Recipe;
use crate::run::Failure;
use crate::table::Table;
use crate::types::HeadId;

/// Heads that the terminal shows.
const SHOWN: usize = 15;

#[derive(Args)]
pub(super) struct Circuit {
    /// A run, whose newest checkpoint counts, a checkpoint, a Hugging Face folder or hub:ORG/NAME
    model: PathBuf,
    /// Prompts of as many tokens, one pair in each line: {"clean": "...", "corrupted": "..."} or {"clean_tokens": [...],
    /// "corrupted_tokens": [...]}; for circuit.metric="logit_diff" also "clean_answer" and "corrupted_answer", token ids or texts of
    /// one token
    #[arg(long, value_name = "FILE")]
    pairs: PathBuf,
    /// Where the circuit is written
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Score whole heads and MLPs alone, which takes a fraction of the time: each source gets the sum over its edges, and there is no
    /// circuit
    #[arg(long, conflicts_with = "all_edges")]
    cheap: bool,
    /// Write every edge of the model, not the circuit's alone
    #[arg(long, requires = "json")]
    all_edges: bool,
    /// Override a key of [circuit], in TOML's syntax: --set circuit.steps=100
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Tokens of a pass, of all runs side by side
    #[arg(long, default_value_t = 4096)]
    max_tokens: usize,
    /// Compute precision
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Dtype,
    /// Where to compute
    #[arg(long, value_enum, default_value = "auto")]
    device: DeviceChoice,
}

/// What was asked for.
enum Found {
    Circuit(Findings),
    Sources(SourceScores),
}

impl Circuit {
    pub(super) fn run(self) -> Result<ExitCode> {
        require(self.max_tokens > 0, || "--max-tokens: got 0, expected at least 1".to_owned())?;
        let config =
            Recipe::parse("the defaults", super::inspect::BARE, &self.overrides)?.circuit.unwrap_or_default();
        let lines = pairs::lines(&self.pairs).map_err(Failure::bad_input)?;
        policy::require_folder(&self.model).map_err(Failure::bad_input)?;
        if let Some(file) = &self.json {
            require_writable(file, &self.inputs()).map_err(Failure::bad_input)?;
        }
        let choices =
            Choices { device: self.device, dtype: self.dtype, backend: BackendChoice::Ops, heads: None };
        let (policy, tokenizer, _) = policy::load_for_tokens(&self.model, choices)?;
        let shape = &policy.network.config;
        let limits = pairs::Limits {
            tokenizer: tokenizer.as_ref(),
            n_vocab: usize::try_from(shape.vocab_size)?,
            n_positions: usize::try_from(shape.max_position_embeddings)?,
            answers: config.metric.needs_answers(),
        };
        let pairs = lines.into_iter().map(|line| line.pair(limits)).collect::<Result<Vec<_>>>();
        let pairs = pairs.map_err(Failure::bad_input)?;

        let console = Console::new();
        let interrupt = Interrupt::install(|_, _| {})?;
        let graph = Graph::of(shape);
        console.note(format_args!(
            "circuit of {}: {} layers of {} heads, {} edges; {} pairs",
            self.model.display(),
            graph.layers,
            graph.heads,
            graph.n_edges(),
            pairs.len()
        ));
        let n_rounds = if self.cheap { 1 } else { 2 };
        let phase = console.phase("circuit", n_rounds * pairs.len() as u64);
        let search = Search {
            policy: &policy,
            config: &config,
            max_tokens: self.max_tokens,
            check: &|| interrupt.check(),
            advance: &|n| phase.advance(n as u64, ""),
        };
        let found = match self.cheap {
            true => search.sources(&pairs).map(Found::Sources),
            false => search.run(&pairs).map(Found::Circuit),
        };
        let found = match found.or_stopped()? {
            Ok(found) => found,
            Err(signal) => return Ok(ExitCode::from(signal.exit_code())),
        };
        phase.finish();
        if let Some(path) = &self.json {
            self.write(path, &found, &config)?;
        }
        match &found {
            Found::Circuit(found) => Self::print(found)?,
            Found::Sources(found) => Self::print_sources(found)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn inputs(&self) -> Vec<PathBuf> {
        vec![self.pairs.clone(), self.model.clone()]
    }

    fn write(&self, path: &Path, found: &Found, config: &CircuitConfig) -> Result<()> {
        let model = self.model.display().to_string();
        let file = match found {
            Found::Circuit(found) => json!(CircuitFile::new(found, &model, config, self.all_edges)),
            Found::Sources(found) => json!(SourceFile::new(found, &model, config)),
        };
        write_named(path, &self.inputs(), |w| Ok(serde_json::to_writer(w, &file)?))
    }

    fn print_sources(found: &SourceScores) -> Result<()> {
        let mut sources: Vec<usize> = (0..found.graph.n_sources()).collect();
        sources.sort_by(|a, b| found.abs[*b].total_cmp(&found.abs[*a]));
        let header = ["source", "score", "absolute"].map(str::to_owned).to_vec();
        let row = |node: &usize| {
            let (score, abs) = (found.score[*node], found.abs[*node]);
            vec![found.graph.node_name(*node), format!("{score:+.3e}"), format!("{abs:.3e}")]
        };
        say(Table { header, rows: sources.iter().take(SHOWN).map(row).collect() }.plain())
    }

    fn print(found: &Findings) -> Result<()> {
        let mut heads = found.heads();
        heads.retain(|(_, part)| part.importance > 0.0);
        heads.sort_by(|(_, a), (_, b)| b.importance.total_cmp(&a.importance));
        let [clean, corrupted, circuit] = found.losses;
        let recovered =
            found.recovered().map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", 100.0 * share));
        say(format_args!(
            "{} edges, {} heads; loss of the clean runs {clean:.4}, of the corrupted {corrupted:.4}, through the circuit \
             {circuit:.4}: {recovered} recovered\n",
            found.circuit.len(),
            heads.len()
        ))?;
        let header = ["head", "importance", "share", "pairs"].map(str::to_owned).to_vec();
        let row = |(HeadId { layer, head }, part): &(HeadId, Importance)| {
            vec![
                format!("{layer}.{head}"),
                format!("{:.3e}", part.importance),
                format!("{:.1} %", 100.0 * part.share),
                format!("{:.0} %", 100.0 * part.frequency),
            ]
        };
        say(Table { header, rows: heads.iter().take(SHOWN).map(row).collect() }.plain())
    }
}
