//! Whether two answers say the same.
//!
//! Shapes must agree: a pair is no list, a row no column, `5` not `5, 5`. What may differ is what says nothing of the
//! value: the order of sets and lists, a unit or a name (`x = 5`) on one side only, how a set of reals is written, and by
//! which number an equation is multiplied.

use num_rational::BigRational;
use num_traits::{One, Signed};

use super::{
    exact::{Work, exact},
    region,
    scalar::{Proportion, proportional, same},
    tree::{Answer, Constant, Joint, Node},
    unit::Unit,
};

/// Longest list whose order is tried out.
const MAX_ITEMS: usize = 64;
/// Most signs in a chain of equations.
const MAX_CHAIN: usize = 16;

/// Whether `a` and `b` say the same; none where that cannot be decided.
pub(super) fn same_answer(a: &Answer, b: &Answer, work: &Work) -> Option<bool> {
    use Answer::*;
    match (a, b) {
        (Relation(sides_a, signs_a), Relation(sides_b, signs_b)) => {
            let as_sets =
                same_region(a, b, work).or_else(|| same_equation(sides_a, signs_a, sides_b, signs_b, work));
            as_sets.or_else(|| same_sides(sides_a, signs_a, sides_b, signs_b, work))
        }
        (Relation(sides, signs), other) | (other, Relation(sides, signs)) => {
            defined(sides, signs, other, work).or_else(|| same_region(a, b, work)).or(Some(false))
        }
        (Reals | Combined(..), _) | (_, Reals | Combined(..)) => same_region(a, b, work).or(Some(false)),
        (Set(items), other @ (Quantity(..) | Tuple(..)))
        | (other @ (Quantity(..) | Tuple(..)), Set(items)) => match items.as_slice() {
            [only] => same_answer(only, other, work),
            _ => Some(false),
        },
        (Text(a), Text(b)) => Some(a == b),
        (Quantity(x, unit_x), Quantity(y, unit_y)) => same_quantity((x, unit_x), (y, unit_y), work),
        (Based(digits_a, base_a), Based(digits_b, base_b)) => {
            let plain = |digits: &str| digits.trim_start_matches('0').to_owned();
            Some(base_a == base_b && plain(digits_a) == plain(digits_b))
        }
        (Matrix(a), Matrix(b)) => {
            let fits = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.len() == b.len());
            let cells = a.iter().flatten().zip(b.iter().flatten());
            if fits { all(cells.map(|(a, b)| same(a, b, work))) } else { Some(false) }
        }
        (Ratio(a), Ratio(b)) => same_ratio(a, b, work),
        (Tuple(open_a, a, close_a), Tuple(open_b, b, close_b)) => {
            // Of three or more items, square brackets mean nothing else than round ones.
            let brackets =
                a.len() > 2 || plain(*open_a) == plain(*open_b) && plain(*close_a) == plain(*close_b);
            if !brackets || a.len() != b.len() {
                return Some(false);
            }
            all(a.iter().zip(b).map(|(a, b)| same_answer(a, b, work)))
        }
        (Set(a), Set(b)) => same_items(&distinct(a, work)?, &distinct(b, work)?, work),
        (Set(set), List(_, list)) | (List(_, list), Set(set)) => {
            same_items(&distinct(set, work)?, &list.iter().collect::<Vec<_>>(), work)
        }
        (List(joint_a, list_a), List(joint_b, list_b)) => {
            let inequalities = (*joint_a != Joint::Comma || *joint_b != Joint::Comma)
                .then(|| same_region(a, b, work))
                .flatten();
            inequalities.or_else(|| {
                same_items(&list_a.iter().collect::<Vec<_>>(), &list_b.iter().collect::<Vec<_>>(), work)
            })
        }
        (List(..), Tuple(..)) | (Tuple(..), List(..)) => same_region(a, b, work).or(Some(false)),
        _ => Some(false),
    }
}

/// Round brackets in place of angles.
fn plain(bracket: char) -> char {
    match bracket {
        '⟨' => '(',
        '⟩' => ')',
        other => other,
    }
}

/// Whether all are true: false where one is, unknown where one is and none is false.
fn all(verdicts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(true);
    for verdict in verdicts {
        match verdict {
            Some(true) => {}
            Some(false) => return Some(false),
            None => all = None,
        }
    }
    all
}

