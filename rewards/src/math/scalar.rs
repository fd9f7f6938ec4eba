//! Whether two formulas are the same number, or the same function of their variables.
//!
//! Rational values are compared exactly. Formulas with variables are compared at fixed points: they are equal where they
//! agree at several points and differ at none; exactly again where both are rational there, else up to rounding. What
//! cannot be evaluated is never equal, and agreement proves nothing where a number was written to fit: an irrational x
//! has fractions p/q with |x - p/q| < 1/q², so that a long decimal is close to anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use super::{
    approx::{Approx, Point},
    exact::{Values, Work, exact, exact_at},
    factored,
    tree::{Constant, Node},
};
use num_complex::Complex64;
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};

/// Points tried; the first [`POSITIVE`] have positive values only.
const POINTS: usize = 12;
const POSITIVE: usize = 5;
/// Points at which functions must agree.
const AGREEMENTS: usize = 3;
/// Whole numbers at which formulas that count or jump are compared: what is close to powers and multiples is among them.
const WHOLE: [u8; 24] =
    [7, 12, 2, 5, 1, 9, 16, 17, 3, 8, 10, 4, 31, 32, 6, 26, 15, 27, 13, 25, 33, 11, 24, 30];
/// Whole numbers far from zero, the second for formulas that need not be about whole ones: a function that bends or
/// jumps out there is no other near zero.
const FAR: [i64; 2] = [10_000_000_019, -10_000_000_033];
/// How far computed values of one number may lie apart, in bounds of their rounding errors.
const SLACK: f64 = 4.0;
/// Largest error, relative to the value, with which agreement says anything.
const SHARP: f64 = 1e-9;
/// Sizes whose squares and quotients are floats.
const MODERATE: RangeInclusive<f64> = 1e-70..=1e70;
/// Most bits of a decimal that is not taken for an approximation of something else.
const HONEST_BITS: u64 = 40;

/// Whether `a` and `b` are equal; none where that cannot be decided.
pub(super) fn same(a: &Node, b: &Node, work: &Work) -> Option<bool> {
    if a == b {
        return Some(true);
    }
    let is_infinite = |node: &Node| node.any(|node| *node == Node::Constant(Constant::Infinity));
    if is_infinite(a) || is_infinite(b) {
        return Some(infinity(a).is_some() && infinity(a) == infinity(b));
    }
    if (factored::is_large(a) || factored::is_large(b))
        && let Some(verdict) = factored::same(a, b, work)
    {
        return Some(verdict);
    }
    let (exact_a, exact_b) = (exact(a, work), exact(b, work));
    if let (Some(a), Some(b)) = (&exact_a, &exact_b) {
        return Some(a == b);
    }
    let zero = [&exact_a, &exact_b].into_iter().flatten().any(Zero::is_zero);
    let agree = agree(a, b, zero, work);
    let honest = !fits_anything(a) && !fits_anything(b);
    let short = [exact_a, exact_b].iter().flatten().all(|value| length(value) <= HONEST_BITS);
    agree.filter(|agree| !agree || honest && short).or_else(|| factored::same(a, b, work))
}

fn length(value: &BigRational) -> u64 {
    value.numer().bits() + value.denom().bits()
}

/// Whether a long decimal occurs.
fn fits_anything(node: &Node) -> bool {
    node.any(|node| matches!(node, Node::Number(value) if !value.is_integer() && value.numer().bits() > HONEST_BITS))
}

/// Whether `node` is ∞ or -∞: its sign.
pub(super) fn infinity(node: &Node) -> Option<bool> {
    match node {
        Node::Constant(Constant::Infinity) => Some(true),
        Node::Product(parts) => match parts.as_slice() {
            [Node::Number(factor), rest] if !factor.is_zero() => {
                Some(infinity(rest)? == factor.is_positive())
            }
            _ => None,
        },
        _ => None,
    }
}

