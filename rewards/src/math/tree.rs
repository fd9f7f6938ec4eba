//! What an answer is once it is read: expressions, and the shapes that are made of them.
//!
//! There is no negation, difference or quotient: `-x` is a product with -1, `a / b` a product with the power `b^-1`.
//! Sums and products are flat, so that a tree is never deeper than the brackets of its text.

use std::collections::BTreeSet;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::One;

use super::{function::Function, unit::Unit};

/// A number, or a formula that gives one when its variables are known.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// As written, exactly.
    Number(BigRational),
    Constant(Constant),
    /// A letter with its subscripts and primes, or something opaque such as `f(x)` or `dy/dx`.
    Variable(String),
    Sum(Vec<Node>),
    Product(Vec<Node>),
    /// Base and exponent.
    Power(Box<(Node, Node)>),
    Call(Function, Vec<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Constant {
    Pi,
    /// The base of the natural logarithm.
    E,
    /// The square root of -1.
    I,
    Infinity,
    /// π/180.
    Degree,
    /// 1/100.
    Percent,
}

impl Node {
    pub(super) fn integer(value: i64) -> Self {
        Self::Number(BigRational::from_integer(BigInt::from(value)))
    }

    pub(super) fn negated(self) -> Self {
        match self {
            Self::Number(value) => Self::Number(-value),
            other => Self::Product(vec![Self::integer(-1), other]),
        }
    }

    pub(super) fn power(self, exponent: Self) -> Self {
        Self::Power(Box::new((self, exponent)))
    }

    pub(super) fn root(self, degree: Self) -> Self {
        self.power(degree.inverted())
    }

    /// `1 / self`; a number is inverted at once, so that `x^{1/2}` is the square root of x also as a structure.
    pub(super) fn inverted(self) -> Self {
        match self {
            Self::Number(value) if value != BigRational::default() => Self::Number(value.recip()),
            other => other.power(Self::integer(-1)),
        }
    }

    pub(super) fn over(self, divisor: Self) -> Self {
        Self::Product(vec![self, divisor.inverted()])
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self::Sum(vec![self, other.negated()])
    }

    /// The names of the variables.
    pub(super) fn variables(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.visit(&mut |node| {
            if let Self::Variable(name) = node {
                names.insert(name.as_str());
            }
        });
        names
    }

    /// Whether some part of the tree, or the whole, is as `wanted`.
    pub(super) fn any(&self, wanted: impl Fn(&Node) -> bool) -> bool {
        let mut found = false;
        self.visit(&mut |node| found |= wanted(node));
        found
    }

    fn visit<'a>(&'a self, see: &mut impl FnMut(&'a Node)) {
        see(self);
        match self {
            Self::Number(_) | Self::Constant(_) | Self::Variable(_) => {}
            Self::Sum(parts) | Self::Product(parts) | Self::Call(_, parts) => {
                for part in parts {
                    part.visit(see);
                }
            }
            Self::Power(pair) => {
                pair.0.visit(see);
                pair.1.visit(see);
            }
        }
    }

    /// A sum of one part is that part; so for products.
    pub(super) fn sum(mut parts: Vec<Self>) -> Self {
        match parts.pop() {
            Some(only) if parts.is_empty() => only,
            Some(last) => {
                parts.push(last);
                Self::Sum(parts)
            }
            None => Self::integer(0),
        }
    }

    /// See [`Node::sum`].
    pub(super) fn product(mut parts: Vec<Self>) -> Self {
        match parts.pop() {
            Some(only) if parts.is_empty() => only,
            Some(last) => {
                parts.push(last);
                Self::Product(parts)
            }
            None => Self::Number(BigRational::one()),
        }
    }
}

/// An answer as its author laid it out.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// Words, in lower case.
    Text(String),
    /// A number or formula, with its unit where one was written.
    Quantity(Node, Option<Unit>),
    /// `1024_5`: the digits and the base.
    Based(String, u32),
    /// `(a, b)`, `[a, b)`, ...: the brackets and what is between them.
    Tuple(char, Vec<Answer>, char),
    /// `{a, b}`.
    Set(Vec<Answer>),
    /// `a, b` without brackets.
    List(Joint, Vec<Answer>),
    Matrix(Vec<Vec<Node>>),
    /// `a : b`.
    Ratio(Vec<Node>),
    /// `4:30 PM`: hours, minutes, and the `a` or `p` of the half of the day where it is told.
    Clock(u32, u32, Option<char>),
    /// `a = b`, `a < b < c`, `x ∈ S`, ...: the sides, and the signs between them.
    Relation(Vec<Answer>, Vec<char>),
    /// `a ≡ b (mod m)`, or `b (mod m)`.
    Congruence(Option<Node>, Node, Node),
    /// Two sets and the sign between them: `∪`, `∩` or `∖`.
    Combined(Box<(Answer, Answer)>, char),
    /// All real numbers.
    Reals,
}

/// What stands between the items of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joint {
    Comma,
    And,
    Or,
}
