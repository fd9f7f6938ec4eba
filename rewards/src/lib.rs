//! Text in, verdict out: the graders of rlcredit.
//!
//! A [`Reward`] looks at a [`Task`] and a [`Response`] and returns a [`Verdict`]: the reward that trains the policy, its
//! named parts, and a [`Status`]. The graders written here are pure, deterministic functions of these two; they never
//! panic and never run what a response says. Those of [`external`] hand the two to other programs. Whatever a grader that
//! [judges correctness](RewardSettings::says_correct) shapes, its verdict holds the part [`CORRECT`], so that accuracy means
//! the same thing under every grader.

use serde::{Deserialize, Serialize};

mod announce;
mod bifurcation;
mod boxed;
mod choice;
mod claim;
mod config;
mod countdown;
mod expression;
pub mod external;
mod format;
mod hedge;
mod length;
mod marked;
mod mask;
pub mod math;
pub mod numeric;
mod preset;
mod question;
mod rational;
mod rules;
mod struck;
mod tags;
mod thought;
mod verdict;
mod whole;

pub use bifurcation::{Bifurcation, BifurcationConfig, BifurcationReward, Branching};
pub use choice::{ChoiceConfig, ChoiceReward};
pub use config::{RewardConfig, RewardSettings};
pub use countdown::{Countdown, CountdownConfig, CountdownReward};
pub use expression::{Expression, Op, ParseError};
pub use external::{CommandConfig, CommandReward, HttpConfig, HttpReward};
pub use format::{FormatConfig, FormatReward};
pub use length::{LengthConfig, LengthReward};
pub use mask::{is_masked, masked, masked_address};
pub use math::{MathConfig, MathReward};
pub use numeric::{NumericConfig, NumericReward};
pub use preset::Preset;
pub use question::Question;
pub use rational::{ArithmeticError, Rational};
pub use rules::{Broken, Rules};
pub use thought::leaves_thought_open;
pub use verdict::{CORRECT, Status, Verdict};

use rayon::prelude::*;

/// Responses that are judged in this process between two questions whether to go on: work of a second at most, and enough for
/// all cores.
const AT_ONCE: usize = 256;

/// What a grader needs to know of one problem.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Task {
    /// Reach a target with given numbers.
    Countdown(Countdown),
    /// Answer a question whose answer is known.
    Question(Question),
    /// Take the right branch at every fork.
    Bifurcation(Bifurcation),
}

/// Kinds of tasks, by which graders differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// See [`Task::Countdown`].
    Countdown,
    /// See [`Task::Question`].
    Question,
    /// See [`Task::Bifurcation`].
    Bifurcation,
}

/// What a grader sees of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// The text after the prompt.
    pub text: &'a str,
    /// Its length in tokens, where known.
    pub tokens: Option<usize>,
    /// Whether the length limit cut it off.
    pub cut_off: bool,
    /// Whether the text is the answer itself, so that none is looked for in it.
    pub is_answer: bool,
    /// Whether the text begins within a thought that the prompt has opened, see [`leaves_thought_open`].
    pub in_thought: bool,
}

impl<'a> Response<'a> {
    /// A whole response of which no more than its text is known.
    pub fn new(text: &'a str) -> Self {
        Self { text, tokens: None, cut_off: false, is_answer: false, in_thought: false }
    }

    /// What it says after its thought; none where the thought does not end.
    pub(crate) fn spoken(&self) -> Option<&'a str> {
        thought::spoken(self.text, self.in_thought)
    }
}

/// Judges responses to tasks: text in, verdict out.
pub trait Reward: Send + Sync {
    /// Name under which its values are reported.
    fn name(&self) -> &str;

    /// Judges `response` to `task`.
    fn score(&self, task: &Task, response: &Response<'_>) -> Verdict;

    /// Judges all `items`, each on its own; verdicts come in their order and do not depend on it.
    ///
    /// # Errors
    /// If the grader works for none of them.
    fn score_all(&self, items: &[(&Task, Response<'_>)]) -> Result<Vec<Verdict>, String> {
        Ok(items.par_iter().map(|(task, response)| self.score(task, response)).collect())
    }

    /// As [`Reward::score_all`], for as long as `go_on`, which is asked now and then.
    ///
    /// # Errors
    /// The same; if it was not to go on.
    fn score_while(
        &self,
        items: &[(&Task, Response<'_>)],
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Verdict>, String> {
        let mut verdicts = Vec::with_capacity(items.len());
        for some in items.chunks(AT_ONCE) {
            if !go_on() {
                return Err("it was stopped".to_owned());
            }
            verdicts.extend(self.score_all(some)?);
        }
        Ok(verdicts)
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
        let verdict = reward
            .settings()
            .build(&[])
            .unwrap()
            .score(&task, &Response::new("</think>\n<answer>5 + 3</answer>"));
        assert_eq!(
            serde_json::to_value(&verdict).unwrap(),
            json!({
                "value": 2.0, "parts": {"answer": 1.0, "correct": 1.0, "format": 1.0}, "status": "ok", "answer": "5 + 3"
            })
        );
        assert!(verdict.correct());
    }

    #[test]
    fn a_grader_cannot_decide_a_task_of_another_kind() {
        let task: Task = serde_json::from_value(json!({"type": "question", "answer": "8"})).unwrap();
        for (reward, status) in [("math", Status::Ok), ("numeric", Status::Ok), ("countdown", Status::Error)]
        {
            let reward: RewardConfig = serde_json::from_value(json!({"type": reward})).unwrap();
            let verdict =
                reward.settings().build(&[]).unwrap().score(&task, &Response::new("<answer>8</answer>"));
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
        assert_eq!(weighted.reward.settings().build(&[]).unwrap().name(), "countdown");

        let entry = json!({"weight": 0.5, "type": "countdown", "wieght": 1.0});
        assert!(serde_json::from_value::<Weighted>(entry).is_err());
    }
}
