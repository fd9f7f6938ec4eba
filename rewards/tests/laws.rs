//! Laws of all graders written here: none panics, takes long, changes its mind or pays for garbage.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use rewards::{Response, Reward, RewardConfig, Status, Task, Verdict};
use serde_json::json;

const LIMIT: Duration = Duration::from_millis(200);

fn graders() -> Vec<Box<dyn Reward>> {
    let configs = json!([
        {"type": "countdown"},
        {"type": "math"},
        {"type": "numeric"},
        {"type": "choice"},
        {"type": "format", "tags": ["think", "answer"], "strict": true},
        {"type": "format", "pattern": "(?s)^(a|b)*#### [0-9]+$"},
        {"type": "length", "max": 100, "buffer": 50},
    ]);
    let configs: Vec<RewardConfig> = serde_json::from_value(configs).unwrap();
    configs.into_iter().map(|config| config.settings().build(&[]).unwrap()).collect()
}

/// Tasks whose gold answers cannot be met by pieces of [`text`] alone.
fn tasks() -> Vec<Task> {
    let choices = json!({"X": "quite another", "Y": "yet another"});
    let tasks = json!([
        {"type": "question", "answer": "987654"},
        {"type": "question", "answer": "X", "fields": {"choices": choices}},
        {"type": "countdown", "numbers": [2, 3], "target": 6},
    ]);
    serde_json::from_value(tasks).unwrap()
}

const PIECES: [&str; 44] = [
    "1",
    "-",
    "2,000",
    "3/4",
    ".",
    "5.",
    "1e9",
    "$",
    "%",
    "\\frac{1}{2}",
    "\\frac{",
    "\\boxed{",
    "}",
    "{",
    "####",
    "####",
    "\n",
    " ",
    "answer",
    "answer is ",
    "The answer: ",
    "=",
    "<answer>",
    "</answer>",
    "<think>",
    "</think>",
    "A",
    "(B)",
    "C.",
    "or",
    " and ",
    "\\text{D}",
    "**",
    "million",
    "^",
    "_",
    "\u{2212}",
    "é",
    "🧮",
    "\0",
    "\r\n",
    "\\",
    "\u{202e}",
    "999999999999999999999",
];

fn text() -> impl Strategy<Value = String> {
    let pieces = prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60);
    // The letter of the right option is no garbage.
    let any = any::<String>().prop_map(|text| text.replace(['x', 'X'], ""));
    prop_oneof![pieces.prop_map(|pieces| pieces.concat()), any]
}

