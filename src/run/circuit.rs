//! Circuits of a run: the pairs that its recipe asks for, and what becomes of its heads while it trains.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::{Failure, Run, Setup};
use crate::circuit::pairs::{self, Limits, Pair};
use crate::circuit::{CircuitConfig, Measured, Memory, Search, THINK};
use crate::data::Item;
use crate::data::supervised::SourceConfig;
use crate::files::{read_regular_text, write_whole};
use crate::interrupt::Interrupt;
use crate::model::Policy;
use crate::signal::{Grouping, HeadGroups, Heads, SignalConfig};
use crate::text::Tokenizer;
use crate::types::{MetricRow, RunRandom, Step, TokenId};

/// Bytes of the file that are read at most.
const LARGEST: u64 = 1 << 30;

/// Pairs that `config` asks for of the problems and the tokenizer of `setup`.
///
/// # Errors
/// If they cannot be made or read.
pub(crate) fn pairs_of(setup: &Setup, config: &CircuitConfig) -> Result<Vec<Pair>> {
    let n_positions = usize::try_from(setup.model.max_position_embeddings)?;
    pairs::fitting(made(setup, config)?, n_positions, config.metric)
}

fn made(setup: &Setup, config: &CircuitConfig) -> Result<Vec<Pair>> {
    if config.pairs == Path::new(THINK) {
        let items: Vec<Item> =
            setup.recipe.data.settings().items()?.eval.into_iter().flat_map(|set| set.items).collect();
        let chat = setup.recipe.chat.clone().unwrap_or_default();
        let (tokenizer, worked) = (&setup.tokenizer, setup.recipe.data.settings().few_shot());
        return pairs::think(&items, tokenizer, &chat, &worked, config.n_pairs, pad_of(tokenizer));
    }
    if let Some(file) = config.file() {
        let limits = Limits {
            tokenizer: Some(&setup.tokenizer),
            n_vocab: usize::try_from(setup.model.vocab_size)?,
            pad: config.align.then(|| pad_of(&setup.tokenizer)),
        };
        let lines = pairs::lines(file)
            .context("no such kind of pairs, expected countdown, think or, for the command with --base, prefix; so it is a file")?;
        return lines.into_iter().map(|line| line.pair(limits)).collect();
    }
    let demos = match setup.recipe.sft.as_ref().map(|sft| &sft.source) {
        Some(SourceConfig::CountdownDemos(demos)) => demos.clone(),
        _ => toml::from_str("").context("the solver's defaults")?,
    };
    let problems: Vec<_> = setup.data.eval.iter().flat_map(|set| set.prompts.iter().cloned()).collect();
    let random = RunRandom::new(setup.recipe.run.seed);
    pairs::countdown(&problems, &setup.tokenizer, &demos, config.n_pairs, random)
}

/// That heads can be followed while the run of `setup` trains: its pairs, and that there is room beside it.
///
/// # Errors
/// If pairs cannot be made or read; if there is not.
pub(super) fn check_watch(setup: &Setup, config: &CircuitConfig) -> Result<()> {
    let pairs = pairs_of(setup, config)?;
    let longest = pairs.iter().map(|pair| pair.clean.len()).max().unwrap_or(1);
    let memory = Memory::new(&setup.model, pairs.len(), longest, config.steps, at_once(setup), false);
    memory.check(setup.placement.device).context("take shorter pairs, or fewer `steps`")
}

/// What stands before the shorter prompt of a pair: the token that pads, or the one that ends.
pub(crate) fn pad_of(tokenizer: &Tokenizer) -> TokenId {
    tokenizer.pad_id().unwrap_or_else(|| tokenizer.eos_id())
}

/// What a run measures of its heads, and has measured.
pub(super) struct CircuitWatch {
    config: CircuitConfig,
    pairs: Vec<Pair>,
    path: PathBuf,
    known: Vec<Measured>,
    /// Whether it is this rank that writes.
    writes: bool,
}

impl CircuitWatch {
    /// What the recipe of `setup` asks for, going on behind `resumed` with what lies at `path` up to that step; `None` where it asks for
    /// nothing.
    ///
    /// # Errors
    /// If pairs cannot be made, or what was measured up to that step is not all there.
    pub(super) fn open(setup: &Setup, path: PathBuf, resumed: Option<Step>) -> Result<Option<Self>> {
        let Some(config) = setup.recipe.circuit.clone().filter(|config| config.every > 0) else {
            return Ok(None);
        };
        let pairs = pairs_of(setup, &config)?;
        let known = resumed.map(|step| known(&path, step, config.every)).transpose();
        let known = known.map_err(Failure::resume_refused)?.unwrap_or_default();
        let watch = Self { config, pairs, path, known, writes: setup.teams.main.is_first() };
        watch.write()?;
        Ok(Some(watch))
    }