/// Whether each item of `a` has one of its own in `b`, and the other way round.
fn same_items(a: &[&Answer], b: &[&Answer], work: &Work) -> Option<bool> {
    if a.len() != b.len() {
        return Some(false);
    }
    if a.len() > MAX_ITEMS {
        return None;
    }
    let mut free: Vec<&Answer> = b.to_vec();
    all(a.iter().map(|item| {
        let mut unknown = false;
        let found = free.iter().position(|other| {
            let verdict = same_answer(item, other, work);
            unknown |= verdict.is_none();
            verdict == Some(true)
        });
        match found {
            Some(at) => {
                free.swap_remove(at);
                Some(true)
            }
            None if unknown => None,
            None => Some(false),
        }
    }))
}

/// The items of a set, each once.
fn distinct<'a>(items: &'a [Answer], work: &Work) -> Option<Vec<&'a Answer>> {
    if items.len() > MAX_ITEMS {
        return None;
    }
    let mut kept: Vec<&Answer> = Vec::new();
    for item in items {
        if !kept.iter().any(|other| same_answer(item, other, work) == Some(true)) {
            kept.push(item);
        }
    }
    Some(kept)
}

fn same_region(a: &Answer, b: &Answer, work: &Work) -> Option<bool> {
    region::Named::from(a)?.same(&region::Named::from(b)?, work)
}

/// Units on both sides must measure the same, and count. On one side only, the number is compared as written: the unit was
/// asked for in the question. A percentage or an angle in degrees may also be given by its value; a percentage below 1 must.
fn same_quantity(
    (x, unit_x): (&Node, &Option<Unit>),
    (y, unit_y): (&Node, &Option<Unit>),
    work: &Work,
) -> Option<bool> {
    let scaled =
        |node: &Node, scale: &BigRational| Node::Product(vec![Node::Number(scale.clone()), node.clone()]);
    match (unit_x, unit_y) {
        (None, None) => same(x, y, work),
        (Some(a), Some(b)) if a == b => same(x, y, work),
        (Some(a), Some(b)) if a.dimensions == b.dimensions => {
            same(&scaled(x, &(&a.count * &a.scale)), &scaled(y, &(&b.count * &b.scale)), work)
        }
        (Some(_), Some(_)) => Some(false),
        (Some(unit), None) | (None, Some(unit)) => {
            let (with, without) = if unit_x.is_some() { (x, y) } else { (y, x) };
            let value = |constant| Node::Product(vec![with.clone(), Node::Constant(constant)]);
            if unit.is("percent") {
                let below_one = exact(with, work).is_some_and(|number| number.abs() < BigRational::one());
                let written = if below_one { Some(false) } else { same(with, without, work) };
                either(written, || same(&value(Constant::Percent), without, work))
            } else if unit.is("degree") {
                either(same(with, without, work), || same(&value(Constant::Degree), without, work))
            } else {
                same(&scaled(with, &unit.count), without, work)
            }
        }
    }
}

fn either(first: Option<bool>, second: impl FnOnce() -> Option<bool>) -> Option<bool> {
    if first == Some(true) { first } else { second() }
}

/// a_k / a_0 = b_k / b_0.
fn same_ratio(a: &[Node], b: &[Node], work: &Work) -> Option<bool> {
    let ([first_a, rest_a @ ..], [first_b, rest_b @ ..]) = (a, b) else { return Some(false) };
    if rest_a.len() != rest_b.len() {
        return Some(false);
    }
    let product = |x: &Node, y: &Node| Node::Product(vec![x.clone(), y.clone()]);
    all(rest_a.iter().zip(rest_b).map(|(a, b)| same(&product(first_a, b), &product(a, first_b), work)))
}

/// Whether equations that give something a value, `x = 5` or `x = 10/2 = 5`, give it the value `other`. All sides but
/// the name count, so that `x = 4 = 5` is not 5. None where the relation is of another kind.
fn defined(sides: &[Answer], signs: &[char], other: &Answer, work: &Work) -> Option<bool> {
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
fn same_equation(
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
fn same_sides(a: &[Answer], signs_a: &[char], b: &[Answer], signs_b: &[char], work: &Work) -> Option<bool> {
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
