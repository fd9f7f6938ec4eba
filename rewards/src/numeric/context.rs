//! What stands around digits and belongs to their number: signs, scales, and what makes of it a number that is not read.

use super::number::power_of_ten;
use crate::rational::Rational;

const SCALES: [(&str, u32, u32); 8] = [
    ("dozen", 12, 0),
    ("hundred", 1, 2),
    ("thousand", 1, 3),
    ("lakh", 1, 5),
    ("million", 1, 6),
    ("crore", 1, 7),
    ("billion", 1, 9),
    ("trillion", 1, 12),
];
const CURRENCIES: [char; 6] = ['$', '\\', '£', '€', '¥', '₹'];
/// Letters that may stand directly behind a number: units, ordinals, times of day.
#[rustfmt::skip]
const UNITS: &[&str] = &[
    "m", "s", "g", "h", "l", "L", "W", "V", "N", "J", "C", "F", "A", "kg", "km", "cm", "mm", "nm", "mg",
    "ml", "mL", "hr", "ms", "ft", "in", "yd", "mi", "lb", "oz", "st", "nd", "rd", "th", "am", "pm", "AM",
    "PM", "Hz", "kW", "MW", "kJ", "eV", "Pa", "dB", "GB", "Mb", "Gb", "kb", "Kb", "kB", "KB", "MB", "TB",
];
/// Longer ones that are no unit.
#[rustfmt::skip]
const FACTORS: &[&str] = &[
    "sqrt", "sin", "cos", "tan", "log", "exp", "mod", "mil", "quadrillion", "quintillion", "zillion", "abc",
    "xyz", "root",
];
/// Words behind a number that make another of it.
#[rustfmt::skip]
const MODIFIERS: &[&str] = &[
    "pi", "squared", "cubed", "factorial", "mod", "modulo", "choose", "halves", "thirds", "fifths",
    "sixths", "sevenths", "bn", "mn", "mil", "mill", "gazillion", "eighths", "ninths", "tenths", "hundredths", "thousandths", "millionths",
    "billionths", "quadrillion", "quintillion", "zillion",
];
/// Letters behind a blank that are variables, and no units.
const VARIABLES: [&str; 7] = ["x", "y", "z", "n", "k", "i", "e"];
const FUNCTIONS: [&str; 7] = ["log", "ln", "sin", "cos", "tan", "point", "exp"];
/// Words before a number that make another of it.
#[rustfmt::skip]
const MULTIPLES: &[&str] = &[
    "twice", "double", "triple", "thrice", "half", "sqrt", "hundred", "thousand", "million", "billion",
];
#[rustfmt::skip]
const PARTS: &[&str] = &[
    "half", "third", "quarter", "root", "square", "cube", "double", "reciprocal", "negative", "opposite", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "inverse",
];

/// The sign before digits, and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Plus(usize),
    Minus(usize),
    /// Something that is not read makes another number of it.
    Unread,
}

/// Whether digits behind `before` continue a word or an exponent.
pub(super) fn is_glued(before: &str) -> bool {
    let bare = before.trim_end_matches('{');
    let subscript = bare
        .strip_suffix('_')
        .is_some_and(|base| base.ends_with(|c: char| c.is_alphanumeric() || ")}]".contains(c)));
    bare.ends_with('^') || subscript || before.ends_with(|c: char| c.is_ascii_alphabetic())
}

/// The sign at the end of `before`, with a currency before or behind it.
pub(super) fn sign(before: &str) -> Sign {
    let bare = before.trim_end_matches(CURRENCIES);
    if before.ends_with(|c: char| c.is_ascii_digit() || ".,:/|%\")".contains(c)) {
        return Sign::Plus(before.len());
    }
    for before in [before, bare] {
        let Some(last) = before.chars().next_back() else { continue };
        let rest = before.get(..before.len() - last.len_utf8()).unwrap_or_default();
        let behind_value = rest.ends_with(|c: char| c.is_alphanumeric() || ")}%".contains(c));
        let variable = rest.ends_with(|c: char| c.is_ascii_alphabetic())
            && !rest.get(..rest.len() - 1).is_some_and(|rest| rest.ends_with(char::is_alphanumeric));
        match last {
            '-' if variable || rest.ends_with('-') => return Sign::Unread,
            '-' if !behind_value => return Sign::Minus(rest.len()),
            '–' if opens(rest) => return Sign::Minus(rest.len()),
            '—' if opens(rest) => return Sign::Unread,
            '+' if variable => return Sign::Unread,
            '+' if !behind_value => return Sign::Plus(rest.len()),
            _ => {}
        }
    }
    let spaced = bare.trim_end();
    if is_operand(spaced) {
        return Sign::Unread;
    }
    let outside = spaced.trim_end_matches('(');
    let is_call = outside.len() < spaced.len() && outside.ends_with(|c: char| c.is_ascii_alphabetic());
    match by_words(outside.trim_end()) {
        _ if is_call => Sign::Unread,
        Some(Sign::Minus(_)) if outside.len() < spaced.len() => Sign::Unread,
        found => found.unwrap_or(Sign::Plus(before.len())),
    }
}

