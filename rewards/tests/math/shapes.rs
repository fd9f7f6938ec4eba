//! Words, lists, sets, intervals, matrices.

use super::check;

#[test]
fn words() {
    check(
        "\\text{Tuesday}",
        &["Tuesday", "tuesday", "\\textbf{Tuesday}", "\\mathrm{Tuesday}", "the Tuesday"],
        &["Thursday", "Tuesday or Wednesday", "It is Tuesday", "Tuesday, Friday", "\\text{not Tuesday}"],
    );
    check(
        "\\text{(D)}",
        &["D", "(D)", "\\text{D}", "\\mathbf{(D)}"],
        &["d)", "(A)", "A, B, C, D", "ABCD", "(A), (D)"],
    );
    check("\\text{Yes}", &["yes", "Yes", "YES."], &["no", "yes and no"]);
    check("\\text{no}", &["No", "no"], &["on", "yes"]);
    check("\\text{red, blue}", &["red, blue"], &["red", "blue"]);
}

#[test]
fn tuples_lists_and_sets() {
    check(
        "(2, -3)",
        &["\\left(2,-3\\right)", "( 2 , -3 )", "(\\frac42, -3)", "(x,y) = (2,-3)"],
        &["(-3,2)", "[2,-3]", "(2,-3]", "\\{2,-3\\}", "2,-3", "(2,-3,0)", "(2,-3),(1,1)"],
    );
    check(
        "2, 7",
        &["7, 2", "\\{2, 7\\}", "x = 2 \\text{ or } x = 7", "2 and 7", "2 \\text{ and } 7", "7;2"],
        &["2", "7", "2,7,7", "2, 7, 9", "27", "(2, 8)"],
    );
    check(
        "\\{1, 2, 3\\}",
        &["\\{3, 1, 2\\}", "1,2,3", "\\left\\{1,2,3\\right\\}", "\\{1,1,2,3\\}"],
        &["(1,2,3)", "\\{1,2\\}", "\\{1,2,4\\}"],
    );
    check(
        "2 \\pm \\sqrt{5}",
        &["2+\\sqrt5, 2-\\sqrt5", "\\{2 \\pm \\sqrt5\\}", "x = 2 \\pm \\sqrt{5}"],
        &["2+\\sqrt5", "2 \\mp \\sqrt6", "-2 \\pm \\sqrt5"],
    );
    check("(3,2),(-3,2),(3,-2),(-3,-2)", &["(\\pm 3, \\pm 2)"], &["(3, \\pm 2)", "(3,2),(-3,-2)"]);
    check("\\{1\\pm\\sqrt{5},-2\\}", &["1+\\sqrt5, -2, 1-\\sqrt5"], &["1+\\sqrt5, -2"]);
    check("-2,-2", &["-2, -2"], &["-2"]);
    check("[1,2,3]", &["(1,2,3)"], &["(1,3,2)"]);
    check("\\langle 1, 2 \\rangle", &["(1,2)"], &["(2,1)"]);
    check("\\emptyset", &["\\{\\}", "\\varnothing"], &["0", "\\{0\\}"]);
    check("3:4", &["6:8", "3 : 4"], &["4:3", "3", "7"]);
}

#[test]
fn intervals_and_sets_of_reals() {
    check(
        "(1, \\infty)",
        &["x > 1", "(1, +\\infty)", "1 < x", "x \\in (1, \\infty)"],
        &["[1,\\infty)", "x \\ge 1", "(-\\infty, 1)", "x < 1", "(1, 1000000)"],
    );
    check(
        "[-1, 2)",
        &["-1 \\le x < 2", "[-1,2)", "x \\in [-1,2)", "2 > x \\geq -1", "x \\ge -1 \\text{ and } x < 2"],
        &["(-1,2)", "[-1,2]", "-1 < x < 2", "x \\ge -1 \\text{ or } x < 2"],
    );
    check(
        "(-\\infty, 0) \\cup (1, \\infty)",
        &["(1,\\infty)\\cup(-\\infty,0)", "x < 0 \\text{ or } x > 1", "\\mathbb{R} \\setminus [0,1]"],
        &[
            "(-\\infty,0)",
            "(-\\infty,0] \\cup (1,\\infty)",
            "(-\\infty,0),(1,\\infty)",
            "(-\\infty, 0) \\cap (1,\\infty)",
        ],
    );
    check(
        "(-\\infty,2)\\cup(2,\\infty)",
        &["\\mathbb{R} \\setminus \\{2\\}", "x \\ne 2", "\\R \\setminus \\{2\\}"],
        &["\\mathbb{R}", "x = 2", "\\mathbb{R} \\setminus \\{3\\}"],
    );
    check("[0, 3]", &["[0,1] \\cup [1,3]"], &["[0,1) \\cup (1,3]", "(0,3)"]);
    check("k > 3", &["3 < k", "(3, \\infty)"], &["k \\ge 3", "m > 3", "k > 4"]);
    check("2x + 1 > y", &["y < 2x+1", "2y < 4x + 2"], &["y > 2x + 1", "y \\le 2x+1"]);
}

