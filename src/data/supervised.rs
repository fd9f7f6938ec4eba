//! Texts to imitate before reinforcement learning begins.
//!
//! Example `i` is a pure function of configuration, data and seed: the walk of [`super::order`] says which training problem
//! or which line of a file it is about, and a demonstration is drawn at the coordinate `i`, so that a problem is
//! demonstrated anew in every epoch.

use std::{ops::Range, path::PathBuf, sync::Arc};

use anyhow::{Context, Result, bail, ensure};
use rewards::{Countdown, Task};
use serde::{Deserialize, Serialize};

use super::{
    demonstrations::{self, DemoConfig, demonstrate},
    jsonl,
    order::visits,
};
use crate::{
    text::Tokenizer,
    types::{Prompt, Purpose, RunRandom, TokenId},
};

/// The `[warmup.source]` section: `type` and that source's own keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SourceConfig {
    /// Searches written by a solver of limited skill, about the training problems.
    CountdownDemos(DemoConfig),
    /// Pairs from a file, one `{"prompt": text, "response": text}` a line.
    Jsonl(JsonlSource),
}

/// Keys of `type = "jsonl"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonlSource {
    /// The file.
    pub path: PathBuf,
}

/// One text to imitate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// What is read. Never empty.
    pub prompt: Vec<TokenId>,
    /// What is to be said, the end-of-sequence token included.
    pub response: Vec<TokenId>,
}

/// An endless supply of examples.
pub struct Source {
    kind: Kind,
    random: RunRandom,
}

enum Kind {
    Demonstrations { config: DemoConfig, problems: Vec<(Arc<Prompt>, Countdown)>, tokenizer: Tokenizer },
    Pairs(Vec<Example>),
}

impl SourceConfig {
    /// What is wrong with the values of this section, one sentence each, without touching any file.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::CountdownDemos(config) => config.problems(),
            Self::Jsonl(_) => Vec::new(),
        }
    }

    /// The source described; `train` are the problems that demonstrations are about.
    ///
    /// # Errors
    /// If the values are out of range, if there is no problem or one that cannot be demonstrated, or if the file cannot be
    /// read or has a broken line.
    pub fn build(&self, train: &[Arc<Prompt>], tokenizer: &Tokenizer, random: RunRandom) -> Result<Source> {
        if let [problem, ..] = self.problems().as_slice() {
            bail!("source of the warm start: {problem}");
        }
        let kind = match self {
            Self::CountdownDemos(config) => {
                ensure!(!train.is_empty(), "demonstrations: there are no training problems, expected at least one");
                let problems = train.iter().map(|prompt| {
                    let Task::Countdown(problem) = &prompt.task;
                    demonstrations::check(problem).with_context(|| format!("prompt {}", prompt.id))?;
                    Ok((Arc::clone(prompt), problem.clone()))
                });
                let problems = problems.collect::<Result<_>>()?;
                Kind::Demonstrations { config: config.clone(), problems, tokenizer: tokenizer.clone() }
            }
            Self::Jsonl(JsonlSource { path }) => {
                let expected = r#"{"prompt": text, "response": text}, neither empty"#;
                Kind::Pairs(jsonl::read(path, expected, |Pair { prompt, response }| {
                    ensure!(!prompt.is_empty(), "`prompt` is empty");
                    ensure!(!response.is_empty(), "`response` is empty");
                    example(tokenizer.encode(&prompt)?, &response, tokenizer)
                })?)
            }
        };
        Ok(Source { kind, random })
    }
}

impl Source {
    /// Examples of these numbers, counted from 0 and without end.
    ///
    /// # Errors
    /// If a text cannot be tokenized.
    pub fn examples(&self, numbers: Range<u64>) -> Result<Vec<Example>> {
        let order = |n| visits(&self.random, Purpose::WarmupOrder, n, numbers.clone());
        match &self.kind {
            Kind::Pairs(pairs) => Ok(order(pairs.len()).into_iter().map(|i| pairs[i].clone()).collect()),
            Kind::Demonstrations { config, problems, tokenizer } => {
                let examples = order(problems.len()).into_iter().zip(numbers.clone()).map(|(i, number)| {
                    let (prompt, problem) = &problems[i];
                    let rng = &mut self.random.stream(Purpose::Demonstrations, &[number]);
                    example(prompt.tokens.clone(), &demonstrate(problem, config, rng), tokenizer)
                });
                examples.collect()
            }
        }
    }
}

/// A line of a file of pairs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    prompt: String,
    response: String,
}

/// `response` to `prompt`, ended.
fn example(prompt: Vec<TokenId>, response: &str, tokenizer: &Tokenizer) -> Result<Example> {
    let mut response = tokenizer.encode(response)?;
    response.push(tokenizer.eos_id());
    Ok(Example { prompt, response })
}
