//! Countdown: with each given number exactly once, + - * / and parentheses, write an expression that equals the target.
//!
//! The answer is what stands in the last `<answer>…</answer>` behind the thought of the response, and nothing but an
//! [`Expression`]: a trailing `= target` is wrong here as in the public checkers.

use std::fmt;

use crate::{RewardSettings, TaskKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Response, Reward, Status, Task, Verdict,
    expression::{Expression, ParseError},
    preset::Preset,
    rational::{ArithmeticError, Rational},
    tags, whole,
};

/// One Countdown problem.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Countdown {
    /// The numbers, each to be used exactly once, in no order.
    #[serde(deserialize_with = "whole::list")]
    pub numbers: Vec<u32>,
    /// The value to reach.
    #[serde(deserialize_with = "whole::number")]
    pub target: u32,
}

impl Countdown {
    /// Whether `answer` is an expression that equals the target and uses each number exactly once.
    ///
    /// The status is [`Status::Unparsable`] for a text that is no expression, and [`Status::Error`] where an exact
    /// intermediate result does not fit, which takes numbers far above those of the game; a division by zero is wrong.
    pub fn judge(&self, answer: &str) -> (bool, Status) {
        match self.solved_by(answer) {
            Ok(()) => (true, Status::Ok),
            Err(fault) => (false, fault.status()),
        }
    }

    /// As [`Countdown::judge`], with what is wrong.
    fn solved_by(&self, answer: &str) -> Result<(), Fault> {
        let expression = Expression::parse(answer).map_err(Fault::Unreadable)?;
        let (mut used, mut given) = (expression.numbers(), self.numbers.clone());
        used.sort_unstable();
        given.sort_unstable();
        // Only what uses the given numbers is evaluated, so that the problem bounds the work.
        if used != given {
            return Err(Fault::OtherNumbers { used, given });
        }
        let value = expression.value().map_err(Fault::NoValue)?;
        if value == Rational::from(self.target) { Ok(()) } else { Err(Fault::OtherValue(value)) }
    }
}

/// What is wrong with an answer.
#[derive(Debug)]
enum Fault {
    Unreadable(ParseError),
    OtherNumbers { used: Vec<u32>, given: Vec<u32> },
    NoValue(ArithmeticError),
    OtherValue(Rational),
}

impl Fault {
    fn status(&self) -> Status {
        match self {
            Self::Unreadable(_) => Status::Unparsable,
            Self::NoValue(ArithmeticError::Overflow) => Status::Error,
            Self::OtherNumbers { .. }
            | Self::NoValue(ArithmeticError::DivisionByZero)
            | Self::OtherValue(_) => Status::Ok,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Unreadable(error) => write!(f, "no expression: {error}"),
            Self::OtherNumbers { used, given } => {
                write!(f, "uses {} of the given {}", list(used), list(given))
            }
            Self::NoValue(error) => write!(f, "{error}"),
            Self::OtherValue(value) => write!(f, "comes to {value}"),
        }
    }
}

/// Keys of the `countdown` grader.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CountdownConfig {
    /// Scale of the reward.
    #[serde(default)]
    pub preset: Preset,
}

impl RewardSettings for CountdownConfig {
    fn judges(&self, kind: TaskKind) -> bool {
        kind == TaskKind::Countdown
    }

    fn build(&self, _: &[String]) -> Result<Box<dyn Reward>, String> {
        Ok(Box::new(CountdownReward::new(self.clone())))
    }
}

/// Grades Countdown responses in the scale of a [`Preset`].
///
/// Parts: [`CORRECT`](crate::CORRECT); with a preset of a public source also its `format` and `answer` before weighting. The status is
/// that of the judgement behind [`CORRECT`](crate::CORRECT).
#[derive(Clone, Debug)]
pub struct CountdownReward {
    preset: Preset,
}

impl CountdownReward {
    /// The grader that `config` describes.
    pub fn new(config: CountdownConfig) -> Self {
        Self { preset: config.preset }
    }
}

impl Reward for CountdownReward {
    fn name(&self) -> &str {
        "countdown"
    }

