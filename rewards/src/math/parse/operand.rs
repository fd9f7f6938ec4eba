//! Sets, tuples, matrices and words: what stands between the signs of a relation.

use super::{Parsed, Parser, words};
use crate::math::{
    token::{Spaced, Token, Unreadable},
    tree::Answer,
};

impl Parser<'_> {
    pub(super) fn operand(&mut self) -> Parsed<Answer> {
        match self.peek() {
            Some(Token::Mark('⦃')) => self.set('⦄'),
            Some(Token::Mark('{')) if self.holds_comma() => self.set('}'),
            Some(Token::Mark('∅')) => self.advance().map(|()| Answer::Set(Vec::new())),
            Some(Token::Mark('ℝ')) => self.advance().map(|()| Answer::Reals),
            Some(Token::Mark('(' | '[')) if matches!(self.peek_at(1), Some(Token::Name(name)) if is_matrix(name)) =>
            {
                self.advance()?;
                let matrix = self.matrix()?;
                if self.eat(')') || self.eat(']') { Ok(matrix) } else { Err(Unreadable) }
            }
            Some(Token::Name(name)) if is_matrix(name) => self.matrix(),
            Some(Token::Mark(open @ ('(' | '[' | '⟨'))) if self.holds_comma() => self.tuple(*open),
            Some(Token::Word(word)) if word.chars().count() > 1 => self.text(),
            Some(Token::Number(_)) if self.peek_at(1) == Some(&Token::Mark('_')) => self.based(),
            _ => self.quantity(),
        }
    }

    fn set(&mut self, close: char) -> Parsed<Answer> {
        self.advance()?;
        if self.eat(close) {
            return Ok(Answer::Set(Vec::new()));
        }
        let items = match self.nested(Self::list)? {
            Answer::List(_, items) => items,
            only => vec![only],
        };
        self.expect(close)?;
        Ok(Answer::Set(items))
    }

    fn tuple(&mut self, open: char) -> Parsed<Answer> {
        self.advance()?;
        let mut items = vec![self.nested(Self::combined)?];
        while self.eat(',') {
            items.push(self.nested(Self::combined)?);
        }
        let close = self.mark().filter(|mark| matches!(mark, ')' | ']' | '⟩')).ok_or(Unreadable)?;
        self.advance()?;
        Ok(Answer::Tuple(open, items, close))
    }

    /// Whether a comma stands right inside the bracket that comes next.
    pub(super) fn holds_comma(&self) -> bool {
        let mut depth = 0_u32;
        for Spaced { token, .. } in self.tokens.iter().skip(self.at.token) {
            match token {
                Token::Mark('(' | '[' | '{' | '⦃' | '⟨') => depth += 1,
                Token::Mark(')' | ']' | '}' | '⦄' | '⟩') => depth -= 1,
                Token::Mark(',') if depth == 1 => return true,
                _ => {}
            }
            if depth == 0 {
                return false;
            }
        }
        false
    }

    fn matrix(&mut self) -> Parsed<Answer> {
        let Some(Token::Name(begin)) = self.peek() else { return Err(Unreadable) };
        let end = Token::Name(begin.replacen("begin", "end", 1));
        self.advance()?;
        if begin == "begin array" && self.eat('{') {
            while !self.eat('}') {
                self.peek().ok_or(Unreadable)?;
                self.advance()?;
            }
        }
        let mut rows = vec![Vec::new()];
        loop {
            let cell = self.nested(Self::sum)?;
            rows.last_mut().ok_or(Unreadable)?.push(cell);
            if self.eat('&') {
                continue;
            }
            let another = self.eat('↵');
            if self.peek() == Some(&end) {
                self.advance()?;
                return Ok(Answer::Matrix(rows));
            }
            if !another {
                return Err(Unreadable);
            }
            rows.push(Vec::new());
        }
    }

    /// Words up to the next mark.
    fn text(&mut self) -> Parsed<Answer> {
        let start = self.at.token;
        while let Some(Token::Word(_) | Token::Letter(_) | Token::Name(_)) = self.peek() {
            self.advance()?;
        }
        let tokens = self.tokens.get(start..self.at.token).unwrap_or_default();
        words(tokens).map(Answer::Text).ok_or(Unreadable)
    }

    /// `1024_5`.
    fn based(&mut self) -> Parsed<Answer> {
        let Some(Token::Number(digits)) = self.peek() else { return Err(Unreadable) };
        self.advance()?;
        self.expect('_')?;
        let base = self.flat_argument()?.parse().or(Err(Unreadable))?;
        let fits = |c: char| c.to_digit(10).is_some_and(|digit| digit < base);
        if digits.chars().all(fits) { Ok(Answer::Based(digits.clone(), base)) } else { Err(Unreadable) }
    }
}

fn is_matrix(name: &str) -> bool {
    ["begin pmatrix", "begin bmatrix", "begin Bmatrix", "begin matrix", "begin smallmatrix", "begin array"]
        .contains(&name)
}
