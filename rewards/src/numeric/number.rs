//! The numbers in a text, as people write them.

use crate::rational::Rational;

/// Longest number that is read, in digits, and largest exponent; more fit no exact arithmetic here.
const MAX_DIGITS: usize = 30;
const SCALES: [(&str, u32); 4] = [("thousand", 3), ("million", 6), ("billion", 9), ("trillion", 12)];
const FRACTIONS: [&str; 3] = ["\\frac{", "\\dfrac{", "\\tfrac{"];

/// One number and where it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number {
    /// Where it begins, with its sign.
    pub start: usize,
    /// Where it ends, with its scale.
    pub end: usize,
    /// Its value; none where it does not exist or is too large.
    pub value: Option<Rational>,
}

/// All numbers of `text` from left to right.
pub(super) fn numbers(text: &str) -> Vec<Number> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(step) = text.as_bytes().get(at..).and_then(|rest| rest.iter().position(|b| begins(*b))) {
        let begin = at + step;
        let Some((mut end, mut value)) = unsigned(text, begin) else {
            at = begin + 1;
            continue;
        };
        at = end;
        if is_glued(text.get(..begin).unwrap_or_default()) {
            continue;
        }
        let start = sign(text, begin);
        if start < begin && text.get(start..begin).is_some_and(|sign| sign.contains('-')) {
            value = negative(value);
        }
        if let Some((length, power)) = scale(text.get(end..).unwrap_or_default()) {
            end += length;
            value = value.and_then(|value| value.checked_mul(power_of_ten(power)?).ok());
        }
        // A power is not the number that it is a power of.
        if text.get(end..).is_some_and(|rest| rest.starts_with('^')) {
            value = None;
        }
        at = end;
        all.push(Number { start, end, value });
    }
    all
}

fn begins(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.' || byte == b'\\'
}

/// Whether digits behind `before` continue a word or an exponent.
fn is_glued(before: &str) -> bool {
    before.trim_end_matches('{').ends_with(['^', '_']) || before.ends_with(|c: char| c.is_ascii_alphabetic())
}

/// The number without sign that begins at `begin`: where it ends, and its value.
fn unsigned(text: &str, begin: usize) -> Option<(usize, Option<Rational>)> {
    let rest = text.get(begin..)?;
    if let Some((length, value)) = latex_fraction(rest) {
        return Some((begin + length, value));
    }
    let (length, value, is_whole) = decimal(rest)?;
    let after = rest.get(length..)?;
    let slashed = after.strip_prefix('/').and_then(decimal).filter(|(.., is_whole)| *is_whole);
    if let Some((below, denominator, _)) = slashed {
        return Some((begin + length + 1 + below, divide(value, denominator)));
    }
    // A mixed number: a whole one, a blank, and a fraction.
    let mixed = after.strip_prefix(' ').filter(|_| is_whole).and_then(|rest| {
        let (above, numerator, _) = decimal(rest).filter(|(.., is_whole)| *is_whole)?;
        let (below, denominator, _) =
            rest.get(above..)?.strip_prefix('/').and_then(decimal).filter(|(.., is_whole)| *is_whole)?;
        Some((above + 1 + below, divide(numerator, denominator)))
    });
    if let Some((part, fraction)) = mixed {
        let sum = value.zip(fraction).and_then(|(whole, fraction)| whole.checked_add(fraction).ok());
        return Some((begin + length + 1 + part, sum));
    }
    Some((begin + length, value))
}

fn divide(above: Option<Rational>, below: Option<Rational>) -> Option<Rational> {
    above?.checked_div(below?).ok()
}

fn negative(value: Option<Rational>) -> Option<Rational> {
    Rational::from(0).checked_sub(value?).ok()
}

/// `\frac{3}{4}` at the start of `text`: its length and value.
fn latex_fraction(text: &str) -> Option<(usize, Option<Rational>)> {
    let inside = FRACTIONS.iter().find_map(|command| text.strip_prefix(command))?;
    let unsigned = inside.strip_prefix('-').unwrap_or(inside);
    let (above, numerator, _) = decimal(unsigned)?;
    let numerator = if unsigned.len() < inside.len() { negative(numerator) } else { numerator };
    let inside = unsigned.get(above..)?.strip_prefix("}{")?;
    let (below, denominator, _) = decimal(inside)?;
    let rest = inside.get(below..)?.strip_prefix('}')?;
    Some((text.len() - rest.len(), divide(numerator, denominator)))
}

