//! Equations and inequalities: what they define, and whether two of them say the same.

use super::{all, same_answer};
use crate::math::{
    exact::Work,
    scalar::{Proportion, proportional},
    tree::{Answer, Node},
};

/// Most signs in a chain of equations.
const MAX_CHAIN: usize = 16;

/// Whether equations that give something a value, `x = 5` or `x = 10/2 = 5`, give it the value `other`. All sides but
/// the name count, so that `x = 4 = 5` is not 5. None where the relation is of another kind.
pub(super) fn defined(sides: &[Answer], signs: &[char], other: &Answer, work: &Work) -> Option<bool> {
    if let ([member, set], ['∈']) = (sides, signs) {
        return if is_name(member, &[]) { same_answer(set, other, work) } else { None };
    }
    if signs.iter().any(|sign| *sign != '=') {
        return None;
    }
    let values = match sides {
        [first, rest @ ..] if is_name(first, rest) => rest,
        [rest @ .., last] if is_name(last, rest) => rest,
        _ => sides,
    };
    all(values.iter().map(|value| match value {
        Answer::Relation(..) => Some(false),
        value => same_answer(value, other, work),
    }))
}

/// Whether `side` only names what the others say: a variable, a line segment `AB`, a sum `m + n`, `f(x)`, a word.
fn is_name(side: &Answer, others: &[Answer]) -> bool {
    let variable = |node: &Node| matches!(node, Node::Variable(_));
    match side {
        Answer::Text(_) => true,
        Answer::Tuple(_, items, _) => items.iter().all(|item| is_name(item, others)),
        Answer::Quantity(node, None) => {
            let bare = match node {
                Node::Variable(_) => true,
                Node::Sum(parts) | Node::Product(parts) => parts.iter().all(variable),
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
    if sign_a != sign_b || sign_a == '∈' {
        return Some(false);
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
