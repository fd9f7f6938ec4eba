//! End points in their order.

use std::collections::BTreeMap;

use crate::math::{
    approx::Point,
    exact::Work,
    scalar::{infinity, same},
    tree::Node,
};

/// Most end points in both sets together.
const MAX_ENDS: usize = 128;

/// The finite end points in their order.
pub(super) struct Ranks<'a> {
    /// Value and rank of each; equal end points share a rank.
    ends: Vec<(f64, i64)>,
    pub n_ends: i64,
    work: &'a Work,
}

impl<'a> Ranks<'a> {
    pub(super) fn new(nodes: Vec<&Node>, work: &'a Work) -> Option<Self> {
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

    pub(super) fn place(&self, node: &Node) -> Option<i64> {
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
