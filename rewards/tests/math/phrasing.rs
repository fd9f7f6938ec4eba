//! What is written around a value, and what only looks like it: words, labels, clauses, rounded values, times of day.

use super::check;

#[test]
fn formulas_with_words_are_no_words() {
    for (gold, wrong) in [
        ("\\sqrt{2\\pi}", "\\sqrt{2}\\pi"),
        ("\\sqrt{10-2}", "\\sqrt{10}-2"),
        ("\\frac{6}{2}-1", "\\frac{6}{2-1}"),
        ("\\frac{a}{bc}", "\\frac{ab}{c}"),
    ] {
        check(&format!("{gold}\\text{{ hours}}"), &[gold], &[&format!("{wrong}\\text{{ hours}}")]);
    }
    check("\\frac{a}{bcde}", &["\\frac{a}{bcde}"], &["\\frac{abcd}{e}"]);
    check("2\\sqrt{abcd}x", &[], &["2\\sqrt{abcdx}"]);
    check("\\mathbf{Evelyn}", &["Evelyn", "\\text{\\textbf{evelyn}}"], &["Ann"]);
}

#[test]
fn articles_are_no_labels() {
    check("\\text{Group A}", &["Group A", "\\text{the Group A}"], &["Group", "Group B"]);
    check("Plan A", &["\\text{Plan A}"], &["Plan"]);
    check("\\text{circle}", &["a circle", "\\text{The circle}"], &["\\text{not a circle}", "semicircle"]);
}

#[test]
fn times_of_day_are_no_ratios() {
    check("4:30", &["4:30", "4\\text{:}30", "4:30 PM", "4:30 \\text{ p.m.}"], &["2:15", "8:60", "4:31", "4"]);
    check("4:30 \\text{ p.m.}", &["4:30 \\text{ PM}", "4:30 pm", "4:30"], &["4:30 \\text{ a.m.}", "5:30 PM"]);
    check("12:00", &["12:00"], &["1:0", "12:0", "12:01"]);
    check("3:4", &["6:8", "30:40"], &["4:3", "3:0"]);
    check("2:3:5", &["4:6:10"], &["4:6:5", "0:0:0"]);
}

#[test]
fn equations_that_give_what_was_asked_for() {
    check("13", &["a^2+b^2=13", "13 = a^2 + b^2", "a^2 + b^2 = 9 + 4 = 13"], &["a^2+b^2=14", "a^2 = 13"]);
    check("3", &["x-y=3", "2x+y=3"], &["x^2=3", "3x=3", "x - y = z + 3"]);
    check("2x + y = 3", &["4x + 2y = 6"], &["3"]);
    check("\\frac{1}{4}", &["P(X=2) = \\frac14", "P(A|B) = 0.25", "\\Pr(X > 2) = \\frac14"], &["P(X=2)"]);
    check("3", &["\\lim_{x\\to 0} f(x) = 3", "\\int_0^1 3x^2 dx + 2 = 3"], &["\\lim_{x\\to 0} f(x) = 4"]);
    check(
        "5",
        &["\\therefore x = 5", "∴ 5", "|AB| = 5", "\\begin{aligned} x &= 5 \\end{aligned}"],
        &["|x| = 5", "|AB| = 6"],
    );
}

#[test]
fn rounded_values_beside_the_exact_one() {
    check(
        "12\\pi",
        &["12\\pi \\approx 37.7", "x = 12\\pi \\approx 37.70"],
        &["37.7", "\\approx 37.7", "12\\pi \\approx 38.7"],
    );
    check("37.7", &[], &["12\\pi \\approx 37.7"]);
    check("5", &[], &["x \\approx 5", "4.9 \\approx 5"]);
}

#[test]
fn clauses_of_whole_numbers() {
    check(
        "\\frac{\\pi}{6}+2k\\pi, k\\in\\mathbb{Z}",
        &["\\frac{\\pi}{6}+2\\pi k, k \\in \\mathbb{Z}", "\\frac{\\pi}{6}+2k\\pi"],
        &["\\frac{\\pi}{3}+2\\pi k, k \\in \\mathbb{Z}", "\\frac{\\pi}{6}", "k \\in \\mathbb{Z}"],
    );
}

#[test]
fn options_with_what_they_say() {
    check(
        "\\text{(B)}",
        &["\\text{(B) } 5", "\\text{B. } 5", "B. 5", "B: Paris", "\\textbf{(B)}\\ 12", "\\text{B) Paris}"],
        &[
            "\\text{(A) } 5",
            "B. 5 or C. 6",
            "(B)(C)",
            "(B), (C)",
            "\\text{B. or C.}",
            "B 5",
            "\\text{not B}",
            "B. not 5",
        ],
    );
    check("C", &["\\textbf{(C)}\\ 12", "C"], &["A. 5", "c. 5"]);
}

#[test]
fn ordinals_and_numbers_in_words() {
    check("3", &["3^{\\text{rd}}", "3rd", "\\text{three}"], &["4th", "2nd", "3th", "\\text{third}"]);
    check("12", &["12th", "twelve", "12^{\\text{th}}"], &["twenty", "12nd"]);
    check("\\text{seven}", &["7", "Seven"], &["seventy", "8"]);
}

#[test]
fn raised_signs_and_roots() {
    check("0.0015", &["1.5 × 10⁻³"], &["1.5 × 10³"]);
    check("2^n", &["2ⁿ"], &["2n"]);
    check("\\sqrt[3]{2}", &["∛2"], &["√2"]);
    check("x_{-1}", &["x₋₁"], &["x₁"]);
}

#[test]
fn distances_from_zero_and_open_brackets() {
    check("(-1,1)", &["|x|<1", "]-1,1["], &["|x|\\le 1", "|x|>1", "[-1,1["]);
    check(
        "|x| > 1",
        &["x < -1 \\text{ or } x > 1", "(-\\infty,-1) \\cup (1,\\infty)"],
        &["x > 1", "|x| \\ge 1"],
    );
    check("[0, 1) \\cup (2, 3]", &["[0,1[ \\cup ]2,3]"], &["[0,1] \\cup ]2,3]"]);
}
