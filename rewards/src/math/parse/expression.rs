//! Formulas: sums, products and powers.
//!
//! ```text
//! sum     = product { ("+" | "-" | "±" | "∓") product }
//! product = {sign} factor { ["*" | "/"] factor }        (from the left; nothing between two factors multiplies)
//! factor  = atom { "^" exponent | "!" | "%" | "°" }
//! ```
//!
//! Letters written together after a slash are one divisor: `t/RC`. Two numbers side by side are no product: `58 500` is
//! unreadable, and `4 \frac{2}{3}` a mixed number.

use super::{Cursor, Parsed, Parser};
use crate::math::{
    function::Function,
    number,
    token::{Spaced, Token, Unreadable},
    tree::{Constant, Node},
};

impl Parser<'_> {
    pub(super) fn sum(&mut self) -> Parsed<Node> {
        let mut parts = vec![self.product()?];
        while let Some('+' | '-' | '±' | '∓') = self.mark() {
            parts.push(self.product()?);
        }
        Ok(Node::sum(parts))
    }

    /// The signs before a product, taken; whether they amount to a minus.
    fn sign(&mut self) -> Parsed<bool> {
        let mut negative = false;
        while let Some(mark @ ('+' | '-' | '±' | '∓')) = self.mark() {
            self.advance()?;
            negative ^= match mark {
                '+' => false,
                '-' => true,
                _ => self.chosen_sign(mark == '∓'),
            };
        }
        Ok(negative)
    }

    fn chosen_sign(&mut self, minus_first: bool) -> bool {
        let lower = self.choice.checked_shr(self.n_signs).unwrap_or(0) & 1 == 1;
        self.n_signs += 1;
        self.linked |= minus_first;
        lower != minus_first
    }

    fn product(&mut self) -> Parsed<Node> {
        let negative = self.sign()?;
        let mut parts = vec![self.factor()?];
        loop {
            match self.mark() {
                Some('*') if !self.is_word(1) => {
                    self.advance()?;
                    parts.push(self.signed_factor()?);
                }
                Some('/') if !self.is_word(1) => {
                    self.advance()?;
                    parts.push(self.divisor()?.inverted());
                }
                _ if self.starts_factor() || self.starts_spaced_number() => parts.push(self.factor()?),
                _ => break,
            }
        }
        let product = Node::product(parts);
        Ok(if negative { product.negated() } else { product })
    }

    /// The factor after a slash. Letters written together stay together: `t/RC` is t over RC, but `1/2x` half of x.
    fn divisor(&mut self) -> Parsed<Node> {
        let starts_with_letter = matches!(self.peek(), Some(Token::Letter(_)));
        let mut parts = vec![self.signed_factor()?];
        while starts_with_letter
            && let Some(Spaced { token: Token::Letter(_), spaced: false }) = self.tokens.get(self.at.token)
        {
            parts.push(self.factor()?);
        }
        Ok(Node::product(parts))
    }

    fn signed_factor(&mut self) -> Parsed<Node> {
        let negative = self.sign()?;
        let factor = self.factor()?;
        Ok(if negative { factor.negated() } else { factor })
    }

    /// Whether a factor that is no number comes next.
    pub(super) fn starts_factor(&self) -> bool {
        match self.peek() {
            Some(Token::Letter(_)) => true,
            Some(Token::Name(name)) if name == "frac" => !self.starts_unit_fraction(),
            Some(Token::Name(name)) => {
                !matches!(name.as_str(), "over" | "choose" | "mod") && !name.contains(' ')
            }
            Some(Token::Mark('(' | '[')) => {
                !matches!(self.peek_at(1), Some(Token::Name(name)) if name == "mod" || name.contains(' '))
            }
            Some(Token::Mark('|')) => self.n_bars == 0,
            Some(Token::Mark(mark)) => matches!(mark, '{' | '⌊' | '⌈' | '∞' | '∠' | '△'),
            _ => false,
        }
    }

    /// Whether a number comes next that is parted from a factor that is no number: `n 2^n`, `n2^n`, `3!7!`.
    fn starts_spaced_number(&self) -> bool {
        let next = self.tokens.get(self.at.token);
        let before =
            self.at.token.checked_sub(1).and_then(|at| self.tokens.get(at)).map(|spaced| &spaced.token);
        let parted = match before {
            Some(Token::Mark(')' | ']' | '}' | '!')) => true,
            Some(Token::Letter(_) | Token::Mark('°')) => {
                next.is_some_and(|next| next.spaced) || self.peek_at(1) == Some(&Token::Mark('^'))
            }
            _ => false,
        };
        parted && self.at.digits == 0 && matches!(self.peek(), Some(Token::Number(_)))
    }

    /// Whether the token `ahead` places after the next is words.
    pub(super) fn is_word(&self, ahead: usize) -> bool {
        matches!(self.peek_at(ahead), Some(Token::Word(_)))
    }

    pub(super) fn factor(&mut self) -> Parsed<Node> {
        let mut base = self.nested(Self::atom)?;
        loop {
            match self.mark() {
                Some('^') => {
                    self.advance()?;
                    base = if self.eats_degree() {
                        times(base, Constant::Degree)
                    } else {
                        base.power(self.exponent()?)
                    };
                }
                Some('!') if self.peek_at(1) != Some(&Token::Mark('!')) => {
                    self.advance()?;
                    base = Node::Call(Function::Factorial, vec![base]);
                }
                Some('%') => {
                    self.advance()?;
                    base = times(base, Constant::Percent);
                }
                Some('°') => {
                    self.advance()?;
                    base = times(base, Constant::Degree);
                }
                _ => return Ok(base),
            }
        }
    }

    /// `\circ` or `{\circ}` after the `^`.
    fn eats_degree(&mut self) -> bool {
        let start = self.at;
        if self.eat('°') || self.eat('{') && self.eat('°') && self.eat('}') {
            return true;
        }
        self.at = start;
        false
    }

    pub(super) fn exponent(&mut self) -> Parsed<Node> {
        let negative = self.sign()?;
        let mut exponent = self.nested(Self::atom)?;
        // 2^3^4 is 2^(3^4).
        if self.eat('^') {
            exponent = exponent.power(self.nested(Self::exponent)?);
        }
        Ok(if negative { exponent.negated() } else { exponent })
    }

    /// The number that comes next, or what is left of its digits; with a fraction after it, a mixed number.
    pub(super) fn number(&mut self) -> Parsed<Node> {
        let Some(Token::Number(text)) = self.peek() else { return Err(Unreadable) };
        let text = text.get(self.at.digits..).ok_or(Unreadable)?;
        self.advance()?;
        let value = number::literal(text).ok_or(Unreadable)?;
        let fraction =
            if text.contains(|c: char| !c.is_ascii_digit()) { None } else { self.proper_fraction() };
        Ok(Node::Number(match fraction {
            Some(fraction) => value + fraction,
            None => value,
        }))
    }

    /// `\frac{2}{3}` or ` 2/3` of whole numbers, the upper below the lower, taken; else nothing is.
    fn proper_fraction(&mut self) -> Option<num_rational::BigRational> {
        let start = self.at;
        let pair = match self.peek()? {
            Token::Name(name) if name == "frac" => self.advance().ok().and_then(|()| {
                let numerator = self.whole_argument()?;
                Some((numerator, self.whole_argument()?))
            }),
            Token::Number(numerator) => match (self.peek_at(1), self.peek_at(2)) {
                (Some(Token::Mark('/')), Some(Token::Number(denominator))) => {
                    self.at = Cursor { token: self.at.token + 3, digits: 0 };
                    Some((numerator.clone(), denominator.clone()))
                }
                _ => None,
            },
            _ => None,
        };
        let whole =
            |text: &str| text.chars().all(|c| c.is_ascii_digit()).then(|| number::literal(text)).flatten();
        let fraction = pair.and_then(|(numerator, denominator)| {
            let (numerator, denominator) = (whole(&numerator)?, whole(&denominator)?);
            (numerator < denominator).then(|| numerator / denominator)
        });
        if fraction.is_none() {
            self.at = start;
        }
        fraction
    }
}

fn times(node: Node, constant: Constant) -> Node {
    Node::Product(vec![node, Node::Constant(constant)])
}
