//! Questions with several options, of which one letter is right.
//!
//! The claim of a response is what it marks as its answer ([`marked`](crate::marked)), else its last line, where that is no
//! more than a letter ("(B)", "B.", "**B**", "option B", "B, not A") or an option ("B) Paris", "Paris"); where the task does
//! not list its options, any text behind such a letter is one, unless the response lists several. The claim's letters are its
//! capitals that stand alone, and any letter that is the whole claim or stands in parentheses alone; "I" in a sentence is a
//! word. What is denied ("not B", "B is ruled out", "all but B") or only explains ([`claim`](crate::claim)) is not claimed,
//! and a letter that is denied anywhere among the marks is no answer. A claim without a letter may be the text of an option,
//! where the task has them in `fields.choices`: a list, whose options are A, B, C and so on, or an object from letter to
//! text. Several different letters are a wrong answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Response, Reward, RewardSettings, Status, Task, TaskKind, Verdict, struck::without_struck};

mod options;

use options::Options;

/// Keys of the `choice` grader: none so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChoiceConfig {}

impl RewardSettings for ChoiceConfig {
    fn judges(&self, kind: TaskKind) -> bool {
        kind == TaskKind::Question
    }

    fn build(&self, _: &[String]) -> Result<Box<dyn Reward>, String> {
        Ok(Box::new(ChoiceReward::new(self.clone())))
    }
}

/// Grades answers to questions with options: 1 where the response claims the right letter and no other, else 0.
#[derive(Clone, Debug)]
pub struct ChoiceReward;

impl ChoiceReward {
    /// The grader that `config` describes.
    pub fn new(ChoiceConfig {}: ChoiceConfig) -> Self {
        Self
    }
}

impl Reward for ChoiceReward {
    fn name(&self) -> &str {
        "choice"
    }

    fn score(&self, task: &Task, response: &Response<'_>) -> Verdict {
        let Task::Question(question) = task else {
            return Verdict::undecided();
        };
        let options = Options::new(question);
        let [gold] = options.claimed(&question.answer)[..] else {
            return Verdict::undecided();
        };
        let claimed = match response.is_answer {
            true => options.claimed(&without_struck(response.text)),
            false => {
                response.spoken().map_or_else(Vec::new, |text| options.of_response(&without_struck(text)))
            }
        };
        let answer = claimed.iter().map(char::to_string).collect::<Vec<_>>().join(", ");
        Verdict::on((!claimed.is_empty()).then_some(answer), |_| (claimed == [gold], Status::Ok))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn score(question: &Value, response: &str) -> (bool, Status) {
        let task = Task::Question(serde_json::from_value(question.clone()).unwrap());
        let verdict = ChoiceReward::new(ChoiceConfig {}).score(&task, &Response::new(response));
        (verdict.correct(), verdict.status)
    }

    #[test]
    fn a_letter_is_claimed_in_many_forms() {
        for response in [
            "B",
            "(B)",
            "b",
            "(b)",
            "B.",
            "B)",
            "**B**",
            "so\n\nB\n",
            "Option B",
            "The answer is B.",
            "the answer is (b)",
            "The correct answer is: **B**",
            "Answer: B",
            "\\boxed{B}",
            "$\\boxed{\\text{B}}$",
            "\\boxed{\\textbf{(B) }}",
            "<answer>B</answer>",
            "#### B",
            "A or C? No, the answer is B, I think.",
            "<think>The answer is A</think>(B)",
            "The answer is A. No!\nThe answer is B.",
            "The answer is B: 12",
            "the answer is B (not A)",
            "The correct answer is B) Paris because A is wrong.",
            "The answer is B, not A or C.",
            "The answer is B) It does not change.",
            "Therefore, the correct option is B.",
            "The correct choice is (B).",
            "**B. Paris**",
            "So it is not Rome.\n\nB: Paris",
            "(B) Paris",
            "The answer is B. That answer is good because A is wrong.",
        ] {
            assert_eq!(score(&json!({"answer": "B"}), response), (true, Status::Ok), "{response}");
            assert_eq!(score(&json!({"answer": "(C)"}), response), (false, Status::Ok), "not C: {response}");
        }
    }

    #[test]
    fn several_letters_are_wrong_and_none_is_no_answer() {
        for response in
            ["\\boxed{A, B}", "The answer is A or B.", "Answer: (A) (B) (C) (D)", "B) as in Vitamin A"]
        {
            assert_eq!(score(&json!({"answer": "B"}), response), (false, Status::Ok), "{response}");
        }
        for response in [
            "",
            "I like B best",
            "Either A or B",
            "Bees",
            "<think>B",
            "A B C D",
            "\\boxed{B",
            "The answer is here",
            "The answer is not B.",
            "The answer is B is not right.",
            "The answer is B. No, the answer is not B.",
            "\\boxed{\\text{not B}}",
            "\\boxed{\\neg B}",
            "Answer: all but B",
            "The answer is anything except B",
            "The answer is neither B nor C",
            "The correct option isn't B",
            "A) Rome\nB) Paris",
            "Q: Where?\nA: B",
            "A: Bees",
        ] {
            assert_eq!(score(&json!({"answer": "B"}), response), (false, Status::Unparsable), "{response}");
        }
    }

    #[test]
    fn an_option_stands_for_its_letter() {
        let list = json!(["Rome", "Paris", "New York", 4]);
        let object = json!({"A": "Rome", "B": "Paris", "C": "New York", "D": "4"});
        for choices in [list, object] {
            for gold in ["B", "Paris", " paris."] {
                let question = json!({"answer": gold, "fields": {"choices": choices}});
                for response in [
                    "Paris",
                    "The answer is Paris.",
                    "The answer is Paris because A is wrong.",
                    "\\boxed{\\text{Paris}}",
                    "B) Paris",
                    "B",
                    "(B) Paris.",
                ] {
                    assert_eq!(score(&question, response), (true, Status::Ok), "{response}");
                }
                for response in ["New York", "The answer is Rome.", "D", "4"] {
                    assert_eq!(score(&question, response), (false, Status::Ok), "{response}");
                }
                for response in
                    ["E", "The answer is London.", "Rome, Paris", "B) London", "The answer is not Paris (B)"]
                {
                    assert_eq!(score(&question, response), (false, Status::Unparsable), "{response}");
                }
            }
        }
    }

    #[test]
    fn a_gold_answer_that_is_no_option_is_an_error() {
        assert_eq!(score(&json!({"answer": "A, B"}), "A").1, Status::Error);
        assert_eq!(score(&json!({"answer": "E", "fields": {"choices": ["x", "y"]}}), "A").1, Status::Error);
    }
}
