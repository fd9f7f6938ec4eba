//! What the mathematics grader takes for the same answer, kind by kind.

use rewards::{Status, math};

/// Each of the answers is judged against the gold before it: right ones after `+`, wrong ones after `-`.
#[track_caller]
fn check(gold: &str, right: &[&str], wrong: &[&str]) {
    let mut mistakes = Vec::new();
    for (answers, expected) in [(right, true), (wrong, false)] {
        for answer in answers {
            if math::judge(gold, answer).0 != expected {
                mistakes.push(format!("{answer:?} should be {expected}: {:?}", math::judge(gold, answer)));
            }
        }
    }
    assert!(mistakes.is_empty(), "gold {gold:?}:\n{}", mistakes.join("\n"));
}

#[test]
fn integers() {
    check(
        "36",
        &[
            "36",
            "036",
            "36.0",
            "6^2",
            "\\frac{72}{2}",
            "+36",
            "$36$",
            "4 \\cdot 9",
            "72/2",
            "(36)",
            "36.",
            "\\mathbf{36}",
        ],
        &[
            "63",
            "-36",
            "3 6",
            "36x",
            "3,6",
            "36, 36",
            "36 or 37",
            "\\{36, 37\\}",
            "36!",
            "",
            "?",
            "36^\\prime",
            "35.9999999999",
            "36+0.0000000001",
        ],
    );
    check("-4", &["- 4", "−4", "-4.00", "-\\sqrt{16}", "2-6"], &["4", "\\pm 4", "-(-4)"]);
    check(
        "0",
        &["0.0", "x - x", "-0", "\\sin \\pi"],
        &["10^{-30}", "0.000001", "\\sqrt{10^{-14}}", "\\infty", "1/\\infty", "0/0", "\\{0,0\\}, 0", "x"],
    );
    check(
        "3",
        &[
            "\\log_2 8",
            "\\sqrt[3]{27}",
            "|-3|",
            "\\lfloor \\pi \\rfloor",
            "3!/2",
            "\\binom{3}{1}",
            "3\\text{ apples}",
        ],
        &[
            "1, 2, 3, 4, 5",
            "1 or 3",
            "[1, 3]",
            "3, or maybe 4",
            "3 \\text{ or } 4",
            "\\text{3 or 4}",
            "\\approx 3",
            "3 \\pm 1",
            "3...5",
        ],
    );
    check("120", &["5!", "\\frac{6!}{3!}", "\\binom{10}{3}"], &["5!!", "5", "!5"]);
}

#[test]
fn large_numbers() {
    check("2^{1009}", &["2 \\cdot 2^{1008}", "4^{504} \\cdot 2"], &["2^{1010}", "2^{1009}+1", "9^{9^{9^9}}"]);
    check(
        "\\frac{100!}{2^{50}}",
        &["100! \\cdot 2^{-50}", "100!/2^{50}"],
        &["\\frac{99!}{2^{50}}", "100000!"],
    );
    check("10^{100}", &["10^{50} \\cdot 10^{50}", "1e100"], &["10^{99}", "10^{10^{10}}"]);
    check("2021 \\cdot 505 \\cdot 337", &["343943885"], &["343943886"]);
}

#[test]
fn thousands_and_lists_of_numbers() {
    check(
        "12345",
        &["12,345", "12{,}345", "12\\,345", "12,\\!345", "12{,}345.0"],
        &["12 345 ,", "12,34,5", "12.345", "12, 345", "1,2345"],
    );
    check("1,234", &["1234", "1{,}234"], &["1.234", "(1,234)"]);
    check("300,400", &["400,300", "400, 300", "\\{300, 400\\}"], &["300", "400", "300,400,300"]);
    check("11,\\! 222,\\! 333", &["11222333", "11,222,333"], &["11,222,334"]);
}

