//! One model after the other, asked about the same pairs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sha2::{Digest, Sha256};
use tch::Kind;

use super::Circuit;
use crate::circuit::pairs::{self, Limits, Pair};
use crate::circuit::{CircuitConfig, Findings, Graph, Memory, Part, Search, SourceScores, usual_sizes};
use crate::cli::inspect::BARE;
use crate::cli::policy::{self, Choices};
use crate::files::model_folder::TOKENIZER;
use crate::interrupt::Interrupt;
use crate::model::{BackendChoice, ModelConfig, Policy};
use crate::observe::Console;
use crate::recipe::{Draft, Recipe};
use crate::run::{Failure, Setup, pad_of, pairs_of};
use crate::run_folder::RunFolder;
use crate::text::Tokenizer;

/// What is asked, and how.
pub(super) struct Looking<'a> {
    /// How.
    pub config: CircuitConfig,
    /// About what.
    pub pairs: Vec<Pair>,
    /// The recipe of the run, where it is one.
    pub setup: Option<Setup>,
    choices: Choices<'static>,
    max_tokens: usize,
    /// Who may end it.
    pub interrupt: &'a Interrupt,
}

/// What pairs of two models' openings are called.
const PREFIX: &str = "prefix";

impl<'a> Looking<'a> {
    /// What the arguments ask; no weights are loaded.
    ///
    /// # Errors
    /// If settings or pairs are wrong.
    pub(super) fn new(arguments: &Circuit, interrupt: &'a Interrupt) -> Result<Self> {
        let file = arguments.pairs.as_ref().filter(|pairs| pairs.is_file());
        let run = RunFolder::around(&arguments.model).filter(|run| run.resolved().is_file());
        let setup = match (&arguments.recipe, run) {
            // Pairs in a file are of any model's.
            _ if file.is_some() && arguments.checkpoints.is_none() => None,
            (Some(recipe), _) => Some(Setup::of_draft(Draft::load(recipe, &arguments.overrides)?)?),
            (None, Some(run)) => {
                let recipe = run.checked_resolved().map_err(Failure::bad_input)?;
                Some(Setup::of_draft(Draft::load(&recipe, &arguments.overrides)?)?)
            }
            (None, None) => None,
        };
        let own = match &setup {
            Some(setup) => setup.recipe.circuit.clone(),
            None => Recipe::parse("the defaults", BARE, &arguments.overrides)?.circuit,
        };
        let mut config = own.unwrap_or_default();
        if let Some(pairs) = &arguments.pairs {
            config.pairs.clone_from(pairs);
        }
        config.align |= arguments.align;
        let choices = Choices {
            device: arguments.device,
            dtype: arguments.dtype,
            backend: BackendChoice::Ops,
            heads: None,
        };
        let pairs = match &setup {
            Some(setup) if config.pairs == Path::new(PREFIX) => {
                of_openings(arguments, setup, &config, choices)
            }
            Some(setup) => pairs_of(setup, &config),
            None => of_model(&arguments.model, &config, arguments.pairs.is_some()),
        };
        let pairs = pairs.map_err(Failure::bad_input)?;
        Ok(Self { config, pairs, setup, choices, max_tokens: arguments.max_tokens, interrupt })
    }

    /// The circuit of the model at `path`. `part` is where an interrupted search leaves what it has.
    ///
    /// # Errors
    /// If it cannot be loaded or computed; a [`crate::interrupt::Stopped`] if a signal asks for a stop.
    pub(super) fn circuit(&self, path: &Path, part: Option<PathBuf>) -> Result<Findings> {
        self.ask(path, 2, |search| self.search(search, part))
    }

    /// As [`Looking::circuit`], with circuits of `sizes`, or of usual ones where that is none.
    ///
    /// # Errors
    /// As [`Looking::circuit`].
    pub(super) fn curve(&self, path: &Path, sizes: &[usize], part: Option<PathBuf>) -> Result<Findings> {
        self.ask(path, 2, |search| {
            let mut found = self.search(search, part)?;
            let usual = usual_sizes(found.graph.n_edges());
            found.curve = search.curve(&self.pairs, &found, if sizes.is_empty() { &usual } else { sizes })?;
            Ok(found)
        })
    }

    /// The cheap scores of the model at `path`.
    ///
    /// # Errors
    /// As [`Looking::circuit`].
    pub(super) fn sources(&self, path: &Path) -> Result<SourceScores> {
        self.ask(path, 1, |search| search.sources(&self.pairs))
    }

    /// As [`Looking::circuit`], of a policy that is there.
    ///
    /// # Errors
    /// As [`Looking::circuit`].
    pub(super) fn circuit_of(&self, policy: &Policy, name: &str, part: PathBuf) -> Result<Findings> {
        self.ask_policy(policy, name, 2, |search| self.search(search, Some(part)))
    }

    fn search(&self, search: &Search<'_>, part: Option<PathBuf>) -> Result<Findings> {
        let Some(path) = part else { return search.run(&self.pairs, None) };
        let of = json!({
            "settings": self.config,
            "pairs": self.digest_of_pairs(),
            "max_tokens": self.max_tokens,
            "weights": digest(search.policy)?,
        });
        let mut part = Part::new(path, of);
        search.run(&self.pairs, Some(&mut part))
    }