fn score(grader: &dyn Reward, task: &Task, text: &str, is_answer: bool) -> Verdict {
    grader.score(task, &Response { tokens: Some(text.len()), is_answer, ..Response::new(text) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn garbage_is_graded_calmly(text in text(), is_answer in any::<bool>()) {
        for grader in graders() {
            for task in tasks() {
                let verdict = score(&*grader, &task, &text, is_answer);
                prop_assert!(verdict.value.is_finite());
                prop_assert!(!verdict.correct(), "{}: {text:?}", grader.name());
                prop_assert_eq!(&score(&*grader, &task, &text, is_answer), &verdict);
            }
        }
    }

    #[test]
    fn a_batch_is_graded_as_each_alone(texts in prop::collection::vec(text(), 0..20)) {
        let tasks = tasks();
        let items: Vec<_> = texts.iter().zip(tasks.iter().cycle()).map(|(text, task)| (task, Response::new(text))).collect();
        for grader in graders() {
            let alone: Vec<_> = items.iter().map(|(task, response)| grader.score(task, response)).collect();
            prop_assert_eq!(grader.score_all(&items).unwrap(), alone);
        }
    }
}

#[test]
fn long_responses_are_graded_in_time() {
    let task: Task = serde_json::from_value(json!({
        "type": "question", "answer": "5", "fields": {"choices": ["1", "5", "A B"]}
    }))
    .unwrap();
    let mixed = [
        "((((A ",
        "answer: ",
        "{{{1",
        "$$$$1",
        "\\frac{1}{",
        "1,000",
        "A) ",
        "answer is A B C",
        "<think></think>",
        "~~1",
        "<del>",
        "\\cancel{",
        "\\text{1 ",
        "(a b) ",
        "(= 1 a) ",
        "\\boxed 1 a ",
        "so B is correct ",
        "the result is ",
        "log_2 ",
        "5 - ",
    ];
    // Brackets within one another, and many words before each of many values.
    let nested = format!("#### 1 {}{}", "(".repeat(48_000), ")".repeat(48_000));
    let wordy = format!("#### {}", format!("{}1 ", "so it is ".repeat(250)).repeat(40));
    for text in [nested, wordy] {
        for grader in graders() {
            let start = Instant::now();
            score(&*grader, &task, &text, false);
            assert!(start.elapsed() <= 4 * LIMIT, "{}: {:?}", grader.name(), start.elapsed());
        }
    }
    for piece in PIECES.into_iter().chain(mixed) {
        for text in [piece.repeat(100_000 / piece.len()), format!("The answer is {}", piece.repeat(20_000))] {
            for grader in graders() {
                for is_answer in [false, true] {
                    // The best of some tries, since other work on the machine takes its time too.
                    let in_time = (0..5).any(|_| {
                        let start = Instant::now();
                        score(&*grader, &task, &text, is_answer);
                        start.elapsed() <= LIMIT
                    });
                    assert!(in_time, "{}, {piece:?}", grader.name());
                }
            }
        }
    }
}

/// A guess in a thought is the answer of no grader before the thought has ended, however it was opened, and however it ends.
#[test]
fn a_guess_in_a_thought_is_not_paid() {
    let guesses = [
        ("math", json!({"type": "question", "answer": "18"}), "18"),
        ("numeric", json!({"type": "question", "answer": "18"}), "18"),
        ("choice", json!({"type": "question", "answer": "B"}), "B"),
        ("countdown", json!({"type": "countdown", "numbers": [2, 3], "target": 6}), "2*3"),
    ];
    for (grader, task, right) in guesses {
        let config: RewardConfig = serde_json::from_value(json!({"type": grader})).unwrap();
        let task: Task = serde_json::from_value(task).unwrap();
        let grader = config.settings().build(&[]).unwrap();
        let forms = ["\\boxed{R}", "The answer is R.", "#### R", "R", "<answer>R</answer>"];
        for form in forms.map(|form| form.replace('R', right)) {
            for (text, in_thought) in [(form.clone(), true), (format!("<think>{form}"), false)] {
                for cut_off in [false, true] {
                    let verdict =
                        grader.score(&task, &Response { in_thought, cut_off, ..Response::new(&text) });
                    assert_eq!((verdict.value, verdict.answer), (0.0, None), "{}: {text}", grader.name());
                    assert_eq!(verdict.status, Status::Unparsable);
                }
            }
        }
        for (text, in_thought) in [("so</think>", true), ("<think>so</think>", false), ("", false)] {
            let text = format!("{text}<answer>{right}</answer>");
            let verdict = grader.score(&task, &Response { in_thought, ..Response::new(&text) });
            assert!(verdict.correct(), "{}: {text}", grader.name());
        }
    }
}

#[test]
fn a_gold_answer_is_right_in_every_grader_of_questions() {
    for (grader, gold) in [("math", "\\frac{1}{2}"), ("numeric", "18"), ("choice", "B")] {
        let config: RewardConfig = serde_json::from_value(json!({"type": grader})).unwrap();
        let task: Task = serde_json::from_value(json!({"type": "question", "answer": gold})).unwrap();
        let grader = config.settings().build(&[]).unwrap();
        for (text, is_answer) in [(gold.to_owned(), true), (format!("so \\boxed{{{gold}}}."), false)] {
            let verdict = score(&*grader, &task, &text, is_answer);
            assert_eq!((verdict.correct(), verdict.status), (true, Status::Ok), "{text}");
            assert_eq!(verdict.answer.as_deref(), Some(gold));
        }
    }
}