#[test]
fn decimals_and_scientific_notation() {
    check(
        "0.75",
        &["3/4", ".75", "0.750", "\\frac34", "\\frac{75}{100}", "7.5 \\times 10^{-1}", "75e-2"],
        &["0.7", "0.8", "0.7500001", "-0.75"],
    );
    check(
        "3.2e7",
        &["3.2 \\times 10^7", "32000000", "32,000,000", "3.2 * 10^7", "3.2 \\cdot 10^{7}"],
        &["3.2e6", "3.2e^7"],
    );
    check(
        "\\frac{1}{3}",
        &["0.\\overline{3}", "0.\\bar{3}", "2/6"],
        &["0.33", "0.3333333333", "0.333333333333333333333333"],
    );
    check("1.5e-12", &["1.5 \\times 10^{-12}"], &["0", "1.4e-12", "1.5e-13"]);
    check("-1./3", &["-1/3", "-\\frac{1}{3}"], &["1/3"]);
}

#[test]
fn fractions_and_mixed_numbers() {
    check(
        "\\frac{7}{3}",
        &[
            "7/3",
            "\\dfrac73",
            "\\tfrac{14}{6}",
            "2\\frac13",
            "2 \\frac{1}{3}",
            "2 1/3",
            "{7 \\over 3}",
            "\\frac{-7}{-3}",
            "2 + 1/3",
            "7 \\div 3",
        ],
        &["7", "\\frac{3}{7}", "2\\frac{2}{3}", "\\frac{7}{}", "2.33", "21/3"],
    );
    check("-1\\frac{1}{2}", &["-1.5", "-3/2"], &["-1/2", "-0.5"]);
    check("\\frac{a}{b}", &["a/b", "ab^{-1}", "\\frac{2a}{2b}"], &["b/a", "ab"]);
    check("½", &["1/2", "0.5"], &["12"]);
}

#[test]
fn radicals_powers_and_constants() {
    check(
        "2\\sqrt{3}",
        &[
            "\\sqrt{12}",
            "\\sqrt{4}\\sqrt{3}",
            "\\frac{6}{\\sqrt3}",
            "2 \\cdot 3^{1/2}",
            "2*sqrt(3)",
            "2√3",
            "12^{0.5}",
        ],
        &["3.464", "3.4641016151377544", "\\sqrt{2}3", "2\\sqrt[3]{3}", "-2\\sqrt3", "2", "\\sqrt3"],
    );
    check("\\sqrt{2}+\\sqrt{3}", &["\\sqrt{5+2\\sqrt{6}}", "3^{1/2}+2^{1/2}"], &["\\sqrt5", "3.14626436994"]);
    check(
        "\\frac{\\pi}{6}",
        &["\\pi/6", "\\frac{1}{6}\\pi", "π/6", "30^\\circ", "pi/6"],
        &["0.5236", "0.52359877559829887", "3.14/6", "\\frac{22}{42}", "30\\pi"],
    );
    check("e^{2}-1", &["(e-1)(e+1)", "\\exp(2) - 1", "e^2 - 1"], &["6.389", "2.71828^2-1"]);
    check("\\sqrt[3]{-8}", &["-2"], &["2"]);
    check("i\\sqrt{3}", &["\\sqrt{-3}", "\\sqrt{3} i"], &["-\\sqrt{-3}", "\\sqrt{3}"]);
    check(
        "\\ln 2",
        &["\\log_e 2", "-\\ln \\frac12", "\\frac{\\ln 4}{2}"],
        &["\\log_{10} 2", "0.693", "2", "\\ln 3"],
    );
    check(
        "\\frac{\\log 2}{\\log 2-\\log 3}",
        &["\\frac{\\ln 2}{\\ln(2/3)}", "\\log_{2/3} 2"],
        &["\\frac{\\log 2}{\\log 3}"],
    );
    check(
        "\\cos 20^\\circ",
        &["\\sin 70^\\circ", "\\cos(\\pi/9)"],
        &["\\cos 20", "\\sin 20^\\circ", "0.9397"],
    );
}

