//! Whole replies: which part is the answer, and what that is worth.

use rewards::{MathConfig, MathReward, Question, Response, Reward, Task};

#[track_caller]
fn check(gold: &str, right: &[&str], wrong: &[&str]) {
    let (reward, task) = (MathReward::new(MathConfig {}), Task::Question(Question::new(gold)));
    for (replies, expected) in [(right, true), (wrong, false)] {
        for reply in replies {
            assert_eq!(
                reward.score(&task, &Response::new(reply)).correct(),
                expected,
                "gold {gold:?}, reply {reply:?}"
            );
        }
    }
}

#[test]
fn boxes() {
    check(
        "72",
        &[
            "First \\boxed{24}. Then 48+24, so \\boxed{72}.",
            "\\boxed{\\boxed{72}}",
            "\\boxed{\\frac{144}{2}} = \\boxed{72}",
            "\\boxed{72}\n\nCheck: \\boxed{72}",
            "\\boxed{72}\n\\boxed{72}",
            "<think>\\boxed{71}</think> \\boxed{72}",
        ],
        &[
            "\\boxed{71} \\boxed{72}",
            "\\boxed{71}, \\boxed{72}",
            "\\boxed{71}\\boxed{72}",
            "\\boxed{\\boxed{71}, \\boxed{72}}",
            "\\boxed{72}. No, \\boxed{71}.",
            "The answer is 72. \\boxed{}",
            "The answer is 72. \\boxed{7",
            "The answer is 72. \\boxed{71}",
            "\\boxed{72} is close, but cut off \\boxed{",
            "\\boxed{72}</think> It is 71.",
        ],
    );
    check(
        "-1,3",
        &["$x = \\boxed{-1}$ or $x = \\boxed{3}$", "\\boxed{-1} and \\boxed{3}"],
        &["\\boxed{-1}. Also \\boxed{3}"],
    );
}

#[test]
fn boxes_without_braces() {
    check(
        "14",
        &[
            "The answer is 14.\n(I put it in \\boxed as asked.)",
            "The answer is 14.\nNo \\fbox, as there is no TeX.",
            "Use `\\boxed` or `\\fbox `.\nThe answer is 14.",
            "I must not forget \\boxed\n\nThe answer is 14.",
            "\\boxed{14}. That was \\boxed, or $\\boxed$, or \\(\\fbox\\).",
            "So $\\boxed 14$.",
            "So \\boxed 14. I hope that helps.",
            "So \\boxed 14 as asked.",
            "**\\boxed 14**",
        ],
        &[
            "The answer is 14. \\boxed 13",
            "The answer is 14. So $\\boxed{}$",
            "So \\boxed 14 or 15.",
            "So $\\boxed 14/2$",
            "So $\\boxed -14$",
            "So $\\boxed 145$",
        ],
    );
    check("\\sqrt[3]{2}", &["$\\boxed\\sqrt[3]{2}$", "\\[\\fbox\\sqrt[3]2\\]"], &["$\\boxed\\sqrt2$"]);
    check("(1, 2)", &["$\\boxed(1, 2)$"], &["The answer is (1, 2).\n$\\boxed(2, 1)$"]);
    check("C", &["$\\boxed C$"], &["The answer is C.\n\\(\\boxed D\\)"]);
}

#[test]
fn phrases() {
    check(
        "72",
        &[
            "The answer is 72.",
            "The answer to the question is therefore 72.",
            "the answer would be **72**, as desired.",
            "The answer is 72 because 48 + 24 = 72.",
            "**Answer: 72**",
            "## Final Answer\n\n72",
            "#### Final Answer\n72",
            "**Final Answer**\n\\[\n72\n\\]\nDone.",
            "The answer is 71. Sorry, the answer is 72.",
            "Let's find the answer:\n48/2 = 24\n\nShe sold 72 clips.",
        ],
        &[
            "The answer is not 72.",
            "The answer cannot be 72.",
            "The answer isn't 72.",
            "Is the answer 72? No.",
            "The answer is either 71 or 72.",
            "The answer is at least 72.",
            "The answer is 72 million.",
            "The answer is 72. Wait, the answer is 71.",
            "The answer: 72 is a start.\nBut then it is 73.",
        ],
    );
}

#[test]
fn the_last_mark_decides() {
    check(
        "5",
        &[
            "#### 1. Compute\nThe answer is 5.",
            "#### Solution\nWe add.\nThe answer is 5.",
            "<Answer>5</Answer>",
            "The answer is 5!",
            "The answer is five.",
            "The answer is 5</s>",
            "The answer is 5<|im_end|>",
            "Hence, $x = 5$ is the answer.",
            "\\boxed{5}",
        ],
        &[
            "#### 5\nWait, I made an error. The answer is 6.",
            "<answer>5</answer> no wait, the answer is 6.",
            "\\boxed{5}\\text{ or maybe }\\boxed{6}",
            "\\boxed{6} alternatively \\boxed{5}",
            "\\boxed{6}, otherwise \\boxed{5}",
            "\\boxed{6}/\\boxed{5}",
        ],
    );
    check("1", &[], &["#### 1. Compute\nThe answer is 5."]);
}

#[test]
fn last_lines() {
    check(
        "72",
        &[
            "We add.\n48 + 24 = 72",
            "We add.\nSo she sold 48 + 24 = 72 clips.",
            "We add.\nHence there are $72$ clips.",
            "We add.\nTherefore, x = 72.",
            "We add.\n\n**72**",
            "Hence the total is 72.",
        ],
        &[
            "We add.\nSo she sold 71 or 72 clips.",
            "We add.\nIt isn't $72$.",
            "We add.\nWe never get 72.",
            "We add.\nShe sold fewer than 72 clips.",
            "We add.\nShe sold 72 clips in April and 48 in May.",
            "We add.\nHence $71$ or $72$.",
            "We add.\nx > 72",
            "72\nThis was a guess.",
            "70 71 72",
        ],
    );
    check("x = 5", &["Therefore, x = 5.", "Thus $x=5$."], &["Therefore, y = 5.", "So x is not 5."]);
}
