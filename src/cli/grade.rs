//! `rlcredit grade FILE.jsonl --reward math`: what a grader says of answers, without a model.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use rewards::{Question, Response, RewardConfig, Status, Task, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::data::jsonl;
use crate::run::Failure;

mod given;

use given::Given;

const EXPECTED: &str = r#"{"gold": text, "prediction": text} or {"gold": text, "reply": text}"#;

#[derive(Args)]
pub(super) struct Grade {
    /// Answers, one a line; - reads standard input
    ///
    /// A JSON object in each line: gold, a text, with `fields` where the grader asks for them, or `task`, as in the library; and either
    /// prediction, an answer as it stands, or reply, a whole response that the answer is looked for in, with `tokens`, `cut_off` and
    /// `in_thought` (the prompt has opened a thought) where known. A number is read as its text and null as an empty one; an `id` comes
    /// back beside the verdict, and other keys are not read
    #[arg(value_parser = super::flags::input())]
    file: PathBuf,
    /// The grader: its name, or a table as in a recipe
    ///
    /// All its settings, such as '{type = "command", program = ["python3", "grader.py"]}'; without it math
    #[arg(long, value_name = "GRADER", default_value = "math", hide_default_value = true, value_parser = grader)]
    reward: RewardConfig,
}

/// One response to judge.
#[derive(Deserialize)]
struct Line {
    id: Option<Value>,
    #[serde(default)]
    gold: Given,
    fields: Option<Map<String, Value>>,
    task: Option<Task>,
    #[serde(default)]
    prediction: Given,
    #[serde(default)]
    reply: Given,
    tokens: Option<Number>,
    cut_off: Option<bool>,
    in_thought: Option<bool>,
}

/// A line in which everything is there.
struct Item {
    id: Option<Value>,
    task: Task,
    text: String,
    is_answer: bool,
    tokens: Option<usize>,
    cut_off: bool,
    in_thought: bool,
}

/// What is said of it.
#[derive(Serialize)]
struct Judged {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
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
    pub(super) fn run(self) -> Result<ExitCode> {
        let lines = jsonl::read(&self.file, EXPECTED, |line: Line, _| line.item());
        let items = lines.map_err(Failure::bad_input)?;
        let unusable = self
            .reward
            .settings()
            .rules()
            .problems()
            .into_iter()
            .next()
            .or_else(|| self.reward.settings().missing());
        if let Some(problem) = unusable {
            return Err(Failure::bad_input(anyhow!("--reward: {problem}")));
        }
        let grader = self.reward.settings().build(&[]).map_err(|problem| anyhow!("--reward: {problem}"))?;
        let responses: Vec<(&Task, Response<'_>)> = items.iter().map(Item::response).collect();
        let verdicts = grader.score_all(&responses).map_err(|reason| anyhow!("--reward: {reason}"))?;
        let ids = items.iter().map(|item| item.id.clone());
        let judged: Vec<Judged> = ids.zip(verdicts).map(|(id, verdict)| Judged::new(id, verdict)).collect();
        for one in &judged {
            super::say(serde_json::to_string(one)?)?;
        }
        let right = judged.iter().filter(|one| one.verdict).count();
        let failed =
            judged.iter().filter(|one| matches!(one.status, Status::Error | Status::Timeout)).count();
        let undecided = if failed > 0 { format!(", {failed} could not be judged") } else { String::new() };
        super::remark(format_args!("{right} of {} are right{undecided}", judged.len()));
        Ok(if failed < judged.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The grader that `text` names or describes.
pub(super) fn grader(text: &str) -> Result<RewardConfig> {
    let table =
        if text.trim_start().starts_with('{') { text.to_owned() } else { format!("{{type = {text:?}}}") };
    let document: toml::Table =
        toml::from_str(&format!("reward = {table}")).context("not a table of TOML")?;
    let reward = document.get("reward").context("no table")?;
    Ok(reward.clone().try_into()?)
}

impl Line {
    fn item(self) -> Result<Item> {
        let Self { id, gold, fields, task, prediction, reply, tokens, cut_off, in_thought } = self;
        let tokens = tokens.map(|number| whole(&number).context("`tokens`")).transpose()?;
        let fields = fields.unwrap_or_default();
        let task = match (gold.or_empty_unless(task.is_some()), task) {
            (Some(answer), None) => Task::Question(Question { answer, fields }),
            (None, Some(task)) => {
                ensure!(fields.is_empty(), "`fields` stand beside `gold` only");
                task
            }
            _ => bail!("either `gold` or `task` must be there"),
        };
        let (replied, predicted) = (reply.is_text(), !prediction.is_absent());
        let (text, is_answer) = match (prediction.or_empty_unless(replied), reply.or_empty_unless(predicted))
        {
            (Some(text), None) => (text, true),
            (None, Some(text)) => (text, false),
            _ => bail!("either `prediction` or `reply` must be there"),
        };
        let (cut_off, in_thought) = (cut_off.unwrap_or_default(), in_thought.unwrap_or_default());
        Ok(Item { id, task, text, is_answer, tokens, cut_off, in_thought })
    }
}

/// A whole number, as tables leave it too: `3.0` is 3.
fn whole(number: &Number) -> Result<usize> {
    let whole = number.as_u64().or_else(|| {
        let number =
            number.as_f64().filter(|number| number.fract() == 0.0 && (0.0..1e15).contains(number))?;
        Some(number as u64)
    });
    usize::try_from(whole.with_context(|| format!("got {number}, expected a whole number"))?)
        .context("too large")
}

impl Item {
    fn response(&self) -> (&Task, Response<'_>) {
        let Self { task, text, is_answer, tokens, cut_off, in_thought, .. } = self;
        let (is_answer, cut_off, in_thought) = (*is_answer, *cut_off, *in_thought);
        (task, Response { text, tokens: *tokens, cut_off, is_answer, in_thought })
    }
}

impl Judged {
    fn new(id: Option<Value>, judged: Verdict) -> Self {
        let verdict = judged.correct();
        let value = Some(judged.value).filter(|value| *value != f64::from(u8::from(verdict)));
        Self { id, verdict, status: judged.status, answer: judged.answer, value, note: judged.note }
    }
}
