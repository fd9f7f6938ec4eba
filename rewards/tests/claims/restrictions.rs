//! What restricts a formula belongs to it; what explains it does not.

use super::check;

#[test]
fn only_what_explains_a_formula_is_left_out() {
    check(
        "math",
        "x^2",
        &[
            "The answer is $x^2$, since the square is even.",
            "The answer is $x^2$, because we multiply twice.",
            "The answer is $x^2$, not $x^3$.",
            "The answer is $x^2$, but not $x^3$.",
            "The answer is $x^2$ and not $2x$.",
            "The answer is $x^2$; the other way gives the same.",
            "The answer is $x^2$ — which was to be shown.",
        ],
        &[
            "The answer is $x^2$, so long as $x > 0$.",
            "The answer is $x^2$, as long as $x > 0$.",
            "The answer is $x^2$, while $x>0$.",
            "\\boxed{x^2, \\text{ although only for } x > 0}",
            "\\boxed{x^2 \\text{; valid for positive numbers only}}",
            "The answer is $x^2$, but not for $x=1$.",
            "The answer is $x^2$, but not $1$.",
            "The answer is $x^2$ except at $x=1$.",
            "The answer is $x^2$ (if $x>0$).",
            "The answer is $x^2$, if $x>0$.",
            "The answer is $x^2$, provided that $x>0$.",
            "The answer is $x^2$, when x is positive.",
            "The answer is $x^2$, given that $x$ is positive.",
            "The answer is $x^2$, assuming $x>0$.",
            "The answer is $x^2$; this holds for x greater than two.",
            "The answer is $x^2$ — at least for small numbers.",
            "The answer is $x^2$, unless x is negative.",
            "The answer is $x^2$; zero must be excluded here.",
        ],
    );
    check(
        "math",
        "\\mathbb{R}",
        &["The answer is all real numbers, because squares never vanish."],
        &[
            "The answer is $\\mathbb{R}$ — without the number zero.",
            "\\boxed{\\mathbb{R}; \\text{ only the positive half}}",
            "The answer is $\\mathbb{R}$; zero does not belong to it.",
            "The answer is $\\mathbb{R}$, though zero is missing.",
            "The answer is $\\mathbb{R}$, where zero is no member.",
            "The answer is $\\mathbb{R}$, not zero.",
            "The answer is $\\mathbb{R}$, excluding zero.",
            "The answer is $\\mathbb{R}$ rather than zero.",
            "The answer is all real numbers, not zero.",
            "\\boxed{\\text{all real numbers, not zero}}",
            "The answer is all real numbers, which are positive.",
            "The answer is all real numbers rather than zero.",
        ],
    );
    check(
        "math",
        "[0,5]",
        &["The answer is $[0,5]$, since both ends are allowed.", "The answer is $[0,5]$, not $(0,5)$."],
        &["\\boxed{[0,5]; \\text{ the number three is left out}}"],
    );
    check(
        "math",
        "\\{1,2,3\\}",
        &["The answer is $\\{1,2,3\\}$, not $\\{1,2\\}$."],
        &[
            "\\boxed{\\{1,2,3\\}, \\text{ but not } 3}",
            "The answer is $\\{1,2,3\\}$, but not $3$.",
            "The answer is {1,2,3}, not 3.",
        ],
    );
    check(
        "math",
        "9",
        &[
            "The answer is 9; the other root is negative.",
            "The answer is 9, which is positive.",
            "The answer is 9, since only positive roots count.",
            "The answer is 9 - the only positive solution.",
            "The answer is 9, since x > 0.",
            "The answer is 9, because x = 3.",
        ],
        &["The answer is 9; only for positive x."],
    );
    check(
        "math",
        "5",
        &[
            "The answer is 5 (as required).",
            "The answer is 5 — as required.",
            "The answer is 5; see above.",
            "The answer is not 6; it is 5.",
            "The answer is 5, which is at most 10.",
            "The answer is 5, which is in the interval.",
            "The answer is 5, since the equation fails if x is even.",
            "f(2) = 5; the other value is not needed. The answer is $f(2) = 5$; the other value is not needed.",
            "The answer is $f(2)=5$, not $6$.",
            "\\boxed{5 \\text{ (as required)}}",
            "The answer is 5 (by symmetry).",
            "The answer is 5, as required.",
            "The answer is not 6, it is 5.",
            "The answer is not 6 — the answer is 5.",
        ],
        &[
            "The answer is 5 (since x is odd) or 6.",
            "The answer is 5 (not 6) or 7.",
            "The answer is 5, since x is odd, or it is 7.",
            "The answer is 5 (not 6), maybe 7.",
            "\\boxed{5 \\text{ (not 6) or } 7}",
            "The answer is $5$, but not for $x=1$.",
            "The answer is $5$, as long as $x>1$.",
            "The answer is $5$, not for $x = 1$.",
            "The answer is $5$, although only for $x = 1$.",
            "The answer is $5$ — at least for small numbers.",
            "The answer is $5$; if the number is odd.",
            "The answer is 5 (in thousands).",
            "The answer is 5 (as a percentage).",
            "The answer is 5; not exactly.",
            "The answer is not 5; it is 6.",
            "The answer is not 6; it is not 5.",
        ],
    );
    check("math", "\\text{odd}", &["\\boxed{\\text{odd, not even}}"], &[]);
    check("math", "\\text{even}", &["\\boxed{\\text{even rather than odd}}"], &[]);
    check(
        "math",
        "\\text{yes}",
        &[],
        &["The answer is yes, so long as it rains.", "The answer is yes, but only on Mondays."],
    );
    check("math", "2, 3", &["The answer is 2, 3, not 4."], &["The answer is 2, 3, but not 3."]);
    check(
        "math",
        "\\{1,2\\}",
        &["The answer is $\\{1, 2\\}$, not $\\{1, 3\\}$."],
        &["The answer is $\\{1, 2\\}$ but not 2."],
    );
    check(
        "math",
        "y=2x+1",
        &["The answer is $y=2x+1$, not $y=2x$."],
        &["The answer is $y=2x+1$, not $x=2$."],
    );
    check(
        "math",
        "2x",
        &["The answer is $2x$, which is twice $x$.", "The answer is $2x$, so $f(3) = 6$."],
        &[
            "The answer is $2x$, which holds for positive x.",
            "The answer is $2x$, since it is linear, for $x > 0$.",
        ],
    );
    check(
        "math",
        "12",
        &[
            "The answer is 12, not 13 or 14.",
            "The answer is 12, not 13, since 12 is even.",
            "The answer is 12 — exactly as in the example.",
            "The answer is 12, assuming the usual order.",
        ],
        &[
            "The answer is 12, not exactly.",
            "The answer is 12, not for all x.",
            "The answer is 12, not always.",
        ],
    );
    check("math", "x^2+1", &["The answer is $x^2+1$, which is always positive."], &[]);
    check("math", "(3,4)", &["The answer is $(3,4)$, which satisfies both equations."], &[]);
}
