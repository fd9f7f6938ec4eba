//! Functions and what they are applied to.
//!
//! ```text
//! call     = function { "_" argument | "^" exponent } ( "(" sum { "," sum } ")" | applied )
//! applied  = bracket | ["-"] factor { factor }             (up to the next function or bracket)
//! ```

use super::{Parsed, Parser};
use crate::math::{
    function::Function,
    token::{Token, Unreadable},
    tree::{Constant, Node},
};

impl Parser<'_> {
    pub(super) fn call(&mut self, function: Function) -> Parsed<Node> {
        let (mut base, mut power) = (None, None);
        loop {
            if self.eat('_') {
                base = Some(self.argument_or_number()?);
            } else if self.eat('^') {
                power = Some(self.exponent()?);
            } else {
                break;
            }
        }
        if function.takes_several() {
            return self.call_of_several(function);
        }
        // Python's log10(x) and log2(x).
        if function == Function::Log
            && matches!(self.peek(), Some(Token::Number(_)))
            && self.peek_at(1) == Some(&Token::Mark('('))
        {
            base = Some(self.number()?);
        }
        let argument = self.nested(Self::call_argument)?;
        let inverse = (power == Some(Node::integer(-1))).then(|| function.inverse()).flatten();
        if let Some(inverse) = inverse {
            return Ok(Node::Call(inverse, vec![argument]));
        }
        let value = match base {
            Some(base) if function == Function::Log && base != Node::integer(10) => {
                let ln = |of| Node::Call(Function::Ln, vec![of]);
                ln(argument).over(ln(base))
            }
            Some(_) if function != Function::Log => return Err(Unreadable),
            _ if function == Function::Exp => Node::Constant(Constant::E).power(argument),
            _ => Node::Call(function, vec![argument]),
        };
        Ok(match power {
            Some(power) => value.power(power),
            None => value,
        })
    }

    fn argument_or_number(&mut self) -> Parsed<Node> {
        if matches!(self.peek(), Some(Token::Number(_))) { self.number() } else { self.argument() }
    }

    fn call_of_several(&mut self, function: Function) -> Parsed<Node> {
        let close = if self.eat('⦃') { '⦄' } else { ')' };
        if close == ')' {
            self.expect('(')?;
        }
        let mut arguments = vec![self.nested(Self::sum)?];
        while self.eat(',') {
            arguments.push(self.nested(Self::sum)?);
        }
        self.expect(close)?;
        if arguments.len() < 2 || function == Function::Binomial && arguments.len() > 2 {
            return Err(Unreadable);
        }
        Ok(Node::Call(function, arguments))
    }

    /// What a function is applied to: a bracket, or factors side by side up to the next function or bracket.
    fn call_argument(&mut self) -> Parsed<Node> {
        if matches!(self.mark(), Some('(' | '[' | '{')) {
            return self.atom();
        }
        let negative = self.eat('-');
        let mut parts = vec![self.factor()?];
        while self.starts_factor() {
            let is_function =
                matches!(self.peek(), Some(Token::Name(name)) if Function::named(name).is_some());
            let numbers_only = parts.iter().all(|part| part.variables().is_empty());
            if is_function || matches!(self.mark(), Some('(' | '[' | '{')) && !numbers_only {
                break;
            }
            parts.push(self.factor()?);
        }
        let product = Node::product(parts);
        Ok(if negative { product.negated() } else { product })
    }
}