#[test]
fn percentages_units_and_money() {
    check("25\\%", &["25%", "25", "0.25", "1/4", "25\\text{ percent}"], &["2500", "0.25\\%", "26%"]);
    check(
        "25",
        &[
            "25%",
            "25\\text{ cm}",
            "25 \\mathrm{~cm}^2",
            "\\$25",
            "25^\\circ",
            "25 cm",
            "25\\text{ red marbles}",
        ],
        &[
            "0.25",
            "25\\text{ million}",
            "25m",
            "25 and a half",
            "25\\text{ or so}",
            "25 \\text{ less than } x",
            "25\\text{ thousand}",
        ],
    );
    check(
        "5\\text{ cm}",
        &["5", "5 \\mathrm{cm}", "50\\text{ mm}", "0.05 \\text{ meters}"],
        &["5\\text{ m}", "5 \\text{ kg}", "5\\text{ cm}^2"],
    );
    check(
        "15\\mbox{ cm}^2",
        &["15", "15\\text{ square centimeters}", "15 \\text{ cm}^{2}"],
        &["15\\text{ cm}", "15\\text{ cm}^3"],
    );
    check(
        "\\$18.90",
        &["18.9", "\\$18.9", "18.90 \\text{ dollars}", "1890 \\text{ cents}"],
        &["1890", "18.9 \\text{ euros}", "\\$18.80"],
    );
    check(
        "30^\\circ",
        &["30", "30^{\\circ}", "30°", "30 \\text{ degrees}", "\\frac{\\pi}{6}"],
        &["30 \\text{ radians}", "60^\\circ", "30 \\pi"],
    );
    check("3000000", &["3 \\text{ million}"], &["3"]);
    check("3", &[], &["3 \\text{ million}", "3 \\text{ dozen}", "3\\text{ hundred}"]);
    check("20 \\text{ m/s}", &["20", "20 \\text{ meters per second}"], &["20 \\text{ km/s}"]);
}

#[test]
fn percentages_below_one_are_what_they_are_worth() {
    check("0.5", &["50\\%", "\\frac{1}{2}"], &["0.5\\%", "5\\%"]);
    check("\\frac{1}{2}", &["50\\%"], &["\\frac{1}{2}\\%"]);
    check("4.2\\%", &["4.2", "0.042"], &["42", "0.42"]);
}

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
fn formulas() {
    check(
        "x^2 - 1",
        &["(x-1)(x+1)", "x*x - 1", "-1+x^{2}", "x^2-1.0", "x² − 1"],
        &["x^2+1", "y^2-1", "(x-1)^2", "x^2-1.000001", "x^3-1", "x^2 - 1, 5"],
    );
    check(
        "\\sin 2t",
        &["2 \\sin t \\cos t", "\\sin(2t)", "2\\sin(t)\\cos(t)"],
        &["2\\sin t", "\\sin^2 t", "\\sin(2) t"],
    );
    check(
        "1",
        &["\\sin^2 x + \\cos^2 x", "x/x", "x^0", "e^0"],
        &["\\sin x + \\cos x", "x", "|x|/x", "\\sqrt{x^2}/x"],
    );
    check("|x|", &["\\sqrt{x^2}", "|-x|"], &["x", "-x"]);
    check("\\sqrt{ab}", &["\\sqrt{a}\\sqrt{b}", "(ab)^{1/2}"], &["ab", "\\sqrt{a+b}"]);
    check(
        "\\lfloor n/2 \\rfloor",
        &["\\left\\lfloor \\frac{n}{2} \\right\\rfloor"],
        &["n/2", "\\lceil n/2 \\rceil", "\\lfloor n \\rfloor/2"],
    );
    check(
        "\\binom{2n}{n}",
        &["\\frac{(2n)!}{n!^2}", "\\frac{(2n)!}{(n!)^2}", "{2n \\choose n}"],
        &["\\binom{n}{2n}", "(2n)!"],
    );
    check(
        "\\frac{n(n+1)}{2}",
        &["n(n+1)/2", "\\frac{n^2+n}{2}", "\\frac12 n^2 + \\frac12 n", "\\binom{n+1}{2}"],
        &["\\frac{n(n-1)}{2}", "1+2+3+\\cdots+n", "\\frac{n^2}{2}"],
    );
    check("I_0 e^{-t/RC}", &["I_{0} e^{-\\frac{t}{R C}}"], &["0", "I_1 e^{-t/RC}", "I_0"]);
    check("I(0) e^{-t}", &["e^{-t} I(0)"], &["0", "I e^{-t}"]);
    check("\\frac{dM}{dt}", &["\\frac{d M}{d t}"], &["M/t", "\\frac{dt}{dM}"]);
    check("a_{1} + a_2", &["a_2 + a_1", "a_{2}+a_{1}"], &["a_{12}", "2a", "a_1a_2"]);
    check("2k", &["k + k", "2 \\cdot k"], &["2", "k", "2K"]);
    check("\\alpha + \\beta", &["\\beta + \\alpha", "α+β"], &["a + b"]);
    check("x^{2y}", &["(x^y)^2", "x^y x^y"], &["x^2 y"]);
    check(
        "\\arcsin(10/13)",
        &["np.arcsin(10/13)", "\\sin^{-1}(10/13)", "\\arcsin \\frac{10}{13}"],
        &["\\frac{1}{\\sin(10/13)}", "0.877"],
    );
}

