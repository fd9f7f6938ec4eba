//! Formulas and equations.

use super::check_measured as check;

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
fn scripts_in_either_order() {
    check(
        "x_1^2",
        &["x^2_1", "x^{2}_{1}", "x²₁"],
        &["x^1_2", "x^2", "x^2_2", "x^2_1^2", "x_1^2_2", "x_{1^2}"],
    );
    check("x_1^{10}", &["x^{10}_1", "x^10_1"], &["x^{1}_{10}"]);
    check("x_1^n", &["x^n_1", "x_1^{n}"], &["x^{n_1}", "x_n^1"]);
    check("2^{n_1} + e^{k_1}", &["2^n_1 + e^k_1"], &["2^n + e^k"]);
    check("x_1^{y_2^3}", &["x^{y^3_2}_1"], &["x^{y^2_3}_1"]);
    check("\\frac{v_0^2}{2g}", &["\\frac{v^2_0}{2 g}"], &["\\frac{v_0}{2g}"]);
    check("A_1^{-1}", &["A^{-1}_1", "A^-1_1"], &["A^{-1}"]);
    check("\\bar{x}_1^2", &["\\bar{x}^2_1"], &["\\bar{x}^2"]);
    check("x_1'", &["x'_1", "x^{\\prime}_1"], &["x_1", "x'"]);
    check("\\log^2_2 8", &["9", "\\log_2^2 8"], &["\\log^3_2 8"]);
    check(
        "\\sum_{k=1}^{n} a_k",
        &["\\sum^{n}_{k=1} a_k", "\\sum\\limits^n_{k=1} a_{k}"],
        &["\\sum^{k=1}_{n} a_k"],
    );
    check("\\int_0^1 f(x) dx", &["\\int^1_0 f(x) dx"], &["\\int^0_1 f(x) dx"]);
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
fn functions_that_bend_far_out() {
    check(
        "x",
        &["\\max(x, x)"],
        &["x+\\lfloor |x|/1000\\rfloor", "\\max(x,-1000)", "\\sqrt{(x+1000)^2}-1000"],
    );
    check("n", &["\\lceil n \\rceil"], &["n + \\lfloor n/500 \\rfloor"]);
    check("n!", &["\\frac{(n+1)!}{n+1}"], &["n! + 1"]);
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

#[test]
fn whole_numbers_in_formulas_that_count() {
    check(
        "\\lfloor \\log_2 n \\rfloor + 1",
        &["1 + \\lfloor \\log_2 n \\rfloor"],
        &["\\lceil \\log_2 n \\rceil"],
    );
    check(
        "\\lfloor \\sqrt{n-1} \\rfloor",
        &["\\lfloor (n-1)^{1/2} \\rfloor"],
        &["\\lfloor \\sqrt{n-2} \\rfloor"],
    );
    check(
        "\\lceil n/2 \\rceil",
        &["\\lfloor (n+1)/2 \\rfloor"],
        &["\\lfloor n/2 \\rfloor", "\\frac{n+1}{2}"],
    );
    check("\\lceil x \\rceil", &["-\\lfloor -x \\rfloor"], &["\\lfloor x \\rfloor + 1", "x"]);
    check("(-1)^n", &["\\cos(n\\pi)", "(-1)^{n+2}"], &["(-1)^{n+1}", "1", "-1"]);
    check(
        "\\binom{n}{k}",
        &["\\frac{n!}{k!(n-k)!}", "\\frac{n!}{(n-k)!k!}"],
        &["\\binom{k}{n}", "\\frac{n!}{k!}"],
    );
}

#[test]
fn products_without_signs() {
    check("n 2^n", &["n2^n", "2^n n", "n \\cdot 2^{n}"], &["n2n", "(2n)^n"]);
    check("\\frac{10!}{3! \\cdot 7!}", &["\\frac{10!}{3!7!}", "120"], &["3!7!"]);
}

#[test]
fn congruences() {
    check(
        "x \\equiv 3 \\pmod{7}",
        &["x \\equiv 3 \\pmod 7", "x \\equiv -4 \\bmod 7", "x = 10 (mod 7)", "3 \\pmod{7}"],
        &["x \\equiv 4 \\pmod 7", "x \\equiv 3 \\pmod 8", "y \\equiv 3 \\pmod 7", "3", "x = 3"],
    );
    check("3", &[], &["3 \\pmod 5", "13 \\mod 5", "x \\equiv 3 \\pmod 5"]);
}

#[test]
fn terms_that_constants_hide_count() {
    check(
        "x + y = 10^{30}",
        &["y = 10^{30} - x", "2x + 2y = 2 \\cdot 10^{30}"],
        &["x - y = 10^{30}", "2x + 7y = 10^{30}", "x + y = 10^{30} + 1"],
    );
    check("a+b=10^{20}", &["b + a = 10^{20}"], &["a-b=10^{20}", "a+b > 10^{20}"]);
    check(
        "x + y > 10^{30}",
        &["10^{30} < y + x"],
        &["x - y > 10^{30}", "x + y < 10^{30}", "-x-y > -10^{30}"],
    );
    check("\\sqrt{x} + y = 10^{30}", &["y + \\sqrt{x} = 10^{30}"], &["\\sqrt{x} - y = 10^{30}"]);
    check("\\sqrt{x} + y = 100", &["y = 100 - \\sqrt{x}", "2\\sqrt x + 2y = 200"], &["\\sqrt{x} - y = 100"]);
    check("10^{20}\\sqrt{x}+y", &["y + 10^{20}\\sqrt{x}"], &["10^{20}\\sqrt{x}-y", "10^{20}\\sqrt{x}"]);
    check("y = x", &["x - y = 0", "2y = 2x"], &["x = x", "y^2 = x^2", "y = -x"]);
}
