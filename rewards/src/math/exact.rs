//! The exact value of a formula, where it is rational and not too long.

use std::cell::Cell;

use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{Signed, Zero};

use super::{
    function::Function,
    number::{self, bounded},
    tree::{Constant, Node},
};

/// What a factorial or binomial coefficient may cost.
const COUNTING: u64 = 4000;

/// The work that one comparison may still do, so that its time is bounded whatever the formulas.
pub(super) struct Work {
    left: Cell<u64>,
}

impl Work {
    /// Units of work, each of some ten nanoseconds.
    const LIMIT: u64 = 400_000;

    pub(super) fn new() -> Self {
        Self { left: Cell::new(Self::LIMIT) }
    }

    /// Takes `cost` of what is left; none when it is not enough, from then on.
    pub(super) fn spend(&self, cost: u64) -> Option<()> {
        let left = self.left.get().checked_sub(cost);
        self.left.set(left.unwrap_or(0));
        left.map(drop)
    }

    /// Whether the work has run out.
    pub(super) fn is_spent(&self) -> bool {
        self.left.get() == 0
    }
}

/// The value of `node` if it is known to be rational: no variables, no functions but those that keep rationals.
pub(super) fn exact(node: &Node, work: &Work) -> Option<BigRational> {
    let value = match node {
        Node::Number(value) => bounded(value.clone())?,
        Node::Constant(Constant::Percent) => BigRational::new(1.into(), 100.into()),
        Node::Constant(_) | Node::Variable(_) => return None,
        Node::Sum(parts) => fold(parts, work, number::add)?,
        Node::Product(parts) => fold(parts, work, number::multiply)?,
        Node::Power(pair) => number::power(&exact(&pair.0, work)?, &exact(&pair.1, work)?)?,
        Node::Call(function, arguments) => call(*function, arguments, work)?,
    };
    work.spend(4 + number::cost(&value))?;
    Some(value)
}

fn fold(parts: &[Node], work: &Work, op: fn(BigRational, BigRational) -> BigRational) -> Option<BigRational> {
    let mut values = parts.iter().map(|part| exact(part, work));
    let first = values.next()??;
    values.try_fold(first, |a, b| {
        let value = bounded(op(a, b?))?;
        work.spend(number::cost(&value))?;
        Some(value)
    })
}

/// The value of a function of exact arguments, where it is rational.
pub(super) fn call(function: Function, arguments: &[Node], work: &Work) -> Option<BigRational> {
    let several = |op: fn(BigRational, BigRational) -> BigRational| fold(arguments, work, op);
    let whole = || arguments.iter().all(|node| exact(node, work).is_some_and(|value| value.is_integer()));
    let one = || exact(arguments.first()?, work);
    match function {
        Function::Abs => one().map(|value| value.abs()),
        Function::Floor => one().map(|value| value.floor()),
        Function::Ceil => one().map(|value| value.ceil()),
        Function::Re => one(),
        Function::Im => one().map(|_| BigRational::zero()),
        Function::Factorial => {
            work.spend(COUNTING)?;
            number::factorial(&one()?)
        }
        Function::Binomial => {
            work.spend(COUNTING)?;
            number::binomial(&one()?, &exact(arguments.get(1)?, work)?)
        }
        Function::Max => several(|a, b| a.max(b)),
        Function::Min => several(|a, b| a.min(b)),
        Function::Gcd if whole() => {
            several(|a, b| BigRational::from_integer(a.to_integer().gcd(&b.to_integer())))
        }
        Function::Lcm if whole() => {
            several(|a, b| BigRational::from_integer(a.to_integer().lcm(&b.to_integer())))
        }
        _ => None,
    }
}
