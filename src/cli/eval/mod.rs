//! `rlcredit eval MODEL... --set NAME=FILE`: accuracy on held-out problems, of one model or of several side by side.

mod interventions;
mod name;
mod plan;
mod sets;

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use rewards::RewardConfig;
use serde_json::{Value, json};

use self::interventions::{Arm, Thinking, Way, Ways, tables};
use self::name::named;
use self::plan::{ChatArgument, check_numbers, plan};
use super::policy::Choices;
use super::{grade, policy};
use crate::eval::{Measured, Refused, Versus, of_reports};
use crate::exam::{Plan, Subject};
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
    /// Runs, checkpoints such as RUN@40, Hugging Face folders or hub:ORG/NAME[@REVISION]; NAME=PATH calls one by another name
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,
    /// Recipe whose problems, graders and limits count; without it those of the first run among the models
    #[arg(long, conflicts_with = "sets")]
    recipe: Option<PathBuf>,
    /// Let the graders of a run's own recipe start programs and send responses away; without it such a run is refused
    #[arg(long, conflicts_with_all = ["recipe", "sets"])]
    trust_programs: bool,
    /// Files with problems, instead of a recipe's: those of presets by their names, such as aime24=FILE,math500=FILE; others
    /// as a table, '{name = "mine", path = "FILE", fields = {question = "COLUMN", answer = "COLUMN"}}'
    #[arg(long = "set", value_name = "NAME=FILE,...")]
    sets: Vec<String>,
    /// The preset whose columns a set has
    #[arg(long = "preset", value_name = "NAME=PRESET,...", requires = "sets")]
    presets: Vec<String>,
    /// Measure on the first so many rows of each file
    #[arg(long, value_name = "ROWS", requires = "sets")]
    limit: Option<usize>,
    /// The text that asks for a solution, with {question} in it
    #[arg(long, value_name = "TEXT", requires = "sets")]
    prompt: Option<String>,
    /// Whether the text is put as a user's message by the model's chat template; auto: if it has one
    #[arg(long, value_enum, requires = "sets")]
    chat: Option<ChatArgument>,
    /// System message in front of it
    #[arg(long, value_name = "TEXT", requires = "sets")]
    system: Option<String>,
    /// What the template is told besides, such as enable_thinking=false
    #[arg(long = "variable", value_name = "NAME=VALUE", requires = "sets")]
    variables: Vec<String>,
    /// The grader, by name or as a table as in a recipe; math for questions, countdown for Countdown without it
    #[arg(long, value_name = "NAME or TABLE", value_parser = grade::grader, requires = "sets")]
    reward: Option<RewardConfig>,
    /// Responses per problem; without it the recipe's number, or 4
    #[arg(short, long)]
    k: Option<usize>,
    /// Divides the logits; without it the recipe's, or 0.6
    #[arg(long, allow_negative_numbers = true)]
    temperature: Option<f64>,
    /// Keep the most likely tokens whose probabilities reach this; without it 1 with a recipe, 0.95 with files
    #[arg(long, allow_negative_numbers = true)]
    top_p: Option<f64>,
    /// Keep this many most likely tokens; 0 keeps all
    #[arg(long)]
    top_k: Option<usize>,
    /// Longest response in tokens; without it the recipe's, or 1024
    #[arg(long)]
    max_new_tokens: Option<usize>,
    /// Decode the most likely response to each problem as well
    #[arg(long)]
    greedy: bool,
    /// Seed of the draws; without it the recipe's, or 0
    #[arg(long)]
    seed: Option<u64>,
    /// Most responses decoded at once; without it the recipe's number, or 128
    #[arg(long)]
    max_num_seqs: Option<usize>,
    /// Compute precision; without it the recipe's, or auto
    #[arg(long, value_enum)]
    dtype: Option<Dtype>,
    /// Where to compute; without it the recipe's, or auto
    #[arg(long, value_enum)]
    device: Option<DeviceChoice>,
    /// What computes, ops: libtorch's operations on a CPU too; without it the recipe's, or auto
    #[arg(long, value_enum)]
    backend: Option<BackendChoice>,
    /// Measure each model also with what some attention heads write multiplied: LAYER.HEAD=FACTOR,..., 0 leaves a head out;
    /// FILE.json:heads[:10]=0 the ten of most importance in a circuit, FILE.json:emergent[:10] those that its base lacks. Give it once
    /// for each way; NAME=HEADS calls it by a name
    #[arg(long, value_name = "HEADS")]
    scale_heads: Vec<Way>,
    /// And with as many random other heads of the same layers, drawn so many times
    #[arg(long, value_name = "DRAWS", requires = "scale_heads", default_value_t = 0)]
    random_heads: usize,
    /// Tell the chat template whether the model thinks before it answers (enable_thinking); both: measure each model in both ways
    #[arg(long, value_enum)]
    thinking: Option<Thinking>,
    /// Keep every response and the results in this folder; the same command again goes on where it was interrupted
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The model that the others are compared with, by name or as it was given; the first without it
    #[arg(long, value_name = "MODEL")]
    baseline: Option<String>,
    /// Print one JSON object instead of tables
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
        let given = [
            (!self.presets.is_empty(), "--preset"),
            (self.limit.is_some(), "--limit"),
            (self.prompt.is_some(), "--prompt"),
            (self.chat.is_some(), "--chat"),
            (self.system.is_some(), "--system"),
            (!self.variables.is_empty(), "--variable"),
            (self.reward.is_some(), "--reward"),
        ];
        let given = given.into_iter().find_map(|(given, name)| given.then_some(name));
        super::require(given.is_none() || !self.sets.is_empty(), || {
            let name = given.unwrap_or_default();
            format!("{name}: goes with --set; a recipe says itself how its problems are put and judged")
        })
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
        if !self.sets.is_empty() {
            return Ok(None);
        }
        if let Some(path) = &self.recipe {
            return Ok(Some(Recipe::load(path, &[])?));
        }
        let run = models.iter().find_map(|(_, path)| RunFolder::around(path)).with_context(|| {
            let first = models.first().map(|(_, path)| path.display().to_string()).unwrap_or_default();
            format!(
                "{first}: not a run or a part of one, so the problems are not known; name a recipe with --recipe, or files \
                 with --set"
            )
        })?;
        let resolved = run.checked_resolved()?;
        let recipe = Recipe::load(&resolved, &[])?;
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

