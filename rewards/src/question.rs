//! A question with a known answer, which several graders judge, each in its own way.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One question and what a grader may need to know of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The gold answer, as the data has it.
    pub answer: String,
    /// Other fields of the data row, for graders that look at more than the gold answer.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
}

impl Question {
    /// A question with no other fields than its gold answer.
    pub fn new(answer: impl Into<String>) -> Self {
        Self { answer: answer.into(), fields: Map::new() }
    }
}