#[test]
fn sets_without_points() {
    check(
        "(-\\infty,2)\\cup(2,\\infty)",
        &[
            "\\mathbb{R} - \\{2\\}",
            "ℝ\\{2}",
            "R \\setminus \\{2\\}",
            "(-\\infty,\\infty) - \\{2\\}",
            "x \\in \\mathbb{R}, x \\neq 2",
            "x \\neq 2, x \\in \\mathbb{R}",
            "x \\in \\mathbb{R} \\text{ and } x \\neq 2",
            "x \\in \\mathbb{R} \\text{ such that } x \\neq 2",
            "x \\notin \\{2\\}",
            "\\text{all real numbers except } 2",
            "All real numbers except $2$.",
            "\\text{all real } x \\text{ except } x = 2",
            "\\text{any real number other than 2}",
            "\\text{all real numbers } x \\text{ with } x \\not= 2",
        ],
        &[
            "\\mathbb{R} - \\{3\\}",
            "\\mathbb{R} - 2",
            "\\mathbb{R} \\cap \\{2\\}",
            "\\mathbb{Z} - \\{2\\}",
            "x \\in \\mathbb{R}, x \\neq 2, 3",
            "x \\in \\mathbb{R}, x = 2",
            "x \\in \\mathbb{R}, y \\neq 2",
            "x \\in \\mathbb{Z}, x \\neq 2",
            "x < 2, x > 2",
            "\\text{all real numbers}",
            "\\text{all positive real numbers except } 2",
            "\\text{all integers except } 2",
            "\\text{not all real numbers except } 2",
            "\\text{all real numbers except possibly } 2",
            "\\text{all real numbers except } x > 2",
        ],
    );
    check(
        "(-\\infty,-1)\\cup(-1,1)\\cup(1,\\infty)",
        &[
            "x \\ne \\pm 1",
            "x \\ne -1, 1",
            "\\mathbb{R} - (\\{1\\} \\cup \\{-1\\})",
            "\\text{all real numbers except } x = 1 \\text{ and } x = -1",
        ],
        &["x \\ne 1", "x \\ne 1, 2"],
    );
    check(
        "[0,3)\\cup(3,5]",
        &["[0,5] - \\{3\\}", "x \\in [0,5], x \\neq 3", "0 \\le x, x \\le 5, x \\neq 3"],
        &["[0,5] - \\{2\\}", "0 \\le x, x < 5, x \\neq 3"],
    );
    check("(-\\infty,0]\\cup[1,\\infty)", &["\\mathbb{R} - (0,1)"], &["\\mathbb{R} - [0,1]"]);
    // Between points a minus takes no points away.
    check("(1,2)", &[], &["(1,2)-(3,4)"]);
    check("[1,2]", &[], &["[1,2]-[3,4]"]);
    // What cannot hold together is a list of two.
    check("x < 0, x > 1", &["x > 1, x < 0", "x < 0 \\text{ or } x > 1"], &["x < 0", "\\emptyset"]);
}

#[test]
fn matrices() {
    let gold = "\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}";
    check(
        gold,
        &[
            "\\begin{bmatrix} 1 & 2 \\\\ 3 & \\frac{8}{2} \\end{bmatrix}",
            "\\left[\\begin{array}{cc} 1 & 2 \\\\ 3 & 4 \\\\ \\end{array}\\right]",
        ],
        &[
            "\\begin{pmatrix} 1 & 3 \\\\ 2 & 4 \\end{pmatrix}",
            "\\begin{pmatrix} 1 & 2 \\\\ 3 & 5 \\end{pmatrix}",
            "1,2,3,4",
            "-2",
        ],
    );
    check(
        "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}",
        &["\\begin{bmatrix} 1 \\\\ 2 \\end{bmatrix}"],
        &[
            "\\begin{pmatrix} 1 & 2 \\end{pmatrix}",
            "(1,2)",
            "\\begin{pmatrix} 1 \\\\ 2 \\end{vmatrix}",
            "\\begin{pmatrix} 1 \\\\ 2",
        ],
    );
}

#[test]
fn sets_given_by_a_condition() {
    check(
        "(3, 4]",
        &["\\{x | 3 < x \\le 4\\}", "\\{x \\in \\mathbb{R} : 3 < x, x \\le 4\\}", "x \\in (3,4]", "t(3,4]"],
        &["\\{x | 3 < x < 4\\}", "\\{x : x = 4\\}", "\\{3 | 4\\}"],
    );
    check("$t(0,4]$", &["(0,4]", "0 < t \\le 4", "t \\in (0,4]"], &["(0,4)", "4"]);
    check("(1,2) \\cup (3,4)", &["(1,2) U (3,4)", "(3,4) ∪ (1,2)"], &["(1,2) \\cap (3,4)", "U"]);
    check(
        "\\mathbb{R}",
        &["\\mathbb R", "\\text{all real numbers}", "(-\\infty, \\infty)"],
        &["\\mathbb{Z}", "R"],
    );
}

