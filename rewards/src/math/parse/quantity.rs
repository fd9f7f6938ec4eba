//! Quantities: a formula with its unit, a ratio, a time of day.

use super::{Cursor, Parsed, Parser};
use crate::math::{
    token::{Spaced, Token, Unreadable},
    tree::{Answer, Constant, Node},
    unit::Unit,
};

impl Parser<'_> {
    pub(super) fn quantity(&mut self) -> Parsed<Answer> {
        if let Some(clock) = self.clock() {
            return Ok(clock);
        }
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
        self.compound(node, unit)
    }

    /// The smaller units that follow a quantity, as in `2 \text{ hours } 30 \text{ minutes}`, added in the smallest.
    fn compound(&mut self, mut node: Node, mut unit: Unit) -> Parsed<Answer> {
        while matches!(self.peek(), Some(Token::Number(_))) {
            let part = self.sum()?;
            let smaller = Unit::parse(&self.unit_phrase()?).ok_or(Unreadable)?;
            if smaller.dimensions != unit.dimensions || smaller.scale >= unit.scale {
                return Err(Unreadable);
            }
            let scale = Node::Number(&unit.scale / &smaller.scale);
            node = Node::Sum(vec![Node::Product(vec![scale, node]), part]);
            unit = smaller;
        }
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

    /// `4:30`, `4:30 PM` or `4:30 \text{ p.m.}`, taken: no ratio, so that it is not 8:60.
    fn clock(&mut self) -> Option<Answer> {
        let (Token::Number(hours), Token::Mark(':'), Token::Number(minutes)) =
            (self.peek()?, self.peek_at(1)?, self.peek_at(2)?)
        else {
            return None;
        };
        let (hours, minutes) = (hours.parse().ok()?, minutes.parse().ok().filter(|_| minutes.len() == 2)?);
        let start = self.at;
        self.at = Cursor { token: start.token + 3, digits: 0 };
        let half = self.half_of_day();
        let ends = matches!(self.mark(), Some(',' | ';' | '∧' | '∨' | ')' | ']')) || self.peek().is_none();
        if hours > 24 || minutes > 59 || !ends {
            self.at = start;
            return None;
        }
        Some(Answer::Clock(hours, minutes, half))
    }

    /// The `a` or `p` of `AM`, `p.m.`, taken; else nothing is.
    fn half_of_day(&mut self) -> Option<char> {
        let start = self.at;
        while let Some(Token::Word(_) | Token::Letter(_) | Token::Mark('.')) = self.peek() {
            self.advance().ok()?;
        }
        let half = match self.flat(start.token).replace('.', "").to_lowercase().trim() {
            "am" => Some('a'),
            "pm" => Some('p'),
            _ => None,
        };
        if half.is_none() {
            self.at = start;
        }
        half
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

/// `5 m/s` and `5 Ω` as a number with a unit, though plain letters are variables elsewhere; none where they are not
/// parted from the number, or no known units.
pub(in crate::math) fn measured(tokens: &[Spaced]) -> Option<Answer> {
    let sign = usize::from(tokens.first()?.token == Token::Mark('-'));
    let (number, letters) = tokens.split_at_checked(sign + 1)?;
    let symbol = |token: &Token| matches!(token, Token::Letter('μ' | 'Ω'));
    letters.first().filter(|first| first.spaced || symbol(&first.token))?;
    let mut phrase = String::new();
    for Spaced { token, spaced } in letters {
        if *spaced && !phrase.ends_with('μ') {
            phrase.push(' ');
        }
        match token {
            Token::Letter(letter) => phrase.push(*letter),
            Token::Word(word) | Token::Number(word) => phrase.push_str(word),
            Token::Mark(mark @ ('/' | '^' | '-')) => phrase.push(*mark),
            Token::Mark('*') => phrase.push(' '),
            Token::Mark('{' | '}') => {}
            _ => return None,
        }
    }
    let unit = Unit::parse(&phrase).filter(|unit| unit.is_known())?;
    match super::answer(number).ok()? {
        Answer::Quantity(node, None) if node.variables().is_empty() => {
            Some(Answer::Quantity(node, Some(unit)))
        }
        _ => None,
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
