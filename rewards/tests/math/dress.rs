//! What stands around an answer, and answers that are broken.

use super::check;

#[test]
fn emphasis_sizes_and_marks_say_nothing() {
    check(
        "18",
        &[
            "**18**",
            "`18`",
            "\"18\"",
            "18.",
            "18,",
            "18\\\\",
            "\\underline{18}",
            "\\Large 18",
            "\\color{red}{18}",
            "\\textcolor{blue}{18}",
            "\\text{$18$}",
            "\\text{\\textbf{18}}",
            "\\boxed{18}",
            "18 \\tag{1}",
            "\\phantom{x}18",
            "18 \\checkmark",
            "18 \\hspace{1cm}",
            "\\mathrm{\\frac{36}{2}}",
        ],
        &[
            "\"18\" or \"19\"",
            "18..",
            "18...",
            "18''",
            "\\phantom{18}",
            "\\overline{18}",
            "\\neg 18",
            "18 \\foo",
        ],
    );
    check("\\text{Evelyn}", &["\"Evelyn\"", "“Evelyn”.", "**evelyn**"], &["\"Evelyn\" or \"Ann\""]);
}

#[test]
fn broken_answers_are_worth_nothing() {
    for broken in [
        "",
        "{",
        "}",
        "(",
        "18/",
        "/18",
        "18 \\times",
        "=",
        "\\frac{18}{}",
        "\\frac{}{18}",
        "\\frac{18",
        "\\sqrt{}",
        "18_",
        "18^",
        "x =",
        "18 19",
        "18 & 19",
        "18 \\quad 19",
        "18 \\to 19",
        "18 \\lor 19",
        "18 - 19",
        "18?",
        "not 18",
        "\\ge 18",
        "18.0.0",
        "18!!",
        "18 \\% \\%",
        "N/A",
        "\\text{18 or 17}",
        "17, 18",
        "x = 18 \\text{ or } 17",
        "17 < 18",
        "18 + 10^{-100}",
        "|18|x",
        "17.99999999999999999999999999",
        "\\frac{18}{1.0000000001}",
    ] {
        check("18", &[], &[broken]);
    }
}

#[test]
fn numbers_in_chains_must_all_be_the_answer() {
    check(
        "18",
        &["x = 36/2 = 18", "2 \\cdot 9 = 18"],
        &["1 = 18", "18 = 17", "17 + 2 = 18", "x = 17 = 18", "18 = 18 = 17"],
    );
}
