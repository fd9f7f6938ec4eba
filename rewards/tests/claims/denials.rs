//! What is doubted, crossed out or said of another claim.

use super::check;

#[rustfmt::skip]
#[test]
fn an_article_is_no_option_and_a_cross_denies() {
    check(
        "choice",
        "A",
        &[
            "Answer: ~~B~~ A", "A ✓", "B ✗, A ✅", "Answer: A, without a doubt",
            "The answer is without a doubt A", "The answer is no doubt A",
            "There is no doubt that the answer is A.", "A. Not B.", "Answer: B is bad, A",
            "The answer is A, though B is tempting", "Answer: A. Alternatively, one may count.",
            "Answer: A magnet pulls iron, so (A)", "The answer is A because B is a trap",
            "The answer is A. Perhaps surprisingly.", "Answer: A and nothing else", "Answer: A",
            "Answer: **A** magnets", "The answer is A, while B is a distractor", "The answer is A. I doubt B.",
            "Answer: A as B is no answer",
        ],
        &[
            "Answer: ~~A~~", "Answer: A ✗", "A ❌", "❌ A", "Answer: A 👎", "I doubt it is A",
            "Answer: I doubt it is A", "A? I doubt it", "Answer: A? I doubt it", "non-A", "Answer: non-A",
            "Answer: avoid A", "Answer: A is bad", "Answer: A is a trap", "Answer: A is no answer",
            "Answer: A, though wrong", "Answer: A, although incorrect", "Answer: A, albeit wrong",
            "Answer: A (or B fits)", "Answer: A. Alternatively B.", "Answer: A, whereas B is right",
            "Answer: A. Maybe B.", "Answer: A. Perhaps it is B.", "Answer: A, while B is also correct",
            "Answer: A magnet pulls iron.", "The answer is A car.", "The answer is A small dog",
            "Answer: A is a distractor", "Answer: A is no solution", "Answer: ignore A", "Answer: forget A",
            "Answer: A is misleading", "Answer: <del>A</del>", "Answer: A is dubious",
            "The answer is A Tale of Two Cities", "Answer: A, even though it is wrong", "A is bad", "~~A~~",
            "It is doubtful that the answer is A",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn what_takes_back_speaks_of_the_claim() {
    check(
        "choice",
        "B",
        &[
            "Answer: ~~A~~ B", "The answer is B. The first option is wrong.",
            "The answer is B. My first guess was wrong.", "The answer is B. This is not the case for Rome.",
            "The answer is B. One option is wrong.", "The answer is B. The other one is wrong.",
            "The answer is B. My initial answer was wrong.", "The answer is B. This is not true in Paris.",
            "A ❌, B ✅", "The answer is B. That is not so for A.",
        ],
        &[
            "The answer is B. That one is wrong.", "The answer is B. This option is wrong.",
            "The answer is B. Wait, my first answer was wrong.", "The answer is B. No, the first one is wrong.",
            "The answer is B. That is not right for several reasons.",
            "The answer is B. That is wrong for two reasons.", "The answer is B. My answer is wrong.",
            "The answer is B. It is not correct at all.", "The answer is B. That is not correct in any way.",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn doubts_and_crosses_deny_numbers() {
    check(
        "numeric",
        "4",
        &[
            "I have no doubt it is 4", "~~3~~ 4", "It is 4 ✓", "The answer is 4 bad apples", "#### 4 traps",
            "There is no doubt: 4", "I doubt it is 3. It is 4", "The answer is 4. The first one is wrong.",
            "\\boxed{4}. This is not true for n = 1.", "The answer is 4. My first guess was wrong.",
            "I don't think so, it is 4", "The answer is 4. Alternatively, 2 + 2 = 4.",
        ],
        &[
            "~~4~~", "4 ✗", "4 ❌", "I doubt it is 4", "I doubt that the answer is 4.", "non-4", "It is non-4",
            "#### ~~4~~", "\\boxed{\\cancel{4}}", "I don't think it is 4.", "I don't believe that it's 4",
            "It is not true that it is 4", "The answer is 4. Alternatively 5.", "The answer is 4. Maybe 5.",
            "The answer is 4, though wrong", "#### 4 is bad", "4 is a trap", "#### 4, whereas 5 is right",
            "The answer is 4 (or 5 fits)", "I am not sure it is 4", "It is unlikely that it is 4",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn doubts_and_crosses_deny_formulas() {
    check(
        "math",
        "5",
        &[
            "\\boxed{5}. The first one is wrong.", "\\boxed{5}. This is not true for $n = 1$.",
            "There is no doubt that the answer is 5.", "~~6~~ 5",
        ],
        &[
            "~~5~~", "\\boxed{5 \\text{ fails}}", "I doubt the answer is 5.", "\\boxed{5 \\text{ is a trap}}",
            "\\boxed{~~5~~}", "The answer is 5. Alternatively 6.",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn another_guess_is_not_the_answer() {
    check(
        "numeric",
        "3",
        &[
            "The answer is 3. The first one is wrong.",
        ],
        &[],
    );
}
