//! The operator `%`, which formats where a text is on its left (see `format`).
//!
//! The engine knows remainders of numbers only and cannot be taught operators, so sources are rewritten before they are
//! compiled, each line staying where it was:
//!
//! ```text
//! a * b % c + d     operator_percent(a * b , c) + d
//! ```

use std::cmp::Reverse;
use std::ops::Range;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};

use super::format::formatted;
use super::scan::{Kind, Token};

/// The name under which templates call [`percent`].
pub(super) const PERCENT: &str = "operator_percent";

/// Words that end an operand.
const KEYWORDS: [&str; 10] = ["and", "or", "not", "in", "is", "if", "else", "elif", "recursive", "as"];

/// `source` with the operator as calls; `tags` are its own.
pub(super) fn rewritten(source: &str, tags: &[Vec<Token>]) -> String {
    let mut edits: Vec<Edit> = Vec::new();
    for tokens in tags {
        let tag = Tag { source, tokens };
        for i in (0..tokens.len()).filter(|&i| tag.text(i) == "%") {
            let (Some(first), Some(end)) = (tag.left(i), tag.right(i)) else { continue };
            let (open, close) = (tokens[first].at.start, tokens[end - 1].at.end);
            edits.push(Edit { at: open..open, text: format!("{PERCENT}("), order: (1, Reverse(close)) });
            edits.push(Edit { at: tokens[i].at.clone(), text: ",".to_owned(), order: (1, Reverse(0)) });
            edits.push(Edit { at: close..close, text: ")".to_owned(), order: (0, Reverse(0)) });
        }
    }
    edits.sort_by_key(|edit| (edit.at.start, edit.order));
    let (mut result, mut at) = (String::with_capacity(source.len()), 0);
    for Edit { at: replaced, text, .. } in edits {
        result.push_str(&source[at..replaced.start]);
        result.push_str(&text);
        at = replaced.end;
    }
    result.push_str(&source[at..]);
    result
}

/// A piece of the source to be replaced. At one place what closes goes before what opens, and of two that open the one that
/// closes later.
struct Edit {
    at: Range<usize>,
    text: String,
    order: (u8, Reverse<usize>),
}

/// The tokens of a tag, by their texts.
struct Tag<'s> {
    source: &'s str,
    tokens: &'s [Token],
}

impl Tag<'_> {
    fn text(&self, i: usize) -> &str {
        self.tokens.get(i).map_or("", |token| &self.source[token.at.clone()])
    }

    fn is(&self, i: usize, kind: Kind) -> bool {
        self.tokens.get(i).is_some_and(|token| token.kind == kind)
    }

    fn is_keyword(&self, i: usize) -> bool {
        self.is(i, Kind::Word) && KEYWORDS.contains(&self.text(i)) && (i == 0 || self.text(i - 1) != ".")
    }

    /// Whether a value can begin with token `i`, behind another word.
    fn starts_value(&self, i: usize) -> bool {
        i < self.tokens.len() && !self.is(i, Kind::Sign) && !self.is_keyword(i)
    }

    /// Whether a value can end with token `i`.
    fn ends_value(&self, i: usize) -> bool {
        [")", "]", "}"].contains(&self.text(i)) || self.starts_value(i)
    }

    /// The token with which the left operand of the operator `i` begins: behind the last sign or word that binds less.
    fn left(&self, i: usize) -> Option<usize> {
        let mut depth = 0_usize;
        let mut first = i;
        while first > 0 {
            let before = first - 1;
            match self.text(before) {
                ")" | "]" | "}" => depth += 1,
                "(" | "[" | "{" if depth == 0 => break,
                "(" | "[" | "{" => depth -= 1,
                _ if depth > 0 => {}
                "+" | "-" if before > 0 && self.ends_value(before - 1) => break,
                "~" | "," | ":" | "=" | "==" | "!=" | "<" | ">" | "<=" | ">=" => break,
                _ if self.is_keyword(before) => break,
                // A statement's name, such as `set` or `print`.
                _ if self.is(before, Kind::Word)
                    && (self.starts_value(first) || before == 0 && self.opens(first)) =>
                {
                    break;
                }
                _ => {}
            }
            first = before;
        }
        (first < i).then_some(first)
    }

    /// Whether the token `i`, behind the first word of a tag, begins a value and does not go on with that word.
    fn opens(&self, i: usize) -> bool {
        const STATEMENTS: [&str; 3] = ["print", "return", "do"];
        STATEMENTS.contains(&self.text(0)) && ["(", "[", "{", "-", "+"].contains(&self.text(i))
    }

    /// The token behind the right operand of the operator `i`.
    fn right(&self, i: usize) -> Option<usize> {
        let mut next = self.operand(i + 1)?;
        while self.text(next) == "**" {
            next = self.operand(next + 1)?;
        }
        Some(next)
    }

    /// The token behind the operand that begins with token `i`: signs, a value, and what binds more than any operator.
    fn operand(&self, mut i: usize) -> Option<usize> {
        while ["-", "+"].contains(&self.text(i)) {
            i += 1;
        }
        i = match self.text(i) {
            "(" | "[" | "{" => self.behind_group(i)?,
            _ if self.starts_value(i) => i + 1,
            _ => return None,
        };
        loop {
            i = match self.text(i) {
                "(" | "[" => self.behind_group(i)?,
                "." | "|" => i + 2,
                "is" => {
                    let named = i + 2 + usize::from(self.text(i + 1) == "not");
                    if self.starts_value(named) { self.operand(named)? } else { named }
                }
                _ if self.is(i, Kind::Text) => i + 1,
                _ => return (i <= self.tokens.len()).then_some(i),
            };
        }
    }

    /// The token behind the bracket that closes the one at `i`.
    fn behind_group(&self, i: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for at in i..self.tokens.len() {
            match self.text(at) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.checked_sub(1)?,
                _ => {}
            }
            if depth == 0 {
                return Some(at + 1);
            }
        }
        None
    }
}

