//! Chat templates: a conversation as the text that a model was trained on, by the Jinja template of its own folder.
//!
//! Renderings equal those of transformers' `apply_chat_template(tokenize=False)`, character by character. `engine` holds
//! what a template may use beyond plain Jinja, `bounds` what it may take.

mod bounds;
mod characters;
mod engine;
mod format;
mod json;
mod operators;
mod scan;
mod strings;
#[cfg(test)]
mod tests;
mod written;

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use jiff::Zoned;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub(super) use self::bounds::MAX_SOURCE;
use self::bounds::{ALLOWANCE, MAX_TOKENS, STEPS};
use self::engine::Raised;
use super::caught::watched;
use super::companion::read;
use super::cut::cut;
use super::eos::text;
use crate::files::model_folder::{CHAT_TEMPLATE, SPECIAL_TOKENS, TOKENIZER_CONFIG};

/// Special tokens that a template may write by name.
const NAMED_TOKENS: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// Names under which reasoning may be given; templates read the first.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// Who speaks: `system`, `user`, `assistant`, or what else the template knows.
    pub role: String,
    /// What is said.
    pub content: String,
    /// What else a template may read, such as `reasoning_content`.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Message {
    /// `content` said by `role`.
    pub(crate) fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into(), more: Map::new() }
    }

    /// What the template sees of it.
    fn variables(&self) -> Map<String, Value> {
        let mut seen = Map::from_iter([
            ("role".to_owned(), json!(self.role)),
            ("content".to_owned(), json!(self.content)),
        ]);
        let reasoning =
            REASONING.iter().find_map(|name| self.more.get(*name).filter(|value| !value.is_null()));
        seen.extend(reasoning.map(|text| ("thinking".to_owned(), text.clone())));
        seen.extend(self.more.clone());
        seen.extend(reasoning.map(|text| (REASONING[0].to_owned(), text.clone())));
        seen
    }
}

/// How a conversation is rendered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ChatOptions {
    /// Whether to open the assistant's turn at the end, so that the model answers.
    pub add_generation_prompt: bool,
    /// Further variables of the template, such as `enable_thinking`; they hide special tokens of the same name.
    pub variables: BTreeMap<String, Value>,
}

/// The chat template of a model, compiled.
#[derive(Clone, Debug)]
pub(crate) struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    /// Where it stands, for messages.
    place: String,
    /// Special tokens by name.
    tokens: Map<String, Value>,
    tells_time: bool,
}

impl ChatTemplate {
    /// The template among `files`, named as in a Hugging Face folder.
    ///
    /// # Errors
    /// If the template is not one, or a file is not JSON.
    pub(super) fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Option<Self>> {
        let (place, source) = match files.get(CHAT_TEMPLATE) {
            Some(content) => {
                let source = String::from_utf8(content.clone());
                (CHAT_TEMPLATE.to_owned(), source.with_context(|| format!("{CHAT_TEMPLATE}: not UTF-8"))?)
            }
            None => match read(files, TOKENIZER_CONFIG, "chat_template")? {
                Some(value) => (format!("{TOKENIZER_CONFIG}, chat_template"), default_of(&value)?),
                None => return Ok(None),
            },
        };
        let mut tokens = Map::new();
        for name in NAMED_TOKENS {
            for file in [TOKENIZER_CONFIG, SPECIAL_TOKENS] {
                let token = read(files, file, name)?;
                let Some(token) = token.as_ref().and_then(text) else { continue };
                tokens.insert(name.to_owned(), token.into());
                break;
            }
        }
        Self::new(place, &source, tokens).map(Some)
    }

    /// Compiles `source`, which stands at `place`.
    fn new(place: String, source: &str, tokens: Map<String, Value>) -> Result<Self> {
        let refused = |line: &str, error: String| {
            anyhow!(
                "{place}{line}: not a chat template that can be read here: {error}; mend it, or remove it"
            )
        };
        if source.len() > MAX_SOURCE {
            return Err(refused("", format!("{} bytes, expected at most {MAX_SOURCE}", source.len())));
        }
        let source = engine::plain(source);
        let tags = scan::tags(&source, MAX_TOKENS).map_err(|error| refused("", error.to_string()))?;
        let source = operators::rewritten(&source, &tags);
        let tells_time = source.contains(engine::STRFTIME_NOW);
        let compiled = watched(ALLOWANCE, move || engine::environment(source));
        let environment = compiled.map_err(|error| refused("", error.to_string()))?;
        let environment = environment.map_err(|error| {
            let (line, error) = described(&error);
            refused(&line, error)
        })?;
        Ok(Self { environment: Arc::new(environment), place, tokens, tells_time })
    }

