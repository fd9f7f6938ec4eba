//! Text in, verdict out: the graders of rlcredit.
//!
//! A [`Reward`] looks at one [`Task`] and one response and returns a [`Verdict`]: the reward that trains the policy,
//! its named parts, and a [`Status`]. Graders are pure, deterministic functions of their two arguments; they never
//! panic and never run what a response says. Whatever a grader shapes, its verdict holds the part [`CORRECT`],
//! so that accuracy means the same thing under every grader.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

mod countdown;
mod expression;
mod marked;
pub mod math;
pub mod numeric;
mod preset;
mod question;
mod rational;
mod tags;

pub use countdown::{Countdown, CountdownConfig, CountdownReward};
pub use expression::{Expression, Op, ParseError};
pub use math::{MathConfig, MathReward};
pub use numeric::{NumericConfig, NumericReward};
pub use preset::Preset;
pub use question::Question;
pub use rational::{ArithmeticError, Rational};

/// Name of the part every verdict holds: 1 where the response solves its task, else 0.
pub const CORRECT: &str = "correct";

/// What a grader needs to know of one problem.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Task {
    /// Reach a target with given numbers.
    Countdown(Countdown),
    /// Answer a question whose answer is known.
    Question(Question),
}

/// Kinds of tasks, by which graders differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// See [`Task::Countdown`].
    Countdown,
    /// See [`Task::Question`].
    Question,
}

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
    /// Named parts, [`CORRECT`] always among them; they need not add up to `value`.
    pub parts: BTreeMap<String, f64>,
    /// How grading went.
    pub status: Status,
}

impl Verdict {
    /// The verdict that is worth 1 where the response is correct, else 0.
    fn of(correct: bool, status: Status) -> Self {
        let value = f64::from(u8::from(correct));
        Self { value, parts: BTreeMap::from([(CORRECT.into(), value)]), status }
    }

    /// What a grader says of a task that is not of its kind.
    fn undecided() -> Self {
        Self::of(false, Status::Error)
    }

    /// Whether the response solves its task, whatever the scale of `value`.
    pub fn correct(&self) -> bool {
        self.parts.get(CORRECT).is_some_and(|&part| part == 1.0)
    }
}

/// A grader.
pub trait Reward: Send + Sync {
    /// Name under which its values are reported.
    fn name(&self) -> &str;

    /// Judges `response`, the text after the prompt, as an answer to `task`.
    fn score(&self, task: &Task, response: &str) -> Verdict;
}

/// A grader as a recipe writes it: `type = "countdown"` and that grader's own keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RewardConfig {
    /// See [`CountdownReward`].
    Countdown(CountdownConfig),
    /// See [`MathReward`].
    Math(MathConfig),
    /// See [`NumericReward`].
    Numeric(NumericConfig),
}

impl RewardConfig {
    /// Whether the grader can judge tasks of this kind.
    pub fn judges(&self, kind: TaskKind) -> bool {
        match self {
            Self::Countdown(_) => kind == TaskKind::Countdown,
            Self::Math(_) | Self::Numeric(_) => kind == TaskKind::Question,
        }
    }

    /// The grader described.
    pub fn build(self) -> Box<dyn Reward> {
        match self {
            Self::Countdown(config) => Box::new(CountdownReward::new(config)),
            Self::Math(config) => Box::new(MathReward::new(config)),
            Self::Numeric(config) => Box::new(NumericReward::new(config)),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_written_as_recipes_and_run_folders_have_them() {
        let task: Task =
            serde_json::from_value(json!({"type": "countdown", "numbers": [3, 5], "target": 8})).unwrap();
        let reward: RewardConfig =
            serde_json::from_value(json!({"type": "countdown", "preset": "nano_aha"})).unwrap();
        assert_eq!(
            serde_json::to_value(&reward).unwrap(),
            json!({"type": "countdown", "preset": "nano_aha"})
        );
        let verdict = reward.build().score(&task, "</think>\n<answer>5 + 3</answer>");
        assert_eq!(
            serde_json::to_value(&verdict).unwrap(),
            json!({"value": 2.0, "parts": {"answer": 1.0, "correct": 1.0, "format": 1.0}, "status": "ok"})
        );
        assert!(verdict.correct());
    }

    #[test]
    fn a_grader_cannot_decide_a_task_of_another_kind() {
        let task: Task = serde_json::from_value(json!({"type": "question", "answer": "8"})).unwrap();
        for (reward, status) in [("math", Status::Ok), ("numeric", Status::Ok), ("countdown", Status::Error)]
        {
            let reward: RewardConfig = serde_json::from_value(json!({"type": reward})).unwrap();
            let verdict = reward.build().score(&task, "<answer>8</answer>");
            assert_eq!((verdict.correct(), verdict.status), (status == Status::Ok, status));
        }
    }

    #[test]
    fn status_reads_the_same_displayed_and_serialized() {
        for status in [Status::Ok, Status::Unparsable, Status::Timeout, Status::Error] {
            assert_eq!(serde_json::to_value(status).unwrap(), json!(status.to_string()));
        }
    }

    #[test]
    fn a_config_error_names_the_culprit() {
        for (config, culprit) in [
            (json!({"type": "countdwn"}), "unknown variant `countdwn`, expected one of `countdown`, `math`"),
            (json!({"type": "math", "strict": true}), "unknown field `strict`"),
            (json!({"type": "countdown", "present": "exact"}), "unknown field `present`, expected `preset`"),
            (
                json!({"type": "countdown", "preset": "tiny"}),
                "unknown variant `tiny`, expected one of `exact`",
            ),
        ] {
            let error = serde_json::from_value::<RewardConfig>(config).unwrap_err().to_string();
            assert!(error.contains(culprit), "{error}");
        }
    }

    #[test]
    fn a_config_can_be_flattened_beside_other_keys() {
        #[derive(Debug, Deserialize)]
        struct Weighted {
            weight: f64,
            #[serde(flatten)]
            reward: RewardConfig,
        }
        let entry = json!({"weight": 0.5, "type": "countdown", "preset": "exact"});
        let weighted: Weighted = serde_json::from_value(entry).unwrap();
        assert_eq!(weighted.weight, 0.5);
        assert_eq!(weighted.reward.build().name(), "countdown");

        let entry = json!({"weight": 0.5, "type": "countdown", "wieght": 1.0});
        assert!(serde_json::from_value::<Weighted>(entry).is_err());
    }
}