    /// Measures `policy` as it is behind `step`, if that is due; what there is of it for the row.
    ///
    /// # Errors
    /// If libtorch fails or the line cannot be written; a [`crate::interrupt::Stopped`] if a signal asks for a stop.
    fn measure(
        &mut self,
        setup: &Setup,
        policy: &Policy,
        step: Step,
        interrupt: &Interrupt,
    ) -> Result<MetricRow> {
        if !step.is_multiple_of(self.config.every) {
            return Ok(MetricRow::default());
        }
        let start = Instant::now();
        // Where an evaluation behind it was stopped, it was measured before.
        if self.known.last().is_none_or(|last| last.step < step) {
            // Every rank measures the same, since they read weights that they share together; none may leave alone.
            let check = || if setup.teams.main.is_alone() { interrupt.check() } else { Ok(()) };
            self.known.push(measured(setup, &self.config, &self.pairs, policy, step, &check)?);
            self.write()?;
        }
        let [first, .., measured] = &self.known[..] else { return Ok(MetricRow::default()) };
        let mut row = measured.row(first, &self.known[self.known.len() - 2]);
        row.set("time/circuit", start.elapsed().as_secs_f64());
        Ok(row)
    }

    /// That all up to `step` is there, the checkpoint of which is behind everything that was due.
    ///
    /// # Errors
    /// If the last measurement is not.
    pub(super) fn check_whole(&self, step: Step) -> Result<()> {
        let is_there = !step.is_multiple_of(self.config.every)
            || self.known.last().is_some_and(|last| last.step == step);
        ensure!(
            is_there,
            "{}: the line of step {step} is missing; put the file back as it was, or start another run with --name",
            self.path.display()
        );
        Ok(())
    }

    /// The heads that carry the answer, where they were last measured.
    fn heads(&self) -> Option<HeadGroups> {
        let last = self.known.last().filter(|last| !last.heads.is_empty())?;
        Some(HeadGroups::both(last.heads.iter().copied().collect()))
    }

    fn write(&self) -> Result<()> {
        if !self.writes {
            return Ok(());
        }
        write_whole(&self.path, |mut w| {
            for measured in &self.known {
                serde_json::to_writer(&mut w, measured)?;
                w.write_all(b"\n")?;
            }
            Ok(())
        })
    }
}

/// The measurements of every `every` steps up to `step` in the file at `path`.
fn known(path: &Path, step: Step, every: u64) -> Result<Vec<Measured>> {
    let remedy = "put the file back as it was, or start another run with --name";
    let text = read_regular_text(path, LARGEST).with_context(|| format!("{}: {remedy}", path.display()))?;
    let due = (0..=step).step_by(usize::try_from(every)?);
    let mut known = Vec::new();
    for ((number, line), due) in text.lines().chain(std::iter::repeat("")).enumerate().zip(due) {
        if line.is_empty() && due == step && number > 0 {
            // Stopped before it was measured, or lost: see `check_whole`.
            break;
        }
        let measured: Measured = serde_json::from_str(line).with_context(|| {
            format!("{}:{}: expected what was measured of step {due}; {remedy}", path.display(), number + 1)
        })?;
        ensure!(
            measured.step == due,
            "{}:{}: got step {}, expected {due}; {remedy}",
            path.display(),
            number + 1,
            measured.step
        );
        known.push(measured);
    }
    Ok(known)
}

/// Tokens of a pass: more are no faster, and take memory that training has.
fn at_once(setup: &Setup) -> usize {
    setup.recipe.batch.max_tokens.min(1024)
}

/// What the heads of `policy` behind `step` come to, over `pairs`.
fn measured(
    setup: &Setup,
    config: &CircuitConfig,
    pairs: &[Pair],
    policy: &Policy,
    step: Step,
    check: &dyn Fn() -> Result<()>,
) -> Result<Measured> {
    let search = Search {
        // Scores are small differences.
        policy: &policy.in_single_precision()?,
        config,
        max_tokens: at_once(setup),
        check,
        advance: &|_| {},
    };
    Ok(Measured::new(step, &search.sources(pairs)?))
}

impl Setup {
    /// How attention of `policy` is read: where that is by the heads that carry the answer, they are looked for now.
    ///
    /// # Errors
    /// If pairs cannot be made, or libtorch fails; that of a check.
    pub(crate) fn signals_of(&self, policy: &Policy, check: &dyn Fn() -> Result<()>) -> Result<SignalConfig> {
        let mut signals = self.signals.clone();
        if let (Heads::Circuit, Some(config)) = (&signals.heads, &self.recipe.circuit) {
            let found = measured(self, config, &pairs_of(self, config)?, policy, 0, check)?;
            signals.heads = Heads::Listed(found.heads.into_iter().collect());
        }
        Ok(signals)
    }
}

impl Run<'_> {
    /// Measures the heads of the policy as it is now, if that is due. From then on attention may be read of them.
    ///
    /// # Errors
    /// If libtorch fails or the line cannot be written; a [`crate::interrupt::Stopped`] if a signal asks for a stop.
    pub(super) fn watch_heads(&mut self, interrupt: &Interrupt) -> Result<MetricRow> {
        let Some(own) = &mut self.circuit else { return Ok(MetricRow::default()) };
        let row = own.measure(self.setup, &self.trainer.policy, self.step, interrupt)?;
        let is_due = self.step.is_multiple_of(own.config.every);
        if is_due && self.setup.signals.heads == Heads::Circuit {
            self.trainer.grouping = Grouping::resume(own.heads());
        }
        Ok(row)
    }
}
