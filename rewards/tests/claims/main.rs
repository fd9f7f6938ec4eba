//! What replies claim and deny: the right value is paid, and nothing that is denied, doubted or half read.
#![expect(clippy::unwrap_used, reason = "tests")]

use rewards::{Response, RewardConfig, Task};
use serde_json::json;

mod choice;
mod denials;
mod marks;
mod math;
mod numeric;
mod restrictions;
mod terms;

/// Asserts that `grader` takes the replies of `right` for the gold answer, and those of `wrong` not.
#[track_caller]
fn check(grader: &str, gold: &str, right: &[&str], wrong: &[&str]) {
    let config: RewardConfig = serde_json::from_value(json!({"type": grader})).unwrap();
    let grader = config.settings().build(&[]).unwrap();
    let task: Task = serde_json::from_value(json!({"type": "question", "answer": gold})).unwrap();
    for (replies, expected) in [(right, true), (wrong, false)] {
        for reply in replies {
            let verdict = grader.score(&task, &Response::new(reply));
            assert_eq!(verdict.correct(), expected, "gold {gold:?}, reply {reply:?}: {:?}", verdict.answer);
        }
    }
}

#[test]
fn the_text_of_an_option_is_claimed_as_its_letter() {
    let config: RewardConfig = serde_json::from_value(json!({"type": "choice"})).unwrap();
    let grader = config.settings().build(&[]).unwrap();
    let fields = json!({"choices": ["Rome", "Paris", "New York", "4"]});
    let task: Task =
        serde_json::from_value(json!({"type": "question", "answer": "B", "fields": fields})).unwrap();
    for (expected, reply) in [
        (true, "The answer is Paris, not Rome."),
        (true, "The answer is Paris (Rome is wrong)"),
        (true, "The answer is Paris rather than Rome."),
        (true, "Answer: not Rome but Paris"),
        (true, "Paris is the answer."),
        (true, "`Paris`"),
        (true, "_Paris_"),
        (false, "The answer is Paris or Rome"),
        (false, "Answer: Paris is wrong"),
        (false, "The answer is not Paris"),
        (false, "Answer: Rome, not Paris"),
    ] {
        assert_eq!(grader.score(&task, &Response::new(reply)).correct(), expected, "{reply}");
    }
}
