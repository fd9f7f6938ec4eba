//! Sets of real numbers: intervals, points, and what `∪`, `∩` and `∖` make of them.
//!
//! Two sets are equal when they agree at each of their end points and between each two neighbours. So every end point
//! is given its rank r among all of them, and stands at place 2r + 1; the even places are the gaps.

mod ranks;

use super::{
    exact::Work,
    scalar::infinity,
    tree::{Answer, Joint, Node},
};
use ranks::Ranks;

/// A set whose end points are of type `E`.
enum Region<E> {
    Interval { low: E, holds_low: bool, high: E, holds_high: bool },
    Points(Vec<E>),
    Combined(Box<(Region<E>, Region<E>)>, char),
    Reals,
}

/// A set as an answer gives it, and the name of its members where it has one.
pub(super) struct Named<'a> {
    region: Region<&'a Node>,
    name: Option<&'a str>,
    /// Whether only commas join its conditions, which then hold together.
    by_commas: bool,
}

impl<'a> Named<'a> {
    /// The set that `answer` describes, its end points without variables; none where it is no set.
    pub(super) fn from(answer: &'a Answer) -> Option<Self> {
        let plain = |region| Some(Self { region, name: None, by_commas: false });
        match answer {
            Answer::Reals => plain(Region::Reals),
            Answer::Tuple(open @ ('(' | '['), items, close @ (')' | ']')) => {
                let [low, high] = items.as_slice() else { return None };
                plain(Region::Interval {
                    low: end(low)?,
                    holds_low: *open == '[',
                    high: end(high)?,
                    holds_high: *close == ']',
                })
            }
            Answer::Set(items) => Self::from_points(items),
            Answer::Combined(pair, sign) => Self::from(&pair.0)?.combine(Self::from(&pair.1)?, *sign),
            Answer::Relation(sides, signs) => Self::from_relation(sides, signs),
            Answer::List(joint, items) => Self::from_list(*joint, items),
            _ => None,
        }
    }

    /// `{2, 3}` or, of one variable, `{x = 2, x = 3}`.
    fn from_points(items: &'a [Answer]) -> Option<Self> {
        let mut names = Vec::new();
        let points = items.iter().map(|item| match item {
            Answer::Relation(sides, signs) => match (sides.as_slice(), signs.as_slice()) {
                ([member, value], ['=']) => {
                    names.push(variable(member)?);
                    end(value)
                }
                _ => None,
            },
            value => end(value),
        });
        let points = points.collect::<Option<Vec<_>>>()?;
        let name = names.first().copied();
        let is_one = names.iter().all(|other| Some(*other) == name);
        is_one.then_some(Self { region: Region::Points(points), name, by_commas: false })
    }

    /// `x > 2 and x < 5`, `x < 0 or x > 1`, `x ∈ ℝ, x ≠ 2, 3`: with "or" one of them holds, else all.
    fn from_list(joint: Joint, items: &'a [Answer]) -> Option<Self> {
        let sign = if joint == Joint::Or { '∪' } else { '∩' };
        // The variable of the `≠` before, which is not the values behind it either.
        let mut other = None;
        let mut regions = items.iter().map(|item| match item {
            Answer::Relation(sides, signs) => {
                other = sides.first().and_then(variable).filter(|_| *signs == ['≠'] && sign == '∩');
                // Equations side by side give several values.
                Self::from(item).filter(|_| joint != Joint::Comma || *signs != ['='])
            }
            Answer::Quantity(..) => {
                let region = Region::compared(end(item)?, '≠')?;
                Some(Self { region, name: Some(other?), by_commas: false })
            }
            Answer::List(Joint::Or, _) if sign == '∩' => Self::from(item),
            _ if joint == Joint::Comma => None,
            Answer::Combined(..) => Self::from(item),
            // A pair in round brackets may be a point.
            Answer::Tuple('(', ends, ')') if !ends.iter().any(is_infinite) => None,
            Answer::Tuple(..) => Self::from(item),
            _ => None,
        });
        let first = regions.next()??;
        let all = regions.try_fold(first, |all, region| all.combine(region?, sign))?;
        Some(Self { by_commas: joint == Joint::Comma, ..all })
    }

    fn combine(self, other: Self, sign: char) -> Option<Self> {
        let name = self.name.or(other.name);
        (other.name.is_none_or(|other| name == Some(other))).then(|| Self {
            region: self.region.combined(other.region, sign),
            name,
            by_commas: false,
        })
    }

