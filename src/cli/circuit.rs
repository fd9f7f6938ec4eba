//! `rlcredit circuit MODEL --pairs FILE`: which heads and edges carry an answer; `--checkpoints`: how they emerge while a run trains.

mod emergence;
mod remarks;
mod subject;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};

use self::remarks::remarks;
use self::subject::Looking;
use super::{policy, require, say};
use crate::circuit::{
    CircuitConfig, CircuitFile, Findings, Importance, Page, Part, Point, SourceFile, SourceScores,
};
use crate::files::{peak_rss_gb, require_writable, write_named};
use crate::interrupt::{Interrupt, OrStopped};
use crate::model::{DeviceChoice, Dtype};
use crate::observe::Console;
use crate::run::Failure;
use crate::table::Table;
use crate::types::{HeadId, counted};

/// Heads that the terminal shows.
const SHOWN: usize = 15;

#[derive(Args)]
pub(super) struct Circuit {
    /// A run, a checkpoint, a folder or hub:ORG/NAME
    ///
    /// Of a run its newest checkpoint, or another, such as RUN@40
    #[arg(value_parser = policy::place)]
    model: PathBuf,
    /// Pairs of prompts: a file, or countdown, think or prefix
    ///
    /// A file has prompts of as many tokens, one pair in each line: {"clean": "...", "corrupted": "..."} or {"clean_tokens": [...],
    /// "corrupted_tokens": [...]}; for circuit.metric="logit_diff" also "clean_answer" and "corrupted_answer", token ids or texts of
    /// one token; - reads standard input. Or made of the recipe's held-out problems; countdown: a number of the prompt is exchanged for
    /// another; think: the chat template with thinking on and off; prefix: the answer begun as the model begins it and as --base does
    #[arg(long, value_name = "PAIRS", value_parser = super::flags::input())]
    pairs: Option<PathBuf>,
    /// Pad the shorter prompt of a pair
    ///
    /// Before it, with the token that pads or else the one that ends, where both must be as long otherwise
    #[arg(long, hide_short_help = true)]
    align: bool,
    /// Tokens of the openings that pairs `prefix` are made of
    #[arg(long, value_name = "N", default_value_t = 8, hide_short_help = true)]
    opening_tokens: usize,
    /// Recipe whose settings count
    ///
    /// Its problems, that pairs are made of, and its [circuit], in place of the run's
    #[arg(long, value_name = "RECIPE", value_parser = super::flags::input(), conflicts_with = "checkpoints")]
    recipe: Option<PathBuf>,
    /// Another model, and which heads are in one circuit alone
    ///
    /// With --checkpoints the policy before the first step without it
    #[arg(long, value_name = "MODEL", value_parser = policy::place)]
    base: Option<PathBuf>,
    /// Circuits of a run's kept models: all, 20,40 or sft
    ///
    /// Of all models that a run has kept, or of those behind some steps; sft: of those that its SFT has kept, beside the policy before
    /// it
    #[arg(long, value_name = "STEPS", conflicts_with_all = ["json", "cheap", "all_edges"])]
    checkpoints: Option<String>,
    /// Override a key of the recipe: optim.lr=1e-5
    ///
    /// The value is in TOML's syntax, where a bare word is a text. May be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Score whole heads and MLPs alone, in far less time
    ///
    /// Each source gets the sum over its edges, and there is no circuit
    #[arg(long, conflicts_with_all = ["all_edges", "base"])]
    cheap: bool,
    /// What circuits of other sizes recover: 100,1000,all
    ///
    /// By the same scores; numbers of edges, without any from ten to all
    #[arg(long, value_name = "EDGES", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["cheap", "checkpoints"])]
    curve: Option<String>,
    /// Write every edge of the model, not the circuit's alone
    #[arg(long, conflicts_with = "checkpoints", hide_short_help = true)]
    all_edges: bool,
    /// Tokens of a pass; all runs side by side
    #[arg(long, value_name = "N", default_value_t = 1024, hide_short_help = true)]
    max_tokens: usize,
    /// Precision: auto, f32 or bf16
    ///
    /// Without it f32
    #[arg(
        long,
        value_enum,
        default_value = "f32",
        hide_default_value = true,
        hide_possible_values = true,
        hide_short_help = true
    )]
    dtype: Dtype,
    /// Where to compute: auto, cpu or cuda
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true,
        hide_short_help = true
    )]
    device: DeviceChoice,
    /// Where it is kept: a file, a folder with --checkpoints
    ///
    /// The same command again goes on where it was interrupted. With --checkpoints and without it, the folder circuits within the run
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Folder that holds the runs [default: the run's]
    ///
    /// With which the run shares its SFT
    #[arg(long, value_name = "DIR", requires = "checkpoints", hide_short_help = true)]
    runs: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    /// Write a page to look at in a browser
    ///
    /// It needs no network
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cheap", "checkpoints"])]
    html: Option<PathBuf>,
}

