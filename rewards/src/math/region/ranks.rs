//! End points in their order.

use std::collections::BTreeMap;

use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive};

use crate::math::{
    approx::Point,
    exact::{Work, exact},
    number,
    scalar::{infinity, same},
    tree::Node,
};

/// Most end points in both sets together.
const MAX_ENDS: usize = 128;
/// Longest fraction that is compared with others, in bits.
const MAX_FRACTION: u64 = 1024;

/// The finite end points in their order.
pub(super) struct Ranks<'a> {
    /// Each with its rank; equal end points share a rank.
    ends: Vec<(&'a Node, i64)>,
    pub n_ends: i64,
}

impl<'a> Ranks<'a> {
    pub(super) fn new(nodes: Vec<&'a Node>, work: &Work) -> Option<Self> {
        if nodes.len() > MAX_ENDS {
            return None;
        }
        let finite = nodes.into_iter().filter(|node| infinity(node).is_none());
        let mut valued = finite.map(|node| Some((value(node, work)?, node))).collect::<Option<Vec<_>>>()?;
        valued.sort_by(|((a, exact_a), _), ((b, exact_b), _)| {
            a.total_cmp(b).then_with(|| exact_a.cmp(exact_b))
        });
        let (mut ends, mut rank, mut before) = (Vec::new(), -1, None);
        for (_, node) in valued {
            let repeated = before.map_or(Some(false), |before| same(before, node, work))?;
            rank += i64::from(!repeated);
            ends.push((node, rank));
            before = Some(node);
        }
        Some(Self { ends, n_ends: rank + 1 })
    }

    /// The place of `node`, one of the end points themselves.
    pub(super) fn place(&self, node: &Node) -> Option<i64> {
        match infinity(node) {
            Some(true) => Some(2 * self.n_ends + 1),
            Some(false) => Some(-1),
            None => self.ends.iter().find_map(|(end, rank)| std::ptr::eq(*end, node).then_some(2 * rank + 1)),
        }
    }
}

/// The value as a float, and exactly where it is rational, which parts what is one float.
fn value(node: &Node, work: &Work) -> Option<(f64, Option<BigRational>)> {
    let Some(value) = exact(node, work) else {
        return Some((Point::new(BTreeMap::new(), work).value(node)?.real()?, None));
    };
    if !value.is_integer() && number::bits(&value) > MAX_FRACTION {
        return None;
    }
    let beyond = if value.is_negative() { f64::NEG_INFINITY } else { f64::INFINITY };
    Some((value.to_f64().unwrap_or(beyond), Some(value)))
}