#[test]
fn equations() {
    check(
        "y = 2x + 1",
        &["y=1+2x", "2x - y + 1 = 0", "-2y = -4x - 2", "2x+1 = y"],
        &["y = 2x", "y = x + 1", "0 = 0", "y = y", "x = 2y+1", "y > 2x+1", "y \\ne 2x + 1"],
    );
    check(
        "5",
        &[
            "x = 5",
            "5 = x",
            "AB = 5",
            "f(2) = 5",
            "m+n = 5",
            "x = 10/2 = 5",
            "\\angle ABC = 5",
            "\\overline{AB} = 5",
            "x_1 = 5",
        ],
        &[
            "x = 4 = 5",
            "4 = 5",
            "2+2=5",
            "2x = 5",
            "x \\ne 5",
            "x > 5",
            "x = 5x",
            "x = 5, y = 6",
            "x = y = 5 + 1",
        ],
    );
    check(
        "x = 5",
        &["5", "x=5", "2x = 10", "x = \\frac{10}{2}"],
        &["y = 5", "x = 6", "x", "x = x", "5 = 5 = 6"],
    );
    check("f(x) = x^2", &["f(x) = x \\cdot x", "x^2"], &["f(x) = x", "g(x) = x^3", "f(x)"]);
    check("x^2+y^2=1", &["1 = x^2+y^2", "2x^2 + 2y^2 = 2", "x^2+y^2-1=0"], &["x^2+y^2=2", "x^2-y^2=1", "1"]);
    check("x=1,y=2", &["y=2, x=1"], &["x=2,y=1", "x=1"]);
    check("n - k = 4", &["n = k+4"], &["n = k - 4", "4"]);
}

#[test]
fn complex_numbers() {
    check(
        "3+4i",
        &["4i + 3", "3 + 4 i", "i(4 - 3i)", "3+4\\mathrm{i}", "(2+i)^2"],
        &["3-4i", "7i", "3+4", "(3,4)", "5", "3+4x"],
    );
    check("-1", &["i^2", "e^{i\\pi}", "\\cos \\pi"], &["i", "1"]);
    check(
        "\\frac{1+i\\sqrt3}{2}",
        &["e^{i\\pi/3}", "\\cos 60^\\circ + i \\sin 60^\\circ", "\\frac12 + \\frac{\\sqrt3}{2}i"],
        &["e^{-i\\pi/3}", "\\frac{1}{2}"],
    );
}

