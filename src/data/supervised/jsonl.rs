//! Pairs of a prompt and a response, a line each.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Example, Limits, Problems, SourceSettings, Texts, example};
use crate::data::{PromptBuilder, jsonl};
use crate::types::RunRandom;

/// Keys of `type = "jsonl"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JsonlSource {
    /// The file with the pairs.
    pub path: PathBuf,
}

/// A line of a file of pairs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    prompt: String,
    response: String,
}

impl SourceSettings for JsonlSource {
    fn files(&self) -> Vec<&Path> {
        vec![&self.path]
    }

    fn texts(&self, _: Problems<'_>, builder: &PromptBuilder<'_>, limits: Limits) -> Result<Box<dyn Texts>> {
        let expected = r#"{"prompt": text, "response": text}, neither empty"#;
        let pairs: Vec<Example> = jsonl::read(&self.path, expected, |Pair { prompt, response }, _| {
            ensure!(!prompt.is_empty(), "`prompt` is empty");
            ensure!(!response.is_empty(), "`response` is empty");
            let prompt = builder.written_out(&prompt)?;
            ensure!(!prompt.is_empty(), "`prompt` has no tokens");
            let example = example(prompt, &response, builder.tokenizer())?;
            limits.check(example.prompt.len(), example.response.len())?;
            Ok(example)
        })?;
        Ok(Box::new(pairs))
    }
}

impl Texts for Vec<Example> {
    fn n(&self) -> usize {
        self.len()
    }

    fn example(&self, i: usize, _: u64, _: &RunRandom) -> Result<Example> {
        Ok(self[i].clone())
    }
}
