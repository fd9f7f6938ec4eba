//! Mathematics: find the answer in a response, and judge whether it says the same as the gold answer.
//!
//! Data flows one way:
//!
//! ```text
//! response -extract-> text -token-> tokens -parse-> Answer (of Nodes) -compare-> equal, different, undecided
//!                                              exact, approx, scalar: numbers and functions
//!                                              region: sets of reals       unit: units
//! ```
//!
//! The judge is strict where a policy could gain by it: a list of guesses is not one of them, a rounded value not the
//! value, and what cannot be evaluated equals nothing. A gold answer is trusted, the answer of a response is not: text,
//! depth, numbers and work are limited, so that each judgement takes milliseconds at worst.

mod approx;
mod compare;
mod exact;
mod extract;
mod function;
mod number;
mod parse;
mod region;
mod scalar;
mod symbol;
mod token;
mod tree;
mod unit;

use serde::{Deserialize, Serialize};

use crate::{Response, Reward, Status, Task, Verdict};
use exact::Work;
use token::{Commas, Spaced, Token, Unreadable};
use tree::Answer;

/// Whether `answer`, without box or phrase around it, says the same as `gold`.
///
/// The status is [`Status::Unparsable`] for a text that cannot be read, and [`Status::Error`] where the two are too large
/// or too close to decide.
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
    let spelled = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    if spelled(gold) == spelled(answer) && answer.contains(char::is_alphanumeric) {
        return Equality::Equal;
    }
    let (golds, answers) = (readings(gold), readings(answer));
    if answers.is_empty() {
        return Equality::Unreadable;
    }
    let work = Work::new();
    let mut verdict = if golds.is_empty() { Equality::Undecided } else { Equality::Different };
    for (gold, answer) in golds.iter().flat_map(|gold| answers.iter().map(move |answer| (gold, answer))) {
        match gold.same(answer, &work) {
            Some(true) => return Equality::Equal,
            Some(false) => {}
            None => verdict = Equality::Undecided,
        }
    }
    verdict
}

/// One way to read a text.
struct Reading {
    tokens: Vec<Spaced>,
    answer: Option<Answer>,
}

/// The ways to read the commas in `text`; none where it cannot be read.
fn readings(text: &str) -> Vec<Reading> {
    let read = |commas| -> Result<(Reading, bool), Unreadable> {
        let (tokens, ambiguous) = token::tokens(text, commas)?;
        let answer = parse::answer(&tokens).ok();
        Ok((Reading { tokens, answer }, ambiguous))
    };
    let Ok((reading, ambiguous)) = read(Commas::Group) else { return Vec::new() };
    let other = if ambiguous { read(Commas::Separate).ok() } else { None };
    let all = std::iter::once(reading).chain(other.map(|(reading, _)| reading));
    all.filter(|reading| reading.answer.is_some() || reading.words().is_some()).collect()
}

impl Reading {
    /// The text as words, where it has a real one.
    fn words(&self) -> Option<String> {
        let is_word = |token: &Token| matches!(token, Token::Word(word) if word.chars().count() > 1);
        let has_word = self.tokens.iter().any(|spaced| is_word(&spaced.token));
        parse::words(&self.tokens).filter(|_| has_word)
    }

    fn same(&self, other: &Self, work: &Work) -> Option<bool> {
        let worded = self.words().is_some() || other.words().is_some();
        if worded
            && parse::words(&self.tokens).is_some_and(|words| parse::words(&other.tokens) == Some(words))
        {
            return Some(true);
        }
        match (&self.answer, &other.answer) {
            (Some(a), Some(b)) => compare::same_answer(a, b, work),
            _ => Some(false),
        }
    }
}

/// Keys of the `math` grader: none so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MathConfig {}

/// Grades mathematical answers in LaTeX or plain notation: 1 where the answer in the response says the same as the gold answer, else 0.
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
        let text = response.text;
        let answer = if response.is_answer { Some(text.to_owned()) } else { extract(text) };
        Verdict::on(answer, |answer| judge(&question.answer, answer))
    }
}
