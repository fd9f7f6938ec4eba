//! The numbers in a text, as people write them.

use super::{
    before::{Sign, is_glued, sign},
    behind::goes_on,
    words::FRACTIONS,
};
use crate::rational::Rational;

/// Longest number that is read, in digits, and largest exponent; more fit no exact arithmetic here.
const MAX_DIGITS: usize = 30;
/// Longest part of a fraction whose end is looked for, in bytes.
const MAX_ARGUMENT: usize = 300;
/// Fractions of one character: above and below.
const SIGNS_OF_FRACTIONS: [(char, u32, u32); 19] = [
    ('½', 1, 2),
    ('⅓', 1, 3),
    ('⅔', 2, 3),
    ('¼', 1, 4),
    ('¾', 3, 4),
    ('⅕', 1, 5),
    ('⅖', 2, 5),
    ('⅗', 3, 5),
    ('⅘', 4, 5),
    ('⅙', 1, 6),
    ('⅚', 5, 6),
    ('⅐', 1, 7),
    ('⅛', 1, 8),
    ('⅜', 3, 8),
    ('⅝', 5, 8),
    ('⅞', 7, 8),
    ('⅑', 1, 9),
    ('⅒', 1, 10),
    ('↉', 0, 3),
];

/// One number and where it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number {
    /// Where it begins, with its sign.
    pub start: usize,
    /// Where it ends, with its scale.
    pub end: usize,
    /// Its value; none where it does not exist, is too large, or goes on in a way that is not read.
    pub value: Option<Rational>,
}

/// All numbers of `text` from left to right.
pub(super) fn numbers(text: &str) -> Vec<Number> {
    let mut all: Vec<Number> = Vec::new();
    let mut at = 0;
    while let Some(begin) = text.get(at..).and_then(next_start).map(|step| at + step) {
        let rest = text.get(begin..).unwrap_or_default();
        let Some((length, value)) = magnitude(rest) else {
            at = begin + rest.chars().next().map_or(1, char::len_utf8);
            continue;
        };
        at = begin + length;
        let before = text.get(..begin).unwrap_or_default();
        if is_glued(before) {
            continue;
        }
        let (length, value) = goes_on(text, begin + length, value);
        at = length;
        let (start, value) = match sign(before) {
            Sign::Plus(start) => (start, value),
            Sign::Minus(start) => (start, negative(value)),
            Sign::Unread => (begin, None),
        };
        all.push(Number { start: start.max(all.last().map_or(0, |last| last.end)), end: at, value });
    }
    all
}

/// Where the next number of `text` may begin.
fn next_start(text: &str) -> Option<usize> {
    let begins = |c: char| c.is_numeric() || c == '.' || c == '\\';
    text.char_indices().find(|(_, c)| begins(*c)).map(|(at, _)| at)
}

/// The number without sign at the start of `text`: its length, and its value where it can be read.
fn magnitude(text: &str) -> Option<(usize, Option<Rational>)> {
    if let Some((length, value)) = fraction(text) {
        return Some((length, value));
    }
    let Some((length, value, is_whole)) = decimal(text) else {
        let length: usize = text.chars().take_while(|c| c.is_numeric()).map(char::len_utf8).sum();
        return (length > 0).then_some((length, None));
    };
    let after = text.get(length..)?;
    let slashed = after.strip_prefix('/').and_then(decimal).filter(|(.., is_whole)| *is_whole);
    if let Some((below, denominator, _)) = slashed {
        return Some((length + 1 + below, divide(value, denominator)));
    }
    // A mixed number: a whole one, perhaps a blank, and a fraction.
    let blank = usize::from(after.starts_with(' '));
    let part = after.get(blank..).filter(|_| is_whole).and_then(|rest| {
        let slashed = || {
            let (above, numerator, _) = decimal(rest).filter(|(.., is_whole)| *is_whole && blank == 1)?;
            let below =
                rest.get(above..)?.strip_prefix('/').and_then(decimal).filter(|(.., is_whole)| *is_whole)?;
            Some((above + 1 + below.0, divide(numerator, below.1)))
        };
        fraction(rest).or_else(slashed)
    });
    let Some((part, fraction)) = part else { return Some((length, value)) };
    let sum = value.zip(fraction).and_then(|(whole, fraction)| whole.checked_add(fraction).ok());
    Some((length + blank + part, sum))
}

