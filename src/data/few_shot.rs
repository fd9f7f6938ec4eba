//! `[data] few_shot`: worked examples before every problem.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A worked example: a problem like those of the files, and how it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FewShotConfig {
    /// What the prompt asks with where it says `{question}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// What it says for its other parts, such as `{ numbers = "3, 7, 12", target = "45" }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// The answer, written as a response is to be.
    pub response: String,
}

/// A worked example as it is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Worked {
    /// The text that asks.
    pub asked: String,
    /// The answer.
    pub response: String,
}

impl FewShotConfig {
    /// What it has for each part of a prompt.
    pub(super) fn parts(&self) -> BTreeMap<String, String> {
        let question = self.question.iter().map(|text| ("question".to_owned(), text.clone()));
        self.fields.clone().into_iter().chain(question).collect()
    }
}