/// Digits with separators, decimals and exponent at the start of `text`: their length, their value, and whether they are
/// digits and separators only.
fn decimal(text: &str) -> Option<(usize, Option<Rational>, bool)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let tail = |at: usize| text.get(at..).unwrap_or_default();
    let mut end = digits(text);
    while (1..=3).contains(&digits(text)) && tail(end).starts_with(',') && digits(tail(end + 1)) == 3 {
        end += 4;
    }
    let n_decimals = if tail(end).starts_with('.') { digits(tail(end + 1)) } else { 0 };
    let whole_end = end;
    if n_decimals > 0 {
        end += 1 + n_decimals;
    }
    if end == 0 {
        return None;
    }
    let mantissa: String = tail(0).get(..end)?.chars().filter(char::is_ascii_digit).collect();
    let (length, exponent) = exponent(tail(end)).unwrap_or((0, Some(0)));
    let value = || {
        let mantissa = mantissa.get(..).filter(|digits| digits.len() <= MAX_DIGITS)?.parse().ok()?;
        let exponent = exponent?.checked_sub(i32::try_from(n_decimals).ok()?)?;
        let scale = power_of_ten(exponent.unsigned_abs())?;
        let mantissa = Rational::new(mantissa, 1).ok()?;
        if exponent < 0 { mantissa.checked_div(scale).ok() } else { mantissa.checked_mul(scale).ok() }
    };
    Some((end + length, value(), end == whole_end && length == 0))
}

/// `e-3` at the start of `text`: its length and, unless it is too large, its value.
fn exponent(text: &str) -> Option<(usize, Option<i32>)> {
    let unsigned = text.strip_prefix(['e', 'E'])?;
    let digits = unsigned.strip_prefix(['+', '-']).unwrap_or(unsigned);
    let n = digits.bytes().take_while(u8::is_ascii_digit).count();
    let length = text.len() - digits.len() + n;
    let value = text.get(1..length)?.parse().ok().filter(|e: &i32| e.unsigned_abs() as usize <= MAX_DIGITS);
    (n > 0).then_some((length, value))
}

fn power_of_ten(exponent: u32) -> Option<Rational> {
    Rational::new(10_i128.checked_pow(exponent)?, 1).ok()
}

/// Where the number whose digits begin at `begin` starts, with a currency and a sign before it.
fn sign(text: &str, begin: usize) -> usize {
    let before = text.get(..begin).unwrap_or_default();
    let bare = before.trim_end_matches(['$', '\\', '£', '€']);
    let signs = [before, bare].into_iter().find_map(|before| {
        let rest = before.strip_suffix('-')?;
        // Behind a value the sign is an operation.
        (!rest.ends_with(|c: char| c.is_alphanumeric() || c == ')')).then_some(rest.len())
    });
    signs.unwrap_or(begin)
}

/// The word at the start of `text` that scales a number: its length with the blanks before it, and its power of ten.
fn scale(text: &str) -> Option<(usize, u32)> {
    let word = text.trim_start_matches(' ');
    SCALES.iter().find_map(|(name, power)| {
        let (head, tail) = word.split_at_checked(name.len())?;
        let ends = !tail.starts_with(|c: char| c.is_ascii_alphabetic());
        (head.eq_ignore_ascii_case(name) && ends).then_some((text.len() - tail.len(), *power))
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_written() {
        for (text, expected) in [
            ("18", vec![(18, 1)]),
            ("$1,234.50.", vec![(2469, 2)]),
            ("-5, -$5, $-5, \\$-5", vec![(-5, 1), (-5, 1), (-5, 1), (-5, 1)]),
            ("5-3", vec![(5, 1), (3, 1)]),
            ("48 - 30", vec![(48, 1), (30, 1)]),
            ("3/4 1 3/4 \\frac{-3}{4} \\dfrac{3}{4}", vec![(3, 4), (7, 4), (-3, 4), (3, 4)]),
            (".5 0.5 5.", vec![(1, 2), (1, 2), (5, 1)]),
            ("1,0000 1,234,56", vec![(1, 1), (0, 1), (1234, 1), (56, 1)]),
            ("1.8e1 2E-1 3e", vec![(18, 1), (1, 5), (3, 1)]),
            ("18 million 2 thousands", vec![(18_000_000, 1), (2, 1)]),
            ("H2O m^2 m^{2} x_1 5kg", vec![(5, 1)]),
            ("007", vec![(7, 1)]),
        ] {
            let found: Vec<_> = numbers(text).into_iter().map(|number| number.value.unwrap()).collect();
            let expected: Vec<_> = expected.into_iter().map(|(n, d)| Rational::new(n, d).unwrap()).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_has_no_value_is_still_there() {
        for text in ["1/0", "3^2", "1e99", &"9".repeat(31)] {
            let found = numbers(text);
            assert_eq!(found.first().map(|number| number.value), Some(None), "{text}");
        }
    }
}
