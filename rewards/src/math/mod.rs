//! Mathematics: find the answer in a response, and judge whether it says the same as the gold answer.
//!
//! Data flows one way:
//!
//! ```text
//! response -extract-> text -token-> tokens -parse-> Answer (of Nodes) -compare-> equal, different, undecided
//!                                   spelled alike or the same words: reading       options: choice
//!       what goes without saying: qualifier    sets in words: reals       large products: factored
//!                                              exact, approx, scalar: numbers and functions
//!                                              region: sets of reals       unit: units
//! ```
//!
//! The judge is strict where a policy could gain by it: a list of guesses is not one of them, a rounded value not the
//! value, and what cannot be evaluated equals nothing. A gold answer is trusted, the answer of a response is not: text,
//! depth, numbers and work are limited, so that each judgement takes milliseconds at worst.

mod approx;
mod choice;
mod compare;
mod exact;
mod extract;
mod factored;
mod function;
mod number;
mod numeral;
mod parse;
mod prose;
mod qualifier;
mod reading;
mod reals;
mod region;
mod scalar;
mod symbol;
mod text;
mod token;
mod tree;
mod unit;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Response, Reward, RewardSettings, Status, Task, TaskKind, Verdict};
use exact::Work;
use reading::Reading;

/// Whether `answer`, without box or phrase around it, says the same as `gold`.
///
/// The status is [`Status::Unparsable`] for a text that cannot be read, and [`Status::Error`] where the two are too
/// large or too close to decide.
pub fn judge(gold: &str, answer: &str) -> (bool, Status) {
    match equal(gold, answer) {
        Equality::Equal => (true, Status::Ok),
        Equality::Different => (false, Status::Ok),
        Equality::Unreadable => (false, Status::Unparsable),
        Equality::Undecided => (false, Status::Error),
    }
}

/// How two answers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Equality {
    /// They say the same.
    Equal,
    /// They do not.
    Different,
    /// The answer is in no notation known here, and not spelled like the gold answer.
    Unreadable,
    /// Both were read, but not decided: a value is undefined, too large, or too close to the other to tell.
    Undecided,
}

/// The answer that `response` gives, as written; none where it gives none. See the module's source for the forms.
pub fn extract(response: &str) -> Option<String> {
    extract::answer(response)
}

/// Compares `answer` with `gold`, both without box or phrase around them.
pub fn equal(gold: &str, answer: &str) -> Equality {
    let (gold, answer) = (text::plain(gold), text::plain(answer));
    if gold == answer && answer.contains(char::is_alphanumeric) {
        return Equality::Equal;
    }
    let (golds, answers) = (reading::readings(&gold), reading::readings(&answer));
    let pairs = || golds.iter().flat_map(|gold| answers.iter().map(move |answer| (gold, answer)));
    if pairs().any(|(gold, answer)| gold.is_spelled(answer) && gold.says_as_much(answer)) {
        return Equality::Equal;
    }
    if !answers.iter().any(Reading::is_understood) {
        return Equality::Unreadable;
    }
    let understood = golds.iter().any(Reading::is_understood);
    let mut verdict = if understood { Equality::Different } else { Equality::Undecided };
    let work = Work::new();
    for (gold, answer) in pairs() {
        match gold.same(answer, &work) {
            Some(true) => return Equality::Equal,
            Some(false) => {}
            None => verdict = Equality::Undecided,
        }
    }
    verdict
}

/// Keys of the `math` grader: none so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MathConfig {}

impl RewardSettings for MathConfig {
    fn judges(&self, kind: TaskKind) -> bool {
        kind == TaskKind::Question
    }

    fn build(&self, _: &[String]) -> Result<Box<dyn Reward>, String> {
        Ok(Box::new(MathReward::new(self.clone())))
    }
}

/// Grades mathematical answers in LaTeX or plain notation: 1 where the response says the same as the gold answer, else 0.
#[derive(Clone, Debug)]
pub struct MathReward;

impl MathReward {
    /// The grader that `config` describes.
    pub fn new(MathConfig {}: MathConfig) -> Self {
        Self
    }
}

impl Reward for MathReward {
    fn name(&self) -> &str {
        "math"
    }

    fn score(&self, task: &Task, response: &Response<'_>) -> Verdict {
        let Task::Question(question) = task else {
            return Verdict::undecided();
        };
        let answer = if response.is_answer {
            Some(response.text.to_owned())
        } else {
            response.spoken().and_then(extract)
        };
        Verdict::on(answer, |answer| judge(&question.answer, answer))
    }
}
