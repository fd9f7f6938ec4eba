//! The smallest parts of formulas: numbers, variables, brackets, fractions, roots and functions.
//!
//! ```text
//! atom     = number | variable | "π" | "e" | "i" | "∞"
//!          | "(" sum ")" | "[" sum "]" | "{" sum [("\over" | "\choose") sum] "}" | "|" sum "|" | "⌊" sum "⌋" | "⌈" sum "⌉"
//!          | "\frac" argument argument | "\binom" argument argument | "\sqrt" ["[" sum "]"] argument
//!          | function ["_" argument] ["^" exponent] ( "(" sum {"," sum} ")" | argument | {factor} )
//! variable = letter { "_" argument | "'" } ["(" (number | letter | list) ")"]
//! argument = "{" sum "}" | digit | atom
//! ```
//!
//! Some variables are opaque (see `opaque`): nothing is known of the value of `I(0)`, and it is not 0.

use super::{Parsed, Parser};
use crate::math::{
    function::Function,
    symbol,
    token::{Token, Unreadable},
    tree::{Constant, Node},
};

impl Parser<'_> {
    pub(super) fn atom(&mut self) -> Parsed<Node> {
        match self.peek().ok_or(Unreadable)? {
            Token::Number(_) => self.number(),
            Token::Letter(letter) => self.letter(*letter),
            Token::Name(name) => self.named(name),
            // One upright letter is a variable.
            Token::Word(word) if word.chars().count() == 1 => {
                self.advance()?;
                Ok(Node::Variable(word.clone()))
            }
            Token::Word(_) => Err(Unreadable),
            Token::Mark(mark) => self.bracketed(*mark),
        }
    }

    fn bracketed(&mut self, open: char) -> Parsed<Node> {
        self.advance()?;
        let (close, function) = match open {
            '(' => (')', None),
            '[' => (']', None),
            '{' => return self.group(),
            '⌊' => ('⌋', Some(Function::Floor)),
            '⌈' => ('⌉', Some(Function::Ceil)),
            '|' => ('|', Some(Function::Abs)),
            '∞' => return Ok(Node::Constant(Constant::Infinity)),
            '∠' | '△' => return self.figure(open),
            _ => return Err(Unreadable),
        };
        let outer_bars = std::mem::replace(&mut self.n_bars, u32::from(open == '|'));
        let inner = self.sum()?;
        self.n_bars = outer_bars;
        self.expect(close)?;
        Ok(match function {
            Some(function) => Node::Call(function, vec![inner]),
            None => inner,
        })
    }

    /// The rest of `{ … }`.
    fn group(&mut self) -> Parsed<Node> {
        let outer_bars = std::mem::take(&mut self.n_bars);
        let mut inner = self.sum()?;
        if let Some(Token::Name(name)) = self.peek() {
            self.advance()?;
            inner = match name.as_str() {
                "over" => inner.over(self.sum()?),
                "choose" => Node::Call(Function::Binomial, vec![inner, self.sum()?]),
                _ => return Err(Unreadable),
            };
        }
        self.n_bars = outer_bars;
        self.expect('}')?;
        Ok(inner)
    }

    fn letter(&mut self, letter: char) -> Parsed<Node> {
        self.advance()?;
        let mut name = String::from(letter);
        self.subscripts(&mut name)?;
        match name.as_str() {
            "e" => return Ok(Node::Constant(Constant::E)),
            "i" => return Ok(Node::Constant(Constant::I)),
            "π" => return Ok(Node::Constant(Constant::Pi)),
            _ => {}
        }
        if matches!(letter, 'f' | 'g' | 'h') {
            self.inverse(&mut name)?;
        }
        if self.applies() {
            let start = self.at.token;
            self.skip_brackets()?;
            name.push_str(&self.flat(start));
        }
        Ok(Node::Variable(name))
    }

    /// Subscripts and primes, written onto the name.
    pub(super) fn subscripts(&mut self, name: &mut String) -> Parsed<()> {
        loop {
            let start = self.at;
            if self.eat('_') {
                name.push('_');
                name.push_str(&self.flat_argument()?);
            } else if self.eat('\'') {
                name.push('\'');
            } else if self.eat('^') && (self.mark() == Some('\'') || self.mark() == Some('{')) {
                let primes = self.flat_argument()?;
                if primes.is_empty() || primes.contains(|c| c != '\'') {
                    self.at = start;
                    return Ok(());
                }
                name.push_str(&primes);
            } else {
                self.at = start;
                return Ok(());
            }
        }
    }

    /// Past the bracket that comes next and all up to the one that closes it.
    pub(super) fn skip_brackets(&mut self) -> Parsed<()> {
        let mut depth = 0_u32;
        loop {
            match self.peek().ok_or(Unreadable)? {
                Token::Mark('(' | '[' | '{' | '⦃') => depth += 1,
                Token::Mark(')' | ']' | '}' | '⦄') => depth = depth.checked_sub(1).ok_or(Unreadable)?,
                _ => {}
            }
            self.advance()?;
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// The spelling of an argument: what stands in braces, or one token.
    pub(super) fn flat_argument(&mut self) -> Parsed<String> {
        let start = self.at.token;
        match self.peek().ok_or(Unreadable)? {
            Token::Mark('{') => self.skip_brackets()?,
            _ => self.advance()?,
        }
        Ok(self.flat(start))
    }

    /// The spelling of the tokens from `start` on up to here, without braces.
    pub(super) fn flat(&self, start: usize) -> String {
        let mut text = String::new();
        for spaced in self.tokens.get(start..self.at.token).unwrap_or_default() {
            match &spaced.token {
                Token::Number(word) | Token::Name(word) | Token::Word(word) => text.push_str(word),
                Token::Mark('{' | '}') => {}
                Token::Letter(mark) | Token::Mark(mark) => text.push(*mark),
            }
        }
        text
    }

    /// One digit of the number that comes next, taken.
    fn digit(&mut self) -> Parsed<u32> {
        let Some(Token::Number(text)) = self.peek() else { return Err(Unreadable) };
        let digit = text.get(self.at.digits..).and_then(|rest| rest.chars().next()?.to_digit(10));
        if self.at.digits + 1 == text.len() {
            self.advance()?;
        } else {
            self.at.digits += 1;
        }
        digit.ok_or(Unreadable)
    }

    /// The whole number that is an argument of a command: digits in braces, or one digit.
    pub(super) fn whole_argument(&mut self) -> Option<String> {
        if self.mark() == Some('{') {
            let text = self.flat_argument().ok()?;
            return text.chars().all(|c| c.is_ascii_digit()).then_some(text);
        }
        self.digit().ok().map(|digit| digit.to_string())
    }

    /// An argument of a command: a group, one digit, or one atom.
    pub(super) fn argument(&mut self) -> Parsed<Node> {
        match self.peek() {
            Some(Token::Number(_)) => Ok(Node::integer(self.digit()?.into())),
            _ => self.nested(Self::atom),
        }
    }

    fn named(&mut self, name: &str) -> Parsed<Node> {
        let start = self.at;
        self.advance()?;
        match name {
            "frac" => {
                if let Some(derivative) = self.derivative() {
                    return Ok(derivative);
                }
                let numerator = self.argument()?;
                Ok(numerator.over(self.argument()?))
            }
            "binom" => {
                let n = self.argument()?;
                Ok(Node::Call(Function::Binomial, vec![n, self.argument()?]))
            }
            "sqrt" => {
                let mut degree = Node::integer(2);
                if self.eat('[') {
                    degree = self.sum()?;
                    self.expect(']')?;
                }
                // The radicand is no argument: \sqrt10 is meant as the root of ten.
                Ok(self.nested(Self::atom)?.root(degree))
            }
            "cbrt" => Ok(self.nested(Self::atom)?.root(Node::integer(3))),
            // A line segment is called by its ends.
            "overline" if self.names_segment() => self.atom(),
            "lim" | "sum" | "int" | "prod" => self.left_side(start.token),
            _ if symbol::is_accent(name) => {
                self.flat_argument()?;
                let mut spelled = self.flat(start.token);
                self.subscripts(&mut spelled)?;
                if self.applies() {
                    let bracket = self.at.token;
                    self.skip_brackets()?;
                    spelled.push_str(&self.flat(bracket));
                }
                Ok(Node::Variable(spelled))
            }
            _ => self.call(Function::named(name).ok_or(Unreadable)?),
        }
    }
}