/// Whether a dash behind `rest` is a sign.
fn opens(rest: &str) -> bool {
    rest.is_empty() || rest.ends_with(|c: char| c.is_whitespace() || "($[{=".contains(c))
}

/// Whether what ends `before` takes the number behind it as its operand: a root, `±`, a minus at a distance.
fn is_operand(before: &str) -> bool {
    let inner = before.trim_end_matches(['{', '(', ' ']);
    let in_root = before.strip_suffix("{").is_some_and(|rest| {
        rest.strip_suffix(']')
            .and_then(|rest| rest.rsplit_once('['))
            .is_some_and(|(root, _)| root.ends_with("\\sqrt"))
    });
    let spaced_minus =
        before.strip_suffix('-').is_some_and(|rest| rest.trim_end().ends_with(['=', '(', '{', '[', ':']));
    let of_bracket = before.ends_with(['(', '{'])
        && inner.strip_suffix('-').is_some_and(|rest| !rest.ends_with(|c: char| c.is_alphanumeric()));
    let signs = ["∞", "√", "∛", "∜", "±", "∓", "\\pm", "\\mp", "\\sqrt", "\\sqrt["];
    in_root || spaced_minus || of_bracket || signs.iter().any(|sign| inner.ends_with(sign))
}

/// What the words at the end of `before` make of the number behind them.
fn by_words(before: &str) -> Option<Sign> {
    let mut words = before.rsplit(|c: char| !c.is_ascii_alphabetic()).take(2);
    let last = words.next().filter(|word| !word.is_empty())?;
    let start = before.len() - last.len();
    let rest = before.get(..start)?.trim_end();
    let behind_value = rest.ends_with(|c: char| c.is_ascii_digit() || ")}%$".contains(c));
    let is = |list: &[&str], word: &str| list.iter().any(|other| word.eq_ignore_ascii_case(other));
    if is(&["minus", "negative", "plus"], last) {
        return Some(match last {
            _ if behind_value => Sign::Unread,
            _ if last.eq_ignore_ascii_case("plus") => Sign::Plus(start),
            _ => Sign::Minus(start),
        });
    }
    let second = rest.rsplit(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let scaled = |word: &str| SCALES.iter().any(|(name, ..)| word.eq_ignore_ascii_case(name));
    let of_words = rest.trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_end();
    let in_words = !of_words.ends_with(|c: char| c.is_ascii_digit());
    let unread = is(&FUNCTIONS, last)
        || is(MULTIPLES, last) && in_words && !behind_value
        || last.eq_ignore_ascii_case("of") && is(PARTS, second)
        || last.eq_ignore_ascii_case("and") && scaled(second) && in_words;
    unread.then_some(Sign::Unread)
}

/// The number of `value` whose digits end at `end`, with the scale behind it: where it ends, and its value where what
/// follows does not make a number of it that is not read.
pub(super) fn goes_on(text: &str, end: usize, value: Option<Rational>) -> (usize, Option<Rational>) {
    let (mut end, mut value) = (end, value);
    let mut next = text.get(end..).unwrap_or_default().bytes();
    match (next.next(), next.next()) {
        // What most numbers are followed by.
        (None | Some(b'\n' | b',' | b')' | b'%'), _) => return (end, value),
        (Some(b'.'), next) if next.is_none_or(|next| matches!(next, b'0'..=b'9' | b' ' | b'\n')) => {
            return (end, value);
        }
        _ => {}
    }
    let is_decimal = text
        .get(..end)
        .is_some_and(|before| before.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with('.'));
    if let Some((length, part)) = half(text.get(end..).unwrap_or_default()) {
        end += length;
        value = value.zip(part).and_then(|(value, part)| value.checked_add(part).ok());
    }
    while let Some((length, by, power)) = scale(text.get(end..).unwrap_or_default()) {
        end += length;
        let factor = power_of_ten(power).and_then(|power| power.checked_mul(by.into()).ok());
        value = value.zip(factor).and_then(|(value, factor)| value.checked_mul(factor).ok());
    }
    let rest = text.get(end..).unwrap_or_default();
    let before = text.get(..end).unwrap_or_default();
    match is_unread(before, rest, is_decimal) {
        // Raised digits are no number of their own.
        true => (end + rest.chars().take_while(|c| c.is_numeric()).map(char::len_utf8).sum::<usize>(), None),
        false => (end, value),
    }
}

/// " and a half" at the start of `text`: its length and value.
fn half(text: &str) -> Option<(usize, Option<Rational>)> {
    if !text.starts_with(" a") && !text.starts_with(" A") {
        return None;
    }
    const PARTS: [(&str, i128, i128); 6] = [
        (" and a half", 1, 2),
        (" and one half", 1, 2),
        (" and one-half", 1, 2),
        (" and a quarter", 1, 4),
        (" and a third", 1, 3),
        (" and three quarters", 3, 4),
    ];
    PARTS.iter().find_map(|(words, above, below)| {
        let (head, tail) = text.split_at_checked(words.len())?;
        let whole = head.eq_ignore_ascii_case(words) && !tail.starts_with(|c: char| c.is_alphabetic());
        whole.then(|| (words.len(), Rational::new(*above, *below).ok()))
    })
}

/// The word at the start of `text` that scales a number: its length with the blanks before it, its factor and power of ten.
fn scale(text: &str) -> Option<(usize, u32, u32)> {
    let word = text.trim_start_matches(' ');
    if !word.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    SCALES.iter().find_map(|(name, by, power)| {
        let (head, tail) = word.split_at_checked(name.len())?;
        let tail = tail.strip_prefix('s').unwrap_or(tail);
        let ends = !tail.starts_with(|c: char| c.is_ascii_alphabetic());
        (head.eq_ignore_ascii_case(name) && ends).then_some((text.len() - tail.len(), *by, *power))
    })
}

/// Whether `rest`, which follows the digits at the end of `before`, makes a number of them that is not read.
fn is_unread(before: &str, rest: &str, is_decimal: bool) -> bool {
    let mut chars = rest.chars();
    let (first, second) = (chars.next(), chars.next());
    let Some(first) = first else { return false };
    let spaced = rest.trim_start_matches([' ', '*', '$']);
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let factors = ["∞", "π", "√", "∛", "\\pi", "\\sqrt", "\\overline", "\\bar", "\\dot{", "^"];
    let dots = ["...", "…", "\\ldots", "\\dots"];
    if factors.iter().any(|factor| spaced.starts_with(factor))
        || is_decimal && dots.iter().any(|dots| rest.starts_with(dots))
    {
        return true;
    }
    match first {
        '_' => second.is_some_and(|c| c.is_ascii_digit() || c == '{'),
        '(' => is_digit(second),
        '+' | '‰' | '‱' => true,
        '/' => {
            let below = rest.get(1..).unwrap_or_default();
            let name = letters(below);
            below.trim_start().is_empty()
                || below.starts_with(['(', '\\', '√'])
                || name.len() == 1 && !UNITS.contains(&name)
        }
        '.' => {
            second.is_some_and(|c| matches!(c, 'e' | 'E'))
                && rest.get(2..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        }
        ' ' => {
            let word = letters(spaced);
            let ends = !spaced
                .get(word.len()..)
                .is_some_and(|rest| rest.starts_with(['\'', '’']) || is_abbreviated(rest));
            MODIFIERS.iter().any(|modifier| word.eq_ignore_ascii_case(modifier))
                || ends && (VARIABLES.contains(&word) || is_money(before) && matches!(word, "K" | "M" | "B"))
        }
        _ if first.is_ascii_alphabetic() => is_factor(before, rest),
        _ => {
            first.is_numeric()
                || ('\u{300}'..='\u{36f}').contains(&first)
                || ('Α'..='ω').contains(&first) && first != 'μ'
        }
    }
}

/// The ASCII letters at the start of `text`.
fn letters(text: &str) -> &str {
    text.get(..text.bytes().take_while(u8::is_ascii_alphabetic).count()).unwrap_or_default()
}

/// Whether `rest` goes on as "p.m." does behind its first letter.
fn is_abbreviated(rest: &str) -> bool {
    rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// Whether the digits at the end of `before` have a currency before them.
fn is_money(before: &str) -> bool {
    let digits = before.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, ',' | '.'));
    digits.trim_end_matches(['-', ' ']).ends_with(CURRENCIES)
}

/// Whether `rest`, directly behind the digits at the end of `before`, is no unit but a factor or a scale that is not read.
fn is_factor(before: &str, rest: &str) -> bool {
    let word = letters(rest);
    // "9C2"
    let is_raised = rest.as_bytes().get(word.len()).is_some_and(u8::is_ascii_digit);

    match word.len() {
        1 | 2 => !UNITS.contains(&word) || is_raised || is_money(before) && word.eq_ignore_ascii_case("m"),
        _ => FACTORS.iter().any(|factor| word.eq_ignore_ascii_case(factor)),
    }
}
