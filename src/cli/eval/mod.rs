//! `rlcredit eval MODEL... --data NAME=FILE`: accuracy on held-out problems, of one model or of several side by side.

mod interventions;
mod name;
mod notes;
mod plan;
mod sets;
mod show;

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use rewards::RewardConfig;
use serde_json::{Value, json};

use self::interventions::{Arm, Thinking, Way, Ways, tables};
use self::name::named;
use self::plan::{check_numbers, plan};
use self::show::print;
use super::flags::ChatFlags;
use super::policy::Choices;
use super::{grade, policy};
use crate::eval::{Measured, Refused, Versus};
use crate::exam::Subject;
use crate::interrupt::Interrupt;
use crate::model::{BackendChoice, DeviceChoice, Dtype};
use crate::observe::Console;
use crate::recipe::{Problems, Recipe};
use crate::rollout::SamplingConfig;
use crate::run::Failure;
use crate::run_folder::RunFolder;
use crate::types::RunRandom;

#[derive(Args)]
pub(super) struct Eval {
    /// Runs, checkpoints, folders or hub:ORG/NAME
    ///
    /// Such as RUN@40 or hub:ORG/NAME@REVISION; NAME=PATH calls one by another name
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,
    /// Recipe whose settings count [default: a run's]
    ///
    /// Its problems, graders and limits; without it those of the first run among the models
    #[arg(long, value_name = "RECIPE", value_parser = super::flags::input(), conflicts_with = "data")]
    recipe: Option<PathBuf>,
    /// Let graders of a run's recipe start programs
    ///
    /// And send responses away; without it such a run is refused
    #[arg(long, conflicts_with_all = ["recipe", "data"], hide_short_help = true)]
    trust_programs: bool,
    /// Files of problems: math500=FILE
    ///
    /// Instead of a recipe's: those of presets by their names, such as aime24=FILE,math500=FILE; others as a table, '{name = "mine",
    /// path = "FILE", fields = {question = "COLUMN", answer = "COLUMN"}}'; - reads standard input. May be given again
    #[arg(long, value_name = "NAME=FILE")]
    data: Vec<String>,
    /// The published file that it is: mine=math500
    ///
    /// The preset whose columns a file has
    #[arg(long = "preset", value_name = "NAME", requires = "data", hide_short_help = true)]
    presets: Vec<String>,
    /// Only the first N (of each file)
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Override a key of the recipe: optim.lr=1e-5
    ///
    /// The value is in TOML's syntax, where a bare word is a text. May be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// The text that asks, with {question} in it
    #[arg(long, value_name = "TEXT", requires = "data", hide_short_help = true)]
    prompt: Option<String>,
    #[command(flatten)]
    chat: ChatFlags,
    /// The grader: its name, or a table as in a recipe
    ///
    /// Without it math for questions, countdown for Countdown
    #[arg(long, value_name = "GRADER", value_parser = grade::grader, requires = "data", hide_short_help = true)]
    reward: Option<RewardConfig>,
    /// Responses to each prompt
    ///
    /// Without it the recipe's number, or 4
    #[arg(short = 'n', long, value_name = "N")]
    samples: Option<usize>,
    /// Divides the logits
    ///
    /// Without it the recipe's, or 0.6
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    temperature: Option<f64>,
    /// Keep the likeliest tokens that reach this probability
    ///
    /// Without it 1 with a recipe, 0.95 with files
    #[arg(long, value_name = "X", allow_negative_numbers = true, hide_short_help = true)]
    top_p: Option<f64>,
    /// Keep this many likeliest tokens; 0 keeps all
    #[arg(long, value_name = "N", hide_short_help = true)]
    top_k: Option<usize>,
    /// Longest response in tokens
    ///
    /// Without it the recipe's, or 1024
    #[arg(long, value_name = "N")]
    max_new_tokens: Option<usize>,
    /// The likeliest response to each problem as well
    #[arg(long)]
    greedy: bool,
    /// Seed of the draws
    ///
    /// Without it the recipe's, or 0
    #[arg(long, value_name = "N", hide_short_help = true)]
    seed: Option<u64>,
    /// Most responses decoded at once
    ///
    /// Without it the recipe's number, or 128
    #[arg(long, value_name = "N", hide_short_help = true)]
    max_num_seqs: Option<usize>,
    /// Precision: auto, f32 or bf16
    ///
    /// Without it the recipe's, or auto
    #[arg(long, value_enum, hide_possible_values = true, hide_short_help = true)]
    dtype: Option<Dtype>,
    /// Where to compute: auto, cpu or cuda
    ///
    /// Without it the recipe's, or auto
    #[arg(long, value_enum, hide_possible_values = true, hide_short_help = true)]
    device: Option<DeviceChoice>,
    /// By what: auto, or ops for libtorch's operations
    ///
    /// Without it the recipe's, or auto
    #[arg(long, value_enum, hide_possible_values = true, hide_short_help = true)]
    backend: Option<BackendChoice>,
    /// Multiply what attention heads write: 1.2=0
    ///
    /// Measures each model also so: LAYER.HEAD=FACTOR,..., 0 leaves a head out; FILE.json:heads[:10]=0 the ten of most importance in a
    /// circuit, FILE.json:emergent[:10] those that its base lacks. Give it once for each way; NAME=HEADS calls it by a name
    #[arg(long, value_name = "HEADS", hide_short_help = true)]
    scale_heads: Vec<Way>,
    /// And as many random heads, drawn so many times
    ///
    /// Others of the same layers
    #[arg(
        long,
        value_name = "N",
        requires = "scale_heads",
        default_value_t = 0,
        hide_default_value = true,
        hide_short_help = true
    )]
    random_heads: usize,
    /// Whether the model thinks first: on, off or both
    ///
    /// Told to the chat template as enable_thinking; both: measures each model in both ways
    #[arg(long, value_name = "WHEN", value_enum, hide_possible_values = true, hide_short_help = true)]
    thinking: Option<Thinking>,
    /// What the others are compared with [default: first]
    ///
    /// A model, by name or as it was given
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,
    /// Where it is kept: every response and the results
    ///
    /// The same command again goes on where it was interrupted
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

