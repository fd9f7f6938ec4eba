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
    /// Left operand, operator, right operand.
    Binary(Box<Expression>, Op, Box<Expression>),
}

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
}

/// Why a text is not an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// More than 1024 bytes, outer blanks not counted.
    TooLong,
    /// More than 64 parentheses open at once.
    TooDeep,
    /// Something else than the grammar expects, at this byte.
    Unexpected(usize),
    /// A number with a leading zero or above `u32::MAX`, starting at this byte.
    Number(usize),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "longer than {MAX_BYTES} bytes"),
            Self::TooDeep => write!(f, "more than {MAX_DEPTH} nested parentheses"),
            Self::Unexpected(at) => {
                write!(f, "byte {at}: expected numbers joined by + - * / with parentheses")
            }
            Self::Number(at) => {
                write!(f, "byte {at}: expected a number of 0..=4294967295 without leading zeros")
            }
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
        let bytes = text.trim_ascii().as_bytes();
        if bytes.len() > MAX_BYTES {
            return Err(ParseError::TooLong);
        }
        let mut parser = Parser { bytes, at: 0, depth: 0 };
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
                    Op::Add => left.checked_add(right),
                    Op::Sub => left.checked_sub(right),
                    Op::Mul => left.checked_mul(right),
                    Op::Div => left.checked_div(right),
                }
            }
        }
    }

    /// The numbers in the order written.
    pub fn numbers(&self) -> Vec<u32> {
        fn collect(expression: &Expression, into: &mut Vec<u32>) {
            match expression {
                Expression::Number(number) => into.push(*number),
                Expression::Binary(left, _, right) => {
                    collect(left, into);
                    collect(right, into);
                }
            }
        }
        let mut numbers = Vec::new();
        collect(self, &mut numbers);
        numbers
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
        loop {
            let op = match self.peek() {
                Some(b'+') => Op::Add,
                Some(b'-') => Op::Sub,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expression::Binary(Box::new(left), op, Box::new(self.term()?));
        }
    }

    fn term(&mut self) -> Result<Expression, ParseError> {
        let mut left = self.factor()?;
        loop {
            let op = match self.peek() {
                Some(b'*') => Op::Mul,
                Some(b'/') => Op::Div,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expression::Binary(Box::new(left), op, Box::new(self.factor()?));
        }
    }

    fn factor(&mut self) -> Result<Expression, ParseError> {
        match self.peek() {
            Some(first @ b'0'..=b'9') => self.number(first),
            Some(b'(') if self.depth == MAX_DEPTH => Err(ParseError::TooDeep),
            Some(b'(') => {
                self.at += 1;
                self.depth += 1;
                let inner = self.expression()?;
                self.depth -= 1;
                if self.peek() != Some(b')') {
                    return Err(ParseError::Unexpected(self.at));
                }
                self.at += 1;
                Ok(inner)
            }
            _ => Err(ParseError::Unexpected(self.at)),
        }
    }

    fn number(&mut self, first: u8) -> Result<Expression, ParseError> {
        let start = self.at;
        let mut value: u32 = 0;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.at) {
            value = value
                .checked_mul(10)
                .and_then(|value| value.checked_add(u32::from(digit - b'0')))
                .ok_or(ParseError::Number(start))?;
            self.at += 1;
        }
        if first == b'0' && self.at - start > 1 {
            return Err(ParseError::Number(start));
        }
        Ok(Expression::Number(value))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn values_follow_precedence_and_associate_to_the_left() {
        for (text, numerator, denominator) in [
            ("7", 7, 1),
            (" 1+2*3 ", 7, 1),
            ("(1+2)*3", 9, 1),
            ("10-4-3", 3, 1),
            ("10-(4-3)", 9, 1),
            ("24/4/3", 2, 1),
            ("24/(4/3)", 18, 1),
            ("1/3\t+\n1/6", 1, 2),
            ("8/(3-8/3)", 24, 1),
            ("3-5", -2, 1),
            ("((((0))))*4294967295", 0, 1),
        ] {
            let value = Expression::parse(text).unwrap().value();
            assert_eq!(value, Rational::new(numerator, denominator), "{text}");
        }
    }

    #[test]
    fn errors_say_where() {
        for (text, expected) in [
            ("", ParseError::Unexpected(0)),
            ("1 2", ParseError::Unexpected(2)),
            ("2(3)", ParseError::Unexpected(1)),
            ("(2)(3)", ParseError::Unexpected(3)),
            ("2**3", ParseError::Unexpected(2)),
            ("6//3", ParseError::Unexpected(2)),
            ("3!", ParseError::Unexpected(1)),
            ("-3+5", ParseError::Unexpected(0)),
            ("5*-3", ParseError::Unexpected(2)),
            ("+3", ParseError::Unexpected(0)),
            ("1.5", ParseError::Unexpected(1)),
            ("1+2=3", ParseError::Unexpected(3)),
            ("(1+2", ParseError::Unexpected(4)),
            ("1+2)", ParseError::Unexpected(3)),
            ("()", ParseError::Unexpected(1)),
            ("1+", ParseError::Unexpected(2)),
            ("2 × 3", ParseError::Unexpected(2)),
            ("٣+1", ParseError::Unexpected(0)),
            ("1e3", ParseError::Unexpected(1)),
            ("0x10", ParseError::Unexpected(1)),
            ("1+007", ParseError::Number(2)),
            ("00", ParseError::Number(0)),
            ("4294967296", ParseError::Number(0)),
        ] {
            assert_eq!(Expression::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn limits_hold_exactly() {
        let nested = |depth| "(".repeat(depth) + "1" + &")".repeat(depth);
        assert!(Expression::parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(Expression::parse(&nested(MAX_DEPTH + 1)), Err(ParseError::TooDeep));

        let spaced = |blanks| format!(" 1{}+1 ", " ".repeat(blanks));
        assert!(Expression::parse(&spaced(MAX_BYTES - 3)).is_ok());
        assert_eq!(Expression::parse(&spaced(MAX_BYTES - 2)), Err(ParseError::TooLong));
    }
}
