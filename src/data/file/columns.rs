//! What a row of a data file means: where its question and its answer are.
//!
//! ```text
//! question = "problem"             the column of that name
//! answer   = "reward.truth.0"      within nested values by name, within lists by number
//! ```

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use rewards::{Countdown, Question, Task, math};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::preset::Preset;
use super::rows::{Row, kind};
use crate::data::decimal::Decimal;
use crate::text::Message;
use crate::types::program;

/// Where in a text the answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AnswerIn {
    /// The text is the answer.
    #[default]
    Whole,
    /// Behind its last `####`.
    Hashes,
    /// In its last `\boxed{}`.
    Boxed,
}

/// Where the parts of a problem are in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    /// Paths to try for each part; the first that is there counts. `question` and `answer`, or `numbers` and `target`;
    /// further ones go along with the problem.
    pub(super) paths: BTreeMap<String, Vec<String>>,
    pub(super) answer_in: AnswerIn,
    /// Whether instructions stand around the question.
    pub(super) is_wrapped: bool,
}

/// What a row says: parts of a text to be, and the problem.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    /// The turns of a conversation before the question.
    pub before: Vec<Message>,
    /// Values by the name under which a prompt can ask for them.
    pub parts: BTreeMap<String, String>,
    /// The problem.
    pub task: Task,
}

pub(super) const QUESTION: &str = "question";
pub(super) const ANSWER: &str = "answer";
pub(super) const NUMBERS: &str = "numbers";
pub(super) const TARGET: &str = "target";

impl Columns {
    /// Those of `preset`, if there is one, and of `fields`, which count before it.
    #[must_use]
    pub(crate) fn new(
        preset: Option<Preset>,
        fields: &BTreeMap<String, String>,
        answer_in: Option<AnswerIn>,
    ) -> Self {
        let none = Columns { paths: BTreeMap::new(), answer_in: AnswerIn::Whole, is_wrapped: false };
        let mut columns = preset.map_or(none, Preset::columns);
        columns.paths.extend(fields.iter().map(|(part, path)| (part.clone(), vec![path.clone()])));
        columns.answer_in = answer_in.unwrap_or(columns.answer_in);
        columns
    }

    /// The parts that a prompt must have in it: a text that asks, where there is one, or what it takes to make one.
    #[must_use]
    pub(crate) fn asked(&self) -> &'static [&'static str] {
        if self.paths.contains_key(QUESTION) || !self.is_countdown() {
            &[QUESTION]
        } else {
            &[NUMBERS, TARGET]
        }
    }

    /// The parts that a prompt can ask for.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &str> {
        self.paths.keys().map(String::as_str).filter(|part| *part != ANSWER)
    }

    /// Whether the problems are those of Countdown.
    #[must_use]
    pub(crate) fn is_countdown(&self) -> bool {
        self.paths.contains_key(NUMBERS) && self.paths.contains_key(TARGET)
    }

    /// What keeps these from making problems.
    #[must_use]
    pub(crate) fn problem(&self) -> Option<String> {
        let has = |part: &str| self.paths.contains_key(part);
        let whole = self.is_countdown() || (has(QUESTION) && has(ANSWER));
        (!whole).then(|| {
            let had: Vec<String> = self.paths.keys().map(|part| format!("`{part}`")).collect();
            let got = if had.is_empty() { "nothing".to_owned() } else { had.join(", ") };
            format!(
                "has columns for {got}, expected them for `question` and `answer`, such as fields = {{ question = \"question\", answer = \
                 \"answer\" }}, or for `numbers` and `target`; or a `preset`; `{} data FILE` shows the columns of a file",
                program()
            )
        })
    }

    /// Whether a path leads into the column `name` of a file.
    #[must_use]
    pub(crate) fn touch(&self, name: &str) -> bool {
        self.paths.values().flatten().any(|path| is_within(path, name) || is_within(name, path))
    }

    /// What `row` says.
    ///
    /// # Errors
    /// If a part is not there or not what it should be.
    pub(crate) fn read(&self, row: &Row) -> Result<Content> {
        let mut parts = BTreeMap::new();
        let mut fields = Map::new();
        let mut before = Vec::new();
        for part in self.paths.keys() {
            let value = self.find(part, row)?;
            if ![QUESTION, ANSWER, NUMBERS, TARGET].contains(&part.as_str()) {
                fields.insert(part.clone(), value.clone());
            }
            let text = match (part.as_str(), value) {
                (QUESTION, Value::String(text)) if self.is_wrapped => unwrapped(text).to_owned(),
                (QUESTION, Value::String(text)) => text.clone(),
                (QUESTION, Value::Array(messages)) => {
                    let (earlier, last) = conversation(messages).with_context(|| format!("`{part}`"))?;
                    before = earlier;
                    last
                }
                (QUESTION, other) => {
                    bail!("`{part}`: got {}, expected a text or a list of messages", kind(other))
                }
                (ANSWER, Value::Object(_)) => {
                    bail!("`{part}`: got an object, expected a text, a number or a list")
                }
                (_, value) => shown(value),
            };
            parts.insert(part.clone(), text);
        }
        let answer = parts.remove(ANSWER);
        let task = if self.is_countdown() {
            let numbers = whole_numbers(self.find(NUMBERS, row)?).context("`numbers`")?;
            ensure!(!numbers.is_empty(), "`numbers` is empty");
            let target = whole_number(self.find(TARGET, row)?).context("`target`")?;
            Task::Countdown(Countdown { numbers, target })
        } else {
            let question = parts.get(QUESTION).context("`question` is missing")?;
            ensure!(!question.trim().is_empty(), "`question` is empty");
            let answer = self.answer_in.of(&answer.context("`answer` is missing")?).context("`answer`")?;
            Task::Question(Question { answer, fields })
        };
        Ok(Content { before, parts, task })
    }

    /// The value at the first path of `part` that leads to one.
    fn find<'r>(&self, part: &str, row: &'r Row) -> Result<&'r Value> {
        let paths = self.paths.get(part).map(Vec::as_slice).unwrap_or_default();
        for path in paths {
            let bytes = row.bytes.iter().find(|bytes| is_within(bytes, path) || is_within(path, bytes));
            if let Some(bytes) = bytes {
                bail!("column `{bytes}` for `{part}` holds bytes that are no text, which is UTF-8");
            }
            if let Some(value) = lookup(&row.fields, path).filter(|value| !value.is_null()) {
                return Ok(value);
            }
        }
        bail!("no `{}` for `{part}`; the columns are {}", paths.join("` or `"), names(row))
    }
}

