//! Agreement with reviewed verdicts on (gold, prediction) pairs and whole responses.
//!
//! The file is named by `RLCREDIT_MATH_ANSWERS`: a JSON object a line with `category`, `kind` ("answer" or "completion"),
//! `gold`, `pred`, `expected` and `review`. Rows whose review is "arguable" do not count.
//!
//! ```text
//! RLCREDIT_MATH_ANSWERS=math_answers.jsonl cargo test --release -p rewards --test math_oracle -- --ignored --nocapture
//! ```
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, fs};

use rewards::{MathConfig, MathReward, Question, Response, Reward, Task, math};
use serde_json::Value;

#[test]
#[ignore = "needs the file named by RLCREDIT_MATH_ANSWERS"]
fn agrees_with_reviewed_verdicts() {
    let path = std::env::var("RLCREDIT_MATH_ANSWERS").unwrap();
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let (mut right, mut all, mut tempted) = (0, 0, 0);
    for line in fs::read_to_string(path).unwrap().lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        let category = text("category");
        let correct = match text("kind").as_str() {
            "answer" => math::judge(&text("gold"), &text("pred")).0,
            _ => {
                let task = Task::Question(Question::new(text("gold")));
                MathReward::new(MathConfig {}).score(&task, &Response::new(&text("pred"))).correct()
            }
        };
        let row_is =
            |what| format!("{category}: {} | {} | {what} {}", text("gold"), text("pred"), text("why"));
        let Some(expected) = row["expected"].as_bool().filter(|_| text("review") != "arguable") else {
            println!("  arguable, {}", row_is(if correct { "accepted" } else { "refused" }));
            continue;
        };
        let agrees = correct == expected;
        let count = counts.entry(category.clone()).or_default();
        (count.0, count.1) = (count.0 + usize::from(agrees), count.1 + 1);
        (right, all) = (right + usize::from(agrees), all + 1);
        if !agrees {
            println!("DISAGREES {}", row_is(if correct { "accepted" } else { "refused" }));
            tempted += usize::from(correct && category.contains("adversarial"));
        }
    }
    for (category, (right, all)) in &counts {
        println!("{category:18} {right:3} of {all:3}");
    }
    println!("all                {right:3} of {all:3}, {:.1} %", 100.0 * right as f64 / all as f64);
    assert_eq!(tempted, 0, "false accepts in adversarial categories");
    assert!(100 * right >= 97 * all);
}
