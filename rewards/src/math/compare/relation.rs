//! Equations and inequalities: what they define, and whether two of them say the same.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, ToPrimitive};

use super::{all, same_answer};
use crate::math::{
    approx::Point,
    exact::Work,
    function::Function,
    scalar::{Proportion, proportional},
    tree::{Answer, Node},
};

/// Most decimals, and one more, of a value that is told to be rounded.
const MAX_DECIMALS: usize = 16;
/// Most signs in a chain of equations.
const MAX_CHAIN: usize = 16;

/// Whether equations that give something a value, `x = 5` or `x = 10/2 = 5`, give it the value `other`. All sides but
/// the name count, so that `x = 4 = 5` is not 5. `is_named` tells the name from the sides beside it. None where the
/// relation is of another kind.
pub(super) fn defined(
    sides: &[Answer],
    signs: &[char],
    other: &Answer,
    is_named: impl Fn(&Answer, &[Answer]) -> bool,
    work: &Work,
) -> Option<bool> {
    if let ([member, set], ['∈']) = (sides, signs) {
        return if is_name(member, &[]) { same_answer(set, other, work) } else { None };
    }
    if signs.iter().any(|sign| *sign != '=') {
        return None;
    }
    let values = match sides {
        [first, rest @ ..] if is_named(first, rest) => rest,
        [rest @ .., last] if is_named(last, rest) => rest,
        _ => sides,
    };
    all(values.iter().map(|value| match value {
        Answer::Relation(..) => Some(false),
        value => same_answer(value, other, work),
    }))
}

/// Whether `side` may be the expression whose value was asked for, as in `a^2 + b^2 = 13`: it has two variables or more,
/// and the others have none.
pub(super) fn is_asked(side: &Answer, others: &[Answer]) -> bool {
    let n_variables = |side: &Answer| match side {
        Answer::Quantity(node, _) => Some(node.variables().len()),
        _ => None,
    };
    n_variables(side).is_some_and(|n| n >= 2) && others.iter().all(|other| n_variables(other) == Some(0))
}

/// Whether `side` only names what the others say: a variable, a line segment `AB` or its length `|AB|`, a sum `m + n`,
/// `f(x)`, a word.
pub(super) fn is_name(side: &Answer, others: &[Answer]) -> bool {
    let variable = |node: &Node| matches!(node, Node::Variable(_));
    match side {
        Answer::Text(_) => true,
        Answer::Tuple(_, items, _) => items.iter().all(|item| is_name(item, others)),
        Answer::Quantity(node, None) => {
            let bare = match node {
                Node::Variable(_) => true,
                Node::Sum(parts) | Node::Product(parts) => parts.iter().all(variable),
                Node::Call(Function::Abs, inner) => {
                    matches!(inner.as_slice(), [Node::Product(ends)] if ends.iter().all(is_point))
                }
                _ => false,
            };
            let names = node.variables();
            bare && !others.iter().any(|other| match other {
                Answer::Quantity(value, _) => value.variables().iter().any(|name| names.contains(name)),
                _ => false,
            })
        }
        _ => false,
    }
}

/// Whether the node is called by a capital letter.
fn is_point(node: &Node) -> bool {
    matches!(node, Node::Variable(name) if name.starts_with(char::is_uppercase))
}

/// `12π ≈ 37.7` without its end: the rounded value of the side before it, a number, that says nothing more.
pub(super) fn without_rounded(answer: &Answer, work: &Work) -> Option<Answer> {
    let Answer::Relation(sides, signs) = answer else { return None };
    let ([first_signs @ .., '≈'], [rest @ .., Answer::Quantity(Node::Number(rounded), None)]) =
        (signs.as_slice(), sides.as_slice())
    else {
        return None;
    };
    let Answer::Quantity(node, _) = rest.last().filter(|_| !first_signs.contains(&'≈'))? else {
        return None;
    };
    let value = Point::new(BTreeMap::new(), work).value(node)?.real()?;
    let is_written = |unit: &BigRational| (rounded / unit).is_integer();
    let mut units = std::iter::successors(Some(BigRational::one()), |unit| Some(unit / BigInt::from(10)))
        .take(MAX_DECIMALS);
    let unit = units.find(is_written)?.to_f64()?;
    if (value - rounded.to_f64()?).abs() > unit * (0.5 + 1e-9) {
        return None;
    }
    let mut rest = rest.to_vec();
    if rest.len() == 1 { rest.pop() } else { Some(Answer::Relation(rest, first_signs.to_vec())) }
}

