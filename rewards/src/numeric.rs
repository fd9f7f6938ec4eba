//! Questions with a number as answer, as in GSM8K.
//!
//! Where the response marks an answer ([`marked`](crate::marked)), the marked text decides, and nothing else of the
//! response: what follows its last `=` must hold one number, or the same one several times, and no operation on it. "18 or
//! 20" and "2 * 9" are no answers. Without a mark the last number of the response is its answer, unless another number is
//! joined to it by no more than commas, slashes, colons, "and", "or", "to" or "maybe": the end of a list is not an answer.
//! Nor is a number that is denied or a bound: "not 18", "less than 18", "x < 18".
//!
//! A number is written with digits, thousands separators (`1,000`, `1{,}000`), a decimal point, a sign, as a fraction
//! (`3/4`, `1 3/4`, `\frac{3}{4}`) or with an exponent (`1.8e4`); "thousand" to "trillion" behind it scale it. Signs of
//! currency, percent signs and units are passed over. Digits that continue a word or an exponent (`H2O`, `m^2`) are no
//! number. Numbers are compared exactly.

use serde::{Deserialize, Serialize};

mod number;

use crate::{Question, Response, Reward, Status, Task, Verdict, hedge, marked, thought};
use number::{Number, numbers};

/// The text of the number that `response` gives as its answer; none where it gives none, or several.
pub fn extract(response: &str) -> Option<String> {
    let text = tidy(thought::spoken(response, false)?);
    let holds_number = |text: &str| !numbers(text).is_empty();
    let (text, number) = match marked::last(&text, holds_number) {
        Some(marked) => (marked, only(marked)?),
        None => (text.as_str(), last(&text)?),
    };
    text.get(number.start..number.end).map(str::to_owned)
}

/// Whether `answer` is the number that `gold` is, or marks where it is a whole solution.
///
/// The status is [`Status::Unparsable`] for an answer that is not one number, and [`Status::Error`] for a gold answer that
/// is not.
pub fn judge(gold: &str, answer: &str) -> (bool, Status) {
    let value = |text: &str| only(&tidy(text)).and_then(|number| number.value);
    let gold = marked::last(gold, |_| false).unwrap_or(gold);
    match (value(gold), value(answer)) {
        (None, _) => (false, Status::Error),
        (_, None) => (false, Status::Unparsable),
        (Some(gold), Some(answer)) => (gold == answer, Status::Ok),
    }
}

/// `text` without the spellings of LaTeX that stand within numbers.
fn tidy(text: &str) -> String {
    text.replace("{,}", ",").replace("\\,", "").replace("\\!", "").replace('\u{2212}', "-")
}

/// The number that `text`, an answer as it stands, says.
fn only(text: &str) -> Option<Number> {
    const OPERATIONS: [&str; 11] = ["+", "*", "×", "·", "÷", "√", "π", "\\sqrt", "\\pi", "\\times", "\\cdot"];
    let start = text.rfind('=').map_or(0, |at| at + 1);
    let said = text.get(start..)?;
    if OPERATIONS.iter().any(|operation| said.contains(operation)) {
        return None;
    }
    let all = numbers(said);
    let first = all.first().filter(|first| first.value.is_some())?;
    // A minus at a distance belongs to the number or is an operation.
    if said.get(..first.start).is_some_and(|before| before.trim_end().ends_with('-')) {
        return None;
    }
    if text.get(..start + first.start).is_some_and(hedge::denies_what_follows) {
        return None;
    }
    let same = all.iter().all(|number| number.value == first.value);
    same.then(|| Number { start: start + first.start, end: start + first.end, value: first.value })
}

/// The last number of `text`, a whole response.
fn last(text: &str) -> Option<Number> {
    const JOINTS: [&str; 6] = ["and", "or", "to", "maybe", "perhaps", "possibly"];
    let mut all = numbers(text);
    let last = all.pop().filter(|last| last.value.is_some())?;
    let joined = all.last().is_some_and(|before| {
        let between = text.get(before.end..last.start).unwrap_or_default();
        let is_sign = |c: char| c.is_whitespace() || ",;:/|&%$\\\"'`*".contains(c);
        let mut words = between.split(is_sign).filter(|word| !word.is_empty());
        before.value != last.value
            && words.all(|word| JOINTS.iter().any(|joint| word.eq_ignore_ascii_case(joint)))
    });
    let denied = text.get(..last.start).is_some_and(hedge::denies_what_follows);
    (!joined && !denied).then_some(last)
}

/// Keys of the `numeric` grader: none so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumericConfig {}

/// Grades answers that are numbers: 1 where the response gives the gold number, else 0.
#[derive(Clone, Debug)]
pub struct NumericReward;

impl NumericReward {
    /// The grader that `config` describes.
    pub fn new(NumericConfig {}: NumericConfig) -> Self {
        Self
    }
}

impl Reward for NumericReward {
    fn name(&self) -> &str {
        "numeric"
    }

    fn score(&self, task: &Task, response: &Response<'_>) -> Verdict {
        let Task::Question(Question { answer: gold, .. }) = task else {
            return Verdict::undecided();
        };
        // A gold answer that is no number is an error whatever the response says.
        if judge(gold, gold).1 == Status::Error {
            return Verdict::undecided();
        }
        let answer = if response.is_answer {
            Some(response.text.to_owned())
        } else {
            response.spoken().and_then(extract)
        };
        Verdict::on(answer, |answer| judge(gold, answer))
    }
}
