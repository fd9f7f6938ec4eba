//! The exact value of a formula, where it is rational and not too long.

use std::{cell::Cell, collections::BTreeMap};

use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};

use super::{
    factored,
    function::Function,
    number::{self, bounded},
    tree::{Constant, Node},
};

/// What the factorial of n costs: the square of n over this.
const COUNTING: u64 = 160;

/// The work that one comparison may still do, so that its time is bounded whatever the formulas.
pub(super) struct Work {
    left: Cell<u64>,
}

impl Work {
    /// Units of work, each of some ten nanoseconds.
    const LIMIT: u64 = 250_000;

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

/// Exact values of variables.
pub(super) type Values<'a> = BTreeMap<&'a str, BigRational>;

/// The value of `node` if it is known to be rational: no variables, no functions but those that keep rationals.
pub(super) fn exact(node: &Node, work: &Work) -> Option<BigRational> {
    exact_at(node, &Values::new(), work)
}

/// The value of `node` where the variables have these values; see [`exact`].
pub(super) fn exact_at(node: &Node, values: &Values<'_>, work: &Work) -> Option<BigRational> {
    let at = |node: &Node| exact_at(node, values, work);
    let value = match node {
        Node::Product(_) | Node::Power(_) | Node::Call(Function::Factorial | Function::Binomial, _)
            if values.is_empty() && factored::is_large(node) =>
        {
            factored::value(node, work)?
        }
        Node::Number(value) => bounded(value.clone())?,
        Node::Variable(name) => values.get(name.as_str())?.clone(),
        Node::Constant(Constant::Percent) => BigRational::new(1.into(), 100.into()),
        Node::Constant(_) => return None,
        Node::Sum(parts) => fold(parts.iter().map(at), work, number::add)?,
        Node::Product(parts) => fold(parts.iter().map(at), work, number::multiply)?,
        Node::Power(pair) => {
            let (base, exponent) = (at(&pair.0)?, at(&pair.1)?);
            work.spend(number::power_cost(&base, &exponent))?;
            number::power(&base, &exponent)?
        }
        Node::Call(function, arguments) => {
            let arguments = arguments.iter().map(at).collect::<Option<Vec<_>>>()?;
            call(*function, &arguments, work)?
        }
    };
    work.spend(4 + number::whole_cost(number::bits(&value)))?;
    Some(value)
}

fn fold(
    mut values: impl Iterator<Item = Option<BigRational>>,
    work: &Work,
    op: impl Fn(BigRational, BigRational) -> Option<BigRational>,
) -> Option<BigRational> {
    let first = values.next()??;
    values.try_fold(first, |a, b| {
        let b = b?;
        work.spend(number::cost(&a, &b))?;
        bounded(op(a, b)?)
    })
}

/// What it costs to multiply out the factorial of `n`; that of a large one is not.
fn counting_cost(n: u64) -> u64 {
    let n = if n <= number::MAX_FACTORIAL.into() { n } else { 0 };
    40 + n * n / COUNTING
}

/// The value of a function of exact arguments, where it is rational.
pub(super) fn call(function: Function, arguments: &[BigRational], work: &Work) -> Option<BigRational> {
    let several = |op: fn(BigRational, BigRational) -> Option<BigRational>| {
        fold(arguments.iter().cloned().map(Some), work, op)
    };
    let whole = arguments.iter().all(BigRational::is_integer);
    let first = arguments.first()?;
    Some(match function {
        Function::Abs => first.abs(),
        Function::Floor => first.floor(),
        Function::Ceil => first.ceil(),
        Function::Re => first.clone(),
        Function::Im => BigRational::zero(),
        Function::Factorial => {
            work.spend(counting_cost(first.to_integer().to_u64().unwrap_or(0)))?;
            number::factorial(first)?
        }
        Function::Binomial => {
            let k = arguments.get(1)?;
            let n_factors = number::n_chosen(first, k).map_or(0, u64::from);
            work.spend(counting_cost(2 * n_factors) + n_factors * first.numer().bits() / 64)?;
            number::binomial(first, k)?
        }
        Function::Max => several(|a, b| Some(a.max(b)))?,
        Function::Min => several(|a, b| Some(a.min(b)))?,
        Function::Gcd if whole => several(|a, b| number::gcd(&a, &b))?,
        Function::Lcm if whole => several(|a, b| number::lcm(&a, &b))?,
        _ => return None,
    })
}