/// Whether two equations or inequalities of two sides say the same: their differences are proportional, for inequalities
/// by a positive number. None where they are of another kind.
pub(super) fn same_equation(
    a: &[Answer],
    signs_a: &[char],
    b: &[Answer],
    signs_b: &[char],
    work: &Work,
) -> Option<bool> {
    let (a, b) = (difference(a)?, difference(b)?);
    let turned = |sign: char| match sign {
        '>' => ('<', true),
        '≥' => ('≤', true),
        other => (other, false),
    };
    let ([sign_a], [sign_b]) = (signs_a, signs_b) else { return None };
    let ((sign_a, turned_a), (sign_b, turned_b)) = (turned(*sign_a), turned(*sign_b));
    if sign_a != sign_b {
        return Some(false);
    }
    if matches!(sign_a, '∈' | '∉') {
        return None;
    }
    let b = if turned_a == turned_b { b } else { b.negated() };
    Some(match proportional(&a, &b, work)? {
        Proportion::None => false,
        Proportion::Positive => true,
        Proportion::Other => matches!(sign_a, '=' | '≠'),
    })
}

fn difference(sides: &[Answer]) -> Option<Node> {
    match sides {
        [Answer::Quantity(left, None), Answer::Quantity(right, None)] => {
            Some(left.clone().minus(right.clone()))
        }
        _ => None,
    }
}

/// The same signs between the same sides. Chains of `=` may be of different length: the first sides are the same, and
/// each other side of one is each other side of the other; two sides may also be swapped.
pub(super) fn same_sides(
    a: &[Answer],
    signs_a: &[char],
    b: &[Answer],
    signs_b: &[char],
    work: &Work,
) -> Option<bool> {
    let same_pairs = |pairs: &mut dyn Iterator<Item = (&Answer, &Answer)>| {
        all(pairs.map(|(a, b)| same_answer(a, b, work)))
    };
    let is_chain = |signs: &[char]| signs.iter().all(|sign| *sign == '=') && signs.len() <= MAX_CHAIN;
    if !is_chain(signs_a) || !is_chain(signs_b) {
        let fits = signs_a == signs_b && a.len() == b.len();
        return if fits { same_pairs(&mut a.iter().zip(b)) } else { Some(false) };
    }
    let ([first_a, rest_a @ ..], [first_b, rest_b @ ..]) = (a, b) else { return Some(false) };
    let values = rest_a.iter().flat_map(|a| rest_b.iter().map(move |b| (a, b)));
    let forwards = same_pairs(&mut std::iter::once((first_a, first_b)).chain(values));
    if forwards == Some(true) || a.len() != 2 || b.len() != 2 {
        return forwards;
    }
    same_pairs(&mut a.iter().zip(b.iter().rev()))
}

/// The values of `x = 1, y = 2`, which say the same as the pair (1, 2): the names are different variables in the order
/// of the alphabet.
pub(super) fn values_in_order(items: &[Answer]) -> Option<Vec<&Answer>> {
    let (mut before, mut values) = ("", Vec::new());
    for item in items {
        let Answer::Relation(sides, signs) = item else { return None };
        let [Answer::Quantity(Node::Variable(name), None), value] = sides.as_slice() else { return None };
        if signs != &['='] || before >= name.as_str() {
            return None;
        }
        before = name;
        values.push(value);
    }
    Some(values)
}
