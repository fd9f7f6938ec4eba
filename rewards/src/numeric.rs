//! Questions with a number as answer, as in GSM8K.
//!
//! Where the response marks an answer ([`marked`](crate::marked)), the marked text decides, and nothing else of the
//! response: what it claims ([`claim`](crate::claim)) behind its last `=` must hold one number, or the same one several times,
//! and no operation on it. "18 or 20" and "2 * 9" are no answers; in "18, not 20" and "18 (20 is wrong)" only 18 is claimed.
//! Without a mark the last number of the response that its sentence does not deny is its answer, unless another number is
//! joined to it by no more than commas, slashes, colons, operations, "and", "or", "to" or "maybe": the end of a list is not an
//! answer. Nor is a number that is denied or a bound: "not 18", "18 is wrong", "less than 18", "x < 18".
//!
//! A number is written with digits, thousands separators (`1,000`, `1{,}000`), a decimal point, a sign (`-5`, `+5`, "minus
//! 5"), as a fraction (`3/4`, `1 3/4`, `1½`, `\frac{3}{4}`, "5 and a half") or with an exponent (`1.8e4`); "dozen", "hundred"
//! to "trillion" behind it scale it, a dozen in a response without a mark is what is counted. Signs of currency, percent
//! signs and units are passed over, as are commands that only dress what is in them (`\text`, `\mathbf`). Digits that continue
//! a word or an exponent (`H2O`, `m^2`) are no number, and digits that go on in a way that is not read here (`5x`, `5 - x`,
//! `x/5`, `5²`, `5_8`, `5k`, `5!` in a box, `3.33...`, "5 squared", "up to 5", a command that is not known to say nothing of
//! its value) are one without a value, which is no answer. Numbers are compared exactly.

