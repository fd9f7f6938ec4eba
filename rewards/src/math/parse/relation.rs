//! Equations, inequalities and congruences, and sets joined to one.

use super::{MAX_DEPTH, Parsed, Parser};
use crate::math::{
    function::Function,
    scalar::infinity,
    token::{Token, Unreadable},
    tree::{Answer, Joint, Node},
};

impl Parser<'_> {
    pub(super) fn relation(&mut self) -> Parsed<Answer> {
        let first = self.combined()?;
        let (mut sides, mut signs) = (vec![first], Vec::new());
        while let Some(sign @ ('=' | '≠' | '<' | '>' | '≤' | '≥' | '≈' | '≡' | '∈' | '∉')) = self.mark()
        {
            self.advance()?;
            signs.push(sign);
            sides.push(match self.combined()? {
                Answer::Quantity(Node::Variable(name), None) if sign == '∈' && name == "R" => Answer::Reals,
                side => side,
            });
        }
        if let Some(modulus) = self.modulus()? {
            return congruence(sides, &signs, modulus);
        }
        if let ([side, Answer::Quantity(bound, None)], [sign]) = (sides.as_slice(), signs.as_slice())
            && let Some(within) = without_bars(side, bound, *sign)
        {
            return Ok(within);
        }
        Ok(match sides.pop() {
            Some(only) if sides.is_empty() => only,
            last => Answer::Relation(sides.into_iter().chain(last).collect(), signs),
        })
    }

    /// `\pmod{7}`, `\bmod 7`, `(mod 7)`.
    fn modulus(&mut self) -> Parsed<Option<Node>> {
        let names_mod = |token: Option<&Token>| matches!(token, Some(Token::Name(name)) if name == "mod");
        let bracketed = self.mark() == Some('(') && names_mod(self.peek_at(1));
        if bracketed {
            self.advance()?;
        }
        if !names_mod(self.peek()) {
            return Ok(None);
        }
        self.advance()?;
        let modulus = self.sum()?;
        if bracketed {
            self.expect(')')?;
        }
        Ok(Some(modulus))
    }

    /// The sign that joins the set `left` with another, taken; between sets a U is a union and a minus their difference,
    /// which may also go without a sign behind all real numbers: `ℝ \ {2}`.
    fn set_sign(&mut self, left: &Answer) -> Parsed<Option<char>> {
        let sign = match self.peek() {
            Some(Token::Mark(sign @ ('∪' | '∩' | '∖'))) => *sign,
            Some(Token::Letter('U'))
                if matches!(left, Answer::Tuple(..) | Answer::Set(_) | Answer::Combined(..)) =>
            {
                '∪'
            }
            Some(Token::Mark('-')) if self.subtracts_set(left) => '∖',
            Some(Token::Mark('⦃')) if *left == Answer::Reals => return Ok(Some('∖')),
            _ => return Ok(None),
        };
        self.advance()?;
        Ok(Some(sign))
    }

    /// Whether the minus that comes next takes a set from the set `left`. Between finite brackets of one kind it may as
    /// well stand between points.
    fn subtracts_set(&self, left: &Answer) -> bool {
        let brackets = match left {
            Answer::Reals | Answer::Combined(..) | Answer::Set(_) => None,
            Answer::Tuple(open, ends, close) if ends.len() == 2 => {
                (!ends.iter().any(is_infinite)).then_some((*open, *close))
            }
            _ => return false,
        };
        match self.peek_at(1) {
            Some(Token::Mark('⦃' | '∅' | 'ℝ')) => true,
            Some(Token::Mark(open @ ('(' | '['))) => match self.comma_and_close(1) {
                Some(close) => brackets != Some((*open, close)),
                None => self.opens_sets(1),
            },
            _ => false,
        }
    }

    pub(super) fn combined(&mut self) -> Parsed<Answer> {
        let mut left = self.operand()?;
        let mut n_operands = 1;
        while let Some(sign) = self.set_sign(&left)? {
            n_operands += 1;
            if n_operands > MAX_DEPTH {
                return Err(Unreadable);
            }
            left = Answer::Combined(Box::new((left, self.operand()?)), sign);
        }
        Ok(left)
    }
}

fn is_infinite(end: &Answer) -> bool {
    matches!(end, Answer::Quantity(node, None) if infinity(node).is_some())
}

/// `|x| < a` as `-a < x < a`, and `|x| > a` as `x < -a` or `x > a`; none where `side` is no variable in bars.
fn without_bars(side: &Answer, bound: &Node, sign: char) -> Option<Answer> {
    let Answer::Quantity(Node::Call(Function::Abs, inner), None) = side else { return None };
    let [member @ Node::Variable(_)] = inner.as_slice() else { return None };
    let answer = |node: &Node| Answer::Quantity(node.clone(), None);
    let (low, member, high) = (answer(&bound.clone().negated()), answer(member), answer(bound));
    match sign {
        '<' | '≤' => Some(Answer::Relation(vec![low, member, high], vec![sign, sign])),
        '>' | '≥' => {
            let mirrored = if sign == '>' { '<' } else { '≤' };
            let outside = |bound, sign| Answer::Relation(vec![member.clone(), bound], vec![sign]);
            Some(Answer::List(Joint::Or, vec![outside(low, mirrored), outside(high, sign)]))
        }
        _ => None,
    }
}

/// `x ≡ 3 (mod 7)`, or without its left side.
fn congruence(sides: Vec<Answer>, signs: &[char], modulus: Node) -> Parsed<Answer> {
    let mut nodes = sides.into_iter().map(|side| match side {
        Answer::Quantity(node, None) => Ok(node),
        _ => Err(Unreadable),
    });
    let first = nodes.next().ok_or(Unreadable)??;
    match (signs, nodes.next()) {
        ([], None) => Ok(Answer::Congruence(None, first, modulus)),
        (['≡' | '='], Some(rest)) => Ok(Answer::Congruence(Some(first), rest?, modulus)),
        _ => Err(Unreadable),
    }
}