    /// `x > 2`, `2 < x`, `0 ≤ x < 1`, `x ≠ 3`, `x ∈ S`, `x ∉ S`.
    fn from_relation(sides: &'a [Answer], signs: &[char]) -> Option<Self> {
        let named = |region, member| Some(Self { region, name: Some(variable(member)?), by_commas: false });
        match (sides, signs) {
            ([member, set], ['∈']) => named(Self::from(set)?.region, member),
            ([member, set], ['∉']) => named(Region::Reals.combined(Self::from(set)?.region, '∖'), member),
            ([left, right], [sign]) if variable(left).is_some() => {
                named(Region::compared(end(right)?, *sign)?, left)
            }
            ([left, right], [sign]) => named(Region::compared(end(left)?, mirrored(*sign))?, right),
            ([low, member, high], [first, second]) => {
                let low = Region::compared(end(low)?, mirrored(*first))?;
                let high = Region::compared(end(high)?, *second)?;
                let rising = |sign: &char| matches!(sign, '<' | '≤');
                let falling = |sign: &char| matches!(sign, '>' | '≥');
                let one_way = rising(first) && rising(second) || falling(first) && falling(second);
                if one_way { named(low.combined(high, '∩'), member) } else { None }
            }
            _ => None,
        }
    }

    /// Whether both are the same set of the same variable; none where an end point cannot be placed, or where commas join
    /// what cannot hold together, as in `x < 0, x > 1`.
    pub(super) fn same(&self, other: &Self, work: &Work) -> Option<bool> {
        if let (Some(a), Some(b)) = (self.name, other.name)
            && a != b
        {
            return Some(false);
        }
        let mut ends = Vec::new();
        self.region.ends(&mut ends);
        other.region.ends(&mut ends);
        let ranks = Ranks::new(ends, work)?;
        let (a, b) = (self.region.ranked(&ranks)?, other.region.ranked(&ranks)?);
        let places = 0..=2 * ranks.n_ends;
        let is_empty = |region: &Region<i64>| !places.clone().any(|place| region.contains(place));
        if self.by_commas && is_empty(&a) || other.by_commas && is_empty(&b) {
            return None;
        }
        Some(places.clone().all(|place| a.contains(place) == b.contains(place)))
    }
}

fn mirrored(sign: char) -> char {
    match sign {
        '<' => '>',
        '>' => '<',
        '≤' => '≥',
        '≥' => '≤',
        other => other,
    }
}

fn variable(answer: &Answer) -> Option<&str> {
    match answer {
        Answer::Quantity(Node::Variable(name), None) => Some(name),
        _ => None,
    }
}

fn is_infinite(end: &Answer) -> bool {
    matches!(end, Answer::Quantity(node, _) if infinity(node).is_some())
}

fn end(answer: &Answer) -> Option<&Node> {
    match answer {
        Answer::Quantity(node, None) if node.variables().is_empty() => Some(node),
        _ => None,
    }
}

impl<E> Region<E> {
    fn combined(self, other: Self, sign: char) -> Self {
        Self::Combined(Box::new((self, other)), sign)
    }
}

const INFINITE: &Node = &Node::Constant(super::tree::Constant::Infinity);

impl<'a> Region<&'a Node> {
    /// All numbers x with `x sign end`.
    fn compared(end: &'a Node, sign: char) -> Option<Self> {
        Some(match sign {
            '=' => Self::Points(vec![end]),
            '≠' => Self::Reals.combined(Self::Points(vec![end]), '∖'),
            '>' | '≥' => {
                Self::Interval { low: end, holds_low: sign == '≥', high: INFINITE, holds_high: false }
            }
            '<' | '≤' => {
                let below =
                    Self::Interval { low: end, holds_low: sign == '<', high: INFINITE, holds_high: false };
                Self::Reals.combined(below, '∖')
            }
            _ => return None,
        })
    }

    fn ends(&self, into: &mut Vec<&'a Node>) {
        match self {
            Self::Interval { low, high, .. } => into.extend([low, high]),
            Self::Points(points) => into.extend(points),
            Self::Combined(pair, _) => {
                pair.0.ends(into);
                pair.1.ends(into);
            }
            Self::Reals => {}
        }
    }

    fn ranked(&self, ranks: &Ranks<'_>) -> Option<Region<i64>> {
        Some(match self {
            Self::Interval { low, holds_low, high, holds_high } => Region::Interval {
                low: ranks.place(low)?,
                holds_low: *holds_low,
                high: ranks.place(high)?,
                holds_high: *holds_high,
            },
            Self::Points(points) => {
                Region::Points(points.iter().map(|point| ranks.place(point)).collect::<Option<_>>()?)
            }
            Self::Combined(pair, sign) => {
                Region::Combined(Box::new((pair.0.ranked(ranks)?, pair.1.ranked(ranks)?)), *sign)
            }
            Self::Reals => Region::Reals,
        })
    }
}

impl Region<i64> {
    fn contains(&self, place: i64) -> bool {
        match self {
            Self::Interval { low, holds_low, high, holds_high } => {
                (*low < place || *holds_low && *low == place)
                    && (place < *high || *holds_high && place == *high)
            }
            Self::Points(points) => points.contains(&place),
            Self::Combined(pair, sign) => {
                let (left, right) = (pair.0.contains(place), pair.1.contains(place));
                match sign {
                    '∪' => left || right,
                    '∩' => left && right,
                    _ => left && !right,
                }
            }
            Self::Reals => true,
        }
    }
}