impl AnswerIn {
    fn of(self, text: &str) -> Result<String> {
        let answer = match self {
            Self::Whole => Some(text.trim().to_owned()),
            Self::Hashes => text.rsplit_once("####").map(|(_, answer)| answer.trim().to_owned()),
            Self::Boxed => {
                let has_box = ["\\boxed", "\\fbox"].iter().any(|command| text.contains(command));
                Some(text).filter(|_| has_box).and_then(math::extract)
            }
        };
        let answer = answer.with_context(|| match self {
            Self::Boxed => r"there is no whole \boxed{} in it",
            Self::Whole | Self::Hashes => "there is no #### in it",
        })?;
        ensure!(!answer.is_empty(), "it is empty");
        Ok(answer)
    }
}

/// The messages before the last one, and what that asks.
fn conversation(messages: &[Value]) -> Result<(Vec<Message>, String)> {
    let message = |(number, message): (usize, &Value)| {
        let expected = r#"expected {"role": "user", "content": text}"#;
        let text = |key: &str| message.get(key).is_some_and(Value::is_string);
        ensure!(text("role") && text("content"), "message {number}: got {}, {expected}", kind(message));
        serde_json::from_value::<Message>(message.clone())
            .with_context(|| format!("message {number}, {expected}"))
    };
    let mut read = (1..).zip(messages).map(message).collect::<Result<Vec<_>>>()?;
    let last = read.pop().context("got an empty list, expected messages")?;
    ensure!(
        last.role == "user",
        "the last message is of {:?}, expected the user's: it is what a policy answers",
        last.role
    );
    Ok((read, last.content))
}

/// Whether `path` leads to the value at `outer`, or to one within it.
fn is_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The names of the columns; of many the first.
fn names(row: &Row) -> String {
    const SHOWN: usize = 20;
    let mut names = row.names();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let more = if more > 0 { format!("and {more} more") } else { String::new() };
    names.extend(Some(more.as_str()).filter(|more| !more.is_empty()));
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The value at `path`; a whole path that is the name of a column counts first.
fn lookup<'v>(fields: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    if let Some(value) = fields.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    rest.split('.').try_fold(fields.get(first)?, |value, part| match value {
        Value::Object(fields) => fields.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// `value` as a person would write it: whole numbers without a point, lists with commas.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 1e15) {
            // Plus 0, since a float may be -0.
            Some(whole) => format!("{:.0}", whole + 0.0),
            None => number.to_string(),
        },
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn whole_numbers(value: &Value) -> Result<Vec<u32>> {
    let Value::Array(items) = value else { bail!("got {}, expected a list of whole numbers", kind(value)) };
    items.iter().map(whole_number).collect()
}

/// A number, or the digits of one, also where a point and zeros stand behind it.
fn whole_number(value: &Value) -> Result<u32> {
    let digits = match value {
        Value::Number(number) => number.to_string(),
        Value::String(digits) => digits.clone(),
        other => bail!("got {}, expected a whole number", kind(other)),
    };
    let number = Decimal::parse(&digits).and_then(|number| number.plain().ok()?.parse().ok());
    number.with_context(|| format!("got {value}, expected a whole number"))
}

/// The problem between a paragraph of instructions and another, as DAPO-Math-17K has them; a text with fewer than three
/// paragraphs is a problem alone.
fn unwrapped(text: &str) -> &str {
    let inner = text.split_once("\n\n").and_then(|(_, rest)| rest.rsplit_once("\n\n"));
    let is_instruction = text.starts_with("Solve the following math problem");
    inner.filter(|_| is_instruction).map_or(text, |(problem, _)| problem)
}
