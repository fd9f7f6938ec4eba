//! `rlcredit circuit MODEL --pairs FILE`: which heads and edges carry an answer; `--checkpoints`: how they emerge while a run trains.

mod emergence;
mod subject;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use self::subject::Looking;
use super::{policy, require, say};
use crate::circuit::{
    CircuitConfig, CircuitFile, Findings, Importance, MetricKind, Page, Part, Point, SourceFile, SourceScores,
};
use crate::files::{peak_rss_gb, require_writable, write_named};
use crate::interrupt::{Interrupt, OrStopped};
use crate::model::{DeviceChoice, Dtype};
use crate::observe::Console;
use crate::run::Failure;
use crate::table::Table;
use crate::types::HeadId;

/// Heads that the terminal shows.
const SHOWN: usize = 15;

#[derive(Args)]
pub(super) struct Circuit {
    /// A run, whose newest checkpoint counts, a checkpoint such as RUN@40, a Hugging Face folder or hub:ORG/NAME
    #[arg(value_parser = policy::place)]
    model: PathBuf,
    /// Prompts of as many tokens, one pair in each line: {"clean": "...", "corrupted": "..."} or {"clean_tokens": [...],
    /// "corrupted_tokens": [...]}; for circuit.metric="logit_diff" also "clean_answer" and "corrupted_answer", token ids or texts of
    /// one token. Or made of the recipe's held-out problems; countdown: a number of the prompt is exchanged for another; think: the chat
    /// template with thinking on and off; prefix: the answer begun as the model begins it and as --base does
    #[arg(long, value_name = "FILE or KIND")]
    pairs: Option<PathBuf>,
    /// Put tokens before the shorter prompt of a pair, the one that pads or else the one that ends, where both must be as long otherwise
    #[arg(long)]
    align: bool,
    /// Tokens of the openings of which pairs prefix are made
    #[arg(long, value_name = "TOKENS", default_value_t = 8)]
    opening_tokens: usize,
    /// Recipe whose problems pairs are made of and whose [circuit] counts, in place of the run's
    #[arg(long, conflicts_with = "checkpoints")]
    recipe: Option<PathBuf>,
    /// Another model: which heads are in one circuit and not in the other. With --checkpoints the policy before the first step without
    /// it
    #[arg(long, value_name = "MODEL", value_parser = policy::place)]
    base: Option<PathBuf>,
    /// Find the circuits of all models that a run has kept, or of those behind some steps: all, or 20,40,60; sft: of those that its SFT has
    /// kept, beside the policy before it
    #[arg(long, value_name = "all, STEPS or sft", conflicts_with_all = ["json", "cheap", "all_edges"])]
    checkpoints: Option<String>,
    /// Folder of what --checkpoints finds; the same command again goes on where it was interrupted. Without it circuits, within the
    /// run
    #[arg(long, value_name = "DIR", requires = "checkpoints")]
    out: Option<PathBuf>,
    /// Folder of the runs with which the run shares its SFT; without it the one that it lies in
    #[arg(long, requires = "checkpoints")]
    runs: Option<PathBuf>,
    /// Where the circuit is written
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page to look at in a browser; it needs no network
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cheap", "checkpoints"])]
    html: Option<PathBuf>,
    /// Score whole heads and MLPs alone, which takes a fraction of the time: each source gets the sum over its edges, and there is no
    /// circuit
    #[arg(long, conflicts_with_all = ["all_edges", "base"])]
    cheap: bool,
    /// Say what circuits of other sizes recover, by the same scores: numbers of edges such as 100,1000,all; without any from ten to all
    #[arg(long, value_name = "EDGES", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["cheap", "checkpoints"])]
    curve: Option<String>,
    /// Write every edge of the model, not the circuit's alone
    #[arg(long, requires = "json")]
    all_edges: bool,
    /// Override a key of [circuit], in TOML's syntax: --set circuit.steps=100
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Tokens of a pass, of all runs side by side
    #[arg(long, default_value_t = 1024)]
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
        require(self.opening_tokens > 0, || "--opening-tokens: got 0, expected at least 1".to_owned())?;
        require(self.max_tokens > 0, || "--max-tokens: got 0, expected at least 1".to_owned())?;
        policy::require_folder(&self.model).map_err(Failure::bad_input)?;
        for file in self.json.iter().chain(&self.html) {
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
                let goes_on = self.checkpoints.is_some() || (self.json.is_some() && !self.cheap);
                let then =
                    if goes_on { "goes on from here" } else { "begins anew; with --json it would go on" };
                Console::new().note(format_args!("{signal}: stopped; the same command {then}"));
                Ok(ExitCode::from(signal.exit_code()))
            }
        }
    }

    /// The circuit of one model, beside that of a base where there is one.
    fn find(&self, looking: &Looking<'_>, sizes: Option<&[usize]>) -> Result<()> {
        let part = self.json.as_deref().map(part_of);
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
        if let Some(path) = &self.json {
            self.write(path, &found, base.as_ref(), &looking.config)?;
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
                Self::print(found)?;
                remarks(found, &looking.config).into_iter().for_each(|remark| Console::new().note(remark));
                if !found.curve.is_empty() {
                    say(format_args!("\n{}", of_curve(&found.curve).plain()))?;
                }
                base.map_or(Ok(()), |base| self.print_versus(found, &base, &looking.config))
            }
            Found::Sources(found) => Self::print_sources(found),
        }
    }

    fn inputs(&self) -> Vec<PathBuf> {
        self.pairs.iter().chain([&self.model]).cloned().collect()
    }

    fn write(
        &self,
        path: &Path,
        found: &Found,
        base: Option<&CircuitFile>,
        config: &CircuitConfig,
    ) -> Result<()> {
        let model = self.model.display().to_string();
        let file = match found {
            Found::Circuit(found) => {
                let own = CircuitFile::new(found, &model, config, self.all_edges);
                json!(base.map_or(Ok(own.clone()), |base| own.beside(base))?)
            }
            Found::Sources(found) => json!(SourceFile::new(found, &model, config)),
        };
        write_named(path, &self.inputs(), |w| Ok(serde_json::to_writer(w, &file)?))
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
            "{} edges, {} heads; loss of the clean runs {clean:.4}, of the corrupted {corrupted:.4}, through the circuit \
             {circuit:.4}: {recovered} recovered\n",
            found.circuit.len(),
            heads.len()
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
            say(format_args!("... and {} heads more; --json has all", heads.len() - SHOWN))?;
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

/// What a person should know before reading anything off the circuit.
fn remarks(found: &Findings, config: &CircuitConfig) -> Vec<String> {
    let n_edges = found.graph.n_edges();
    let mut remarks = Vec::new();
    if config.steps == 1 && config.metric == MetricKind::Kl {
        remarks.push("one step by \"kl\" is the clean run itself, where the gradient is 0: these scores are rounding; take more steps".to_owned());
    }
    if found.circuit.len() == n_edges {
        remarks.push(format!(
            "all {n_edges} edges are in the circuit, so that nothing is left out; --curve shows what fewer do, --set circuit.edges=N takes them"
        ));
    }
    if found.circuit.is_empty() {
        remarks.push(format!(
            "none of the {} strongest edges lies on a path from the embeddings to the logits; take more (--curve shows how many), or a lower \
             circuit.threshold",
            config.edges.min(n_edges)
        ));
    }
    if found.recovered().is_some_and(|share| share < 0.0) && !found.circuit.is_empty() {
        remarks.push(
            "less than nothing is recovered: through this circuit the answer is worse than on the corrupted prompts, so it does not explain \
             it; take more edges or steps, or pairs that differ in less"
                .to_owned(),
        );
    }
    remarks
}
