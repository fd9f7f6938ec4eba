//! Text from elsewhere as a terminal or a shell may have it.

use std::borrow::Cow;

/// `text` with a picture in place of each character that a terminal obeys instead of showing it; line ends and tabs stay.
#[must_use]
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let stays = |c: char| matches!(c, '\n' | '\t') || picture(c) == c;
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if stays(c) { c } else { picture(c) }).collect())
}

/// `text` as one word of a shell's command line.
#[must_use]
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=,:+@%".contains(c);
    let is_plain = !text.is_empty() && text.chars().all(plain);
    // A word with a zero byte is none, however it is quoted.
    let quoted = || shlex::try_quote(text).unwrap_or_default().into_owned();
    if is_plain { text.to_owned() } else { quoted() }
}

/// The last end of a character of `text` at or before the byte `end`.
pub(crate) fn floor_boundary(text: &str, end: usize) -> usize {
    (0..=end.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0)
}

/// What shows `c`: a line's end is `⏎`, another control character its own picture, any other that a terminal obeys `�`.
pub(crate) fn picture(c: char) -> char {
    match c {
        '\n' => '⏎',
        '\u{7f}' => '␡',
        c if c < ' ' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('?'),
        // Those that begin a line, and those that turn the direction of writing around.
        '\u{2028}' | '\u{2029}' => '\u{fffd}',
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        // Those of the upper half.
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_that_a_terminal_obeys_reaches_it() {
        assert!(matches!(printable("ä\t1\n⏎ 数"), Cow::Borrowed(_)));
        assert_eq!(
            printable("a\u{1b}]0;me\u{7}\r\n\0\u{7f}\u{9b}2J\u{202e}\u{61c}\u{2028}"),
            "a␛]0;me␇␍\n␀␡�2J���"
        );
        let obeyed = |c: &char| c.is_control() && !matches!(c, '\n' | '\t');
        let shown: String = (0..0x3000).filter_map(char::from_u32).collect();
        assert!(!printable(&shown).chars().any(|c| obeyed(&c)));
    }
}
