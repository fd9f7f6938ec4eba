//! Whether two answers say the same.
//!
//! Shapes must agree: a pair is no list, a row no column, `5` not `5, 5`. What may differ is what says nothing of the
//! value: the order of sets and lists, a unit or a name (`x = 5`) on one side only, how a set of reals is written, and
//! by which number an equation is multiplied.

mod relation;

use num_rational::BigRational;
use num_traits::{One, Signed, Zero};

use super::{
    exact::{Work, exact},
    region,
    scalar::same,
    tree::{Answer, Constant, Node},
    unit::Unit,
};
use relation::{defined, is_asked, is_name, same_equation, same_sides, values_in_order, without_rounded};

/// Longest list whose order is tried out.
const MAX_ITEMS: usize = 64;

/// Whether `a`, the gold answer, and `b` say the same; none where that cannot be decided.
pub(super) fn same_answer(a: &Answer, b: &Answer, work: &Work) -> Option<bool> {
    use Answer::*;
    for (rounded, other, turned) in [(a, b, false), (b, a, true)] {
        if let Some(exact) = without_rounded(rounded, work) {
            return if turned { same_answer(other, &exact, work) } else { same_answer(&exact, other, work) };
        }
    }
    match (a, b) {
        (Relation(sides_a, signs_a), Relation(sides_b, signs_b)) => {
            let as_sets =
                same_region(a, b, work).or_else(|| same_equation(sides_a, signs_a, sides_b, signs_b, work));
            as_sets.or_else(|| same_sides(sides_a, signs_a, sides_b, signs_b, work))
        }
        (Relation(sides, signs), other) => {
            defined(sides, signs, other, is_name, work).or_else(|| same_region(a, b, work)).or(Some(false))
        }
        (value, Relation(sides, signs)) => {
            let named = |side: &Answer, others: &[Answer]| is_name(side, others) || is_asked(side, others);
            defined(sides, signs, value, named, work).or_else(|| same_region(a, b, work)).or(Some(false))
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
        (Matrix(a), Matrix(b)) => same_cells(a, b, work),
        // [[1,2],[3,4]], as programs write it.
        (Matrix(a), Tuple('[', b, ']')) | (Tuple('[', b, ']'), Matrix(a)) => {
            cells(b).map_or(Some(false), |b| same_cells(a, &b, work))
        }
        (Congruence(left_a, right_a, modulus_a), Congruence(left_b, right_b, modulus_b)) => {
            let left = left_a.as_ref().zip(left_b.as_ref()).map_or(Some(true), |(a, b)| same(a, b, work));
            all([left, same(modulus_a, modulus_b, work), congruent(right_a, right_b, modulus_a, work)]
                .into_iter())
        }
        (Ratio(a), Ratio(b)) => same_ratio(a, b, work),
        (Clock(hours_a, minutes_a, half_a), Clock(hours_b, minutes_b, half_b)) => {
            let halves = half_a.is_none() || half_b.is_none() || half_a == half_b;
            Some(hours_a == hours_b && minutes_a == minutes_b && halves)
        }
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
        (List(_, list_a), List(_, list_b)) => same_region(a, b, work).or_else(|| {
            same_items(&list_a.iter().collect::<Vec<_>>(), &list_b.iter().collect::<Vec<_>>(), work)
        }),
        (List(_, list), Tuple(open, items, close)) | (Tuple(open, items, close), List(_, list)) => {
            match values_in_order(list).filter(|_| (*open, *close) == ('(', ')')) {
                Some(values) if values.len() == items.len() => {
                    all(values.iter().zip(items).map(|(a, b)| same_answer(a, b, work)))
                }
                _ => same_region(a, b, work).or(Some(false)),
            }
        }
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

/// The cells of `[[a, b], [c, d]]`, where they are formulas.
fn cells(rows: &[Answer]) -> Option<Vec<Vec<Node>>> {
    let cell = |item: &Answer| match item {
        Answer::Quantity(node, None) => Some(node.clone()),
        _ => None,
    };
    let row = |row: &Answer| match row {
        Answer::Tuple('[', items, ']') => items.iter().map(cell).collect(),
        _ => None,
    };
    rows.iter().map(row).collect()
}

fn same_cells(a: &[Vec<Node>], b: &[Vec<Node>], work: &Work) -> Option<bool> {
    let fits = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.len() == b.len());
    let cells = a.iter().flatten().zip(b.iter().flatten());
    if fits { all(cells.map(|(a, b)| same(a, b, work))) } else { Some(false) }
}

/// Whether `a - b` is a multiple of `modulus`.
fn congruent(a: &Node, b: &Node, modulus: &Node, work: &Work) -> Option<bool> {
    let quotient = exact(&a.clone().minus(b.clone()).over(modulus.clone()), work);
    quotient.map_or_else(|| same(a, b, work), |quotient| Some(quotient.is_integer()))
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

/// Units on both sides must measure the same, and count. On one side only, the number is compared as written: the unit
/// was asked for in the question. A percentage or an angle in degrees may also be given by its value; a percentage
/// below 1 must.
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

/// a_k / a_0 = b_k / b_0; with a zero among them, a_k = b_k.
fn same_ratio(a: &[Node], b: &[Node], work: &Work) -> Option<bool> {
    let ([first_a, rest_a @ ..], [first_b, rest_b @ ..]) = (a, b) else { return Some(false) };
    if rest_a.len() != rest_b.len() {
        return Some(false);
    }
    let is_zero = |node: &Node| exact(node, work).is_some_and(|value| value.is_zero());
    if a.iter().chain(b).any(is_zero) {
        return all(a.iter().zip(b).map(|(a, b)| same(a, b, work)));
    }
    let product = |x: &Node, y: &Node| Node::Product(vec![x.clone(), y.clone()]);
    all(rest_a.iter().zip(rest_b).map(|(a, b)| same(&product(first_a, b), &product(a, first_b), work)))
}