/// `left % right`: the remainder of numbers as Python has it, with the sign of `right`, or `left` as a format.
///
/// # Errors
/// If `left` is neither number nor text, `right` is zero, or does not fit the format.
pub(super) fn percent(state: &State, left: Value, right: Value) -> Result<Value, Error> {
    if let Some(text) = left.as_str() {
        return formatted(state, text, &right).map(Value::from);
    }
    let whole = |value: &Value| value.kind() == ValueKind::Bool || value.is_integer();
    let number = |value: &Value| value.kind() == ValueKind::Number || whole(value);
    let invalid = |what: String| Error::new(ErrorKind::InvalidOperation, what);
    if !number(&left) || !number(&right) {
        let kinds = format!("% is for numbers and formats, not for {} and {}", left.kind(), right.kind());
        return Err(invalid(kinds));
    }
    let by_zero = || invalid("% by zero".to_owned());
    if whole(&left) && whole(&right) {
        let (a, b) = (i128::try_from(left)?, i128::try_from(right)?);
        let rest = a.checked_rem(b).ok_or_else(by_zero)?;
        return Ok(Value::from(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }));
    }
    let (a, b) = (f64::try_from(left)?, f64::try_from(right)?);
    if b == 0.0 {
        return Err(by_zero());
    }
    let rest = a % b;
    let rest = if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest };
    Ok(Value::from(if rest == 0.0 { 0.0_f64.copysign(b) } else { rest }))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::scan::tags;
    use super::*;

    #[test]
    fn the_operator_becomes_a_call_of_its_operands() {
        let cases = [
            ("{{ a % b }}", "{{ P(a , b) }}"),
            ("{{ a * b % c + d }}", "{{ P(a * b , c) + d }}"),
            ("{{ x - a % -b ** c }}", "{{ x - P(a , -b ** c) }}"),
            ("{{ -a % b ~ c }}", "{{ P(-a , b) ~ c }}"),
            ("{{ a % b % c }}", "{{ P(P(a , b) , c) }}"),
            ("{{ a % (b % c) % d }}", "{{ P(P(a , (P(b , c))) , d) }}"),
            ("{% if not loop.index0 % 2 == 0 and b %}", "{% if not P(loop.index0 , 2) == 0 and b %}"),
            ("{% if (a == 'u') != (l.i % 2 == 0) %}", "{% if (a == 'u') != (P(l.i , 2) == 0) %}"),
            ("{%- set x = f(a)[0] % (b, 3) | f(1) -%}", "{%- set x = P(f(a)[0] , (b, 3) | f(1)) -%}"),
            ("{{ '%d' % 7 if a else '%' % b }}", "{{ P('%d' , 7) if a else P('%' , b) }}"),
            ("{{ {'a': b % c} }}", "{{ {'a': P(b , c)} }}"),
            ("{{ x ~ '%d' % 3 ~ c }}", "{{ x ~ P('%d' , 3) ~ c }}"),
            ("{% print (a) % b %}", "{% print P((a) , b) %}"),
            (
                "{{ a % }}{{ % b }}{% raw %}{{ a % b }}{% endraw %}",
                "{{ a % }}{{ % b }}{% raw %}{{ a % b }}{% endraw %}",
            ),
        ];
        for (source, expected) in cases {
            let got = rewritten(source, &tags(source, 100).unwrap());
            assert_eq!(got.replace(PERCENT, "P"), expected, "{source}");
        }
    }
}