impl Eval {
    pub(super) fn run(self) -> Result<ExitCode> {
        self.require_files_for_their_options()?;
        let models = self.models.iter().map(|given| named(given));
        let placed = models.map(|(name, path)| Ok((name, policy::place(&path.to_string_lossy())?)));
        let models: Vec<(String, PathBuf)> = placed.collect::<Result<_>>().map_err(Failure::bad_input)?;
        let baseline = self.baseline(&models)?;
        for (_, path) in &models {
            policy::require_folder(path).map_err(Failure::bad_input)?;
        }
        let plan = self.recipe(&models).and_then(|recipe| plan(&self, recipe.as_ref()));
        let plan = plan.map_err(bad_input)?;
        check_numbers(&plan)?;
        let out = self.out.as_deref();
        let ways = Ways {
            scaled: &self.scale_heads,
            n_random: self.random_heads,
            thinking: self.thinking,
            chat: &plan.chat,
            random: RunRandom::new(plan.seed),
        };
        let (arms, interventions) = ways.of(&models).map_err(bad_input)?;
        let baseline = arms.iter().position(|arm| arm.model == baseline).unwrap_or_default();
        let subject = |arm: Arm| Subject::new(&arm.name, arm.folder, arm.heads, &arm.chat, &plan, out);
        let subjects = arms.into_iter().map(subject);
        let mut subjects = subjects.collect::<Result<Vec<_>>>().map_err(bad_input)?;

        let console = Console::new();
        notes::of(&models, !self.data.is_empty()).into_iter().for_each(|note| console.note(note));
        let interrupt = self.interrupt()?;
        for subject in &mut subjects {
            if let Some(signal) = subject.measure(&console, interrupt.as_ref())? {
                console.note("what was answered is kept; the same command goes on from there");
                return Ok(ExitCode::from(signal.exit_code()));
            }
            if self.json {
                subject.notes().into_iter().for_each(|note| console.note(note));
            } else {
                print(subject, &plan)?;
            }
        }
        let measured: Vec<Measured> = subjects.iter().map(Subject::measured).collect();
        let versus = (measured.len() > 1).then(|| Versus::new(&measured, baseline)).transpose()?;
        if let Some((versus, out)) = versus.as_ref().zip(out) {
            versus.write(out, &interventions)?;
        }
        if self.json {
            let mut all: Vec<Value> = subjects.into_iter().map(|s| Value::Object(s.results.all)).collect();
            return super::say(match &versus {
                Some(versus) => json!({ "models": all, "comparison": versus.to_json(&interventions) }),
                None => all.pop().unwrap_or_default(),
            })
            .map(|()| ExitCode::SUCCESS);
        }
        for (_, table) in versus.iter().flat_map(|versus| tables(versus, &interventions)) {
            super::say(format_args!("{}\n", table.markdown()))?;
        }
        if let Some(out) = out {
            super::say(format_args!("every response and all settings: {}", out.display()))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// That nothing is asked of files beside a recipe, which says all of this itself. (What an argument requires is not looked
    /// at by the parser where another is there that conflicts with that.)
    fn require_files_for_their_options(&self) -> Result<()> {
        let files = self.overrides.iter().find(|set| sets::is_file(set));
        super::require(files.is_none(), || {
            let set = files.map_or("", String::as_str);
            format!(
                "--set {set}: expected SECTION.KEY=VALUE, a key of the recipe; files of problems are named by --data {set}"
            )
        })?;
        super::require(self.data.is_empty() || self.overrides.is_empty(), || {
            "--set: changes a recipe, and --data names files in its place; leave one of them out".to_owned()
        })?;
        let given = [
            (!self.presets.is_empty(), "--preset"),
            (self.prompt.is_some(), "--prompt"),
            (self.reward.is_some(), "--reward"),
        ];
        let given = given.into_iter().find_map(|(given, name)| given.then_some(name)).or(self.chat.given());
        super::require(given.is_none() || !self.data.is_empty(), || {
            let name = given.unwrap_or_default();
            format!("{name}: goes with --data; a recipe says itself how its problems are put and judged")
        })?;
        super::require(self.limit != Some(0), || "--limit: got 0, expected at least 1".to_owned())
    }

    /// The place of the model that the others are compared with; names must tell models apart.
    fn baseline(&self, models: &[(String, PathBuf)]) -> Result<usize> {
        let mut names = HashSet::new();
        for (name, _) in models {
            super::require(names.insert(name), || {
                format!("two models would be called {name}; name them, such as {name}-a=PATH {name}-b=PATH")
            })?;
        }
        let Some(wanted) = &self.baseline else { return Ok(0) };
        let found =
            models.iter().zip(&self.models).position(|((name, _), given)| name == wanted || given == wanted);
        found
            .with_context(|| {
                let names: Vec<&str> = models.iter().map(|(name, _)| name.as_str()).collect();
                format!("--baseline: got {wanted}, expected one of {}", names.join(", "))
            })
            .map_err(Failure::bad_input)
    }

    /// The recipe whose problems count, unless files are named.
    fn recipe(&self, models: &[(String, PathBuf)]) -> Result<Option<Recipe>> {
        if !self.data.is_empty() {
            return Ok(None);
        }
        if let Some(path) = &self.recipe {
            return Ok(Some(Recipe::load(path, &self.overrides)?));
        }
        let run = models.iter().find_map(|(_, path)| RunFolder::around(path)).with_context(|| {
            let first = models.first().map(|(_, path)| path.display().to_string()).unwrap_or_default();
            format!(
                "{first}: not a run or a part of one, so the problems are not known; name a recipe with --recipe, or files \
                 with --data"
            )
        })?;
        let resolved = run.checked_resolved()?;
        let recipe = Recipe::load(&resolved, &self.overrides)?;
        let outside = recipe.reward.iter().filter_map(|entry| entry.grader.settings().reaches_out());
        let outside: Vec<String> = outside.collect();
        if !outside.is_empty() && !self.trust_programs {
            bail!(
                "{}: [[reward]] {}, and the run may come from anybody; if you trust it, add --trust-programs, or name a \
                 recipe of your own with --recipe",
                resolved.display(),
                outside.join("; [[reward]] ")
            );
        }
        Ok(Some(recipe))
    }

    /// `usual` with what the arguments say instead.
    fn sampling(&self, usual: SamplingConfig) -> SamplingConfig {
        SamplingConfig {
            temperature: self.temperature.unwrap_or(usual.temperature),
            top_p: self.top_p.unwrap_or(usual.top_p),
            top_k: self.top_k.unwrap_or(usual.top_k),
            max_new_tokens: self.max_new_tokens.unwrap_or(usual.max_new_tokens),
            min_new_tokens: usual.min_new_tokens.min(self.max_new_tokens.unwrap_or(usual.max_new_tokens)),
            stop: usual.stop,
            max_num_seqs: self.max_num_seqs.unwrap_or(usual.max_num_seqs),
        }
    }

    /// `usual` with what the arguments say instead.
    fn choices(&self, usual: Choices<'static>) -> Choices<'static> {
        Choices {
            device: self.device.unwrap_or(usual.device),
            dtype: self.dtype.unwrap_or(usual.dtype),
            backend: self.backend.unwrap_or(usual.backend),
            heads: None,
        }
    }

    /// Listens to those who ask to stop, if there is anything that outlives the process.
    fn interrupt(&self) -> Result<Option<Interrupt>> {
        let answer = |signal, _| {
            Console::new()
                .note(format_args!("{signal}: stopping, the finished responses are kept (again: at once)"));
        };
        self.out.as_ref().map(|_| Interrupt::install(answer)).transpose()
    }
}

/// As an argument that is wrong, except where an evaluation cannot be continued.
fn bad_input(error: anyhow::Error) -> anyhow::Error {
    match error {
        error if error.is::<Problems>() || error.is::<Failure>() => error,
        error if error.is::<Refused>() => Failure::resume_refused(error),
        error => Failure::bad_input(error),
    }
}