/// Agreement at the points where both stay real; where there are too few of those, at complex values.
fn agree(a: &Node, b: &Node, zero: bool, work: &Work) -> Option<bool> {
    let names: BTreeSet<&str> = a.variables().into_iter().chain(b.variables()).collect();
    if names.is_empty() {
        return agree_here(a, b, &Point::new(BTreeMap::new(), work), zero);
    }
    let whole = counts(a) || counts(b);
    let differs = |far: &i64| agree_at(a, b, &far_values(&names, *far), (zero, false), work) == Some(false);
    if FAR.iter().take(if whole { 1 } else { 2 }).any(differs) {
        return Some(false);
    }
    let n_points = if whole { WHOLE.len() } else { POINTS };
    for (n_points, complex) in [(n_points, false), (POSITIVE, true)] {
        let mut agreements = 0;
        for k in 0..n_points {
            let values = if whole { whole_values(&names, k) } else { values(&names, k) };
            match agree_at(a, b, &values, (zero, complex), work) {
                Some(true) => agreements += 1,
                Some(false) => return Some(false),
                None => {}
            }
        }
        if agreements >= AGREEMENTS && !work.is_spent() {
            return Some(true);
        }
    }
    None
}

/// Whether the formula is about whole numbers, with a function that jumps or counts, or powers of a negative number.
fn counts(node: &Node) -> bool {
    node.any(|node| match node {
        Node::Call(function, _) => function.is_discrete(),
        Node::Power(pair) => matches!(&pair.0, Node::Number(base) if base.is_negative()),
        _ => false,
    })
}

/// The `k`-th point for formulas about whole numbers: n, m, k, ... are whole everywhere, other variables at every other
/// point, so that rounding up is not one more than rounding down.
fn whole_values<'a>(names: &BTreeSet<&'a str>, k: usize) -> Values<'a> {
    let whole = |j: usize| BigRational::from_integer(WHOLE[(k + 5 * j) % WHOLE.len()].into());
    let is_whole =
        |name: &str| name.starts_with(['i', 'j', 'k', 'l', 'm', 'n', 'p', 'q', 'K', 'L', 'M', 'N']);
    let mut values = values(names, k);
    for (j, (name, value)) in values.iter_mut().enumerate() {
        if k.is_multiple_of(2) || is_whole(name) {
            *value = whole(j);
        }
    }
    values
}

/// Different multiples of `far`, with its sign.
fn far_values<'a>(names: &BTreeSet<&'a str>, far: i64) -> Values<'a> {
    let multiples = (1..).map(|k: i64| BigRational::from_integer((far * (2 * k - 1)).into()));
    names.iter().copied().zip(multiples).collect()
}

/// Agreement at one point: exact where both are rational there. Unless `complex` is wanted, none where one leaves the
/// reals.
fn agree_at(
    a: &Node,
    b: &Node,
    values: &Values<'_>,
    (zero, complex): (bool, bool),
    work: &Work,
) -> Option<bool> {
    if let (Some(a), Some(b)) = (exact_at(a, values, work), exact_at(b, values, work)) {
        return Some(a == b);
    }
    let point = Point::new(rounded(values), work);
    let verdict = agree_here(a, b, &point, zero);
    verdict.filter(|_| complex || !point.left_reals.get())
}

/// The values as floats, which they are.
fn rounded<'a>(values: &Values<'a>) -> BTreeMap<&'a str, f64> {
    values.iter().filter_map(|(name, value)| Some((*name, value.to_f64()?))).collect()
}

/// Agreement of the computed values at `point`.
fn agree_here(a: &Node, b: &Node, point: &Point<'_>, zero: bool) -> Option<bool> {
    let (a, b) = (point.value(a)?, point.value(b)?);
    let (gap, error) = ((a.value - b.value).norm(), SLACK * (a.error + b.error));
    if gap > error {
        return Some(false);
    }
    // Next to zero itself there is no relative error.
    let size = if zero { 1.0 } else { a.value.norm().max(b.value.norm()) };
    (error <= SHARP * size && size.is_normal() && !point.lost.get()).then_some(true)
}

