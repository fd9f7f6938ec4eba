//! The text of an answer without what is around it and cannot be seen.

use super::numeral;

/// Pairs of marks that may stand around an answer.
const DRESS: [(&str, &str); 6] =
    [("**", "**"), ("`", "`"), ("\"", "\""), ("'", "'"), ("“", "”"), ("``", "''")];

/// `text` with full-width characters as plain ones, without invisible characters, quotation marks and emphasis around
/// it, and the period at its end; an ordinal or a number in words as its digits.
pub(super) fn plain(text: &str) -> String {
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).map(narrow).collect();
    let mut rest = visible.trim();
    rest = without_period(rest);
    while let Some(inner) = DRESS.iter().find_map(|(open, close)| inside(rest, open, close)) {
        rest = without_period(inner.trim());
    }
    numeral::digits(rest).unwrap_or_else(|| rest.to_owned())
}

/// What stands between the marks, where they stand nowhere in it.
fn inside<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let inner = text.strip_prefix(open)?.strip_suffix(close)?;
    (!inner.contains(open) && !inner.contains(close)).then_some(inner)
}

/// Without one period at the end; of several it is none.
fn without_period(text: &str) -> &str {
    text.strip_suffix(['.', '。']).filter(|rest| !rest.ends_with('.')).map_or(text, str::trim_end)
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{ad}' | '\u{fe0f}')
}

/// The plain form of a full-width character.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_is_left() {
        for (text, expected) in [
            ("**42**.", "42"),
            (" \"north\" ", "north"),
            ("\"a\" or \"b\"", "\"a\" or \"b\""),
            ("4\u{200b}2", "42"),
            ("（１，２）", "(1,2)"),
            ("1, 2, ...", "1, 2, ..."),
            ("\\frac43.", "\\frac43"),
            ("x'", "x'"),
            ("**Seven**", "7"),
            ("12th", "12"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }
}