/// What was asked for.
enum Found {
    Circuit(Findings),
    Sources(SourceScores),
}

impl Circuit {
    pub(super) fn run(self) -> Result<ExitCode> {
        require(self.opening_tokens > 0, || "--opening-tokens: got 0, expected at least 1".to_owned())?;
        require(self.max_tokens > 0, || "--max-tokens: got 0, expected at least 1".to_owned())?;
        policy::require_folder(&self.model).map_err(Failure::bad_input)?;
        for file in self.file().into_iter().chain(self.html.as_deref()) {
            require_writable(file, &self.inputs()).map_err(Failure::bad_input)?;
        }
        let sizes = self.curve.as_deref().map(sizes).transpose().map_err(Failure::bad_input)?;
        let interrupt = Interrupt::install(|signal, _| {
            Console::new().note(format_args!("{signal}: stopping (again: at once)"));
        })?;
        let found = Looking::new(&self, &interrupt).and_then(|looking| match &self.checkpoints {
            Some(steps) => self.emerge(&looking, steps),
            None => self.find(&looking, sizes.as_deref()),
        });
        match found.or_stopped()? {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(signal) => {
                let goes_on = self.checkpoints.is_some() || (self.out.is_some() && !self.cheap);
                let then =
                    if goes_on { "goes on from here" } else { "begins anew; with --out it would go on" };
                Console::new().note(format_args!("{signal}: stopped; the same command {then}"));
                Ok(ExitCode::from(signal.exit_code()))
            }
        }
    }

    /// The circuit of one model, beside that of a base where there is one.
    fn find(&self, looking: &Looking<'_>, sizes: Option<&[usize]>) -> Result<()> {
        let part = self.file().map(part_of);
        let part_of_base = part.as_deref().map(part_of);
        let found = match (self.cheap, sizes) {
            (true, _) => Found::Sources(looking.sources(&self.model)?),
            (false, None) => Found::Circuit(looking.circuit(&self.model, part.clone())?),
            (false, Some(sizes)) => Found::Circuit(looking.curve(&self.model, sizes, part.clone())?),
        };
        let base = self.base.as_ref().map(|base| {
            let found = looking.circuit(base, part_of_base.clone())?;
            anyhow::Ok(CircuitFile::new(&found, &base.display().to_string(), &looking.config, false))
        });
        let base = base.transpose()?;
        if self.json {
            say(self.written(&found, base.as_ref(), &looking.config)?)?;
        }
        if let Some(path) = self.file() {
            let written = self.written(&found, base.as_ref(), &looking.config)?;
            write_named(path, &self.inputs(), |w| Ok(serde_json::to_writer(w, &written)?))?;
            part.iter().chain(&part_of_base).try_for_each(|part| Part::remove(part))?;
        }
        if let (Some(path), Found::Circuit(found)) = (&self.html, &found) {
            self.write_page(path, found, base.as_ref(), &looking.config)?;
        }
        match &found {
            Found::Circuit(found) => {
                let [scores, runs] = found.took.map(|took| took.as_secs_f64());
                let peak = peak_rss_gb();
                Console::new().note(format_args!(
                    "scores took {scores:.2} s, the runs through the circuit {runs:.2} s; {peak:.2} GB of memory at most"
                ));
                if self.json {
                    return Ok(());
                }
                Self::print(found)?;
                remarks(found, &looking.config).into_iter().for_each(|remark| Console::new().note(remark));
                if !found.curve.is_empty() {
                    say(format_args!("\n{}", of_curve(&found.curve).plain()))?;
                }
                base.map_or(Ok(()), |base| self.print_versus(found, &base, &looking.config))
            }
            Found::Sources(_) if self.json => Ok(()),
            Found::Sources(found) => Self::print_sources(found),
        }
    }

