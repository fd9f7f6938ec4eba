//! Names of which nothing is known but how they are spelled: `\angle ABC`, `f^{-1}(x)`, `P(X = 2)`, `\frac{dy}{dx}`.

use super::{Parsed, Parser};
use crate::math::{
    token::{Spaced, Token, Unreadable},
    tree::Node,
};

impl Parser<'_> {
    /// `\angle ABC`, all of it one name.
    pub(super) fn figure(&mut self, mark: char) -> Parsed<Node> {
        let mut name = String::from(mark);
        while let Some(Token::Letter(letter)) = self.peek() {
            self.advance()?;
            name.push(*letter);
            self.subscripts(&mut name)?;
        }
        Ok(Node::Variable(name))
    }

    /// The `^{-1}` of `f^{-1}(x)`, written onto the name.
    pub(super) fn inverse(&mut self, name: &mut String) -> Parsed<()> {
        let start = self.at;
        if self.eat('^') && self.mark() == Some('{') && self.flat_argument()? == "-1" && self.applies() {
            name.push_str("^-1");
        } else {
            self.at = start;
        }
        Ok(())
    }

    /// Whether the bracket that comes next holds what a function is applied to, not a factor: `f(x)`, `I(0)`, `f(x,y)`,
    /// `P(X = 2)`, `P(A | B)`.
    pub(super) fn applies(&self) -> bool {
        let single = matches!(self.peek_at(1), Some(Token::Letter(_) | Token::Number(_)))
            && self.peek_at(2) == Some(&Token::Mark(')'));
        self.mark() == Some('(') && (single || self.holds_comma() || self.holds_event())
    }

    /// Whether the bracket that comes next holds words, a sign of relations or sets, or a single bar.
    fn holds_event(&self) -> bool {
        let (mut depth, mut n_bars) = (0_u32, 0);
        for Spaced { token, .. } in self.tokens.iter().skip(self.at.token) {
            match token {
                Token::Mark('(') => depth += 1,
                Token::Mark(')') if depth <= 1 => return n_bars % 2 == 1,
                Token::Mark(')') => depth -= 1,
                Token::Mark('|') => n_bars += 1,
                Token::Mark('=' | '<' | '>' | '≤' | '≥' | '≠' | '∩' | '∪') => return true,
                Token::Word(word) if word.chars().count() > 1 => return true,
                _ => {}
            }
        }
        false
    }

    /// `\lim_{x \to 0} f(x)` and what else is not worked out, up to the `=` behind it: one name, spelled as its tokens.
    pub(super) fn left_side(&mut self, start: usize) -> Parsed<Node> {
        loop {
            match self.peek().ok_or(Unreadable)? {
                Token::Mark('=') => break,
                Token::Mark('(' | '{' | '[') => self.skip_brackets()?,
                Token::Mark(',' | ';' | '∧' | '∨' | ')' | '}' | ']') => return Err(Unreadable),
                _ => self.advance()?,
            }
        }
        let tokens = self.tokens.get(start..self.at.token).unwrap_or_default();
        Ok(Node::Variable(tokens.iter().map(|spaced| format!("{:?}", spaced.token)).collect()))
    }

    /// Whether an argument of two capital letters comes next.
    pub(super) fn names_segment(&self) -> bool {
        let is_end = |ahead| matches!(self.peek_at(ahead), Some(Token::Letter(c)) if c.is_uppercase());
        self.mark() == Some('{') && is_end(1) && is_end(2) && self.peek_at(3) == Some(&Token::Mark('}'))
    }

    /// `\frac{dy}{dx}`: an opaque name. `\frac{d}{d+1}` is none.
    pub(super) fn derivative(&mut self) -> Option<Node> {
        let start = self.at;
        let mut halves = Vec::new();
        for needs_letter in [false, true] {
            let is_d = matches!(self.peek_at(1), Some(Token::Letter('d') | Token::Mark('∂')));
            let of_letter = !needs_letter || matches!(self.peek_at(2), Some(Token::Letter(_)));
            let half =
                (self.mark() == Some('{') && is_d && of_letter).then(|| self.flat_argument().ok()).flatten();
            halves.extend(half);
        }
        if halves.len() < 2 {
            self.at = start;
            return None;
        }
        Some(Node::Variable(halves.join("/")))
    }
}
