//! What stands behind digits and belongs to their number: scales, and what makes of it a number that is not read.

use super::{
    number::power_of_ten,
    words::{
        CURRENCIES, FACTORS, FRACTIONS, FUNCTIONS, MODIFIERS, OPERATIONS, OTHERS, SCALES, SCALING, UNITS,
        VARIABLES, command, counts, is_in, is_large, is_part, is_scale, letters,
    },
};
use crate::rational::Rational;

/// How far a bracket is read, in bytes.
const MAX_BRACKET: usize = 100;

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

/// Whether `rest`, which follows a number in a box, makes another of it: a factorial, dots. In prose it only ends a sentence.
pub(super) fn is_unread_in_sign(rest: &str) -> bool {
    ["!", "...", "…"].iter().any(|sign| rest.starts_with(sign))
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
    const FACTORS: [&str; 5] = ["∞", "π", "√", "∛", "^"];
    let Some(first) = rest.chars().next() else { return false };
    let spaced = rest.trim_start_matches([' ', '*', '$']);
    if let Some(degrees) = ["^\\circ", "^{\\circ}"].iter().find_map(|sign| spaced.strip_prefix(sign)) {
        return !degrees.is_empty() && is_unread(before, degrees, is_decimal);
    }
    let dots = || ["...", "…"].iter().any(|dots| rest.starts_with(dots));
    let is_fraction = || command(spaced).is_some_and(|name| FRACTIONS.contains(&name));
    if FACTORS.iter().any(|factor| spaced.starts_with(factor))
        || spaced.starts_with(SCALING)
        || counts(spaced) && !is_fraction()
        || is_decimal && dots()
    {
        return true;
    }
    let behind = rest.get(first.len_utf8()..).unwrap_or_default();
    match first {
        '_' => behind.starts_with(|c: char| c.is_ascii_digit() || c == '{'),
        '(' | '[' => !is_remark(behind),
        '+' | '‰' | '‱' => true,
        '!' => {
            !behind.is_empty() && !behind.starts_with(|c: char| c.is_whitespace() || "*_\"'”’<!?".contains(c))
        }
        '-' => is_term(behind) || is_modifier(letters(behind)) || is_scale(letters(behind)),
        '/' => is_divisor(behind),
        '.' => {
            behind.strip_prefix(['e', 'E']).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
                || behind.starts_with('(')
                || counts(behind)
        }
        ' ' => match (spaced.strip_prefix('/'), spaced.strip_prefix(['-', '–', '—'])) {
            (Some(below), _) => is_divisor(below),
            (_, Some(term)) => is_term(term.trim_start_matches([' ', '$'])),
            _ => is_modified(before, spaced),
        },
        _ if first.is_ascii_alphabetic() => is_factor(before, rest),
        _ => {
            first.is_numeric()
                || ('\u{300}'..='\u{36f}').contains(&first)
                || ('Α'..='ω').contains(&first) && first != 'μ'
        }
    }
}

/// Whether `inside`, what follows a bracket right behind a number, is a remark in words and no factor: "5(apples)".
fn is_remark(inside: &str) -> bool {
    let end = inside.bytes().take(MAX_BRACKET).position(|byte| matches!(byte, b')' | b']'));
    let inside = end.and_then(|end| inside.get(..end)).unwrap_or_default();
    let mut words = inside.split(|c: char| !c.is_alphabetic());
    !inside.contains('\\') && words.any(|word| word.chars().count() > 1 && !is_in(FUNCTIONS, word))
}

/// Whether `below`, what follows a slash, is no unit.
fn is_divisor(below: &str) -> bool {
    let name = letters(below.trim_start());
    below.trim_start().is_empty()
        || below.trim_start().starts_with(['(', '\\', '√'])
        || name.len() == 1 && !UNITS.contains(&name)
}

/// Whether `behind`, what follows a minus behind a number, is a term that is subtracted: `x`, `(x)`, `\pi`.
fn is_term(behind: &str) -> bool {
    let name = letters(behind);
    let rest = behind.get(name.len()..).unwrap_or_default();
    // "5-a-day", "5 - a prime"
    let is_article =
        matches!(name, "a" | "A" | "I") && rest.trim_start().starts_with(|c: char| c.is_alphabetic());
    let is_letter = name.len() == 1 && !rest.starts_with(['-', '\'', '’']) && !is_article;
    let is_bracket = behind.strip_prefix(['(', '[']).is_some_and(|inside| !is_remark(inside));
    behind.starts_with(['√', 'π', '|']) || counts(behind) || is_letter || is_bracket || is_in(FUNCTIONS, name)
}

/// Whether `word` behind a number makes another of it.
fn is_modifier(word: &str) -> bool {
    is_in(MODIFIERS, word) || is_part(word) && word.ends_with(['s', 'S']) || is_large(word)
}

/// Whether the words of `spaced`, which stands behind the digits at the end of `before`, make another number of them.
fn is_modified(before: &str, spaced: &str) -> bool {
    let length = spaced.find(|c: char| !c.is_alphabetic()).unwrap_or(spaced.len());
    let (word, rest) = spaced.split_at_checked(length).unwrap_or_default();
    let next = rest.trim_start();
    let ends = !rest.starts_with(['\'', '’']) && !is_abbreviated(rest);
    let is_letter = |text: &str| letters(text).len() == 1 && !text.starts_with(['a', 'A', 'I']);
    let phrases = ["below zero", "under zero", "below freezing", "to the power", "raised to"];
    is_modifier(word)
        // "1 fifth", but "5 fifth graders"
        || is_part(word) && !next.starts_with(char::is_alphabetic)
        || phrases.iter().any(|phrase| spaced.get(..phrase.len()).is_some_and(|head| head.eq_ignore_ascii_case(phrase)))
        || is_in(&OPERATIONS, word) && (is_letter(next) || next.starts_with(['(', '√', 'π']) || counts(next))
        // "5 or six", "5 or x"
        || word == "or" && (is_letter(next) || is_in(&OTHERS, letters(next)))
        || word == "to" && next.strip_prefix("the ").is_some_and(|rest| is_part(letters(rest)) || is_letter(rest))
        || ends && (VARIABLES.contains(&word) || is_money(before) && matches!(word, "K" | "M" | "B"))
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
        _ => is_in(FACTORS, word) || is_modifier(word),
    }
}
