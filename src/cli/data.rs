//! `rlcredit data PATH`: what problems a file or a recipe has, and how the model will see them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::data::file::{AnswerIn, Preset, Profile, Seen};
use crate::data::{DataConfig, FileConfig, Items, PromptBuilder};
use crate::hub;
use crate::model::HubModel;
use crate::recipe::Draft;
use crate::run::Failure;
use crate::text::Tokenizer;

mod show;
mod survey;

use self::survey::{Reader, Survey};
use super::flags::{ChatFlags, pair};
use super::{policy, require, say};

#[derive(Args)]
pub(super) struct Data {
    /// A file of problems, or a recipe; - reads standard input
    ///
    /// .jsonl, .ndjson, .json or .parquet; of a recipe (.toml) all data is shown as its model will see it. Standard input has a JSON
    /// object in each line
    #[arg(value_parser = super::flags::input())]
    path: PathBuf,
    /// The published file that it is: gsm8k
    ///
    /// gsm8k, math, math500, aime24, aime25, amc23, minerva, olympiadbench, dapo_math_17k, deepscaler or countdown_tasks
    #[arg(long, value_name = "NAME", value_parser = named::<Preset>)]
    preset: Option<Preset>,
    /// Columns: question=problem,answer=solution
    ///
    /// question=problem,answer=reward.truth, or numbers and target; others a prompt can name. They count before the preset's. Without
    /// these and a preset the columns of the file are shown
    #[arg(long, value_name = "PART=COLUMN", value_delimiter = ',', value_parser = pair)]
    fields: Vec<(String, String)>,
    /// Where the answer is: whole, hashes or boxed
    ///
    /// In its column; hashes: behind the last ####
    #[arg(long, value_name = "PLACE", value_parser = named::<AnswerIn>, hide_short_help = true)]
    answer_in: Option<AnswerIn>,
    /// Only the first N (of each file)
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// The text that asks, with {question} in it
    ///
    /// Or with {numbers} and {target}
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// A run, a checkpoint, a folder or hub:ORG/NAME
    ///
    /// By whose tokens prompts are measured; or hub:ORG/NAME@REVISION
    #[arg(long, value_name = "MODEL", value_parser = policy::place)]
    model: Option<PathBuf>,
    #[command(flatten)]
    chat: ChatFlags,
    /// Show the first N problems [default: 3]
    #[arg(long, value_name = "N", default_value_t = 3, hide_default_value = true)]
    rows: usize,
    /// Override a key of the recipe: optim.lr=1e-5
    ///
    /// The value is in TOML's syntax, where a bare word is a text. May be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

impl Data {
    pub(super) fn run(self) -> Result<ExitCode> {
        let is_recipe = self.path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
        let survey = if is_recipe {
            self.of_recipe()?
        } else {
            let of_a_recipe =
                "--set: the path is no recipe (.toml); use --preset, --fields and the like with a file";
            require(self.overrides.is_empty(), || of_a_recipe.to_owned())?;
            require(self.model.is_some() || self.chat.given().is_none(), || {
                let given = self.chat.given().unwrap_or_default();
                format!("{given}: goes with --model, whose chat template it is for")
            })?;
            require(self.limit != Some(0), || "--limit: got 0, expected at least 1".to_owned())?;
            if self.preset.is_none() && self.fields.is_empty() {
                let given = [
                    (self.answer_in.is_some(), "--answer-in"),
                    (self.prompt.is_some(), "--prompt"),
                    (self.model.is_some(), "--model"),
                ];
                let given = given.into_iter().find_map(|(given, name)| given.then_some(name));
                let given = given.or(self.chat.given()).unwrap_or_default();
                require(given.is_empty(), || {
                    format!("{given}: what the columns mean is not known; add --preset or --fields")
                })?;
                return self.profile();
            }
            self.of_file()?
        };
        if self.json {
            say(serde_json::to_string(&survey)?)?;
        } else {
            show::survey(&survey)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The columns of a file of which nothing more is known.
    fn profile(&self) -> Result<ExitCode> {
        let found =
            Profile::read(&self.path, self.limit.unwrap_or(usize::MAX)).map_err(Failure::bad_input)?;
        let nothing = || Failure::bad_input(anyhow!("{}", nothing_read(&self.path, &found)));
        if found.columns.is_empty() {
            return Err(nothing());
        }
        match self.json {
            true => say(serde_json::to_string(&show::profile_json(&found))?)?,
            false => show::profile(&found)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The problems of one file, as they would be for training.
    fn of_file(&self) -> Result<Survey> {
        let file = FileConfig {
            path: self.path.clone(),
            preset: self.preset,
            fields: self.fields.iter().cloned().collect(),
            answer_in: self.answer_in,
            limit: self.limit,
            name: Some("data".to_owned()),
        };
        let unasked = file.unasked(self.prompt.as_deref()).map(|lack| format!("prompt: {lack}"));
        let wrong: Vec<String> = file.rules().problems().into_iter().chain(unasked).collect();
        require(wrong.is_empty(), || {
            wrong
                .iter()
                .map(|problem| match problem.split_once(':') {
                    Some((key, what)) => format!("--{}:{what}", key.replace('_', "-")),
                    None => problem.clone(),
                })
                .collect::<Vec<_>>()
                .join("\n")
        })?;
        let tokenizer = self.model.as_deref().map(tokenizer_of).transpose().map_err(Failure::bad_input)?;
        let chat = match &tokenizer {
            Some(tokenizer) => {
                self.chat.put().and_then(|chat| chat.of_model(tokenizer)).map_err(Failure::bad_input)?
            }
            None => None,
        };
        let reader = Reader::new(tokenizer.as_ref(), chat.as_ref()).map_err(Failure::bad_input)?;
        let (items, report) =
            file.items(self.prompt.as_deref(), Some(&mut Seen::new())).map_err(Failure::bad_input)?;
        if items.is_empty() {
            // The rows say what they lack; what they have says more.
            let found =
                Profile::read(&self.path, self.limit.unwrap_or(usize::MAX)).map_err(Failure::bad_input)?;
            if report.n_rows == 0 {
                return Err(Failure::bad_input(anyhow!("{}", nothing_read(&self.path, &found))));
            }
            let lacking = report.broken_rows();
            let there = if found.columns.is_empty() {
                nothing_read(&self.path, &found)
            } else {
                show::columns(&found)
            };
            return Err(Failure::bad_input(anyhow!("{lacking}\nno row can be read\n{there}")));
        }
        let items = Items { train: items, eval: Vec::new(), max_prompt_tokens: None, reports: vec![report] };
        let mut survey = Survey::take(items, &reader, self.rows).map_err(Failure::bad_input)?;
        if chat.is_some() {
            let note = "put by the model's chat template, as a recipe with a section [chat] does; --chat never puts problems as they are";
            survey.notes.push(note.to_owned());
        }
        Ok(survey)
    }

    /// All problems of a recipe, as its model will see them.
    fn of_recipe(&self) -> Result<Survey> {
        let given = [
            (self.preset.is_some(), "--preset"),
            (!self.fields.is_empty(), "--fields"),
            (self.answer_in.is_some(), "--answer-in"),
            (self.limit.is_some(), "--limit"),
            (self.prompt.is_some(), "--prompt"),
            (self.model.is_some(), "--model"),
        ];
        let given = given.into_iter().find_map(|(given, name)| given.then_some(name)).or(self.chat.given());
        require(given.is_none(), || {
            format!(
                "{}: a recipe says this itself; --set KEY=VALUE changes a recipe",
                given.unwrap_or_default()
            )
        })?;
        let mut draft = Draft::load(&self.path, &self.overrides)?;
        draft.check_files();
        let recipe = draft.finish()?;
        let read = || -> Result<Survey> {
            let tokenizer = match (&recipe.model.path, HubModel::from_settings(&recipe.model)?) {
                (Some(folder), _) => Tokenizer::for_texts(folder)?,
                (None, Some(model)) => Tokenizer::for_texts(&policy::texts(&model)?)?,
                (None, None) => {
                    let scratch = recipe.model.scratch.context("[model] names no policy")?;
                    hub::preset(scratch)?.1
                }
            };
            let reader = Reader::Tokens(
                PromptBuilder::new(&tokenizer, recipe.chat.as_ref())?
                    .showing(recipe.data.settings().few_shot()),
            );
            let DataConfig::Files(files) = &recipe.data else {
                return Survey::take(recipe.data.settings().items().context("[data]")?, &reader, self.rows);
            };
            let items = files.read()?;
            let objections: Vec<String> =
                items.reports.iter().filter_map(|report| report.objection(files.broken)).collect();
            if items.train.is_empty() && items.eval.iter().all(|set| set.items.is_empty()) {
                bail!(objections.join("\n"));
            }
            let mut survey = Survey::take(items, &reader, self.rows)?;
            let refused = objections.iter().map(|objection| format!("a run would not start: {objection}"));
            survey.notes.extend(refused);
            Ok(survey)
        };
        read().map_err(Failure::bad_input)
    }
}

/// What to say of a file without a readable row.
fn nothing_read(path: &Path, found: &Profile) -> String {
    match found.report.n_rows {
        0 => format!("{}: the file holds no rows", path.display()),
        _ => format!("{}\n{}: no row can be read", found.report.broken_rows(), path.display()),
    }
}

fn tokenizer_of(model: &Path) -> Result<Tokenizer> {
    let folder = match policy::on_hub(model)? {
        Some(model) => policy::texts(&model)?,
        None => policy::model_folder(model)?,
    };
    Tokenizer::for_texts(&folder)
}

/// A choice by its name in a recipe.
fn named<T: DeserializeOwned>(name: &str) -> Result<T, String> {
    serde_json::from_value(Value::from(name)).map_err(|error| error.to_string())
}
