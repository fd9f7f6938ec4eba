//! Quantities: a formula with its unit, a number in another base, a ratio.

use super::{Parsed, Parser};
use crate::math::{
    token::{Token, Unreadable},
    tree::{Answer, Constant, Node},
    unit::Unit,
};

impl Parser<'_> {
    pub(super) fn quantity(&mut self) -> Parsed<Answer> {
        let (negative, currency) = self.currency()?;
        let node = self.sum()?;
        if self.mark() == Some(':') && currency.is_none() {
            return self.ratio(node);
        }
        let node = if negative { node.negated() } else { node };
        let words = self.unit_phrase()?;
        let (bare, constant) = without_constant_unit(node.clone());
        if currency.is_none() && words.is_empty() {
            return Ok(Answer::Quantity(bare, constant));
        }
        let phrase: String = currency.into_iter().chain([' ']).chain(words.chars()).collect();
        let unit = Unit::parse(&phrase).ok_or(Unreadable)?;
        // Of 20 °C the sign says the same as the letter.
        let node = if unit.is("celsius") || unit.is("fahrenheit") { bare } else { node };
        Ok(Answer::Quantity(node, Some(unit)))
    }

    /// A currency before the number, and whether a minus stands before that.
    fn currency(&mut self) -> Parsed<(bool, Option<char>)> {
        let is_currency = |token: Option<&Token>| matches!(token, Some(Token::Mark('$' | '€' | '£' | '¥')));
        let negative = self.mark() == Some('-') && is_currency(self.peek_at(1));
        if negative {
            self.advance()?;
        }
        let currency = self.mark().filter(|_| is_currency(self.peek()));
        if currency.is_some() {
            self.advance()?;
        }
        Ok((negative, currency))
    }

    fn ratio(&mut self, first: Node) -> Parsed<Answer> {
        let mut terms = vec![first];
        while self.eat(':') {
            terms.push(self.sum()?);
        }
        Ok(Answer::Ratio(terms))
    }

    /// Whether `\frac{\text{m}}{\text{s}}` or the like comes next.
    pub(super) fn starts_unit_fraction(&self) -> bool {
        let is_frac = matches!(self.peek(), Some(Token::Name(name)) if name == "frac");
        is_frac && self.peek_at(1) == Some(&Token::Mark('{')) && self.is_word(2)
    }

    fn unit_group(&mut self) -> Parsed<String> {
        self.expect('{')?;
        let phrase = self.nested(Self::unit_phrase)?;
        self.expect('}')?;
        Ok(phrase)
    }

    /// The words after a number, with their exponents, slashes and fractions.
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
                (Some(Token::Mark('*')), Some(Token::Word(_))) if !phrase.is_empty() => {
                    phrase.push(' ');
                    self.advance()?;
                }
                (Some(Token::Name(_)), _) if self.starts_unit_fraction() => {
                    self.advance()?;
                    phrase.push_str(&self.unit_group()?);
                    phrase.push('/');
                    phrase.push_str(&self.unit_group()?);
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
