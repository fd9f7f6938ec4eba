//! Products too large to be multiplied out: `2^{100000}`, `\frac{2024!}{2022!}`, `\binom{4000}{2000}`.
//!
//! A formula without sums is
//!
//! ```text
//! ± Π b_k^{e_k} · Π n_k!^{f_k} · Π o_k^{g_k}         b_k > 1 whole, o_k formulas that are not taken apart
//! ```
//!
//! Two of them are compared by their quotient. A run of factors that is left of factorials is multiplied out where it is
//! short, (n+2)!/n! = (n+1)(n+2), else n! = Π p^{v_p} with v_p = Σ ⌊n/p^j⌋ (Legendre). Bases are brought to coprime ones
//! by their common divisors, and Π b_k^{e_k} = 1 for coprime b_k > 1 only where all e_k are 0.

mod coprime;
mod product;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::{
    exact::Work,
    function::Function,
    number::{self, MAX_BITS, MAX_FACTORIAL},
    tree::Node,
};
use coprime::multiplied;
use product::Product;

/// Exponents from here on may make a number too large to be multiplied out at once.
const LARGE_EXPONENT: u64 = 1000;

/// Whether some part of `node` is a large factorial, binomial coefficient or power.
pub(super) fn is_large(node: &Node) -> bool {
    let exceeds = |node: &Node, most: u64| match node {
        Node::Number(value) => value.abs() > BigRational::from_integer(most.into()),
        _ => false,
    };
    node.any(|node| match node {
        Node::Call(Function::Factorial | Function::Binomial, arguments) => {
            arguments.iter().any(|argument| exceeds(argument, MAX_FACTORIAL.into()))
        }
        Node::Power(pair) => exceeds(&pair.1, LARGE_EXPONENT),
        _ => false,
    })
}

/// The value of a product, where it is rational and not too long.
pub(super) fn value(node: &Node, work: &Work) -> Option<BigRational> {
    let product = Product::from_node(node, work)?;
    if product.zero && product.others.is_empty() {
        return Some(BigRational::zero());
    }
    if product.zero || !product.others.is_empty() || product.log2()?.0.abs() > MAX_BITS as f64 {
        return None;
    }
    let negative = product.negative;
    let (mut above, mut below) = (Vec::new(), Vec::new());
    for (base, exponent) in product.coprime(work)? {
        let times = exponent.is_integer().then(|| exponent.numer().magnitude().to_u32())??;
        let n_bits = base.bits().checked_mul(times.into()).filter(|n_bits| *n_bits <= 2 * MAX_BITS)?;
        work.spend(number::whole_cost(n_bits))?;
        let side = if exponent.is_negative() { &mut below } else { &mut above };
        side.push(base.pow(times));
    }
    let (above, below) = (BigInt::from(multiplied(above, work)?), multiplied(below, work)?.into());
    // Coprime as their factors are.
    Some(BigRational::new_raw(if negative { -above } else { above }, below))
}

/// Whether `a` and `b`, which may be too large for their values to be known, are equal: the same terms in any order, or
/// products of the same factors. None where that does not decide.
pub(super) fn same(a: &Node, b: &Node, work: &Work) -> Option<bool> {
    work.spend(4)?;
    if a == b {
        return Some(true);
    }
    let all_matched = |verdict: bool| verdict.then_some(true);
    match (a, b) {
        (Node::Sum(_), Node::Sum(_)) => {
            let one = BigRational::one;
            let terms = |node| terms(node).into_iter().map(|term| (term, one())).collect::<Vec<_>>();
            all_matched(are_matched(&terms(a), &terms(b), work))
        }
        (Node::Call(f, x), Node::Call(g, y)) if f == g && x.len() == y.len() && !is_counting(*f) => {
            all_matched(x.iter().zip(y).all(|(x, y)| same(x, y, work) == Some(true)))
        }
        _ => {
            let (product_a, product_b) = (Product::from_node(a, work)?, Product::from_node(b, work)?);
            if product_a.zero || product_b.zero {
                let are_numbers = product_a.others.is_empty() && product_b.others.is_empty();
                return are_numbers.then_some(product_a.zero == product_b.zero);
            }
            let is_whole = |product: &Product<'_>, node| match product.others.as_slice() {
                [(only, _)] => std::ptr::eq(*only, node),
                _ => false,
            };
            if is_whole(&product_a, a) && is_whole(&product_b, b)
                || !are_matched(&product_a.others, &product_b.others, work)
            {
                return None;
            }
            let is_sure = product_a.others.is_empty();
            let equal = product_a.over(product_b).equals_one(work)?;
            (equal || is_sure).then_some(equal)
        }
    }
}

fn is_counting(function: Function) -> bool {
    matches!(function, Function::Factorial | Function::Binomial)
}

/// The terms of a sum and of the sums in it.
fn terms(node: &Node) -> Vec<&Node> {
    match node {
        Node::Sum(parts) => parts.iter().flat_map(terms).collect(),
        other => vec![other],
    }
}

/// Whether each of `a` has one of its own in `b` with the same exponent, and the other way round.
fn are_matched(a: &[(&Node, BigRational)], b: &[(&Node, BigRational)], work: &Work) -> bool {
    let mut free: Vec<_> = b.iter().collect();
    a.len() == b.len()
        && a.iter().all(|(node, exponent)| {
            let found = free
                .iter()
                .position(|(other, raised)| exponent == raised && same(node, other, work) == Some(true));
            found.map(|at| free.swap_remove(at)).is_some()
        })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn factorial(n: i64) -> Node {
        Node::Call(Function::Factorial, vec![Node::integer(n)])
    }

    #[test]
    fn quotients_of_factorials_are_what_they_are_multiplied_out() {
        for n in [0, 1, 5, 30, 700] {
            for k in [0, 1, 4, 29, 300] {
                let product = |n: i64| BigRational::from_integer((1..=n).map(BigInt::from).product());
                let quotient = factorial(n).over(factorial(k));
                let expected = product(n) / product(k);
                assert_eq!(value(&quotient, &Work::new()).unwrap(), expected, "{n}! / {k}!");
                let [right, wrong] = [expected.clone(), expected + BigRational::one()].map(Node::Number);
                assert_eq!(same(&quotient, &right, &Work::new()), Some(true), "{n}! / {k}!");
                assert_eq!(same(&quotient, &wrong, &Work::new()), Some(false), "{n}! / {k}!");
            }
        }
    }

    #[test]
    fn powers_are_equal_where_their_coprime_bases_are() {
        let power = |base, exponent| Node::integer(base).power(Node::integer(exponent));
        let product = Node::Product(vec![power(12, 500), power(18, -300), Node::integer(-7)]);
        let split = Node::Product(vec![Node::integer(-7), power(2, 700), power(3, -100)]);
        assert_eq!(same(&product, &split, &Work::new()), Some(true));
        assert_eq!(same(&product, &split.negated(), &Work::new()), Some(false));
        assert_eq!(same(&power(6, 10_000), &power(10, 10_000), &Work::new()), Some(false));
        assert_eq!(same(&power(0, 10_000), &power(10, 10_000), &Work::new()), Some(false));
        assert_eq!(same(&power(0, 10_000), &power(0, 20_000), &Work::new()), Some(true));
        assert_eq!(same(&power(0, -10_000), &power(0, -10_001), &Work::new()), None);
    }
}