#[test]
fn other_bases() {
    check("1101_2", &["1101_{2}", "1101_2"], &["13", "1101_3", "1011_2", "1101"]);
    check("13", &[], &["1101_2", "15_8", "13_8"]);
}

#[test]
fn infinity_and_what_has_no_value() {
    check(
        "\\infty",
        &["+\\infty", "\\infty"],
        &["-\\infty", "1/0", "10^{10^{10}}", "\\infty - \\infty", "2\\infty - \\infty"],
    );
    for hopeless in [
        "1/0",
        "0/0",
        "\\frac{0}{0}",
        "\\ln 0",
        "\\infty - \\infty",
        "0^0",
        "9^{9^{9^9}}",
        "NaN",
        "nan",
        "inf",
        "\\tan 90^\\circ \\cdot 0",
    ] {
        check("7", &[], &[hopeless]);
        check("x+1", &[], &[hopeless]);
        check("\\sqrt{2}", &[], &[hopeless]);
    }
    // What cancels is uncertain, not equal to anything.
    check("2\\sqrt{2}", &[], &["10^{30}\\pi - 10^{30}\\pi", "10^{20}\\sqrt{2} + 1 - 10^{20}\\sqrt2"]);
    check(
        "6.6 \\times 10^{-34} \\sqrt{2}",
        &[],
        &["\\sqrt{2} \\cdot \\sqrt{2} - \\sqrt{3} \\cdot \\sqrt{3} + 1", "0"],
    );
}

#[test]
fn the_status_says_what_happened() {
    let judge = |gold: &str, answer: &str| math::judge(gold, answer).1;
    assert_eq!(judge("5", "6"), Status::Ok);
    assert_eq!(judge("5", "\\frac{5"), Status::Unparsable);
    assert_eq!(judge("5", "9^{9^{9^9}}"), Status::Error);
    assert_eq!(judge("5", "1/0"), Status::Error);
}

#[test]
fn identities_of_functions() {
    check(
        "2\\cos^2 x - 1",
        &["\\cos 2x", "1 - 2\\sin^2 x", "\\cos(2x)", "\\cos^2 x - \\sin^2 x"],
        &["\\sin 2x", "2\\cos x^2 - 1", "\\cos x"],
    );
    check("\\tan\\theta", &["\\frac{\\sin\\theta}{\\cos\\theta}"], &["\\cot\\theta", "\\tan\\phi"]);
    check("\\frac{e^x + e^{-x}}{2}", &["\\cosh x"], &["\\sinh x"]);
    check("\\ln(x^2)", &["2\\ln|x|"], &["\\ln x"]);
    check("\\max(a, b)", &["\\max\\{a, b\\}", "\\frac{a+b+|a-b|}{2}"], &["a", "\\min(a, b)"]);
    check(
        "f^{-1}(x) = \\frac{x-1}{2}",
        &["\\frac{x-1}{2}", "f^{-1}(x) = (x-1)/2"],
        &["f(x) = \\frac{x-1}{2}"],
    );
}

#[test]
fn physical_formulas() {
    check("x^{\\prime} + \\frac{r}{V} x - r c = 0", &["x' = rc - \\frac{r}{V}x"], &["x = rc", "x' = rc"]);
    check("\\ddot{\\theta} + \\theta = 0", &["\\ddot{\\theta} = -\\theta"], &["\\dot{\\theta} = -\\theta"]);
    check(
        "(t + \\frac12 \\sin{2t}) u(t)",
        &["u(t) \\left(t + \\frac{\\sin 2t}{2}\\right)"],
        &["t u(t)", "0"],
    );
    check(
        "\\lambda_{\\text {red}} / \\sqrt{2}",
        &["\\frac{\\lambda_{red}}{\\sqrt2}"],
        &["\\frac{\\lambda}{\\sqrt2}"],
    );
    check("A_{0} = B_1", &["B_1 = A_0"], &["A_1 = B_0"]);
}