    /// Whether it may write the time.
    #[must_use]
    pub(crate) fn tells_time(&self) -> bool {
        self.tells_time
    }

    /// The same at the time `now`, for templates that write the time.
    #[must_use]
    pub(crate) fn at(&self, now: Zoned) -> Self {
        let mut environment = (*self.environment).clone();
        engine::set_clock(&mut environment, Some(now));
        Self { environment: Arc::new(environment), ..self.clone() }
    }

    /// `messages` as the text that the model reads.
    ///
    /// # Errors
    /// If the template refuses the conversation, uses what it is not given, or takes more than a template may; the message
    /// names file and line.
    pub(crate) fn render(&self, messages: &[Message], options: &ChatOptions) -> Result<String> {
        let ChatOptions { add_generation_prompt, variables } = options;
        let mut context = self.tokens.clone();
        context.extend([("tools".to_owned(), Value::Null), ("documents".to_owned(), Value::Null)]);
        context.extend(variables.clone());
        let messages_seen: Vec<_> = messages.iter().map(Message::variables).collect();
        context.extend([
            ("messages".to_owned(), json!(messages_seen)),
            ("add_generation_prompt".to_owned(), json!(add_generation_prompt)),
        ]);
        let given: usize = messages.iter().map(|message| message.content.len()).sum();
        let mut environment = (*self.environment).clone();
        environment.set_fuel(Some(STEPS + given as u64));
        let rendered = watched(ALLOWANCE, move || {
            environment.get_template(engine::NAME)?.render(minijinja::Value::from(Serde(context)))
        });
        let rendered = rendered.map_err(|error| {
            Exceeded(format!(
                "{}: the template cannot be rendered: {error}; mend it, or remove it",
                self.place
            ))
        })?;
        rendered.map_err(|error| {
            let (line, cause) = described(&error);
            let limit = match (error.kind(), error.detail()) {
                (ErrorKind::OutOfFuel, _) => {
                    Some(format!("it takes more than {STEPS} steps, or writes more than they pay for"))
                }
                (_, Some("recursion limit exceeded")) => Some("it calls itself too often: recursion".to_owned()),
                _ => None,
            };
            if let Some(limit) = limit {
                return Exceeded(format!("{}{line}: {limit}; mend the template, or remove it", self.place)).into();
            }
            let error = match raised(&error) {
                Some(message) => format!("the template refuses this conversation: {message:?}"),
                None => format!("this conversation cannot be rendered: {cause}"),
            };
            let roles: Vec<_> = messages.iter().map(|message| message.role.as_str()).collect();
            let names: Vec<_> = variables.keys().map(String::as_str).collect();
            let names = if names.is_empty() { "none".to_owned() } else { cut(&names.join(", ")) };
            anyhow!(
                "{}{line}: {error}; it was given the roles {} and the variables {names}: give it what it asks for",
                self.place,
                if roles.is_empty() { "of no message".to_owned() } else { cut(&roles.join(", ")) },
            )
        })
    }
}

/// That a template takes more than any may.
#[derive(Debug)]
pub(super) struct Exceeded(String);

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Exceeded {}

/// The template that `chat_template` of a tokenizer's configuration names: itself, or the default of a list.
fn default_of(value: &Value) -> Result<String> {
    let place = format!("{TOKENIZER_CONFIG}, chat_template");
    if let Some(source) = value.as_str() {
        return Ok(source.to_owned());
    }
    let Some(named) = value.as_array() else {
        let value = cut(&value.to_string());
        bail!("{place}: got {value}, expected a template or a list of objects with `name` and `template`");
    };
    let is_default = |entry: &&Value| entry["name"].as_str() == Some("default");
    let source = named.iter().find(is_default).and_then(|entry| entry["template"].as_str());
    let source = source.with_context(|| {
        let names: Vec<_> = named.iter().filter_map(|entry| entry["name"].as_str()).collect();
        let names = cut(&names.join(", "));
        format!("{place}: none of the templates is called \"default\" (their names: {names})")
    })?;
    Ok(source.to_owned())
}

/// Line and cause of `error`.
fn described(error: &minijinja::Error) -> (String, String) {
    let line = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    (line, cut(&detail))
}

/// What the template said when it refused, if that is behind `error`.
fn raised(error: &minijinja::Error) -> Option<&str> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(Raised(message)) = error.downcast_ref() {
            return Some(message);
        }
        cause = error.source();
    }
    None
}
