//! Formulas that a reply claims or denies.

use super::check;

#[rustfmt::skip]
#[test]
fn a_formula_is_claimed_or_denied() {
    check(
        "math",
        "5",
        &[
            "The answer is 5 (not 6).", "**The answer is 5.** It took 2 steps.",
            "*The answer is 5.* It took 2 steps", "The answer is 5, not 6.",
            "The answer is 5 rather than 6.", "The answer is 5 instead of 6.", "The answer is 5 - not 6.",
            "The answer is 5 — not 6.", "The answer is 5 — 6 is wrong.", "The answer is 5; 6 is wrong.",
            "The answer is 5; not 6", "The answer is 5, whereas 6 is too large.",
            "The answer is 5 and not 6.", "The answer is 5, but not 6.", "The answer is not 6 but 5.",
            "The answer is 5 (6 is wrong).", "The answer is $5$ (not $6$).", "The answer is $5$, not $6$.",
            "\\boxed{5 \\text{ (not 6)}}", "\\boxed{5, \\text{ not } 6}",
            "The answer is $x = 5$, not $x = 6$.", "The answer must be 5.",
            "5 is the answer. It took 2 steps.", "The answer comes out to 5. It took 2.",
            "The answer is 5, since 6 is wrong.", "The answer is 5, and 6 is wrong.",
            "<answer>5 (not 6)</answer>", "#### 5 (not 6)", "#### 5, not 6",
            "The answer is 5, as opposed to 6.", "**Answer: 5** (not 6)",
            "_The answer is 5._ It took 2 steps.", "Thus the answer equals 5. That took 2 steps.",
            "The answer is \\(5\\), not \\(6\\).", "It is \\boxed{5}, not \\boxed{6}.",
            "The answer should be $5$. It took $2$ steps.", "The answer is therefore $5$.",
            "The answer turns out to be 5. It took 2.",
        ],
        &[
            "The answer is 5, which is wrong.", "The answer is 5. That is wrong.",
            "The answer is 5 is wrong", "The answer is 5 (wrong)", "The answer is 5 (this is wrong)",
            "\\boxed{5 \\text{ is wrong}}", "\\boxed{5} is wrong.", "It is not \\boxed{5}.",
            "The answer is 6, not 5.", "The answer is 6 (not 5).", "5 is not the answer.", "5 is ruled out.",
            "The answer is not 5", "The answer is 5 or 6", "The answer is 5 (or 6)", "The answer is 5; or 6",
            "The answer is 5, 6", "The wrong answer is 5.", "The answer is 5. No, that's not right.",
            "<answer>5</answer> is wrong", "#### 5 is wrong", "The answer is 5 — no, 6",
            "The answer is 5 - 6", "The answer is 5 (mod 7)", "The answer is 5 (6)",
            "The answer is 6 rather than 5.", "So 5 is wrong.", "The answer is 5x, not 6",
            "The answer is neither 5 nor 6", "A wrong answer would be 5.",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn pairs_are_told_apart() {
    check(
        "math",
        "(1,2)",
        &[
            "The answer is (1,2), not (2,1).", "The answer is $(1,2)$ (not $(2,1)$).",
        ],
        &[
            "The answer is (2,1), not (1,2).",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn sets_may_leave_out_a_point() {
    check(
        "math",
        "\\mathbb{R}",
        &[],
        &[
            "The answer is $\\mathbb{R}$ except 2", "The answer is $\\mathbb{R}$, not 2",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn relations_may_leave_out_a_point() {
    check(
        "math",
        "x>3",
        &[
            "The answer is x > 3",
        ],
        &[
            "The answer is x > 3, but not 5", "The answer is x > 3 except 5",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn lists_stay_whole() {
    check(
        "math",
        "x=1, y=2",
        &[
            "The answer is $x=1$, $y=2$.",
        ],
        &[],
    );
}

#[rustfmt::skip]
#[test]
fn fractions_stay_whole() {
    check(
        "math",
        "\\frac{1}{2}",
        &[
            "The answer is $\\frac{1}{2}$ rather than $\\frac{1}{3}$.", "The answer is $\\frac12$ (not 2).",
        ],
        &[],
    );
}

#[rustfmt::skip]
#[test]
fn words_are_explained() {
    check(
        "math",
        "\\text{Evelyn}",
        &[
            "The answer is Evelyn.", "The answer is Evelyn because she ran.",
        ],
        &[],
    );
}

#[rustfmt::skip]
#[test]
fn units_stay() {
    check(
        "math",
        "5\\text{ cm}",
        &[
            "The answer is 5 cm, not 6 cm.",
        ],
        &[
            "The answer is 5 m, not 6 m.",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn doubts_claim_nothing() {
    check(
        "math",
        "7",
        &[
            "The answer is 7 [not 8].", "Answer: **7**, not **8**", "The answer is $7$ — not $8$.",
            "The answer is 3 + 4 = 7, not 8", "The answer is 7, because 8 is too large.",
            "The correct answer must be 7.", "The answer would be 7. This took 3 steps.",
            "7 is our final answer. I used 2 steps.", "Answer: 7", "The answer is $\\boxed{7}$ (not $8$)",
            "So 7 is the correct answer.", "Therefore 7 must be the answer.",
        ],
        &[
            "I don't think the answer is 7", "The answer is anything other than 7",
            "The answer is 7. No, 8.", "The answer is between 7 and 8", "The answer isn't 7",
            "7 cannot be the answer.", "The answer is 7 and 8", "Answer: 7/8", "The answer is 7 and a half",
            "It can't be $7$.", "I got 7 but that is wrong.", "The answer is 7; no, 8",
            "The answer is 7 million", "The answer: 7 is incorrect", "\\boxed{7}. No, that is wrong.",
            "\\boxed{7} is not the answer", "#### 7\nThat is wrong.",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn denials_in_other_words() {
    check(
        "math",
        "9",
        &[
            "The answer is 9; the other root is negative.", "The answer is 9 — the others fail.",
            "The answer is $x=9$ (since $x=8$ fails).", "The answer is 9, which is odd.",
            "Answer: 9 (we rule out 8)", "The answer is \\(9\\) (not \\(8\\)).", "\\boxed{9} (not 8)",
            "\\boxed{9}, since 8 is wrong", "The answer is 8 + 1 = 9, not 8.",
            "The answer is 9 instead of 8.", "**The answer is $9$.** It took 2 steps.",
            "**The answer is 9**. It took 2 steps.", "The answer is **9.** It took 2 steps.",
            "(The answer is 9.) It took 2 steps.",
        ],
        &[
            "The answer is 9, but that's wrong", "\\boxed{9}, which is wrong",
            "\\boxed{9}. This is incorrect.", "The answer is 9 is wrong", "Answer: 9 (incorrect)",
            "The answer is definitely not 9", "So 9 is excluded.", "The answer is 8 or 9",
            "The answer is 9, 8", "The answer is 9 \\text{ or } 8", "\\boxed{9 \\text{ or } 8}",
            "\\boxed{9 \\text{ is ruled out}}", "\\boxed{\\text{not } 9}", "\\boxed{8 \\text{, not } 9}",
            "<answer>not 9</answer>", "<answer>9 is wrong</answer>", "#### not 9", "#### 9 is ruled out",
            "The incorrect answer is 9", "9 isn't the answer.", "9 is the wrong answer.",
            "The answer is 9 (8)", "The answer is 9 - 8 is wrong", "The answer is 9x; not 8",
            "The answer is 9 if x > 2, else 8", "The answer is 9; it is 8", "The answer is 9 — or 8",
            "The answer is 9, maybe 8", "The answer is 9. Wait, that's wrong.",
        ],
    );
}
