//! Boxes, headlines and phrases, read alike by all graders.

use super::check;

#[rustfmt::skip]
#[test]
fn boxes_are_read_as_in_tex() {
    check(
        "numeric",
        "5",
        &[
            "So $\\boxed 5$. It took 2 steps.", "\\fbox{5}. It took 2 steps.", "\\boxed5. It took 2 steps",
            "So it is \\boxed 5 as asked.", "\\boxed{5}, that is, \\boxed{5}", "\\boxed{\\boxed{5}}",
            "#### Note\nThe answer is 5.\nIt took 2.", "The answer is 5.\n#### Note\nIt took 2 steps.",
            "$\\boxed{5}$ and $\\boxed{5}$",
        ],
        &[
            "\\boxed{6} or \\boxed{5}", "\\boxed{6}, \\boxed{5}", "\\boxed{6} and \\boxed{5}",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn a_box_in_prose_is_no_number() {
    check(
        "numeric",
        "14",
        &[
            "The answer is 14. I used \\boxed 0 times.", "The answer is 14. Use \\boxed 1 time.",
        ],
        &[],
    );
}

#[rustfmt::skip]
#[test]
fn a_box_in_prose_is_no_formula() {
    check(
        "math",
        "14",
        &[
            "The answer is 14. I used \\boxed 0 times.", "The answer is 14. Use \\boxed 1 time.",
            "#### 14\nI used \\boxed 0 times.", "\\boxed{14}. I used \\boxed 1 time.",
        ],
        &[],
    );
}

#[rustfmt::skip]
#[test]
fn formulas_of_solutions() {
    check(
        "math",
        "5",
        &[
            "So it is \\boxed 5 as asked.", "$\\boxed 5$", "The answer is \\boxed 5 as asked",
            "The solution is 5. It took 2 steps.", "The result is 5. It took 2 steps.",
            "We get the answer 5. It took 2 steps.",
        ],
        &[],
    );
}

#[rustfmt::skip]
#[test]
fn boxes_and_judgements_name_options() {
    check(
        "choice",
        "B",
        &[
            "$\\fbox{B}$", "$\\boxed B$", "\\boxed{\\text{B}}", "Option B is correct.", "So B is correct.",
            "My choice is B.", "Final choice: B", "The answer is 'B'.", "The answer is ‘B’.",
            "A is wrong. Therefore, option B is correct.", "(B) is correct.", "**B** is right.",
            "So the answer B is correct", "#### Option B\nThat is it.", "#### B\nThat is it.",
            "#### B) Paris\nThat is it.", "B", "B. Not A.", "Our choice: B",
        ],
        &[
            "Is B correct?", "B is not correct.", "B is incorrect.", "If B is correct, then C.",
            "\\boxed{A} or \\boxed{B}", "So B isn't right.", "Not B is correct", "A is correct. B is wrong.",
            "My choice is not B.",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn headlines_are_no_answers() {
    check(
        "numeric",
        "18",
        &[
            "#### Step 1: Compute\n9 * 2 = 18\nSo she makes $18.",
            "The answer is 18.\n#### Note\nThis took 2 steps.", "#### Solution\nShe makes 18 dollars.",
            "#### 1. Compute\n9 * 2\nShe makes 18 dollars.", "The result is 9. Multiply by two, so 18.",
            "#### Option 18",
        ],
        &[],
    );
}

#[rustfmt::skip]
#[test]
fn terms_and_spans_explain() {
    check(
        "numeric",
        "3",
        &[
            "The answer is 3 out of 4.", "#### 3 out of the 8 apples", "The answer is 3 in 2 days",
            "#### 3 in 2 hours", "The solution is 3. It took 2 steps.", "The result is 3. It took 2 steps.",
            "We get the answer 3. 2 steps.", "The final result is 3 apples. It took 2 steps.",
            "So 3 is correct. It took 2 steps.", "The answer is 3 (1 + 2).", "The answer is 3: 1 + 2.",
            "The answer is 3 (5 - 2)",
        ],
        &[
            "The answer is 3 (1 + 4).", "#### 3 (1 + 2)", "\\boxed{3(1+2)}", "The answer is 3 in 4",
            "The result is 3. Then we double it: 6.", "The solution is not 3.",
            "We get the wrong answer 3. It took 2 steps.",
        ],
    );
}