/// The `k`-th point: different 64ths spread between 0.3 and 16, some of them negative after the first points.
fn values<'a>(names: &BTreeSet<&'a str>, k: usize) -> Values<'a> {
    let value = |j: usize| {
        let spread = (0.754_877_666 * (k + 1) as f64 + 0.569_840_291 * ((j + 1) * (k + 2)) as f64).fract();
        let size = (0.3 + 1.9 * spread) * [1.0, 1.0, 7.0, 2.5][k % 4];
        let negative = k >= POSITIVE && (k + 1 == POINTS || (k >> (j % 3)) % 2 == 1);
        // An odd number of them, so that none is whole.
        let parts = 2 * (32.0 * size) as i64 + 1;
        BigRational::new(if negative { -parts } else { parts }.into(), 64.into())
    };
    names.iter().enumerate().map(|(j, name)| (*name, value(j))).collect()
}

/// The constant sign of a / b, where a is a multiple of b by one number other than 0 at every point; that is, whether
/// `a = 0` says the same as `b = 0`.
pub(super) fn proportional(a: &Node, b: &Node, work: &Work) -> Option<Proportion> {
    let names: BTreeSet<&str> = a.variables().into_iter().chain(b.variables()).collect();
    let (mut ratio, mut agreements) = (None, 0);
    for k in 0..POINTS {
        let Some(here) = Ratio::at(a, b, &values(&names, k), work) else { continue };
        match &ratio {
            _ if here == Ratio::Zero => return Some(Proportion::None),
            None => ratio = Some(here),
            Some(first) if here.agrees(first) => agreements += 1,
            Some(_) => return Some(Proportion::None),
        }
    }
    let ratio = ratio.filter(|_| agreements >= AGREEMENTS && !work.is_spent() && !names.is_empty())?;
    Some(if ratio.is_positive() { Proportion::Positive } else { Proportion::Other })
}

/// The quotient of two formulas at one point.
#[derive(PartialEq)]
enum Ratio {
    /// One of them is zero, the other not.
    Zero,
    Exact(BigRational),
    /// Rounded, and its error.
    Rounded(Complex64, f64),
}

impl Ratio {
    /// a / b where the variables have these values, exactly where both are rational there; none where both are zero, one
    /// leaves the reals, or they are not known well enough.
    fn at(a: &Node, b: &Node, values: &Values<'_>, work: &Work) -> Option<Self> {
        if let (Some(a), Some(b)) = (exact_at(a, values, work), exact_at(b, values, work)) {
            return match (a.is_zero(), b.is_zero()) {
                (true, true) => None,
                (false, false) => Some(Self::Exact(a / b)),
                _ => Some(Self::Zero),
            };
        }
        let point = Point::new(rounded(values), work);
        let (a, b) = (point.value(a)?, point.value(b)?);
        let sharp = |v: Approx| v.error <= SHARP * v.value.norm() && MODERATE.contains(&v.value.norm());
        if point.left_reals.get() || point.lost.get() || !sharp(a) || !sharp(b) {
            return None;
        }
        let here = a.value / b.value;
        let error = SLACK * here.norm() * (a.error / a.value.norm() + b.error / b.value.norm());
        Some(Self::Rounded(here, error))
    }

    fn agrees(&self, other: &Self) -> bool {
        if let (Self::Exact(a), Self::Exact(b)) = (self, other) {
            return a == b;
        }
        let ((a, error_a), (b, error_b)) = (self.rounded(), other.rounded());
        (a - b).norm() <= error_a + error_b
    }

    /// The value and its error.
    fn rounded(&self) -> (Complex64, f64) {
        match self {
            Self::Zero => (Complex64::zero(), 0.0),
            Self::Exact(value) => {
                let value = value.to_f64().unwrap_or(f64::NAN);
                (value.into(), f64::EPSILON * value.abs())
            }
            Self::Rounded(value, error) => (*value, *error),
        }
    }

    fn is_positive(&self) -> bool {
        let (value, _) = self.rounded();
        value.im == 0.0 && value.re > 0.0
    }
}

/// See [`proportional`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proportion {
    None,
    Positive,
    Other,
}
