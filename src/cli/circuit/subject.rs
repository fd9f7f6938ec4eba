//! One model after the other, asked about the same pairs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tch::Kind;

use super::Circuit;
use crate::circuit::pairs::{self, Limits, Line, Pair};
use crate::circuit::{CircuitConfig, Findings, Graph, Memory, Part, Search, SourceScores, usual_sizes};
use crate::cli::inspect::BARE;
use crate::cli::policy::{self, Choices};
use crate::files::STDIN;
use crate::files::model_folder::TOKENIZER;
use crate::hub::source;
use crate::interrupt::Interrupt;
use crate::model::{BackendChoice, ModelConfig, ModelSettings, Policy};
use crate::observe::Console;
use crate::recipe::{Draft, Recipe};
use crate::run::{Failure, Setup, pad_of, pairs_of};
use crate::run_folder::RunFolder;
use crate::text::Tokenizer;
use crate::types::counted;

/// What is asked, and how.
pub(super) struct Looking<'a> {
    /// How.
    pub config: CircuitConfig,
    /// About what.
    pub pairs: Vec<Pair>,
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
        let folder = policy::model_folder(&arguments.model).map_err(Failure::bad_input)?;
        let shape = shape_of(&folder).map_err(Failure::bad_input)?;
        if let Some(base) = &arguments.base {
            check_base(base, &shape).map_err(Failure::bad_input)?;
        }
        // Pairs in a file are of any model's.
        let file = arguments.pairs.as_ref().filter(|pairs| is_given(pairs));
        let (setup, own) = match draft(arguments, &folder)? {
            None => (None, Recipe::parse("the defaults", BARE, &arguments.overrides)?.circuit),
            Some(draft) if file.is_some() => (None, draft.finish()?.circuit),
            Some(draft) => {
                let setup = Setup::of_draft(draft)?;
                let own = setup.recipe.circuit.clone();
                (Some(setup), own)
            }
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
                of_openings(arguments, setup, &config, choices, interrupt)
            }
            Some(setup) => pairs_of(setup, &config),
            None => of_model(&folder, &shape, &config, arguments.pairs.is_some()),
        };
        let pairs = pairs.map_err(Failure::bad_input)?;
        Ok(Self { config, pairs, choices, max_tokens: arguments.max_tokens, interrupt })
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
        self.check_room(&policy.network.config, true)?;
        self.ask_policy(policy, name, 2, |search| self.search(search, Some(part)))
    }

    fn search(&self, search: &Search<'_>, part: Option<PathBuf>) -> Result<Findings> {
        let Some(path) = part else { return search.run(&self.pairs, None) };
        let mut of = self.fingerprint()?;
        of["weights"] = json!(digest(search.policy)?);
        let mut part = Part::open(path, of).map_err(Failure::bad_input)?;
        if part.n_done() > 0 {
            Console::new().note("going on where the search was interrupted");
        }
        search.run(&self.pairs, Some(&mut part))
    }

    /// What is asked and how, by which what was kept of it is known again.
    pub(super) fn fingerprint(&self) -> Result<Value> {
        let mut pairs = Sha256::new();
        for Pair { clean, corrupted, clean_answer, corrupted_answer, .. } in &self.pairs {
            pairs.update(serde_json::to_vec(&(clean, corrupted, clean_answer, corrupted_answer))?);
        }
        Ok(json!({
            "settings": self.config,
            "pairs": hex::encode(pairs.finalize()),
            "max_tokens": self.max_tokens,
            "computed": self.choices.resolve()?.to_string(),
        }))
    }

    fn ask<T>(&self, path: &Path, n_rounds: u64, ask: impl FnOnce(&Search<'_>) -> Result<T>) -> Result<T> {
        let folder = policy::model_folder(path).map_err(Failure::bad_input)?;
        let shape = shape_of(&folder).map_err(Failure::bad_input)?;
        self.check_room(&shape, n_rounds > 1)?;
        let (policy, _, _) = policy::load_for_tokens(path, self.choices)?;
        self.ask_policy(&policy, &path.display().to_string(), n_rounds, ask)
    }

    /// That there is room for the circuit, or the cheap scores, of a model of this shape; says what it takes.
    fn check_room(&self, shape: &ModelConfig, edges: bool) -> Result<()> {
        let length = self.pairs.iter().map(|pair| pair.clean.len()).max().unwrap_or(1);
        let memory = Memory::new(shape, self.pairs.len(), length, self.config.steps, self.max_tokens, edges);
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
            "circuit of {name}: {} of {}, {}; {}",
            counted(graph.layers, "layer"),
            counted(graph.heads, "head"),
            counted(graph.n_edges(), "edge"),
            counted(self.pairs.len(), "pair")
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

/// Whether there is a file `pairs`, or standard input is meant.
fn is_given(pairs: &Path) -> bool {
    pairs.is_file() || pairs == Path::new(STDIN)
}

/// By which weights are known again: their sum and that of their magnitudes, which hold for one machine.
fn digest(policy: &Policy) -> Result<[f64; 2]> {
    let mut digest = [0.0; 2];
    // In pieces, so that little is held in double precision.
    for piece in policy.network.whole()?.split(1 << 24, 0) {
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
    interrupt: &Interrupt,
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
        pairs::openings(&policy, &prompts, arguments.opening_tokens, &|| interrupt.check())
    };
    let pairs = pairs::prefix(&prompts, &open(&arguments.model)?, &open(base)?, config.n_pairs)?;
    if pairs.len() < config.n_pairs {
        Console::new().note(format_args!(
            "both models begin {} of {} answers differently; {} pairs were asked for",
            pairs.len(),
            prompts.len(),
            config.n_pairs
        ));
    }
    pairs::fitting(pairs, usize::try_from(setup.model.max_position_embeddings)?, config.metric)
}

/// The pairs of the file that `config` names, for the model of shape `shape` in `folder`, whose weights are not loaded.
fn of_model(folder: &Path, shape: &ModelConfig, config: &CircuitConfig, is_named: bool) -> Result<Vec<Pair>> {
    ensure!(
        is_named,
        "--pairs is missing; expected a file of pairs, or countdown with a run or --recipe RECIPE"
    );
    ensure!(
        is_given(&config.pairs) || config.pairs.extension().is_some(),
        "--pairs {0}: no such file; to make pairs of problems a recipe is needed: give a run, or --recipe RECIPE",
        config.pairs.display()
    );
    let lines = pairs::lines(&config.pairs)?;
    let tokenizer = folder.join(TOKENIZER).is_file().then(|| Tokenizer::for_texts(folder)).transpose()?;
    let pad = tokenizer.as_ref().map(pad_of).filter(|_| config.align);
    ensure!(
        pad.is_some() || !config.align,
        "--align: {} has no tokenizer.json, which says what token pads; give prompts of as many tokens",
        folder.display()
    );
    if let Some(tokenizer) = &tokenizer {
        crate::cli::warn_of_unknown(&tokenizer.unknown(lines.iter().flat_map(Line::texts))?);
    }
    let limits = Limits { tokenizer: tokenizer.as_ref(), n_vocab: usize::try_from(shape.vocab_size)?, pad };
    let pairs = lines.into_iter().map(|line| line.pair(limits)).collect::<Result<Vec<_>>>();
    let n_positions = usize::try_from(shape.max_position_embeddings)?;
    pairs::fitting(pairs?, n_positions, config.metric)
}

/// The recipe whose problems and `[circuit]` count: the one that was named, for the model in `folder`, or that of the run.
fn draft(arguments: &Circuit, folder: &Path) -> Result<Option<Draft>> {
    let run = RunFolder::around(&arguments.model).filter(|run| run.resolved().is_file());
    let mut draft = match (&arguments.recipe, run) {
        (Some(recipe), _) => {
            let mut draft = Draft::load(recipe, &arguments.overrides)?;
            draft.change(|recipe| {
                let own = recipe.model.clone();
                let path = Some(folder.to_owned());
                recipe.model =
                    ModelSettings { path, hub: None, revision: None, scratch: None, lora: None, ..own };
            });
            draft
        }
        (None, Some(run)) => {
            let recipe = run.checked_resolved().map_err(Failure::bad_input)?;
            Draft::load(&recipe, &arguments.overrides)?
        }
        (None, None) => return Ok(None),
    };
    // Whether the run follows its heads is nothing that this depends on.
    draft.change(|recipe| recipe.circuit.iter_mut().for_each(|circuit| circuit.every = 0));
    Ok(Some(draft))
}

/// The shape of the model in `folder`.
fn shape_of(folder: &Path) -> Result<ModelConfig> {
    ModelConfig::from_folder(&source(folder)?.folder)
}

/// That the model at `base` can be looked at beside one of shape `shape`.
fn check_base(base: &Path, shape: &ModelConfig) -> Result<()> {
    let folder = policy::model_folder(base).context("--base")?;
    let own = shape_of(&folder)?;
    let of = |shape: &ModelConfig| {
        [shape.n_layers, shape.n_heads, shape.vocab_size].map(|n| n.to_string()).join(" x ")
    };
    ensure!(
        of(&own) == of(shape) && own.max_position_embeddings >= shape.max_position_embeddings,
        "--base {}: layers x heads x tokens of the vocabulary are {}, and {} of the model, with {} and {} positions; expected a model of \
         the same shape, such as the one that it was trained from",
        base.display(),
        of(&own),
        of(shape),
        own.max_position_embeddings,
        shape.max_position_embeddings
    );
    Ok(())
}
