//! Where prompts and texts come from: data sets, their order, demonstrations for the warm start.
//!
//! A data set is a list of [`Prompt`]s for training and one for evaluation, the same for every seed of a run,
//! so that runs are comparable; the seed only shapes the order in which a [`sampler`] draws them.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, Result, bail};
use rewards::Task;
use serde::{Deserialize, Serialize};

use crate::{text::Tokenizer, types::Prompt};

pub mod countdown;
pub mod demonstrations;
pub mod jsonl;
mod order;
pub mod sampler;
pub mod supervised;

/// The `[data]` section: `type` and that kind's own keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DataConfig {
    /// Generated Countdown problems.
    Countdown(countdown::CountdownConfig),
    /// Problems read from two files.
    Jsonl(JsonlConfig),
}

/// Keys of `type = "jsonl"`: files of problems, one JSON object a line, see [`countdown::read`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonlConfig {
    /// Training problems.
    pub path: PathBuf,
    /// Evaluation problems.
    pub eval_path: PathBuf,
}

/// Problems ready to be drawn. Ids count from 0 through `train` and on through `eval`.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSet {
    /// Problems to learn from. Never empty.
    pub train: Vec<Arc<Prompt>>,
    /// Problems to measure on. Never empty.
    pub eval: Vec<Arc<Prompt>>,
}

/// Problems before they are tokenized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Items {
    /// Problems to learn from. Never empty.
    pub train: Vec<Item>,
    /// Problems to measure on. Never empty.
    pub eval: Vec<Item>,
}

/// A problem before it is tokenized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where it was read, `file:line`; `None` where it was generated.
    pub place: Option<String>,
    /// The text the policy reads.
    pub text: String,
    /// The problem behind it.
    pub task: Task,
}

impl DataConfig {
    /// What is wrong with the values of this section, one sentence each, without touching any file.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Countdown(config) => config.problems(),
            Self::Jsonl(_) => Vec::new(),
        }
    }

    /// Makes or reads the problems.
    ///
    /// # Errors
    /// If the configuration asks for more problems than there are, or if a file cannot be read or has a broken line.
    pub fn items(&self) -> Result<Items> {
        Ok(match self {
            Self::Countdown(config) => {
                let items = countdown::generate(config)?;
                let texts = |items: Vec<_>| items.into_iter().map(|problem| config.item(problem)).collect();
                Items { train: texts(items.train), eval: texts(items.eval) }
            }
            Self::Jsonl(config) => {
                Items { train: countdown::read(&config.path)?, eval: countdown::read(&config.eval_path)? }
            }
        })
    }

    /// Makes or reads the problems and tokenizes their texts.
    ///
    /// # Errors
    /// As [`DataConfig::items`] and [`Items::tokenize`].
    pub fn build(&self, tokenizer: &Tokenizer) -> Result<DataSet> {
        self.items()?.tokenize(tokenizer)
    }
}

impl Items {
    /// The problems as prompts.
    ///
    /// # Errors
    /// If a text cannot be tokenized or has no tokens.
    pub fn tokenize(self, tokenizer: &Tokenizer) -> Result<DataSet> {
        let eval_start = self.train.len() as u64;
        Ok(DataSet {
            train: tokenize(self.train, 0, tokenizer)?,
            eval: tokenize(self.eval, eval_start, tokenizer)?,
        })
    }
}

/// `items` as prompts with ids from `start`.
fn tokenize(items: Vec<Item>, start: u64, tokenizer: &Tokenizer) -> Result<Vec<Arc<Prompt>>> {
    let prompts = items.into_iter().zip(start..).map(|(Item { place, text, task }, id)| {
        let place = || place.unwrap_or_else(|| format!("prompt {id}"));
        let tokens = match tokenizer.encode(&text) {
            Ok(tokens) if tokens.is_empty() => {
                bail!("{}: the text {text:?} has no tokens; a policy needs at least one to read", place())
            }
            tokens => tokens.with_context(place)?,
        };
        Ok(Arc::new(Prompt { id, text, tokens, task }))
    });
    prompts.collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::{collections::HashSet, fs};

    use super::*;
    use crate::text::countdown_tokenizer;

    const SMALL: &str = r#"{"type": "countdown", "numbers": [3, 3], "max_number": 9, "targets": [1, 50],
        "train_items": 300, "eval_items": 20}"#;

    #[test]
    fn prompts_are_tokenized_and_their_ids_run_on_through_evaluation() {
        let tokenizer = countdown_tokenizer().unwrap();
        let config: DataConfig = serde_json::from_str(SMALL).unwrap();
        let data = config.build(&tokenizer).unwrap();
        assert_eq!((data.train.len(), data.eval.len()), (300, 20));
        let ids: Vec<u64> = data.train.iter().chain(&data.eval).map(|p| p.id).collect();
        assert_eq!(ids, (0..320).collect::<Vec<u64>>());
        for prompt in data.train.iter().chain(&data.eval) {
            assert_eq!(tokenizer.decode(&prompt.tokens, false).unwrap(), prompt.text);
        }
        let texts: HashSet<_> = data.train.iter().chain(&data.eval).map(|p| &p.text).collect();
        assert_eq!(texts.len(), 320);
    }

    #[test]
    fn problems_come_from_files_too() {
        let dir = tempfile::tempdir().unwrap();
        let (path, eval_path) = (dir.path().join("train.jsonl"), dir.path().join("eval.jsonl"));
        fs::write(&path, "{\"numbers\": [1, 2, 3], \"target\": 6}\n").unwrap();
        fs::write(&eval_path, "{\"prompt\": \"7?\", \"numbers\": [3, 4], \"target\": 7}\n").unwrap();
        let data = DataConfig::Jsonl(JsonlConfig { path, eval_path })
            .build(&countdown_tokenizer().unwrap())
            .unwrap();
        assert_eq!(data.train[0].text, "Make 6 from 1, 2, 3.\n");
        assert_eq!((data.eval[0].text.as_str(), data.eval[0].id), ("7?", 1));
    }

    #[test]
    fn unknown_keys_are_refused() {
        for broken in
            [SMALL.replace("max_number", "max_numbers"), r#"{"type": "jsonl", "file": "x"}"#.to_owned()]
        {
            let error = serde_json::from_str::<DataConfig>(&broken).unwrap_err().to_string();
            assert!(error.contains("unknown field"), "{error}");
        }
    }
}
