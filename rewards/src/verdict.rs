//! What a grader says of one response.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// Name of the part that every verdict on correctness holds: 1 where the response solves its task, else 0.
pub const CORRECT: &str = "correct";

/// How grading went. A wrong answer is [`Status::Ok`]: it was understood and judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// An answer was found and judged.
    Ok,
    /// The response holds no answer, or one that cannot be read.
    Unparsable,
    /// The grader gave up for lack of time.
    Timeout,
    /// The grader could not decide.
    Error,
}

impl Status {
    /// Whether the response was judged, if only for having no answer.
    pub fn is_judgement(self) -> bool {
        matches!(self, Self::Ok | Self::Unparsable)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Unparsable => "unparsable",
            Self::Timeout => "timeout",
            Self::Error => "error",
        })
    }
}

/// What a grader says of one response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The reward, in the grader's own scale.
    pub value: f64,
    /// Named parts; they need not add up to `value`. A grader that judges correctness gives [`CORRECT`] among them.
    pub parts: BTreeMap<String, f64>,
    /// How grading went.
    pub status: Status,
    /// The answer that was judged, as the response has it, where the grader found one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// What a grader has to say of the response: why the answer is wrong, where it knows; why there is no judgement, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Verdict {
    /// A verdict without answer and note.
    pub fn new(value: f64, parts: BTreeMap<String, f64>, status: Status) -> Self {
        Self { value, parts, status, answer: None, note: None }
    }

    /// The verdict that is worth 1 where the response is correct, else 0.
    pub fn from_correct(correct: bool, status: Status) -> Self {
        let value = f64::from(u8::from(correct));
        Self::new(value, BTreeMap::from([(CORRECT.into(), value)]), status)
    }

    /// The verdict on `answer` that `judge` gives; where there is none, the response cannot be read.
    pub(crate) fn on(answer: Option<String>, judge: impl FnOnce(&str) -> (bool, Status)) -> Self {
        let (correct, status) = answer.as_deref().map_or((false, Status::Unparsable), judge);
        Self { answer, ..Self::from_correct(correct, status) }
    }

    /// The verdict of a grader that judges no correctness: one part, which is the value.
    pub(crate) fn on_form(part: &str, value: f64) -> Self {
        Self::new(value, BTreeMap::from([(part.into(), value)]), Status::Ok)
    }

    /// What a grader says of a task that is not of its kind.
    pub(crate) fn undecided() -> Self {
        Self::from_correct(false, Status::Error)
    }

    /// Whether the response solves its task, whatever the scale of `value`.
    pub fn correct(&self) -> bool {
        self.parts.get(CORRECT).is_some_and(|&part| part == 1.0)
    }
}
