//! What the grader of numbers takes for an answer, and what it does not.

use rewards::{NumericConfig, NumericReward, Question, Response, Reward, Status, Task};

fn score(gold: &str, response: &str) -> (bool, Status) {
    let task = Task::Question(Question::new(gold));
    let verdict = NumericReward::new(NumericConfig {}).score(&task, &Response::new(response));
    (verdict.correct(), verdict.status)
}

#[test]
fn the_number_counts_not_its_spelling() {
    for (gold, response) in [
        ("18", "She sells 16 - 3 - 4 = 9 eggs for 9 * 2 = <<9*2=18>>18 dollars.\n#### 18"),
        ("1,234", "#### 1234"),
        ("1234", "so \\boxed{1{,}234} of them"),
        ("1234", "\\[ \\boxed{\\$1,234.00 \\text{ dollars}} \\]"),
        ("-5", "The answer is -$5."),
        ("-5", "\u{2212}5"),
        ("0.75", "The answer is 3/4"),
        ("3/4", "\\boxed{\\dfrac{3}{4}}"),
        ("1.5", "#### 1 1/2 cups"),
        ("20", "**Answer:** 20%"),
        ("18", "A good answer is $x = 9 + 9 = 18$. I hope it helps."),
        ("2000000", "The answer is 2 million."),
        ("18", "<think>20, or 7</think> She makes 18 dollars every day."),
        ("18", "She makes 9 * 2 = 18"),
        ("18", "so 18, that is, 18.0"),
        ("18", "First 20.\nThe answer is 20. No.\n#### 18"),
        ("18", "#### 20 #### 18"),
        ("9 * 2 = 18 dollars.\n#### 18", "18"),
        ("18", "She does not eat any of them, so there are 18."),
        ("18", "It is not 20, it is 18."),
        ("18", "The <b>answer</b> is <b>18</b>"),
        ("18", "9 + 9 => 18\n> 18"),
        ("18", "Maybe 18."),
    ] {
        assert_eq!(score(gold, response), (true, Status::Ok), "{gold}: {response}");
    }
}

#[test]
fn a_wrong_number_is_wrong() {
    for (gold, response) in [
        ("18", "#### 18 #### 20"),
        ("18", "\\boxed{18}, no, \\boxed{20}"),
        ("18", "The answer is 20. But 18 was asked for: 18"),
        ("18", "18 million"),
        ("18", "-18"),
        ("18", "#### 18.01"),
        ("18", "18 first, then 20 in all"),
        ("0.33", "1/3"),
    ] {
        assert_eq!(score(gold, response), (false, Status::Ok), "{gold}: {response}");
    }
}

#[test]
fn what_is_not_one_number_is_no_answer() {
    for response in [
        "",
        "eighteen",
        "#### 18 or 20",
        "\\boxed{18, 20}",
        "\\boxed{9 + 9}",
        "\\boxed{\\sqrt{18}}",
        "#### 18^2",
        "It is 18 or 20",
        "It is 20 or 18",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18",
        "17, 18",
        "20/19/18",
        "#### \n18",
        "\\boxed{- 18}",
        "The answer is 20 - 2",
        "18 \\boxed{",
        "<think>18",
        "1/0",
        "The answer is not 18",
        "The answer isn't 18.",
        "The answer is not 18 dollars. It is 18",
        "The answer is less than 18",
        "#### not 18",
        "#### at least $18",
        "\\boxed{\\text{not }18}",
        "\\boxed{x > 18}",
        "\\boxed{x \\neq 18}",
        "all but 18",
        "It cannot be 18",
        "Maybe 18, maybe 17, maybe 18",
        "17, or perhaps 18",
    ] {
        assert_eq!(score("18", response), (false, Status::Unparsable), "{response}");
    }
}

#[test]
fn a_gold_answer_that_is_no_number_is_an_error() {
    for response in ["#### 18", "no number"] {
        assert_eq!(score("all of them", response), (false, Status::Error), "{response}");
    }
}
