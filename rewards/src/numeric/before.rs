//! What stands before digits and belongs to their number: signs, and what makes of it a number that is not read.

use super::words::{
    BEFORE_A_SIGN, CURRENCIES, FUNCTIONS, MULTIPLES, PARTS, VERBS, counts, is_in, is_part, is_scale,
};

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
    if divides(before) || hangs_on_verb(before) {
        return Sign::Unread;
    }
    if before.ends_with(|c: char| c.is_ascii_digit() || ".,:/%\")".contains(c)) {
        return Sign::Plus(before.len());
    }
    for before in [before, bare] {
        let Some(last) = before.chars().next_back() else { continue };
        let rest = before.get(..before.len() - last.len_utf8()).unwrap_or_default();
        let behind_value = rest.ends_with(|c: char| c.is_alphanumeric() || c == '%');
        let of_formula = ends_in_variable(rest) || rest.ends_with([')', '}', '|', ']']);
        match last {
            '-' if of_formula || rest.ends_with('-') => return Sign::Unread,
            '-' if !behind_value => return Sign::Minus(rest.len()),
            '–' if opens(rest) => return Sign::Minus(rest.len()),
            '—' if opens(rest) => return Sign::Unread,
            '+' if of_formula => return Sign::Unread,
            '+' if !behind_value => return Sign::Plus(rest.len()),
            _ => {}
        }
    }
    let spaced = bare.trim_end();
    if is_operand(spaced) {
        return Sign::Unread;
    }
    let outside = spaced.trim_end_matches('(');
    let bracketed = outside.len() < spaced.len();
    // "f(5)", "log_2(5)", "f'(5)", "0.(5)"
    let is_call = bracketed && outside.ends_with(|c: char| c.is_alphanumeric() || "}'.".contains(c));
    match by_words(without_subscript(outside.trim_end())) {
        _ if is_call => Sign::Unread,
        Some(Sign::Minus(_)) if bracketed => Sign::Unread,
        found => found.unwrap_or(Sign::Plus(before.len())),
    }
}

/// Whether a minus at a distance stands before the number behind `before`, which is all that is said before it: "- $5",
/// "-|5|", "– 5".
pub(super) fn hangs_on_dash(before: &str) -> bool {
    let inner = before
        .trim_end_matches(|c: char| c.is_whitespace() || CURRENCIES.contains(&c) || "{([|*".contains(c));
    inner.ends_with(['-', '–']) || inner.len() < before.trim_end().len() && inner.ends_with('—')
}

/// Whether a dash behind `rest` is a sign.
fn opens(rest: &str) -> bool {
    rest.is_empty() || rest.ends_with(|c: char| c.is_whitespace() || "($[{=".contains(c))
}

/// Whether `text` ends in a letter that stands alone.
fn ends_in_variable(text: &str) -> bool {
    let mut last = text.chars().rev();
    last.next().is_some_and(|c| c.is_alphabetic()) && !last.next().is_some_and(char::is_alphanumeric)
}

/// Whether `before` ends in a slash that divides what is no number: "x/5", "(x + y) / 5".
fn divides(before: &str) -> bool {
    let above = before.trim_end_matches([' ', '{', '(']).strip_suffix('/').unwrap_or_default().trim_end();
    above.ends_with(|c: char| c.is_alphabetic() || ")}]|".contains(c))
}

/// Whether a verb and a minus at a distance stand before the number: "it is - $5".
fn hangs_on_verb(before: &str) -> bool {
    let inner = before.trim_end_matches([' ', '$', '\\', '£', '€', '|', '(']);
    let rest = inner.strip_suffix(['-', '–']).filter(|_| inner.len() < before.len());
    rest.is_some_and(|rest| is_in(&VERBS, last_word(rest.trim_end())))
}

/// Whether what ends `before` takes the number behind it as its operand: a root, `±`, a minus at a distance.
fn is_operand(before: &str) -> bool {
    let inner = before.trim_end_matches(['{', '(', '|', ' ']);
    let in_root = before.strip_suffix("{").is_some_and(|rest| {
        rest.strip_suffix(']')
            .and_then(|rest| rest.rsplit_once('['))
            .is_some_and(|(root, _)| root.ends_with("\\sqrt"))
    });
    let spaced_minus =
        before.strip_suffix('-').is_some_and(|rest| rest.trim_end().ends_with(['=', '(', '{', '[', ':']));
    let of_bracket = before.ends_with(['(', '{', '|'])
        && inner.strip_suffix('-').is_some_and(|rest| !rest.ends_with(|c: char| c.is_alphanumeric()));
    let name = inner.len() - inner.bytes().rev().take_while(u8::is_ascii_alphabetic).count();
    let of_command = name.checked_sub(1).and_then(|at| inner.get(at..)).is_some_and(counts);
    let signs = ["∞", "√", "∛", "∜", "±", "∓", "×", "÷", "·", "⋅", "\\sqrt["];
    in_root || spaced_minus || of_bracket || of_command || signs.iter().any(|sign| inner.ends_with(sign))
}

/// `text` without the subscript at its end: "log" of "log_2", "\log" of "\log_{10}".
fn without_subscript(text: &str) -> &str {
    let inner = text.strip_suffix('}').unwrap_or(text);
    let base = inner.trim_end_matches(|c: char| c.is_ascii_alphanumeric());
    let base = base.strip_suffix('{').unwrap_or(base);
    base.strip_suffix('_').unwrap_or(text)
}

/// The last word of `text`, empty where it ends with none.
fn last_word(text: &str) -> &str {
    text.rsplit(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default()
}

/// What the words at the end of `before` make of the number behind them.
fn by_words(before: &str) -> Option<Sign> {
    let last = Some(last_word(before)).filter(|word| !word.is_empty())?;
    let start = before.len() - last.len();
    let rest = before.get(..start)?.trim_end();
    let second = last_word(rest);
    let behind_value = rest.ends_with(|c: char| c.is_ascii_digit() || ")}%$".contains(c));
    let is_sign = second.is_empty() || is_in(BEFORE_A_SIGN, second);
    match &*last.to_ascii_lowercase() {
        "minus" | "negative" | "plus" if behind_value => return Some(Sign::Unread),
        "negative" => return Some(Sign::Minus(start)),
        "plus" | "minus" if !is_sign => return Some(Sign::Unread),
        "plus" => return Some(Sign::Plus(start)),
        "minus" => return Some(Sign::Minus(start)),
        _ => {}
    }
    let of_words = rest.trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_end();
    let in_words = !of_words.ends_with(|c: char| c.is_ascii_digit());
    let powered = || match (&*second.to_ascii_lowercase(), &*last.to_ascii_lowercase()) {
        ("raised", "to") | ("divided" | "multiplied", "by") => true,
        // "2 to the 5th", "x to the 5th"
        ("to", "the") => of_words.ends_with(|c: char| c.is_ascii_digit()) || ends_in_variable(of_words),
        _ => false,
    };
    let is_unread = is_in(FUNCTIONS, last)
        || is_in(MULTIPLES, last) && in_words && !behind_value
        || last.eq_ignore_ascii_case("of")
            && (is_in(PARTS, second) || is_part(second) || rest.ends_with('%'))
        || last.eq_ignore_ascii_case("and") && is_scale(second) && in_words
        || powered();
    is_unread.then_some(Sign::Unread)
}