#[test]
fn pairs_by_the_names_of_their_values() {
    check(
        "(2, 3)",
        &["x = 2, y = 3", "a = 2 \\text{ and } b = 3"],
        &["y = 2, x = 3", "x = 3, y = 2", "x = 2, x = 3"],
    );
    check("a = 2, b = 3", &["b = 3, a = 2", "(2, 3)", "(a, b) = (2, 3)"], &["(3, 2)", "a = 3, b = 2"]);
}

#[test]
fn matrices_with_a_factor_or_as_programs_write_them() {
    check(
        "\\begin{pmatrix} -1 & 0 \\\\ 0 & -2 \\end{pmatrix}",
        &[
            "-\\begin{pmatrix} 1 & 0 \\\\ 0 & 2 \\end{pmatrix}",
            "\\frac{1}{2} \\left(\\begin{matrix} -2 & 0 \\\\ 0 & -4 \\end{matrix}\\right)",
            "[[-1, 0], [0, -2]]",
        ],
        &["[[-1, 0], [0, 2]]", "[-1, 0, 0, -2]", "2\\begin{pmatrix} -1 & 0 \\\\ 0 & -2 \\end{pmatrix}"],
    );
}

#[test]
fn what_is_only_spelled_alike() {
    check(
        "\\sum_{k=1}^{n} a_k",
        &["\\sum_{k = 1}^n a_{k}", "$\\sum_{k=1}^{n} a_k$"],
        &["\\sum_{k=0}^{n} a_k", "\\sum"],
    );
    check("\\text{June 20}", &["June 20", "june 20", "\\text{June } 20"], &["June 21", "20", "20 June 20"]);
    check("MR = SRMC", &["\\text{MR} = \\text{SRMC}", "SRMC = MR"], &["MR = SRAC", "MR"]);
    check("\\frac{1}{23} \\foo", &["\\frac{1}{23}\\foo"], &["\\frac{12}{3} \\foo", "\\frac{1}{2 3} \\foo"]);
}

#[test]
fn end_points_are_compared_exactly() {
    check("(0,1)", &["0 < x < 1.0"], &["0 < x < 0.99999999999999999999", "(10^{-20}, 1)"]);
    check("x > 10^{30}", &["x > 10^{15} \\cdot 10^{15}"], &["x > 10^{30}+1", "(10^{30}-1, \\infty)"]);
    check("x > 10^{400}", &["(10^{400}, \\infty)"], &["x > 10^{400}+1", "x > 10^{401}"]);
    check("\\{10^{20}, 10^{20}+1\\}", &["x = 10^{20} \\text{ or } x = 10^{20}+1"], &["x = 10^{20}"]);
    check("[\\sqrt{2}, 2]", &["\\sqrt2 \\le x \\le 2"], &["1.41421356237309504880 \\le x \\le 2"]);
    check("x = \\pi", &["x = \\frac{2\\pi}{2}"], &["x = \\pi + 10^{-20}"]);
}

#[test]
fn sets_in_words_with_a_condition() {
    check(
        "(2,\\infty)",
        &[
            "\\text{all real numbers greater than } 2",
            "all real numbers greater than 2.",
            "\\text{all real } x > 2",
            "\\text{all real numbers } x > 2",
            "\\text{all real numbers } x \\text{ greater than } 2",
            "\\text{all real numbers } x \\text{ with } x > 2",
        ],
        &[
            "\\text{all real numbers } x \\text{ such that not } x > 2",
            "\\text{all real numbers but } x > 2",
            "\\text{all real numbers but not } x > 2",
            "\\text{all real numbers } x \\text{ where } x > 2 \\text{ is false}",
            "\\text{all real numbers } x \\text{ such that } x > 2 \\text{ does not hold}",
            "\\text{all real numbers } x \\text{ such that } \\neg x > 2",
            "\\text{all real numbers except } x > 2",
            "\\text{all real numbers not greater than } 2",
            "\\text{all real numbers at least } 2",
            "\\text{no real } x > 2",
            "\\text{all real numbers greater than } 2 \\text{ or } 3",
        ],
    );
    check(
        "[2,\\infty)",
        &["\\text{all real numbers greater than or equal to } 2", "\\{x \\in \\mathbb{R}, x \\ge 2\\}"],
        &[],
    );
    check("(-\\infty,2]", &["\\text{all real numbers at most } 2"], &[]);
    check(
        "(-\\infty,2)\\cup(2,\\infty)",
        &[
            "\\{x \\in \\mathbb{R}, x \\neq 2\\}",
            "\\{x \\neq 2\\}",
            "\\mathbf{R}-\\{2\\}",
            "\\mathbf{R} \\setminus \\{2\\}",
            "\\mathrm{R}\\setminus\\{2\\}",
            "x \\in \\mathbf{R}, x \\ne 2",
        ],
        &["\\{x \\in \\mathbb{R}, x = 2\\}"],
    );
}