fn divide(above: Option<Rational>, below: Option<Rational>) -> Option<Rational> {
    above?.checked_div(below?).ok()
}

fn negative(value: Option<Rational>) -> Option<Rational> {
    Rational::from(0).checked_sub(value?).ok()
}

/// A fraction in one sign, `½` or `\frac{3}{4}`, at the start of `text`: its length, and its value where it can be read.
fn fraction(text: &str) -> Option<(usize, Option<Rational>)> {
    let first = text.chars().next().filter(|c| *c == '\\' || !c.is_ascii())?;
    if let Some((_, above, below)) = SIGNS_OF_FRACTIONS.iter().find(|(sign, ..)| *sign == first) {
        return Some((first.len_utf8(), divide(Some((*above).into()), Some((*below).into()))));
    }
    let command = text.strip_prefix('\\')?;
    let inside = FRACTIONS.iter().find_map(|name| command.strip_prefix(name))?;
    let parts = argument(inside).and_then(|(length, above)| {
        let (below_length, below) = argument(inside.get(length..)?)?;
        Some((length + below_length, divide(above, below)))
    });
    let (length, value) = parts.unwrap_or((0, None));
    Some((text.len() - inside.len() + length, value))
}

/// `{-3}` or a single digit at the start of `text`: its length, and its value where it is a number.
fn argument(text: &str) -> Option<(usize, Option<Rational>)> {
    let rest = text.trim_start();
    let blanks = text.len() - rest.len();
    let Some(inside) = rest.strip_prefix('{') else {
        let digit = rest.chars().next()?.to_digit(10)?;
        return Some((blanks + 1, Some(digit.into())));
    };
    let near = (0..4).find_map(|back| inside.get(..MAX_ARGUMENT - back)).unwrap_or(inside);
    let content = crate::tags::balanced(near)?;
    let unsigned = content.trim().strip_prefix('-').unwrap_or(content.trim());
    let value =
        decimal(unsigned).filter(|(length, ..)| *length == unsigned.len()).and_then(|(_, value, _)| value);
    let value = if unsigned.len() < content.trim().len() { negative(value) } else { value };
    Some((blanks + content.len() + 2, value))
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

pub(super) fn power_of_ten(exponent: u32) -> Option<Rational> {
    Rational::new(10_i128.checked_pow(exponent)?, 1).ok()
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
            ("1.8e1 2E-1", vec![(18, 1), (1, 5)]),
            ("18 million 2 thousands", vec![(18_000_000, 1), (2_000, 1)]),
            ("2 dozen, 3 hundred thousand, 5million", vec![(24, 1), (300_000, 1), (5_000_000, 1)]),
            ("minus 5, negative $5, +5, (+5), –5", vec![(-5, 1), (-5, 1), (5, 1), (5, 1), (-5, 1)]),
            ("5½ 5 ½ ½ -5½ ¾", vec![(11, 2), (11, 2), (1, 2), (-11, 2), (3, 4)]),
            ("5\\frac{1}{2} 5 \\frac12 \\frac12", vec![(11, 2), (11, 2), (1, 2)]),
            ("2 and a half, 5 and a half million", vec![(5, 2), (5_500_000, 1)]),
            ("_5_ 5%, 5th, 5 a day, 5 o'clock", vec![(5, 1); 5]),
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
        for text in [
            "1/0",
            "3^2",
            "1e99",
            &"9".repeat(31),
            "5e",
            "5x",
            "5xy",
            "5k",
            "$5m",
            "5 x",
            "5²",
            "5_8",
            "5π",
            "5 \\pi",
            "5 squared",
            "5 tenths",
            "±5",
            "\\sqrt{5}",
            "√5",
            "twice 5",
            "half of 5",
            "-(5)",
            "= - 5",
            "3.33...",
            "\\frac{5}{x}",
            "5/x",
            "5‰",
            "two hundred and 5",
            "5+",
            "٣",
            "5(3)",
            "x-5",
            "—5",
            "0x5",
        ] {
            let found = numbers(text);
            assert_eq!(found.first().map(|number| number.value), Some(None), "{text}");
        }
    }
}