    /// Where one circuit is kept, if anywhere; with --checkpoints it is a folder that all of them are kept in.
    fn file(&self) -> Option<&Path> {
        self.out.as_deref().filter(|_| self.checkpoints.is_none())
    }

    fn inputs(&self) -> Vec<PathBuf> {
        self.pairs.iter().chain([&self.model]).cloned().collect()
    }

    /// What was found as it is kept.
    fn written(&self, found: &Found, base: Option<&CircuitFile>, config: &CircuitConfig) -> Result<Value> {
        let model = self.model.display().to_string();
        Ok(match found {
            Found::Circuit(found) => {
                let own = CircuitFile::new(found, &model, config, self.all_edges);
                json!(base.map_or(Ok(own.clone()), |base| own.beside(base))?)
            }
            Found::Sources(found) => json!(SourceFile::new(found, &model, config)),
        })
    }

    fn write_page(
        &self,
        path: &Path,
        found: &Findings,
        base: Option<&CircuitFile>,
        config: &CircuitConfig,
    ) -> Result<()> {
        let model = self.model.display().to_string();
        let own = CircuitFile::new(found, &model, config, false);
        let page = Page {
            title: &format!("Circuit of {model}"),
            command: &super::command(),
            circuits: base.cloned().into_iter().chain([own]).collect(),
            emergence: None,
            steps: &[],
            accuracy: &[],
        };
        let page = page.html()?;
        write_named(path, &self.inputs(), |w| Ok(w.write_all(page.as_bytes())?))
    }

    fn print_versus(&self, found: &Findings, base: &CircuitFile, config: &CircuitConfig) -> Result<()> {
        let own = CircuitFile::new(found, &self.model.display().to_string(), config, false).beside(base)?;
        let versus = own.base.context("a circuit beside another")?;
        for (name, heads) in
            [("emergent", &versus.emergent), ("retained", &versus.retained), ("lost", &versus.lost)]
        {
            let listed: Vec<String> = heads.iter().map(HeadId::to_string).collect();
            say(format_args!("{name:9} {:3}  {}", heads.len(), listed.join(" ")))?;
        }
        Ok(())
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
            "{}, {}; loss of the clean runs {clean:.4}, of the corrupted {corrupted:.4}, through the circuit \
             {circuit:.4}: {recovered} recovered\n",
            counted(found.circuit.len(), "edge"),
            counted(heads.len(), "head")
        ))?;
        let header = ["head", "importance", "share", "pairs"].map(str::to_owned).to_vec();
        let row = |(head, part): &(HeadId, Importance)| {
            vec![
                head.to_string(),
                format!("{:.3e}", part.importance),
                format!("{:.1} %", 100.0 * part.share),
                format!("{:.0} %", 100.0 * part.frequency),
            ]
        };
        say(Table { header, rows: heads.iter().take(SHOWN).map(row).collect() }.plain())?;
        if heads.len() > SHOWN {
            say(format_args!("... and {} more; --out keeps all", counted(heads.len() - SHOWN, "head")))?;
        }
        Ok(())
    }
}

/// Where a search for what is written to `path` leaves what it has, until it is done.
fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Numbers of edges as they are typed; none where it is left to the model.
fn sizes(typed: &str) -> Result<Vec<usize>> {
    let size = |typed: &str| match typed.trim() {
        "all" => Ok(usize::MAX),
        number => number.parse().ok().filter(|size| *size > 0).with_context(|| {
            format!("--curve: got {number:?}, expected numbers of edges, such as 100,1000,all")
        }),
    };
    typed.split(',').filter(|_| !typed.is_empty()).map(size).collect()
}

fn of_curve(points: &[Point]) -> Table {
    let header = ["edges", "on paths", "heads", "loss", "recovered"].map(str::to_owned).to_vec();
    let row = |point: &Point| {
        let Point { edges, kept, heads, loss, recovered } = point;
        let recovered = recovered.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", 100.0 * share));
        vec![edges.to_string(), kept.to_string(), heads.to_string(), format!("{loss:.4}"), recovered]
    };
    Table { header, rows: points.iter().map(row).collect() }
}
