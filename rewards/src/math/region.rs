//! Sets of real numbers: intervals, points, and what `∪`, `∩` and `∖` make of them.
//!
//! Two sets are equal when they agree at each of their end points and between each two neighbours. So every end point
//! is given its rank r among all of them, and stands at place 2r + 1; the even places are the gaps.

use std::collections::BTreeMap;

use super::{
    approx::Point,
    exact::Work,
    scalar::{infinity, same},
    tree::{Answer, Joint, Node},
};

/// Most end points in both sets together.
const MAX_ENDS: usize = 128;

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
}

impl<'a> Named<'a> {
    /// The set that `answer` describes, its end points without variables; none where it is no set.
    pub(super) fn from(answer: &'a Answer) -> Option<Self> {
        let plain = |region| Some(Self { region, name: None });
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
            Answer::Set(items) => plain(Region::Points(items.iter().map(end).collect::<Option<_>>()?)),
            Answer::Combined(pair, sign) => Self::from(&pair.0)?.combine(Self::from(&pair.1)?, *sign),
            Answer::Relation(sides, signs) => Self::from_relation(sides, signs),
            Answer::List(joint @ (Joint::And | Joint::Or), items) => {
                let sign = if *joint == Joint::Or { '∪' } else { '∩' };
                let mut regions = items.iter().map(|item| match item {
                    Answer::Relation(..) | Answer::Combined(..) => Self::from(item),
                    // A pair in round brackets may be a point.
                    Answer::Tuple('(', ends, ')') if !ends.iter().any(is_infinite) => None,
                    Answer::Tuple(..) => Self::from(item),
                    _ => None,
                });
                let first = regions.next()??;
                regions.try_fold(first, |all, region| all.combine(region?, sign))
            }
            _ => None,
        }
    }

    fn combine(self, other: Self, sign: char) -> Option<Self> {
        let name = self.name.or(other.name);
        (other.name.is_none_or(|other| name == Some(other)))
            .then(|| Self { region: Region::Combined(Box::new((self.region, other.region)), sign), name })
    }

    /// `x > 2`, `2 < x`, `0 ≤ x < 1`, `x ≠ 3`, `x ∈ S`.
    fn from_relation(sides: &'a [Answer], signs: &[char]) -> Option<Self> {
        match (sides, signs) {
            ([member, set], ['∈']) => {
                let set = Self::from(set)?;
                Some(Self { name: Some(variable(member)?), ..set })
            }
            ([left, right], [sign]) => match variable(left) {
                Some(name) => Some(Self { region: Region::compared(end(right)?, *sign)?, name: Some(name) }),
                None => {
                    let region = Region::compared(end(left)?, mirrored(*sign))?;
                    Some(Self { region, name: Some(variable(right)?) })
                }
            },
            ([low, member, high], [first, second]) => {
                let low = Region::compared(end(low)?, mirrored(*first))?;
                let high = Region::compared(end(high)?, *second)?;
                let rising = |sign: &char| matches!(sign, '<' | '≤');
                let falling = |sign: &char| matches!(sign, '>' | '≥');
                let one_way = rising(first) && rising(second) || falling(first) && falling(second);
                let region = Region::Combined(Box::new((low, high)), '∩');
                Some(Self { region, name: Some(variable(member).filter(|_| one_way)?) })
            }
            _ => None,
        }
    }

    /// Whether both are the same set of the same variable; none where an end point cannot be placed.
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
        Some((0..=2 * ranks.n_ends).all(|place| a.contains(place) == b.contains(place)))
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

const INFINITE: &Node = &Node::Constant(super::tree::Constant::Infinity);

impl<'a> Region<&'a Node> {
    /// All numbers x with `x sign end`.
    fn compared(end: &'a Node, sign: char) -> Option<Self> {
        Some(match sign {
            '=' => Self::Points(vec![end]),
            '≠' => Self::Combined(Box::new((Self::Reals, Self::Points(vec![end]))), '∖'),
            '>' | '≥' => {
                Self::Interval { low: end, holds_low: sign == '≥', high: INFINITE, holds_high: false }
            }
            '<' | '≤' => {
                let below =
                    Self::Interval { low: end, holds_low: sign == '<', high: INFINITE, holds_high: false };
                Self::Combined(Box::new((Self::Reals, below)), '∖')
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

    fn ranked(&self, ranks: &Ranks) -> Option<Region<i64>> {
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

/// The finite end points in their order.
struct Ranks<'a> {
    /// Value and rank of each; equal end points share a rank.
    ends: Vec<(f64, i64)>,
    n_ends: i64,
    work: &'a Work,
}

impl<'a> Ranks<'a> {
    fn new(nodes: Vec<&Node>, work: &'a Work) -> Option<Self> {
        if nodes.len() > MAX_ENDS {
            return None;
        }
        let finite = nodes.into_iter().filter(|node| infinity(node).is_none());
        let mut valued = finite.map(|node| Some((value(node, work)?, node))).collect::<Option<Vec<_>>>()?;
        valued.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let (mut ends, mut rank, mut before) = (Vec::new(), -1, None);
        for (value, node) in valued {
            let repeated = before.map_or(Some(false), |before| same(before, node, work))?;
            rank += i64::from(!repeated);
            ends.push((value, rank));
            before = Some(node);
        }
        Some(Self { ends, n_ends: rank + 1, work })
    }

    fn place(&self, node: &Node) -> Option<i64> {
        match infinity(node) {
            Some(true) => Some(2 * self.n_ends + 1),
            Some(false) => Some(-1),
            None => {
                let value = value(node, self.work)?;
                self.ends.iter().find_map(|(end, rank)| (*end == value).then_some(2 * rank + 1))
            }
        }
    }
}

fn value(node: &Node, work: &Work) -> Option<f64> {
    Point::new(BTreeMap::new(), work).value(node)?.real()
}