    fn score(&self, task: &Task, response: &Response<'_>) -> Verdict {
        let Task::Countdown(task) = task else {
            return Verdict::undecided();
        };
        let text = response.text;
        let spoken = if response.is_answer { Some(text) } else { response.spoken() };
        let answer = if response.is_answer { spoken } else { spoken.and_then(tags::last_answer) };
        let mut note = None;
        let mut verdict = Verdict::on(answer.map(str::to_owned), |answer| {
            let fault = task.solved_by(answer).err();
            note = fault.as_ref().map(Fault::to_string);
            (fault.is_none(), fault.map_or(Status::Ok, |fault| fault.status()))
        });
        verdict.note = note;
        let right = |answer: &str| spoken.is_some() && task.judge(answer).0;
        if let Some(shape) = self.preset.shape(text, right) {
            verdict.value = shape.value;
            verdict.parts.insert("format".into(), shape.format);
            verdict.parts.insert("answer".into(), shape.answer);
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_by_value_and_by_use_of_the_numbers() {
        let task = Countdown { numbers: vec![3, 3, 8, 8], target: 24 };
        for (answer, expected) in [
            ("8 / (3 - 8 / 3)", (true, Status::Ok)),
            ("8*3 + 8*3 - 24", (false, Status::Ok)),
            ("8 * 3 * (8 - 3) / 5", (false, Status::Ok)),
            ("8 * 3", (false, Status::Ok)),
            ("24", (false, Status::Ok)),
            ("8 + 8 + 3 + 3", (false, Status::Ok)),
            ("8 / (3 - 3) + 8", (false, Status::Ok)),
            ("8 / (3 - 8 / 3) = 24", (false, Status::Unparsable)),
            ("8 / (3 - 8 / 3", (false, Status::Unparsable)),
            ("38 - 8 - 3 - 3", (false, Status::Ok)),
        ] {
            assert_eq!(task.judge(answer), expected, "{answer}");
        }
    }

    #[test]
    fn a_wrong_answer_is_told_why() {
        let task = Task::Countdown(Countdown { numbers: vec![2, 3, 8], target: 24 });
        let grader = CountdownReward::new(CountdownConfig::default());
        for (answer, expected) in [
            ("8 * 3 * 2", "comes to 48"),
            ("8 / 3 - 2", "comes to 2/3"),
            ("8 * 3", "uses 3, 8 of the given 2, 3, 8"),
            ("8 / (3 - 3) + 2", "uses 2, 3, 3, 8 of the given 2, 3, 8"),
            ("8 * 3 =", "no expression: "),
        ] {
            let verdict = grader.score(&task, &Response::new(&format!("<answer>{answer}</answer>")));
            let note = verdict.note.unwrap_or_default();
            assert!(note.starts_with(expected), "{answer}: {note}");
        }
        let task = Task::Countdown(Countdown { numbers: vec![2, 2, 8], target: 8 });
        let note =
            |answer: &str| grader.score(&task, &Response::new(&format!("<answer>{answer}</answer>"))).note;
        assert_eq!(note("8 / (2 - 2)").as_deref(), Some("division by zero"));
        assert_eq!(note("8 + 2 - 2"), None);
        assert_eq!(grader.score(&task, &Response::new("8")).note, None);
    }

    #[test]
    fn an_answer_too_large_to_decide_is_an_error() {
        let task = Countdown { numbers: vec![u32::MAX; 5], target: 1 };
        let n = u32::MAX;
        assert_eq!(task.judge(&format!("{n}*{n}*{n}*{n}*{n}")), (false, Status::Error));
        assert_eq!(task.judge(&format!("{n}-{n}+{n}/{n}*{n}")), (false, Status::Ok));
        assert_eq!(task.judge(&format!("{n}*{n}/{n}/{n}*{n}")), (false, Status::Ok));
    }

    #[test]
    fn correct_does_not_depend_on_the_preset() {
        let task = Task::Countdown(Countdown { numbers: vec![2, 3], target: 6 });
        let response = "in <answer> tags: <answer>3 + 2</answer>\nno: <answer>\n2 * 3\n</answer>\n";
        for (preset, value) in
            [(Preset::Exact, 1.0), (Preset::TinyZero, 0.0), (Preset::NanoAha, 0.0), (Preset::GrpoZero, 0.05)]
        {
            let verdict =
                CountdownReward::new(CountdownConfig { preset }).score(&task, &Response::new(response));
            assert_eq!((verdict.value, verdict.status), (value, Status::Ok), "{preset:?}");
            assert!(verdict.correct(), "{preset:?}");
        }
    }

    #[test]
    fn a_guess_in_a_thought_is_no_answer() {
        let task = Task::Countdown(Countdown { numbers: vec![2, 3], target: 6 });
        let presets = [Preset::Exact, Preset::TinyZero, Preset::NanoAha, Preset::GrpoZero];
        for (text, in_thought) in
            [("<answer>2 * 3</answer>", true), ("<think>\n<answer>2 * 3</answer>", false)]
        {
            for preset in presets {
                let grader = CountdownReward::new(CountdownConfig { preset });
                let verdict = grader.score(&task, &Response { in_thought, ..Response::new(text) });
                assert!(verdict.value < 0.2 && !verdict.correct(), "{preset:?}: {verdict:?}");
                assert_eq!((verdict.status, verdict.answer), (Status::Unparsable, None));
            }
        }
        for preset in presets {
            let ended = Response { in_thought: true, ..Response::new("so</think>\n<answer>2 * 3</answer>") };
            let verdict = CountdownReward::new(CountdownConfig { preset }).score(&task, &ended);
            assert!(verdict.value >= 1.0 && verdict.correct(), "{preset:?}");
        }
        let inside = Response::new("<answer>2 * 3</answer></think> I give up");
        assert!(!CountdownReward::new(CountdownConfig::default()).score(&task, &inside).correct());
    }

    #[test]
    fn a_response_without_an_answer_is_unparsable() {
        let task = Task::Countdown(Countdown { numbers: vec![2, 3], target: 6 });
        let verdict = CountdownReward::new(CountdownConfig::default()).score(&task, &Response::new("2 * 3"));
        assert_eq!((verdict.value, verdict.status), (0.0, Status::Unparsable));
        assert!(!verdict.correct());
    }
}
