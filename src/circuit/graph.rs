//! Who may read whom: the nodes of a decoder and the edges between them.
//!
//! ```text
//! sources        embed, then layer by layer a write of each query head and one of the MLP
//! destinations   layer by layer h0.q, h0.k, h0.v, h1.q, .. and the MLP, then the logits
//! ```
//!
//! A source has the number of its node. What a destination may read are the sources before it: those of lower layers, an MLP also
//! the heads of its own layer.

use std::ops::Range;

use crate::types::HeadId;

/// L layers of H query heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Graph {
    /// L.
    pub layers: usize,
    /// H.
    pub heads: usize,
}

/// An edge: the write of a source into a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Edge {
    /// Number of the source.
    pub from: usize,
    /// Number of the destination.
    pub to: usize,
}

/// What a destination is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Query, key or value (0, 1, 2) of a head.
    Head(HeadId, usize),
    /// The MLP of a layer.
    Mlp(usize),
    /// The logits.
    Logits,
}

impl Graph {
    /// Number of sources, which are all nodes but the logits.
    pub(crate) fn n_sources(self) -> usize {
        1 + self.layers * (self.heads + 1)
    }

    /// Number of destinations.
    pub(crate) fn n_destinations(self) -> usize {
        self.layers * (3 * self.heads + 1) + 1
    }

    /// Number of edges.
    pub(crate) fn n_edges(self) -> usize {
        (0..self.n_destinations()).map(|to| self.n_read(to)).sum()
    }

    /// Number of the first head's write in layer `l`.
    pub(super) fn heads_of(self, l: usize) -> Range<usize> {
        let first = 1 + l * (self.heads + 1);
        first..first + self.heads
    }

    /// Number of the write of the MLP in layer `l`.
    pub(super) fn mlp_of(self, l: usize) -> usize {
        self.heads_of(l).end
    }

    /// Numbers of the inputs of the heads in layer `l`.
    pub(super) fn readers_of(self, l: usize) -> Range<usize> {
        let first = l * (3 * self.heads + 1);
        first..first + 3 * self.heads
    }

    /// Number of the input of the MLP in layer `l`.
    pub(super) fn mlp_reader(self, l: usize) -> usize {
        self.readers_of(l).end
    }

    /// Number of the input of the logits.
    pub(super) fn logits(self) -> usize {
        self.n_destinations() - 1
    }

    /// What destination `to` is.
    pub(super) fn reader(self, to: usize) -> Reader {
        let (layer, place) = (to / (3 * self.heads + 1), to % (3 * self.heads + 1));
        match () {
            () if layer == self.layers => Reader::Logits,
            () if place == 3 * self.heads => Reader::Mlp(layer),
            () => Reader::Head(HeadId { layer, head: place / 3 }, place % 3),
        }
    }

    /// How many sources, from the first, destination `to` may read.
    pub(crate) fn n_read(self, to: usize) -> usize {
        match self.reader(to) {
            Reader::Head(HeadId { layer, .. }, _) => self.heads_of(layer).start,
            Reader::Mlp(layer) => self.mlp_of(layer),
            Reader::Logits => self.n_sources(),
        }
    }

    /// The node that destination `to` belongs to; that of the logits is behind all sources.
    pub(super) fn node_of(self, to: usize) -> usize {
        match self.reader(to) {
            Reader::Head(HeadId { layer, head }, _) => self.heads_of(layer).start + head,
            Reader::Mlp(layer) => self.mlp_of(layer),
            Reader::Logits => self.n_sources(),
        }
    }

    /// The head that source `from` is.
    pub(crate) fn head(self, from: usize) -> Option<HeadId> {
        let place = from.checked_sub(1)?;
        let (layer, head) = (place / (self.heads + 1), place % (self.heads + 1));
        (layer < self.layers && head < self.heads).then_some(HeadId { layer, head })
    }

    /// All heads, by layer and number.
    pub(crate) fn all_heads(self) -> impl Iterator<Item = HeadId> {
        (0..self.layers).flat_map(move |layer| (0..self.heads).map(move |head| HeadId { layer, head }))
    }

    /// All edges, by source, then by destination.
    pub(crate) fn edges(self) -> impl Iterator<Item = Edge> {
        let to = move |from: usize| (0..self.n_destinations()).filter(move |to| from < self.n_read(*to));
        (0..self.n_sources()).flat_map(move |from| to(from).map(move |to| Edge { from, to }))
    }

    /// What node `node` is called.
    pub(crate) fn node_name(self, node: usize) -> String {
        match (node, self.head(node)) {
            (0, _) => "embed".to_owned(),
            (_, Some(HeadId { layer, head })) => format!("a{layer}.h{head}"),
            _ if node == self.n_sources() => "logits".to_owned(),
            _ => format!("m{}", (node - 1) / (self.heads + 1)),
        }
    }

    /// What destination `to` is called.
    pub(crate) fn reader_name(self, to: usize) -> String {
        let node = self.node_name(self.node_of(to));
        match self.reader(to) {
            Reader::Head(_, part) => format!("{node}.{}", ["q", "k", "v"][part]),
            Reader::Mlp(_) | Reader::Logits => node,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_counted_and_called_as_the_definition_has_it() {
        assert_eq!(Graph { layers: 28, heads: 12 }.n_edges(), 183_555);
        let graph = Graph { layers: 2, heads: 2 };
        let nodes: Vec<String> = (0..=graph.n_sources()).map(|node| graph.node_name(node)).collect();
        assert_eq!(nodes, ["embed", "a0.h0", "a0.h1", "m0", "a1.h0", "a1.h1", "m1", "logits"]);
        let of = |from: usize| {
            let own = graph.edges().filter(|edge| edge.from == from);
            own.map(|edge| graph.reader_name(edge.to)).collect::<Vec<_>>()
        };
        assert_eq!(
            of(2),
            ["m0", "a1.h0.q", "a1.h0.k", "a1.h0.v", "a1.h1.q", "a1.h1.k", "a1.h1.v", "m1", "logits"]
        );
        assert_eq!((of(5), of(6)), (vec!["m1".to_owned(), "logits".to_owned()], vec!["logits".to_owned()]));
        assert_eq!(graph.edges().count(), graph.n_edges());
        assert!(graph.edges().is_sorted());
        assert_eq!(graph.head(5), Some(HeadId { layer: 1, head: 1 }));
        assert_eq!([0, 3, 6, 7].map(|node| graph.head(node)), [None; 4]);
    }
}
