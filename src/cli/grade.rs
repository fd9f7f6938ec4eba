//! `rlcredit grade FILE.jsonl --reward math`: what a grader says of answers, without a model.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use rewards::{Question, Response, RewardConfig, Status, Task, Verdict};
use rlcredit::data::jsonl;
use rlcredit::run::Failure;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const EXPECTED: &str = r#"{"gold": text, "prediction": text} or {"gold": text, "reply": text}"#;

#[derive(Args)]
pub struct Grade {
    /// A file with a JSON object in each line: gold, a text, with `fields` where the grader asks for them, or `task`, as in the
    /// library; and either prediction, an answer as it stands, or reply, a whole response that the answer is looked for in, with
    /// `tokens` and `cut_off` where known
    file: PathBuf,
    /// The grader: its name, or all its settings as in a recipe, such as '{type = "command", program = ["python3", "grader.py"]}'
    #[arg(long, value_name = "NAME or TABLE", default_value = "math", value_parser = grader)]
    reward: RewardConfig,
}

/// One response to judge.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    gold: Option<String>,
    #[serde(default)]
    fields: Map<String, Value>,
    task: Option<Task>,
    prediction: Option<String>,
    reply: Option<String>,
    tokens: Option<usize>,
    #[serde(default)]
    cut_off: bool,
}

/// A line in which everything is there.
struct Item {
    task: Task,
    text: String,
    is_answer: bool,
    tokens: Option<usize>,
    cut_off: bool,
}

/// What is said of it.
#[derive(Serialize)]
struct Judged {
    verdict: bool,
    status: Status,
    answer: Option<String>,
    /// Where it is not just 1 for a correct response and 0 for another.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Grade {
    pub fn run(self) -> Result<ExitCode> {
        let lines = jsonl::read(&self.file, EXPECTED, |line: Line, _| line.item());
        let items = lines.map_err(Failure::bad_input)?;
        let unusable = self.reward.problems().into_iter().next().or_else(|| self.reward.missing());
        if let Some(problem) = unusable {
            return Err(Failure::bad_input(anyhow!("--reward: {problem}")));
        }
        let grader = self.reward.build().map_err(|problem| anyhow!("--reward: {problem}"))?;
        let responses: Vec<(&Task, Response<'_>)> = items.iter().map(Item::response).collect();
        let verdicts = grader.score_all(&responses).map_err(|reason| anyhow!("--reward: {reason}"))?;
        let judged: Vec<Judged> = verdicts.into_iter().map(Judged::from).collect();
        for one in &judged {
            super::say(serde_json::to_string(one)?)?;
        }
        let right = judged.iter().filter(|one| one.verdict).count();
        super::remark(format_args!("{right} of {} are right", judged.len()));
        Ok(ExitCode::SUCCESS)
    }
}

/// The grader that `text` names or describes.
pub fn grader(text: &str) -> Result<RewardConfig> {
    let table =
        if text.trim_start().starts_with('{') { text.to_owned() } else { format!("{{type = {text:?}}}") };
    let document: toml::Table =
        toml::from_str(&format!("reward = {table}")).context("not a table of TOML")?;
    let reward = document.get("reward").context("no table")?;
    Ok(reward.clone().try_into()?)
}

impl Line {
    fn item(self) -> Result<Item> {
        let Self { gold, fields, task, prediction, reply, tokens, cut_off } = self;
        ensure!(prediction.is_some() != reply.is_some(), "either `prediction` or `reply` must be there");
        ensure!(gold.is_some() != task.is_some(), "either `gold` or `task` must be there");
        ensure!(gold.is_some() || fields.is_empty(), "`fields` stand beside `gold` only");
        let task = task.or_else(|| gold.map(|answer| Task::Question(Question { answer, fields })));
        let is_answer = prediction.is_some();
        let (task, text) = task.zip(prediction.or(reply)).context("an empty line")?;
        Ok(Item { task, text, is_answer, tokens, cut_off })
    }
}

impl Item {
    fn response(&self) -> (&Task, Response<'_>) {
        let Self { task, text, is_answer, tokens, cut_off } = self;
        (task, Response { text, tokens: *tokens, cut_off: *cut_off, is_answer: *is_answer })
    }
}

impl From<Verdict> for Judged {
    fn from(judged: Verdict) -> Self {
        let verdict = judged.correct();
        let value = Some(judged.value).filter(|value| *value != f64::from(u8::from(verdict)));
        Self { verdict, status: judged.status, answer: judged.answer, value, note: judged.note }
    }
}
