//! Letters that a reply claims, denies or only speaks of.

use super::check;

#[rustfmt::skip]
#[test]
fn an_option_is_claimed_or_denied() {
    check(
        "choice",
        "A",
        &[
            "Answer: not B but A", "Answer: that rules B out, so A", "The answer is A (B is wrong)",
            "The answer is A, and B is wrong", "The answer is A, not B", "The answer is A, not B or C.",
            "The answer is A (not B).", "The answer is A - not B.", "The answer is A — B is ruled out.",
            "The answer is A; B is wrong.", "The answer is A; not B.", "The answer is A rather than B.",
            "The answer is A instead of B", "The answer is A, whereas B is too small.",
            "The answer is A, while B is tempting.", "The answer is A, since B is wrong.",
            "The answer is A as the others are wrong.", "The answer is A because B and C are wrong.",
            "**The answer is A.** B is wrong.", "*The answer is A.* B took 2 steps.",
            "_The answer is A._ C is not.", "`The answer is A.` I am sure", "**Answer: A** (B is wrong)",
            "Answer: not B; A", "Answer: it isn't B, it's A", "Answer: B is wrong, A",
            "Answer: B and C are wrong, so A", "Answer: neither B nor C but A",
            "The answer is A, others are wrong.", "The answer is A, B is ruled out.", "#### A (not B)",
            "<answer>A, not B</answer>", "\\boxed{A} (not B)", "\\boxed{A \\text{ (not B)}}",
            "\\boxed{A}, not \\boxed{B}", "The answer is A. B is wrong.",
            "The answer is A. That is because B is wrong.", "A, not B", "A (B is wrong)",
            "The answer is A, as opposed to B", "Answer: B can't be right, hence A",
            "The answer is A (B cannot be).", "The answer is A, but not B.", "The answer isn't B but A.",
            "The answer is not B, but A.", "Answer: B is eliminated; C is eliminated; A",
            "The answer is A – it is not B.", "The answer is A) It does not change.", "The answer is A: 12",
            "The answer is A. The answer is not B.", "Thus, the answer must be A.", "The answer equals A.",
            "The answer was A.", "The answer would be A.", "The answer should be A",
            "The answer is therefore A.", "The answer to this problem is A.", "A is the answer.",
            "So (A) is the correct answer.", "A must be the answer.", "The final answer is A",
            "The answer comes out to A.", "the answer to the question, then, is A.",
            "The best choice must be A.", "The correct option would be A.", "Hence A is our final answer.",
            "## Final Answer\n\nA", "The answer: A", "Answer = A", "Answer -> A", "The answer has to be A.",
            "The answer can only be A.", "A is the answer, not B.", "The answer turns out to be A.",
            "Therefore the right option is option A.", "The answer is A (and not B)",
            "The answer is A, since neither B nor C works.", "The answer is A. (B is wrong.)",
            "The answer is A, because B isn't right and C can't be",
            "The correct answer is A; the rest are false.", "My answer is A, although B is close",
            "Answer: A. Not B.", "The answer is **A** — not **B**", "The answer: (A), not (B)",
            "$\\boxed{A}$, since B is ruled out", "#### A, B is wrong",
            "I conclude that the answer has to be A", "I conclude the answer must therefore be A.",
            "Final Answer: A", "Final answer is A.", "The answer, of course, is A.",
            "The answer is clearly A.", "Clearly the answer is option A, not option B",
            "Answer: A (because C is wrong and B is too)", "Answer: A\n\nB is wrong.",
           
        ],
        &[
            "Answer: A is wrong", "Answer: A is ruled out", "The answer is A, which is wrong.",
            "Answer: A isn't right", "Answer: A is not correct", "Answer: A cannot be",
            "Answer: A can't be right", "Answer: A is eliminated", "Answer: A was excluded",
            "Answer: (A) is wrong", "Answer: A) is wrong", "Answer: A is incorrect",
            "Answer: **A** is wrong", "Answer: A is impossible", "Answer: A does not work", "Answer: not A",
            "Answer: rather than A", "Answer: instead of A", "Answer: everything but A",
            "Answer: A - no, that is wrong", "Answer: A (wrong)", "Answer: A (this is ruled out)",
            "Answer: A; this is wrong", "Answer: A — that can't be right", "Answer: A is false",
            "The answer is A. That is wrong.", "The answer is A. No, that's not right.",
            "The wrong answer is A.", "It is not \\boxed{A}.", "\\boxed{A} is wrong",
            "\\boxed{A \\text{ is wrong}}", "\\boxed{\\text{not }A}", "A is not the answer.",
            "A isn't the answer.", "A cannot be the answer.", "A is the wrong answer.",
            "Answer: neither A nor B", "Answer: A is wrong or B is", "Answer: A or B", "Answer: A and B",
            "Answer: A or B, B is wrong or A is", "Answer: A, or maybe B", "Answer: A (or B)",
            "Answer: A; or B", "Answer: we can rule out A", "Answer: ruling out A", "Answer: A is out",
            "Answer: A fails", "<answer>A is wrong</answer>", "<answer>A</answer> is wrong",
            "#### A is wrong", "#### not A", "Answer: A is too large", "The answer is not, however, A",
            "The answer is A. Wait, that is incorrect.", "The answer A is better than B",
            "The answer is B. No, the answer is not B. It could be A or C.", "Answer: unlike A",
            "Answer: A (A is wrong)", "Answer: A because A is wrong", "The answer choices A and C are worse",
            "Is the answer A? No.", "What is the answer? A or B", "If A is the answer, then B",
            "A, B is the answer.", "The answer depends on A", "Answer choice A is wrong",
            "I doubt A is the answer.", "The answer could be A or B", "The answer must not be A",
            "The answer must be A or B", "The answer is A. However, that is wrong.",
            "Answer: A is not possible; B is", "Answer: A isn't", "Answer: A, which is ruled out",
            "Answer: A is clearly wrong", "Answer: A is definitely not right", "The answer A is incorrect",
            "Answer: A might be wrong", "The answer is definitely not A", "The answer is certainly not (A)",
            "Answer: A was wrong", "Answer: A would be wrong", "Answer: A seems wrong", "Answer: A → wrong",
            "Answer: A: wrong", "Answer: A - wrong", "Answer: A = wrong", "Answer: A, wrong",
            "Answer: A. Wrong!", "Answer: A\nThis is wrong.", "Answer: A\n\nThat was wrong; it is C",
            "\\boxed{A}? No, that's wrong", "\\boxed{A} can't be right", "$\\boxed{A}$ is ruled out",
            "**\\boxed{A}** is wrong", "Not \\boxed{A}", "<answer>not A</answer>",
            "<answer>A is eliminated</answer>", "#### A cannot be", "A is ruled out", "(A) is wrong",
            "Option A is wrong.", "A can't be the answer", "A is not our answer",
            "A wasn't the right answer", "Answer: nothing but B, A is wrong", "Answer: A no",
            "Answer: it's not A", "Answer: hardly A", "Answer: A is far from right",
            "The incorrect answer is A", "Incorrect answer: A", "Wrong answer: A", "Answer: excluded are A",
            "Answer: eliminate A", "Answer: I eliminate A", "Answer: A gets eliminated",
            "Answer: A has to be eliminated", "Answer: A must be wrong", "Answer: A must be ruled out",
            "Answer: A and B are wrong", "Answer: both A and B are ruled out",
            "Answer: A as well as B are wrong", "Answer: A, B are wrong", "Answer: A/B are wrong",
            "Answer: A (B)", "Answer: A, C", "Answer: A or rather C", "Answer: A; C", "Answer: A. Or C.",
            "Answer: A — C", "Answer: A, unless C", "Answer: if not B then A or C",
            "Answer: A is as good as C", "Answer: either of A, C",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn what_is_denied_is_not_claimed() {
    check(
        "choice",
        "B",
        &[],
        &[
            "Answer: A is wrong or B is", "Answer: not B but A", "The answer is A rather than B",
            "The answer is A, not B", "The answer is A (B is wrong)", "The answer is A; B is wrong",
            "The answer is A, whereas B is too small", "The answer A is better than B",
            "Answer: B isn't it, A is",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn other_options_are_ruled_out() {
    check(
        "choice",
        "C",
        &[
            "Answer: A and B are ruled out, so C", "The answer is C. A and B are wrong.",
            "Answer: A is wrong, B is wrong, C is right", "Of these, the answer is C",
            "The answer is C (neither A nor B fits)", "Answer: A can be ruled out; C",
            "The answer is C ((A) and (B) are wrong)", "I rule out A. The answer is C",
            "The answer is C since it can't be A.", "The answer is C (Paris), not B (Rome).",
            "The answer is *C*, not *B*.", "Answer: C, even though A looks right",
            "The answer is C: A and B are wrong", "The answer is C\n\nA is wrong because x.",
            "Answer: C [not B]", "**C** is the answer; B is wrong",
            "So the correct answer is **(C)**. Option A is incorrect.", "The answer is C. This rules out A.",
            "Answer: C, rather than B or D", "Answer: C in place of B",
        ],
        &[
            "Answer: C and not only B", "Answer: not only C but B", "Answer: C or not B", "Answer: C? No, B",
            "Answer: C, I mean B", "Answer: C/B", "Answer: between B and C", "Answer: C, alternatively B",
            "Answer: A is right and C is right", "The answer isn't necessarily C", "Answer: C won't do",
            "Answer: C, no", "Answer: C does not hold", "Answer: option C contradicts the premise",
            "Answer: C has been excluded", "The answer is C — which is false.", "Answer: C never",
            "The answer is anything other than C", "Answer: all except C", "Answer: C is not possible",
            "I don't think the answer is C", "I do not believe the answer is C.",
            "It is wrong that the answer is C", "The answer is C. I was wrong, it is B.",
            "The answer is C. Actually, that is not correct.",
        ],
    );
}
