//! Laws of the mathematics grader.

use proptest::prelude::*;
use rewards::math;

fn judge(gold: &str, answer: &str) -> bool {
    math::judge(gold, answer).0
}

/// The fraction in one of many notations.
fn written(numerator: i64, denominator: i64, factor: i64, notation: usize) -> String {
    let (a, b) = (numerator * factor, denominator * factor);
    let sign = if numerator < 0 { "-" } else { "" };
    let upper = numerator.abs();
    match notation {
        0 => format!("{a}/{b}"),
        1 => format!("\\frac{{{a}}}{{{b}}}"),
        2 => format!("{sign}\\dfrac{{{}}}{{{b}}}", a.abs()),
        3 => format!("$\\left(\\frac{{{a}}}{{{b}}}\\right)$"),
        4 => format!("{{{a} \\over {b}}}"),
        5 => format!("{a} \\cdot {b}^{{-1}}"),
        6 => format!("{a} \\div {b}"),
        7 => format!("x = \\frac {{{a}}} {{{b}}}"),
        8 => format!("\\frac{{{}}}{{{b}}} + 1", a - b),
        9 => format!("{sign}\\sqrt{{\\frac{{{}}}{{{}}}}}", a * a, b * b),
        10 => format!("{sign}{}\\frac{{{}}}{{{denominator}}}", upper / denominator, upper % denominator),
        11 => format!("{sign}{} {}/{denominator}", upper / denominator, upper % denominator),
        12 => format!("\\mathbf{{{a}}} / {b}"),
        _ => format!("\\frac{{{a} \\pi}}{{{b} \\pi}}"),
    }
}

const NOTATIONS: usize = 14;

/// A formula in x and y, valid in many spellings of its operations.
fn formula() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (1..100u32).prop_map(|n| n.to_string()),
        prop::sample::select(vec!["x", "y", "\\pi", "e", "\\sqrt{2}", "0.5", "a_1"]).prop_map(String::from),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        (inner.clone(), inner, 0..9usize).prop_map(|(a, b, kind)| match kind {
            0 => format!("({a} + {b})"),
            1 => format!("({a} - {b})"),
            2 => format!("({a})({b})"),
            3 => format!("\\frac{{{a}}}{{{b}}}"),
            4 => format!("({a})^2"),
            5 => format!("\\sqrt{{{a}}}"),
            6 => format!("\\sin({a})"),
            7 => format!("|{a}|"),
            _ => format!("({a}) \\cdot ({b})"),
        })
    })
}

/// An answer of any shape.
fn answer() -> impl Strategy<Value = String> {
    (formula(), formula(), 0..10usize).prop_map(|(a, b, shape)| match shape {
        0 => format!("({a}, {b})"),
        1 => format!("\\{{{a}, {b}\\}}"),
        2 => format!("{a}, {b}"),
        3 => format!("z = {a}"),
        4 => format!("\\begin{{pmatrix}} {a} \\\\ {b} \\end{{pmatrix}}"),
        5 => format!("{a} < {b}"),
        6 => format!("[{a}, {b})"),
        7 => format!("{a} \\text{{ cm}}"),
        _ => a,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn notations_of_one_rational_are_equal(
        numerator in -2000i64..2000,
        denominator in 1i64..200,
        factors in (1i64..20, 1i64..20),
        notations in (0..NOTATIONS, 0..NOTATIONS),
    ) {
        let left = written(numerator, denominator, factors.0, notations.0);
        let right = written(numerator, denominator, factors.1, notations.1);
        prop_assert!(judge(&left, &right), "{} and {}", left, right);
    }

    #[test]
    fn other_rationals_are_never_equal(
        (a, b, c, d) in (-300i64..300, 1i64..60, -300i64..300, 1i64..60),
        notations in (0..NOTATIONS, 0..NOTATIONS),
    ) {
        prop_assume!(a * d != c * b);
        let (left, right) = (written(a, b, 1, notations.0), written(c, d, 2, notations.1));
        prop_assert!(!judge(&left, &right), "{} and {}", left, right);
    }

    #[test]
    fn decimals_are_exact(digits in 1i64..100_000_000, shift in 0usize..8, change in 1i64..10) {
        let decimal = |digits: i64| {
            let text = format!("{digits:09}");
            let (whole, fraction) = text.split_at(9 - shift);
            format!("{whole}.{fraction}")
        };
        let fraction = format!("\\frac{{{digits}}}{{{}}}", 10i64.pow(shift as u32));
        prop_assert!(judge(&fraction, &decimal(digits)));
        prop_assert!(!judge(&fraction, &decimal(digits + change)));
        let scientific = format!("{digits} \\times 10^{{-{shift}}}");
        prop_assert!(judge(&decimal(digits), &scientific));
    }

    #[test]
    fn an_answer_equals_itself_however_it_is_dressed(answer in answer()) {
        prop_assert!(judge(&answer, &answer));
        prop_assert!(judge(&answer, &format!("$\\displaystyle {}$", answer)), "{}", answer);
        prop_assert!(judge(&answer, &answer.replace("\\frac", "\\dfrac").replace("\\cdot", "*")), "{}", answer);
    }

    #[test]
    fn equality_is_symmetric(left in answer(), right in answer()) {
        prop_assert_eq!(judge(&left, &right), judge(&right, &left), "{} and {}", left, right);
    }

    #[test]
    fn another_value_or_more_values_are_not_equal(formula in formula()) {
        // The fixed point of the change.
        prop_assume!(!judge("-2", &formula));
        prop_assert!(!judge(&formula, &format!("\\frac{{3}}{{2}}({}) + 1", formula)), "{}", formula);
        prop_assert!(!judge(&formula, &format!("{}, {}", formula, formula)), "{}", formula);
        prop_assert!(!judge(&formula, &format!("{} \\text{{ or }} 7", formula)), "{}", formula);
    }

    #[test]
    fn one_more_is_another_polynomial(a in 0i64..1 << 60, b in -1000i64..1000) {
        let polynomial = |a: i64| format!("{a} + {b} x + x^2");
        prop_assert!(!judge(&polynomial(a), &polynomial(a + 1)));
        let nested = format!("x(x + {b}) + {a}");
        prop_assert!(judge(&polynomial(a), &nested));
    }

    #[test]
    fn products_of_binomials_equal_their_expansions(a in -9i64..10, b in -9i64..10, c in 1i64..10, wrong in 1i64..5) {
        let product = format!("({c}x + {a})(x + {b})");
        let expanded = |last: i64| format!("{c}x^2 + {}x + {last}", a + b * c).replace("+ -", "- ");
        let product = product.replace("+ -", "- ");
        prop_assert!(judge(&product, &expanded(a * b)), "{}", product);
        prop_assert!(!judge(&product, &expanded(a * b + wrong)), "{}", product);
        let (left, right) = (format!("{product} = 0"), format!("3({}) = 0", expanded(a * b)));
        prop_assert!(judge(&left, &right), "{}", product);
    }
}
