//! The words, values and marks of a claim, from left to right.

use std::ops::Range;

use super::words::{CROSS, CROSSES, TICKS};

/// Commands of LaTeX that only dress the text in them.
const DRESS: [&str; 12] =
    ["boxed", "fbox", "text", "textbf", "textit", "mathrm", "mathbf", "mbox", "emph", "left", "right", "rm"];
/// Signs of emphasis and quotation, which may stand around anything.
pub(super) const EMPHASIS: [char; 10] = ['*', '_', '`', '"', '$', '{', '}', '“', '”', '~'];

/// One token and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub start: usize,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A word in lower case, its apostrophes straight.
    Word(String),
    /// One of the values, by its place among them.
    Value(usize),
    Comma,
    Semicolon,
    Colon,
    /// A dash that parts clauses.
    Dash,
    Open,
    Close,
    /// The end of a sentence.
    Stop,
    Equals,
    /// A digit or another number that is no value here.
    Sign,
}

impl Token {
    pub(super) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn value(&self) -> Option<usize> {
        match self.kind {
            Kind::Value(value) => Some(value),
            _ => None,
        }
    }
}

/// The tokens of `text`; `values` are the places of its values, from left to right.
pub(super) fn tokens(text: &str, values: &[Range<usize>]) -> Vec<Token> {
    let mut all = Vec::new();
    let (mut at, mut next) = (0, 0);
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if let Some(value) = values.get(next).filter(|value| value.start <= at) {
            all.push(Token { start: at, kind: Kind::Value(next) });
            (at, next) = (value.end.max(at + c.len_utf8()), next + 1);
            continue;
        }
        let limit = values.get(next).map_or(text.len(), |value| value.start);
        let rest = text.get(at..limit).unwrap_or_default();
        let length = if c.is_alphabetic() {
            let length = word_length(rest).max(c.len_utf8());
            let word = rest.get(..length).unwrap_or_default();
            let word = match word.is_ascii() {
                true => word.to_ascii_lowercase(),
                false => word.to_lowercase().replace('’', "'"),
            };
            all.push(Token { start: at, kind: Kind::Word(word) });
            length
        } else if let Some(command) =
            rest.strip_prefix('\\').filter(|rest| rest.starts_with(char::is_alphabetic))
        {
            let length = command.bytes().take_while(u8::is_ascii_alphabetic).count();
            let name = command.get(..length).unwrap_or_default();
            if !DRESS.contains(&name) {
                all.push(Token { start: at, kind: Kind::Word(name.to_owned()) });
            }
            1 + length
        } else {
            all.extend(mark(text, at, c).map(|kind| Token { start: at, kind }));
            c.len_utf8()
        };
        at += length.max(1);
    }
    all
}

/// Leaves those dashes out of `tokens` that are a minus between two values, as in "48 - 30 = 18": behind the second one
/// there is no verb, as `is_verb` knows them, for it to be the subject of: "18 – 30 would be too many".
pub(super) fn join_differences(tokens: &mut Vec<Token>, text: &str, is_verb: impl Fn(&str) -> bool) {
    let is_minus = |at: usize, token: &Token| {
        let sign = text.get(token.start..).is_some_and(|rest| rest.starts_with(['-', '–']));
        let subtracts = tokens.get(at + 1).is_some_and(|next| next.value().is_some());
        let judged = tokens.get(at + 2).and_then(Token::word).is_some_and(&is_verb);
        token.kind == Kind::Dash && sign && subtracts && !judged
    };
    let minuses: Vec<bool> = tokens.iter().enumerate().map(|(at, token)| is_minus(at, token)).collect();
    let mut minuses = minuses.into_iter();
    tokens.retain(|_| minuses.next() != Some(true));
}

/// The length of the word at the start of `text`; an apostrophe within belongs to it.
fn word_length(text: &str) -> usize {
    let end = text.find(|c: char| !c.is_alphabetic() && c != '\'' && c != '’').unwrap_or(text.len());
    text.get(..end).map_or(0, |word| word.trim_end_matches(['\'', '’']).len())
}

/// What the sign `c` at `at` is, where it is more than a blank or emphasis.
fn mark(text: &str, at: usize, c: char) -> Option<Kind> {
    let after = text.get(at + c.len_utf8()..).unwrap_or_default();
    let blank_before = text.get(..at).is_some_and(|before| before.ends_with(char::is_whitespace));
    Some(match c {
        _ if c.is_whitespace() || EMPHASIS.contains(&c) => return None,
        ',' => Kind::Comma,
        ';' => Kind::Semicolon,
        ':' => Kind::Colon,
        '(' | '[' => Kind::Open,
        ')' | ']' => Kind::Close,
        '—' => Kind::Dash,
        '-' | '–' if blank_before && after.trim_start_matches('-').starts_with(char::is_whitespace) => {
            Kind::Dash
        }
        '.' if ends_sentence(after) => Kind::Stop,
        // "A? No"
        '!' | '?' if ends_sentence(after) => Kind::Semicolon,
        '=' => Kind::Equals,
        '¬' => Kind::Word("not".into()),
        _ if CROSSES.contains(&c) => Kind::Word(CROSS.into()),
        // "5 ✖ 3" is a product.
        '✖' if !after.trim_start().starts_with(char::is_numeric) => Kind::Word(CROSS.into()),
        _ if TICKS.contains(&c) => Kind::Word("right".into()),
        _ if c.is_numeric() => Kind::Sign,
        _ => return None,
    })
}

/// Whether a period before `after` ends its sentence: only emphasis and brackets may stand before the next blank.
pub(super) fn ends_sentence(after: &str) -> bool {
    let rest = after.trim_start_matches(|c: char| EMPHASIS.contains(&c) || matches!(c, ')' | ']'));
    rest.is_empty() || rest.starts_with(char::is_whitespace)
}

/// `text` up to the period that ends its first sentence.
pub(crate) fn sentence(text: &str) -> &str {
    let end = text.match_indices('.').map(|(at, _)| at).find(|at| {
        let after = text.get(at + 1..).unwrap_or_default();
        !after.trim().is_empty() && ends_sentence(after)
    });
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// `text` behind the period that ends its last sentence but one.
pub(crate) fn last_sentence(text: &str) -> &str {
    let ends = |at: &usize| {
        let after = text.get(at + 1..).unwrap_or_default();
        !after
            .trim_matches(|c: char| c.is_whitespace() || ")]".contains(c) || EMPHASIS.contains(&c))
            .is_empty()
            && ends_sentence(after)
    };
    let end = text.rmatch_indices('.').map(|(at, _)| at).find(ends);
    end.and_then(|end| text.get(end + 1..)).unwrap_or(text)
}