    /// Of all pairs, in order.
    pub(super) fn digest_of_pairs(&self) -> String {
        let mut pairs = Sha256::new();
        self.pairs.iter().for_each(|pair| pairs.update(format!("{pair:?}")));
        hex::encode(pairs.finalize())
    }

    fn ask<T>(&self, path: &Path, n_rounds: u64, ask: impl FnOnce(&Search<'_>) -> Result<T>) -> Result<T> {
        let shape = ModelConfig::from_folder(&policy::model_folder(path)?).map_err(Failure::bad_input)?;
        self.check_room(&shape, n_rounds > 1)?;
        let (policy, _, _) = policy::load_for_tokens(path, self.choices)?;
        self.ask_policy(&policy, &path.display().to_string(), n_rounds, ask)
    }

    /// That there is room for the circuit, or the cheap scores, of a model of this shape; says what it takes.
    fn check_room(&self, shape: &ModelConfig, edges: bool) -> Result<()> {
        let length = self.pairs.iter().map(|pair| pair.clean.len()).max().unwrap_or(1);
        let memory = Memory::new(shape, length, self.config.steps, self.max_tokens, edges);
        Console::new().note(format_args!("about {memory}"));
        memory.check(self.choices.resolve()?.device).map_err(Failure::bad_input)
    }

    fn ask_policy<T>(
        &self,
        policy: &Policy,
        name: &str,
        n_rounds: u64,
        ask: impl FnOnce(&Search<'_>) -> Result<T>,
    ) -> Result<T> {
        let console = Console::new();
        let graph = Graph::of(&policy.network.config);
        console.note(format_args!(
            "circuit of {name}: {} layers of {} heads, {} edges; {} pairs",
            graph.layers,
            graph.heads,
            graph.n_edges(),
            self.pairs.len()
        ));
        let phase = console.phase("circuit", n_rounds * self.pairs.len() as u64);
        let found = ask(&Search {
            policy,
            config: &self.config,
            max_tokens: self.max_tokens,
            check: &|| self.interrupt.check(),
            advance: &|n| phase.advance(n as u64, ""),
        })?;
        phase.finish();
        Ok(found)
    }
}

/// By which weights are known again: their sum and that of their magnitudes, which hold for one machine.
fn digest(policy: &Policy) -> Result<[f64; 2]> {
    let mut digest = [0.0; 2];
    // In pieces, so that little is held in double precision.
    for piece in policy.network.master().split(1 << 24, 0) {
        let piece = piece.to_kind(Kind::Double);
        digest[0] += f64::try_from(piece.sum(Kind::Double))?;
        digest[1] += f64::try_from(piece.abs().sum(Kind::Double))?;
    }
    Ok(digest)
}

/// Pairs of how the model and its base begin their answers to the problems of `setup`.
fn of_openings(
    arguments: &Circuit,
    setup: &Setup,
    config: &CircuitConfig,
    choices: Choices<'_>,
) -> Result<Vec<Pair>> {
    let base = arguments
        .base
        .as_ref()
        .context("--base is missing; pairs \"prefix\" are made of two models' openings")?;
    let held_out = setup.data.eval.iter().flat_map(|set| set.prompts.iter().cloned());
    // Some may begin alike.
    let prompts: Vec<_> = held_out.take(4 * config.n_pairs).collect();
    let open = |path: &Path| {
        let (policy, _, _) = policy::load_for_tokens(path, choices)?;
        pairs::openings(&policy, &prompts, arguments.opening_tokens)
    };
    let pairs = pairs::prefix(&prompts, &open(&arguments.model)?, &open(base)?, config.n_pairs)?;
    pairs::fitting(pairs, usize::try_from(setup.model.max_position_embeddings)?, config.metric)
}

/// The pairs of the file that `config` names, for the model at `path`, whose weights are not loaded.
fn of_model(path: &Path, config: &CircuitConfig, is_given: bool) -> Result<Vec<Pair>> {
    ensure!(
        is_given,
        "--pairs is missing; expected a file of pairs, or countdown with a run or --recipe RECIPE"
    );
    ensure!(
        config.pairs.is_file() || config.pairs.extension().is_some(),
        "--pairs {0}: no such file; to make pairs of problems a recipe is needed: give a run, or --recipe RECIPE",
        config.pairs.display()
    );
    let lines = pairs::lines(&config.pairs)?;
    let folder = policy::model_folder(path)?;
    let shape = ModelConfig::from_folder(&folder)?;
    let tokenizer = folder.join(TOKENIZER).is_file().then(|| Tokenizer::for_texts(&folder)).transpose()?;
    let pad = tokenizer.as_ref().map(pad_of).filter(|_| config.align);
    ensure!(
        pad.is_some() || !config.align,
        "--align: {} has no tokenizer.json, which says what token pads; give prompts of as many tokens",
        folder.display()
    );
    let limits = Limits { tokenizer: tokenizer.as_ref(), n_vocab: usize::try_from(shape.vocab_size)?, pad };
    let pairs = lines.into_iter().map(|line| line.pair(limits)).collect::<Result<Vec<_>>>();
    let n_positions = usize::try_from(shape.max_position_embeddings)?;
    pairs::fitting(pairs?, n_positions, config.metric)
}
