//! Arithmetic expressions as a response may write them: a parser and an exact evaluator.
//!
//! ```text
//! expression = term   { ("+" | "-") term }
//! term       = factor { ("*" | "/") factor }
//! factor     = number | "(" expression ")"
//! number     = "0" | nonzero digit { digit }          (at most 4294967295)
//! ```
//!
//! ASCII blanks, tabs and line ends may stand between the symbols. Nothing else is in the language: a sign before a
//! number, a decimal point, a leading zero, `**`, `//`, `!`, `=`, two values side by side, other scripts' digits or
//! operators are errors, never evaluated. Size limits bound time and stack whatever the text.

use std::fmt;

use crate::rational::{ArithmeticError, Rational};

/// Longest text read, in bytes.
const MAX_BYTES: usize = 1024;
/// Deepest nesting of parentheses.
const MAX_DEPTH: usize = 64;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// A number as written.
    Number(u32),
    /// Left operand, one of `+ - * /`, right operand.
    Binary(Box<Expression>, char, Box<Expression>),
}

/// A size limit that a text exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Bytes in all.
    Bytes,
    /// Nested parentheses.
    Depth,
}

/// Why a text is not an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// A limit is exceeded.
    TooLarge(Limit),
    /// Something else than the grammar expects, at this byte.
    Unexpected(usize),
    /// A number with a leading zero or above `u32::MAX`, starting at this byte.
    Number(usize),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(Limit::Bytes) => write!(f, "longer than {MAX_BYTES} bytes"),
            Self::TooLarge(Limit::Depth) => write!(f, "more than {MAX_DEPTH} nested parentheses"),
            Self::Unexpected(at) => write!(
                f,
                "byte {at}: expected numbers joined by + - * / with parentheses"
            ),
            Self::Number(at) => write!(
                f,
                "byte {at}: expected a number of 0..=4294967295 without leading zeros"
            ),
        }
    }
}

impl std::error::Error for ParseError {}

impl Expression {
    /// Reads the whole of `text` as one expression.
    ///
    /// # Errors
    /// Where `text` is not in the language or exceeds a limit.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > MAX_BYTES {
            return Err(ParseError::TooLarge(Limit::Bytes));
        }
        let mut parser = Parser {
            bytes: text.as_bytes(),
            at: 0,
            depth: 0,
        };
        let expression = parser.expression()?;
        match parser.peek() {
            None => Ok(expression),
            Some(_) => Err(ParseError::Unexpected(parser.at)),
        }
    }

    /// The exact value.
    ///
    /// # Errors
    /// On a division by zero, or where an exact intermediate result does not fit.
    pub fn value(&self) -> Result<Rational, ArithmeticError> {
        match self {
            Self::Number(number) => Ok(Rational::from(*number)),
            Self::Binary(left, op, right) => {
                let (left, right) = (left.value()?, right.value()?);
                match op {
                    '+' => left.checked_add(right),
                    '-' => left.checked_sub(right),
                    '*' => left.checked_mul(right),
                    _ => left.checked_div(right),
                }
            }
        }
    }

    /// The numbers in the order written.
    pub fn numbers(&self) -> Vec<u32> {
        match self {
            Self::Number(number) => vec![*number],
            Self::Binary(left, _, right) => [left.numbers(), right.numbers()].concat(),
        }
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    /// The next byte that is not blank, left in place.
    fn peek(&mut self) -> Option<u8> {
        while self.bytes.get(self.at)?.is_ascii_whitespace() {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn expression(&mut self) -> Result<Expression, ParseError> {
        let mut left = self.term()?;
        while let Some(op @ (b'+' | b'-')) = self.peek() {
            self.at += 1;
            left = Expression::Binary(Box::new(left), op.into(), Box::new(self.term()?));
        }
        Ok(left)
    }

    fn term(&mut self) -> Result<Expression, ParseError> {
        let mut left = self.factor()?;
        while let Some(op @ (b'*' | b'/')) = self.peek() {
            self.at += 1;
            left = Expression::Binary(Box::new(left), op.into(), Box::new(self.factor()?));
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Expression, ParseError> {
        match self.peek() {
            Some(b'0'..=b'9') => self.number(),
            Some(b'(') => {
                if self.depth == MAX_DEPTH {
                    return Err(ParseError::TooLarge(Limit::Depth));
                }
                self.at += 1;
                self.depth += 1;
                let inner = self.expression()?;
                self.depth -= 1;
                match self.peek() {
                    Some(b')') => self.at += 1,
                    _ => return Err(ParseError::Unexpected(self.at)),
                }
                Ok(inner)
            }
            _ => Err(ParseError::Unexpected(self.at)),
        }
    }

    fn number(&mut self) -> Result<Expression, ParseError> {
        let start = self.at;
        let mut value: u32 = 0;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.at) {
            value = value
                .checked_mul(10)
                .and_then(|value| value.checked_add(u32::from(digit - b'0')))
                .ok_or(ParseError::Number(start))?;
            self.at += 1;
        }
        if self.bytes[start] == b'0' && self.at - start > 1 {
            return Err(ParseError::Number(start));
        }
        Ok(Expression::Number(value))
    }
}
