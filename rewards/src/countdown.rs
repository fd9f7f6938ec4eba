//! Countdown: with each given number exactly once, + - * / and parentheses, write an expression that equals the target.
//!
//! The answer is what stands in the last `<answer>…</answer>` behind the thought of the response, and nothing but an
//! [`Expression`]: a trailing `= target` is wrong here as in the public checkers.

use crate::{RewardSettings, TaskKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Response, Reward, Status, Task, Verdict,
    expression::Expression,
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
        let Ok(expression) = Expression::parse(answer) else {
            return (false, Status::Unparsable);
        };
        let (mut used, mut given) = (expression.numbers(), self.numbers.clone());
        used.sort_unstable();
        given.sort_unstable();
        // Only what uses the given numbers is evaluated, so that the problem bounds the work.
        if used != given {
            return (false, Status::Ok);
        }
        match expression.value() {
            Ok(value) => (value == Rational::from(self.target), Status::Ok),
            Err(ArithmeticError::DivisionByZero) => (false, Status::Ok),
            Err(ArithmeticError::Overflow) => (false, Status::Error),
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
        let mut verdict = Verdict::on(answer.map(str::to_owned), |answer| task.judge(answer));
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
