//! The tags of a Jinja source as tokens: enough to bound what its parser is given, and to find an operator's operands.

use std::ops::Range;

use anyhow::{Result, ensure};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word,
    /// A literal text.
    Text,
    /// A literal number.
    Number,
    /// An operator or a bracket.
    Sign,
}

/// One token of a tag.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its bytes in the source.
    pub at: Range<usize>,
}

/// The tokens of each tag of `source`, `{{ … }}` and `{% … %}`, in their order; a last one may lack its end.
///
/// # Errors
/// If a tag has more than `most` tokens.
pub(super) fn tags(source: &str, most: usize) -> Result<Vec<Vec<Token>>> {
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some(open) = opening(source, at) {
        let rest = &source[open + 2..];
        at = open + 2;
        match source.as_bytes()[open + 1] {
            b'#' => at = rest.find("#}").map_or(source.len(), |end| at + end + 2),
            kind => match (kind == b'%').then(|| raw_length(rest)).flatten() {
                Some(length) => at += length,
                None => {
                    let (tokens, end) = tag(source, at, kind == b'%', most)?;
                    tags.push(tokens);
                    at = end;
                }
            },
        }
    }
    Ok(tags)
}

/// Where the next tag or comment begins.
fn opening(source: &str, from: usize) -> Option<usize> {
    let pairs = source.as_bytes().windows(2).enumerate().skip(from);
    pairs.filter(|(_, pair)| matches!(*pair, b"{{" | b"{%" | b"{#")).map(|(at, _)| at).next()
}

/// How far a block of raw text reaches, if `rest`, behind `{%`, opens one.
fn raw_length(rest: &str) -> Option<usize> {
    let named = |text: &str, name: &str| {
        let tag = text.trim_start_matches(['-', '+']).trim_start().strip_prefix(name)?;
        let tag = tag.trim_start().trim_start_matches(['-', '+']).strip_prefix("%}")?;
        Some(text.len() - tag.len())
    };
    let mut at = named(rest, "raw")?;
    while let Some(next) = rest[at..].find("{%") {
        at += next + 2;
        if let Some(length) = named(&rest[at..], "endraw") {
            return Some(at + length);
        }
    }
    Some(rest.len())
}

/// The tokens from `at` to the tag's end, and what is behind that.
fn tag(source: &str, mut at: usize, block: bool, most: usize) -> Result<(Vec<Token>, usize)> {
    let (mut tokens, mut depth) = (Vec::new(), 0_usize);
    let end = if block { "%}" } else { "}}" };
    // A sign right behind the opening speaks of the blanks before it.
    at += usize::from(source[at..].starts_with(['-', '+']));
    while let Some(c) = source[at..].chars().next() {
        let rest = &source[at..];
        if depth == 0
            && (rest.starts_with(end) || rest.strip_prefix(['-', '+']).is_some_and(|r| r.starts_with(end)))
        {
            at += if rest.starts_with(end) { 2 } else { 3 };
            break;
        }
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (kind, length) = token(rest, c);
        match &rest[..length] {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        tokens.push(Token { kind, at: at..at + length });
        at += length;
        ensure!(
            tokens.len() <= most,
            "line {}: a tag has more than {most} words and signs",
            source[..at].matches('\n').count() + 1
        );
    }
    Ok((tokens, at))
}

/// Kind and length of the token at the start of `rest`, whose first character is `c`.
fn token(rest: &str, c: char) -> (Kind, usize) {
    let while_word =
        |text: &str| text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    match c {
        '\'' | '"' => {
            let mut escaped = false;
            let end = rest.char_indices().skip(1).find(|&(_, here)| {
                let ends = here == c && !escaped;
                escaped = here == '\\' && !escaped;
                ends
            });
            (Kind::Text, end.map_or(rest.len(), |(at, _)| at + 1))
        }
        '0'..='9' => {
            let mut length = while_word(rest);
            let digits = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
            if rest[length..].strip_prefix('.').is_some_and(digits) {
                length += 1 + while_word(&rest[length + 1..]);
            }
            let exponent = rest[..length].ends_with(['e', 'E']) && !rest.starts_with("0x");
            if exponent && rest[length..].strip_prefix(['+', '-']).is_some_and(digits) {
                length += 1 + while_word(&rest[length + 1..]);
            }
            (Kind::Number, length)
        }
        c if c.is_alphanumeric() || c == '_' => (Kind::Word, while_word(rest)),
        _ => {
            let two = ["//", "**", "==", "!=", "<=", ">="].iter().any(|sign| rest.starts_with(sign));
            (Kind::Sign, if two { 2 } else { c.len_utf8() })
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn texts(source: &str) -> Vec<Vec<&str>> {
        let text = |token: Token| &source[token.at];
        tags(source, 100).unwrap().into_iter().map(|tag| tag.into_iter().map(text).collect()).collect()
    }

    #[test]
    fn tags_fall_into_their_tokens() {
        let cases = [
            ("a {{ x.y[1:] }} b", vec![vec!["x", ".", "y", "[", "1", ":", "]"]]),
            (
                "{%- if a //2**3 != 1.5e-7 -%}c{% endif %}",
                vec![vec!["if", "a", "//", "2", "**", "3", "!=", "1.5e-7"], vec!["endif"]],
            ),
            (r#"{{ '}} \' {%' ~ "%}" }}"#, vec![vec![r"'}} \' {%'", "~", "\"%}\""]]),
            ("{{ {'a': {'b': 1}} }}", vec![vec!["{", "'a'", ":", "{", "'b'", ":", "1", "}", "}"]]),
            ("{# {{ a }} #}{{ b }}", vec![vec!["b"]]),
            ("{% raw %}{{ a }}{%- endraw -%}{{ b }}", vec![vec!["b"]]),
            ("{{ 'open", vec![vec!["'open"]]),
            ("{{ é % ü }}", vec![vec!["é", "%", "ü"]]),
        ];
        for (source, expected) in cases {
            assert_eq!(texts(source), expected, "{source}");
        }
    }

    #[test]
    fn long_tags_are_refused_by_their_line() {
        let source = format!("a\n{{{{ 1{} }}}}", "+1".repeat(60));
        let error = tags(&source, 100).unwrap_err().to_string();
        assert_eq!(error, "line 2: a tag has more than 100 words and signs");
    }
}