use crate::{RewardSettings, TaskKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod before;
mod behind;
mod number;
mod tidy;
mod words;

use crate::{
    Expression, Question, Rational, Response, Reward, Status, Task, Verdict,
    claim::{self, Manner, Stance},
    hedge,
    marked::{self, Kind},
    struck::without_struck,
    thought,
};
use number::{Number, numbers};
use tidy::tidy;

/// Most numbers that a claim may hold, to be read for what it says of them.
const MAX_NUMBERS: usize = 64;
/// How far around the last number of a response its sentence is read, in bytes.
const MAX_SENTENCE: usize = 300;

/// The text of the number that `response` gives as its answer; none where it gives none, or several.
pub fn extract(response: &str) -> Option<String> {
    let text = tidy(&without_struck(thought::spoken(response, false)?));
    let mut denied = Vec::new();
    let mut answer = None;
    for mark in marked::marks(&text, |text| !numbers(text).is_empty()) {
        let is_sign = mark.kind == Kind::Sign;
        let claim = Claim::from_text(if is_sign { mark.content } else { without_sum(mark.content) }, is_sign);
        match mark.kind {
            Kind::Phrase if claim.is_silent => continue,
            Kind::Loose if !claim.is_clean(mark.said) => continue,
            _ => {}
        }
        denied.extend(claim.denied);
        match claim.number {
            Some(number) if mark.is_denied(&text) => denied.extend(number.value),
            Some(number) => answer = Some((mark.content, number)),
            None if claim.is_silent || claim.is_open => return None,
            None => continue,
        }
        if answer.is_some() {
            break;
        }
    }
    let (content, number) = answer.or_else(|| last(&text).map(|number| (text.as_str(), number)))?;
    number.value.filter(|value| !denied.contains(value))?;
    content.get(number.start..number.end).map(str::to_owned)
}

/// Whether `answer` is the number that `gold` is, or marks where it is a whole solution.
///
/// The status is [`Status::Unparsable`] for an answer that is not one number, and [`Status::Error`] for a gold answer that
/// is not.
pub fn judge(gold: &str, answer: &str) -> (bool, Status) {
    let value = |text: &str| {
        Claim::from_text(&tidy(&without_struck(text)), true).number.and_then(|number| number.value)
    };
    let gold = marked::signs(gold).first().map_or(gold, |mark| mark.content);
    match (value(gold), value(answer)) {
        (None, _) => (false, Status::Error),
        (_, None) => (false, Status::Unparsable),
        (Some(gold), Some(answer)) => (gold == answer, Status::Ok),
    }
}

/// What a marked text says.
#[derive(Debug, Default)]
struct Claim {
    /// The one number that it claims.
    number: Option<Number>,
    /// The numbers that it denies.
    denied: Vec<Rational>,
    /// Whether it claims something that is not one number.
    is_open: bool,
    /// Whether it speaks of no number.
    is_silent: bool,
}

impl Claim {
    /// Whether it denies numbers, or claims the last one of `said`.
    fn is_clean(&self, said: &str) -> bool {
        let last = numbers(said).pop().and_then(|number| number.value);
        self.number.is_none() && !self.denied.is_empty()
            || self.number.is_some_and(|number| number.value == last)
    }

    /// What `text` says, in which an exclamation mark is a factorial where it `is_sign`, a box or the like: of several
    /// numbers and of operations it says none.
    fn from_text(text: &str, is_sign: bool) -> Self {
        let all = numbers(text);
        let open = Self { is_open: true, ..Self::default() };
        if all.is_empty() || all.len() > MAX_NUMBERS {
            return Self { is_silent: all.is_empty(), ..open };
        }
        let places: Vec<_> = all.iter().map(|number| number.start..number.end).collect();
        let reading = claim::read(text, &places, Manner::Numbers);
        let of = |stance| {
            all.iter()
                .zip(&reading.stances)
                .filter(move |(_, other)| **other == stance)
                .map(|(number, _)| *number)
        };
        let mut denied: Vec<Rational> = of(Stance::Denied).filter_map(|number| number.value).collect();
        // What follows the last equals sign counts.
        let from =
            text.match_indices('=').map(|(at, _)| at + 1).rfind(|at| !reading.is_aside(*at)).unwrap_or(0);
        let claimed: Vec<Number> = of(Stance::Claimed).filter(|number| number.start >= from).collect();
        if reading.rejected {
            denied.extend(claimed.iter().filter_map(|number| number.value));
            return Self { denied, ..Self::default() };
        }
        let Some(first) = claimed.first().copied() else {
            return Self {
                is_open: of(Stance::Open).next().is_some() || denied.is_empty(),
                denied,
                ..Self::default()
            };
        };
        let said = |at: usize| at >= from && !reading.is_aside(at);
        let same = claimed.windows(2).all(|pair| is_again(text, pair));
        let bounded = claimed.iter().any(|number| {
            let (before, after) = text.split_at_checked(number.start).unwrap_or_default();
            let after = after.get(number.end - number.start..).unwrap_or_default();
            hedge::bounds_what_follows(before)
                || hedge::bounds_what_precedes(after)
                || before::hangs_on_dash(before)
                || is_sign && behind::is_unread_in_sign(after)
                || matches!(before.trim(), "<" | ">")
        });
        let clear = same && !bounded && of(Stance::Open).next().is_none() && !has_operation(text, &all, said);
        let number =
            Some(first).filter(|first| clear && first.value.is_some_and(|value| !denied.contains(&value)));
        Self { is_open: number.is_none(), number, denied, ..Self::default() }
    }
}

/// `text` without the terms behind its number, where they come to the number: "3 (1 + 2)", "3: 1 + 2".
fn without_sum(text: &str) -> &str {
    let parted =
        text.strip_suffix(')').and_then(|text| text.split_once(" (")).or_else(|| text.split_once(": "));
    let Some((said, terms)) = parted else { return text };
    let value = Expression::parse(terms).ok().and_then(|terms| terms.value().ok());
    let same =
        value.is_some() && Claim::from_text(said, false).number.and_then(|number| number.value) == value;
    if same { said } else { text }
}

/// Whether the second number only says the first once more.
fn is_again(text: &str, pair: &[Number]) -> bool {
    let [first, second] = pair else { return false };
    let between = text.get(first.end..second.start).unwrap_or_default();
    let parts = between == "," || matches!(between.trim(), "/" | ":" | "." | "..");
    first.value == second.value && !parts && !is_operation(between)
}

/// Whether `between`, what parts two numbers, makes one term of them.
fn is_operation(between: &str) -> bool {
    let sign = between.trim();
    !sign.is_empty() && sign.chars().all(|c| "-–—÷×x·^*+~/".contains(c))
        || ["plus", "minus", "times", "by", "over", "divided by"].contains(&sign)
}

/// Whether there is an operation in `text`, outside of its numbers and where `said` holds: a sign of one, or a command of
/// LaTeX that says something of numbers.
fn has_operation(text: &str, numbers: &[Number], said: impl Fn(usize) -> bool) -> bool {
    const OPERATIONS: [char; 9] = ['+', '*', '×', '·', '⋅', '÷', '√', 'π', '\\'];
    text.match_indices(OPERATIONS).any(|(at, sign)| {
        let rest = text.get(at..).unwrap_or_default();
        // Of "\\\\so" only the first backslash begins a command.
        let escaped = || text.get(..at).is_some_and(|before| before.ends_with('\\'));
        let operates = match sign {
            "\\" => words::counts(rest) && !escaped() && !rest.starts_with("\\circ"),
            "*" => !is_emphasis(text, at),
            _ => true,
        };
        let within = || numbers.iter().any(|number| (number.start..number.end).contains(&at));
        operates && said(at) && !within()
    })
}

/// Whether the asterisk at `at` is no operation: a blank or the end stands on one side of it and none on the other.
fn is_emphasis(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default().trim_end_matches('*');
    let after = text.get(at..).unwrap_or_default().trim_start_matches('*');
    let ends = before.ends_with(|c: char| c.is_alphanumeric() || ")}%".contains(c));
    let begins = after.starts_with(|c: char| c.is_alphanumeric() || "($\\£€-+.".contains(c));
    let apart = before.ends_with(char::is_whitespace) && after.starts_with(char::is_whitespace);
    !(ends && begins || apart)
}

/// The last number of `text`, a whole response, that its sentence does not deny.
fn last(text: &str) -> Option<Number> {
    let all = numbers(text);
    let end = all.last()?;
    let from = sentence_start(text, end.start);
    let line = text.get(end.end..)?.lines().next().unwrap_or_default();
    let limit = (0..=line.len().min(MAX_SENTENCE)).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
    let to = end.end + claim::sentence(line.get(..limit)?).len();
    let here: Vec<Number> = all.iter().copied().filter(|number| number.start >= from).collect();
    let places: Vec<_> = here.iter().map(|number| number.start - from..number.end - from).collect();
    let reading = claim::read(text.get(from..to)?, &places, Manner::Prose);
    let is_denied = |n: usize| reading.stances.get(n) == Some(&Stance::Denied);
    let at = (0..here.len()).rev().find(|n| !is_denied(*n)).filter(|_| !reading.rejected)?;
    let last = here.get(at).filter(|last| last.value.is_some())?;
    let denied = here.iter().enumerate().any(|(n, number)| is_denied(n) && number.value == last.value);
    let before = all.get(..all.len() - here.len() + at).and_then(<[Number]>::last);
    let joined = before.is_some_and(|before| is_joined(text, before, last));
    let bounded = text.get(..last.start).is_some_and(hedge::bounds_what_follows);
    let taken_back = text.get(to..).is_some_and(claim::is_taken_back);
    (!joined && !denied && !bounded && !taken_back).then(|| counted(text, *last))
}

/// `number` without the dozen behind it, which in prose is what is counted: "so she needs 7 dozen eggs".
fn counted(text: &str, number: Number) -> Number {
    let said = text.get(number.start..number.end).unwrap_or_default();
    let dozen =
        said.to_ascii_lowercase().find("dozen").and_then(|at| numbers(said.get(..at)?.trim_end()).pop());
    dozen.map_or(number, |count| Number {
        start: number.start,
        end: number.start + count.end,
        value: count.value,
    })
}

/// Where the sentence around `at` begins.
fn sentence_start(text: &str, at: usize) -> usize {
    let start =
        (at.saturating_sub(MAX_SENTENCE)..=at).find(|start| text.is_char_boundary(*start)).unwrap_or(at);
    let line = text.get(start..at).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
    at - claim::last_sentence(line).len()
}

/// Whether `last` belongs to a list or an operation with the number before it, so that it is no answer.
fn is_joined(text: &str, before: &Number, last: &Number) -> bool {
    const JOINTS: [&str; 6] = ["and", "or", "to", "maybe", "perhaps", "possibly"];
    let between = text.get(before.end..last.start).unwrap_or_default();
    let is_sign = |c: char| c.is_whitespace() || ",;:/|&%$\\\"'`*".contains(c);
    let mut words = between.split(is_sign).filter(|word| !word.is_empty());
    let listed = words.all(|word| JOINTS.iter().any(|joint| word.eq_ignore_ascii_case(joint)));
    before.value != last.value && listed || is_operation(between)
}

/// Keys of the `numeric` grader: none so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NumericConfig {}

impl RewardSettings for NumericConfig {
    fn judges(&self, kind: TaskKind) -> bool {
        kind == TaskKind::Question
    }

    fn build(&self, _: &[String]) -> Result<Box<dyn Reward>, String> {
        Ok(Box::new(NumericReward::new(self.clone())))
    }
}

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
