//! Numbers with what belongs to them, and differences.

use super::check;

#[rustfmt::skip]
#[test]
fn what_stands_around_digits_belongs_to_them() {
    check(
        "numeric",
        "5",
        &[
            "\\boxed{\\text{5}}", "\\boxed{\\mathbf{5}\\text{ apples}}", "\\boxed{5\\text{ m}^2}",
            "\\boxed{5^\\circ}", "\\boxed{5~\\text{km}}", "\\boxed{\\text{Total: }5}",
            "\\boxed{\\textcolor{red}{5}}", "\\boxed{5\\;\\mathrm{kg}}", "\\boxed{5\\text{ or }5.0}",
            "\\boxed{\\left(5\\right)}", "\\boxed{+5}", "It is minus 3 plus 8 = 5",
            "The answer is 5 (see above)", "The answer is 5(see above)", "They add up to 5.",
            "This comes up to 5", "#### 5 quarters", "#### 5 months", "#### 5 fifth graders",
            "#### 5 times a day", "#### 5 more than Tom", "It is 5 - a prime number.", "#### 5 milliliters",
            "#### 5个", "The answer is 5 to the nearest integer", "#### 5 a-day", "#### \\$5",
            "\\boxed{5 \\, \\Omega}", "The answer is 5 - the number of apples", "The answer is 5 minutes", "5",
            "#### 5 points",
        ],
        &[
            "\\boxed{\\text{minus } 5}", "\\boxed{\\text{negative }5}", "\\boxed{5\\text{ million}}",
            "\\boxed{5 \\text{ thousand}}", "\\boxed{5\\text{ dozen}}", "\\boxed{5\\text{ and a half}}",
            "\\boxed{5 \\text{ squared}}", "\\boxed{\\text{twice }5}", "\\boxed{\\text{half of }5}",
            "\\boxed{5\\text{k}}", "\\boxed{5\\text{ or more}}", "\\boxed{\\mathrm{minus}~5}",
            "\\boxed{5\\;\\mathrm{million}}", "\\boxed{5~\\textbf{thousand}}", "\\boxed{5\\quad\\mbox{dozen}}",
            "\\boxed{\\textit{negative} \\; 5}", "\\boxed{5\\,\\text{k}}", "\\boxed{\\text{at least }5}",
            "\\boxed{– 5}", "\\boxed{-~5}", "\\boxed{-\\;5}", "\\boxed{-\\ 5}", "\\boxed{- \\$5}",
            "The answer is - $5.", "\\boxed{-\\text{5}}", "\\boxed{-\\mathbf{5}}", "\\boxed{-|5|}", "#### ⁻5",
            "#### ˗5", "\\boxed{-\\left|5\\right|}", "\\boxed{-{5}}", "\\boxed{-\\left(5\\right)}",
            "The answer is – 5", "It is - $5.", "It is - 5", "#### x/5", "The answer is x/5.", "\\boxed{x/5}",
            "#### x / 5", "#### (a+b)/5", "#### log_2 5", "#### log_2(5)", "#### \\log_{10} 5",
            "#### one over 5", "\\boxed{5!}", "$5!$", "The answer is $5!$", "<answer>5!</answer>", "5万", "5 万",
            "5千", "5億", "5百", "#### 5만", "#### 5 bil", "5 tril", "5 thou", "5 grand", "5 fourths", "5 twelfths",
            "5 repeating", "5 below zero", "5 sextillion", "5 mio", "5 Mrd", "5 octillions", "5 thirteenths",
            "5 twentieths", "5 millionths", "#### 5-million", "#### 5-thirds", "#### a fifth of 5",
            "\\boxed{5\\ldots}", "\\boxed{5\\dots}", "\\boxed{5(x)}", "\\boxed{5(x+1)}", "\\boxed{5[x]}",
            "It is 0.\\overline{5}", "It is 0.(5)", "\\boxed{0.\\bar{5}}", "It is 2 to the power of 5",
            "It is 2 to the power 5", "It is 2 raised to 5", "The answer is up to 5", "The answer is over 5",
            "The answer is under 5", "The answer is a minimum of 5", "The answer is a maximum of 5",
            "The answer is 5 and up", "It is over 5", "It is up to 5.", "#### 5 or above", "#### above 5",
            "#### exceeds 5", "#### 5 > x", "#### 5 and above", "#### 5-x", "#### 5 - x", "#### 5 — x",
            "#### 5 or six", "The answer is 5 or x", "#### 5 or none", "\\boxed{5-\\pi}", "\\boxed{5\\div x}",
            "\\boxed{5 \\bmod x}", "It is 5 - x", "It is 5-x", "#### 5 times x", "#### 5 minus x",
            "#### 5 over x", "#### 5 / x", "The answer is x plus 5", "The answer is x minus 5",
            "\\boxed{(x)-5}", "\\boxed{f(x)-5}", "#### a multiple of 5", "\\boxed{\\ln 5}",
            "\\boxed{\\lfloor x \\rfloor - 5}", "\\boxed{\\Gamma(5)}", "#### f'(5)", "#### f_1(5)",
            "#### 10% of 5", "#### 5 to the power of x", "#### 5 plus", "#### ÷5", "\\boxed{x \\times 5}",
            "#### divided by 5", "\\boxed{\\frac{x}{2} - 5}", "\\boxed{5 \\text{ times } x}",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn signs_in_other_spellings() {
    check(
        "numeric",
        "-5",
        &[
            "\\boxed{\\text{minus } 5}", "\\boxed{\\text{negative }5}", "\\boxed{-\\text{5}}",
            "\\boxed{-\\mathbf{5}}", "#### ⁻5", "#### ˗5", "\\boxed{-\\,5}", "The temperature is minus 5",
            "It would be negative 5.",
        ],
        &[
            "#### x minus 5",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn thousands_in_commands() {
    check(
        "numeric",
        "5000",
        &[
            "\\boxed{5 \\text{ thousand}}", "\\boxed{5\\,000}", "#### 5{,}000",
        ],
        &[
            "#### 5k",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn dozens_in_commands() {
    check(
        "numeric",
        "24",
        &[
            "\\boxed{2\\text{ dozen}}",
        ],
        &[],
    );
}

#[rustfmt::skip]
#[test]
fn a_spaced_minus_is_an_operation() {
    check(
        "numeric",
        "20",
        &[
            "The answer is 20 – that is x.", "#### 20 dollars", "The answer is 20 - as expected",
            "The answer is 20 - 18 is too few.",
        ],
        &[
            "\\boxed{20 - x}", "#### 20 - x", "\\boxed{20 - \\pi}", "\\boxed{20 - \\sqrt{2}}",
            "#### 20 - y + 3", "\\boxed{20 – x}", "#### 20 - (x + 1)", "#### 20 - 2", "#### 20 − x",
            "#### 20 - log(x)", "#### 20 - a",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn what_follows_the_last_equals_sign_counts() {
    check(
        "numeric",
        "18",
        &[
            "The answer is 48 - 30 = 18.", "#### 48 - 30 = 18", "\\boxed{48 - 30 = 18}",
            "<answer>48 - 30 = 18</answer>", "The answer is 48 – 30 = 18.",
            "The answer is 48 apples - 30 apples = 18 apples.", "The answer is $48 - $30 = $18.",
            "The answer is 18: 48 - 30 = 18.", "The answer is 50 - 2 - 30 = 18",
            "The answer is 18 (48 - 30 = 18).", "The answer is 18, since 48 - 30 = 18.",
            "#### 20 - 2 = 18 dollars", "\\boxed{20 - 2 = 18\\text{ dollars}}", "\\boxed{9 \\times 2 = 18}",
            "\\boxed{x = 18}",
        ],
        &[
            "#### 18 = 20 - 2", "#### 48 - 30 = 18 - x", "#### 18 - 9 = 9",
            "The answer is 17 because 17 + 1 = 18.",
        ],
    );
}
