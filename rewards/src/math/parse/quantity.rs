//! Quantities: a formula with its unit, a number in another base, a ratio.

use super::{Parsed, Parser};
use crate::math::{
    token::{Token, Unreadable},
    tree::{Answer, Constant, Node},
    unit::Unit,
};

impl Parser<'_> {
    pub(super) fn quantity(&mut self) -> Parsed<Answer> {
        let mut phrase = String::new();
        if let Some(mark @ ('$' | '€' | '£' | '¥')) = self.mark() {
            phrase.push(mark);
            self.advance()?;
        }
        let node = self.sum()?;
        if self.mark() == Some(':') && phrase.is_empty() {
            return self.ratio(node);
        }
        let after = self.unit_phrase()?;
        if phrase.is_empty() {
            phrase = after;
        }
        if phrase.is_empty() {
            let (node, unit) = without_constant_unit(node);
            return Ok(Answer::Quantity(node, unit));
        }
        let unit = Unit::parse(&phrase).ok_or(Unreadable)?;
        Ok(Answer::Quantity(node, Some(unit)))
    }

    fn ratio(&mut self, first: Node) -> Parsed<Answer> {
        let mut terms = vec![first];
        while self.eat(':') {
            terms.push(self.sum()?);
        }
        Ok(Answer::Ratio(terms))
    }

    /// The words after a number, with their exponents and slashes.
    fn unit_phrase(&mut self) -> Parsed<String> {
        let mut phrase = String::new();
        loop {
            match (self.peek(), self.peek_at(1)) {
                (Some(Token::Word(word)), _) => {
                    phrase.push(' ');
                    phrase.push_str(word);
                    self.advance()?;
                }
                (Some(Token::Mark('^')), _) if !phrase.is_empty() => {
                    self.advance()?;
                    phrase.push('^');
                    phrase.push_str(&self.flat_argument()?);
                }
                (Some(Token::Mark('/')), Some(Token::Word(_))) => {
                    phrase.push('/');
                    self.advance()?;
                }
                (Some(Token::Mark(mark @ ('$' | '€' | '£' | '¢'))), _) if phrase.is_empty() => {
                    phrase.push(*mark);
                    self.advance()?;
                }
                _ => return Ok(phrase),
            }
        }
    }
}

/// `50 %` and `90°` at the top of a formula are a number with a unit.
fn without_constant_unit(node: Node) -> (Node, Option<Unit>) {
    let Node::Product(mut parts) = node else { return (node, None) };
    let unit = match parts.last() {
        Some(Node::Constant(Constant::Degree)) => Unit::parse("degree"),
        Some(Node::Constant(Constant::Percent)) => Unit::parse("percent"),
        _ => None,
    };
    if unit.is_some() {
        parts.pop();
    }
    (Node::product(parts), unit)
}
