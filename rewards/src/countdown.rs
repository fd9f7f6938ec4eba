//! Countdown: with each given number exactly once, + - * / and parentheses, write an expression that equals the target.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    CORRECT, Reward, Status, Task, Verdict,
    expression::Expression,
    rational::{ArithmeticError, Rational},
    tags,
};

/// One Countdown problem.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Countdown {
    /// The numbers, each to be used exactly once, in no order.
    pub numbers: Vec<u32>,
    /// The value to reach.
    pub target: u32,
}

impl Countdown {
    /// Whether `answer` is an expression of the target that uses each number exactly once, and how judging went.
    fn judge(&self, answer: Option<&str>) -> (bool, Status) {
        let Some(Ok(expression)) = answer.map(Expression::parse) else {
            return (false, Status::Unparsable);
        };
        let (mut used, mut given) = (expression.numbers(), self.numbers.clone());
        used.sort_unstable();
        given.sort_unstable();
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountdownConfig {
    /// Scale of the reward.
    #[serde(default)]
    pub preset: Preset,
}

/// Scale of the Countdown reward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// 1 where correct, else 0.
    #[default]
    Exact,
}

/// Grades Countdown responses.
pub struct CountdownReward {
    preset: Preset,
}

impl CountdownReward {
    /// The grader that `config` describes.
    pub fn new(config: CountdownConfig) -> Self {
        Self {
            preset: config.preset,
        }
    }
}

impl Reward for CountdownReward {
    fn name(&self) -> &str {
        "countdown"
    }

    fn score(&self, task: &Task, response: &str) -> Verdict {
        let Task::Countdown(task) = task;
        let (correct, status) = task.judge(tags::last_answer(response));
        let correct = f64::from(u8::from(correct));
        let value = match self.preset {
            Preset::Exact => correct,
        };
        Verdict {
            value,
            parts: BTreeMap::from([(CORRECT.into(), correct)]),
            status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_by_value_and_by_use_of_the_numbers() {
        let task = Countdown {
            numbers: vec![3, 7, 8, 8],
            target: 24,
        };
        for (answer, expected) in [
            ("8 / (3 - 8 / 7)", (false, Status::Ok)),
            ("(7 - 8 / 8) * 3", (false, Status::Ok)),
            ("8 * 3 * (8 - 7)", (true, Status::Ok)),
            ("24", (false, Status::Ok)),
            ("8 * 3 * (8 - 7", (false, Status::Unparsable)),
            ("3 / (8 - 8) + 7", (false, Status::Ok)),
        ] {
            assert_eq!(task.judge(Some(answer)), expected, "{answer}");
        }
    }
}
