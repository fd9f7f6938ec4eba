//! Texts by the classes of their characters, as Python's methods see them: cases, digits, blanks, lines.

/// First of ten decimal digits each, of every script that has them.
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50,
    0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
    0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066,
    0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950,
    0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6,
    0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// Raised, lowered and circled digits, which are digits but no decimals.
const DIGITS: [(char, char); 8] =
    [('²', '³'), ('¹', '¹'), ('⁰', '⁰'), ('⁴', '⁹'), ('₀', '₉'), ('①', '⑨'), ('⑴', '⑼'), ('⒈', '⒐')];

/// Whether Python strips `c`.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn is_decimal(c: char) -> bool {
    ZEROS.iter().any(|zero| (*zero..zero + 10).contains(&u32::from(c)))
}

fn is_digit(c: char) -> bool {
    is_decimal(c) || DIGITS.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

fn is_cased(c: char) -> bool {
    c.is_uppercase() || c.is_lowercase()
}

fn is_word(c: char) -> bool {
    c.is_alphabetic() || c.is_numeric()
}

/// What the method `name` says of `text`; `None` if there is no such method.
pub(super) fn is(text: &str, name: &str) -> Option<bool> {
    let all = |test: fn(char) -> bool| !text.is_empty() && text.chars().all(test);
    let of_case = |other: fn(char) -> bool| text.chars().any(is_cased) && !text.chars().any(other);
    Some(match name {
        "isalnum" => all(is_word),
        "isalpha" => all(char::is_alphabetic),
        "isascii" => text.is_ascii(),
        "isdecimal" => all(is_decimal),
        "isdigit" => all(is_digit),
        "isidentifier" => all(|c| is_word(c) || c == '_') && !text.starts_with(char::is_numeric),
        "islower" => of_case(char::is_uppercase),
        "isnumeric" => all(char::is_numeric),
        "isprintable" => text.chars().all(|c| c == ' ' || !(c.is_control() || is_space(c))),
        "isspace" => all(is_space),
        "istitle" => text.chars().any(is_cased) && titled(text) == text,
        "isupper" => of_case(char::is_lowercase),
        _ => return None,
    })
}

/// `text` as the method `name` writes it anew; `None` if there is no such method.
pub(super) fn changed(text: &str, name: &str) -> Option<String> {
    Some(match name {
        "capitalize" => {
            let mut chars = text.chars();
            let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
            first + &chars.as_str().to_lowercase()
        }
        "casefold" => text.to_lowercase().replace('ß', "ss").replace('ς', "σ"),
        "lower" => text.to_lowercase(),
        "swapcase" => text.chars().map(swapped).collect(),
        "title" => titled(text),
        "upper" => text.to_uppercase(),
        _ => return None,
    })
}

fn swapped(c: char) -> String {
    if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() }
}

/// A capital behind every character without case.
fn titled(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut within = false;
    for c in text.chars() {
        if within {
            result.extend(c.to_lowercase())
        } else {
            result.extend(c.to_uppercase())
        }
        within = is_cased(c);
    }
    result
}

/// The lines of `text`, with their ends or without.
pub(super) fn lines(text: &str, ends: bool) -> Vec<&str> {
    let is_end = |c: char| {
        matches!(
            c,
            '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let (mut lines, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(is_end) {
        let length = rest[at..].chars().next().map_or(0, char::len_utf8);
        let end = at + if rest[at..].starts_with("\r\n") { 2 } else { length };
        lines.push(&rest[..if ends { end } else { at }]);
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// The words of `text`, split at most `most` times from one end, which is the order they are in.
pub(super) fn words(text: &str, most: usize, from_behind: bool) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest =
        if from_behind { text.trim_end_matches(is_space) } else { text.trim_start_matches(is_space) };
    while !rest.is_empty() {
        let at = if from_behind { rest.rfind(is_space) } else { rest.find(is_space) };
        let Some(at) = at.filter(|_| words.len() < most) else {
            words.push(rest);
            break;
        };
        let behind = at + rest[at..].chars().next().map_or(0, char::len_utf8);
        let (word, left) =
            if from_behind { (&rest[behind..], &rest[..at]) } else { (&rest[..at], &rest[behind..]) };
        words.push(word);
        rest = if from_behind { left.trim_end_matches(is_space) } else { left.trim_start_matches(is_space) };
    }
    words
}

/// `text` with blanks up to the next column that `size` divides, for each tab.
pub(super) fn expanded(text: &str, size: usize) -> String {
    let (mut result, mut column) = (String::with_capacity(text.len()), 0);
    for c in text.chars() {
        match c {
            '\t' if size > 0 => {
                let blanks = size - column % size;
                result.push_str(&" ".repeat(blanks));
                column += blanks;
            }
            '\t' => {}
            _ => {
                result.push(c);
                column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
            }
        }
    }
    result
}