/// What was measured of one model, and how.
fn print(subject: &Subject, plan: &Plan) -> Result<()> {
    let SamplingConfig { temperature, top_p, top_k, max_new_tokens, .. } = plan.sampling;
    let device = format!("{:?}", subject.placement.device).to_lowercase();
    super::say(format_args!("{}: {}", subject.name, subject.folder.display()))?;
    super::say(format_args!(
        "{:?} on {device}, backend {}; k = {}, temperature {temperature}, top-p {top_p}, top-k {top_k}, at most {max_new_tokens} tokens, \
         seed {}",
        subject.placement.kind, subject.backend, plan.samples, plan.seed
    ))?;
    if let Some(heads) = subject.scaled_heads() {
        super::say(format_args!("heads scaled: {heads}"))?;
    }
    super::say(match &subject.chat {
        None => "put as they are, without a chat template".to_owned(),
        Some(chat) => format!("put by the model's chat template: {}", serde_json::to_string(chat)?),
    })?;
    let mut settings: Vec<(&Value, &Value)> =
        plan.sets.iter().map(|set| (&set.settings["prompt"], &set.settings["reward"])).collect();
    settings.dedup();
    for (prompt, reward) in settings {
        if prompt.is_string() {
            super::say(format_args!("prompt {prompt}"))?;
        }
        super::say(format_args!("grader {reward}"))?;
    }
    let time = subject.time();
    let number = |key: &str| time[key].as_f64().unwrap_or_default();
    super::say(format_args!(
        "{:.0} tokens in {:.1} s, {:.0} tokens/s; judged in {:.1} s\n",
        number("n_tokens"),
        number("generate_s"),
        number("tokens_per_s"),
        number("score_s")
    ))?;
    let reports = subject.reports();
    super::say(format_args!("{}\n", of_reports(&reports).markdown()))?;
    subject.notes().into_iter().try_for_each(|note| super::say(format_args!("note: {note}")))
}
