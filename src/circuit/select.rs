//! From scores to a circuit: the strongest edges that lie on paths from the embeddings to the logits.
//!
//! ```text
//! 1. the n edges of largest magnitude (of equal ones the earlier), and of these the ones that reach the threshold
//! 2. until nothing changes: drop an edge whose source nothing enters (but `embed`), or whose destination's node nothing leaves
//!    (but `logits`)
//! ```

use std::collections::BTreeSet;

use super::graph::{Edge, Graph};
use crate::types::HeadId;

/// Magnitudes of all edges: of source s into destination d at `s * n_destinations + d`.
pub(super) type Magnitudes = [f64];

/// How many edges are kept, and how strong they must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) edges: usize,
    pub(super) threshold: f64,
}

/// The circuit of `magnitudes`, in the order of edges.
pub(super) fn select(graph: Graph, magnitudes: &Magnitudes, cut: Cut) -> Vec<Edge> {
    let of = |edge: &Edge| magnitudes[edge.from * graph.n_destinations() + edge.to];
    let mut ranked: Vec<Edge> = graph.edges().collect();
    let stronger = |a: &Edge, b: &Edge| of(b).total_cmp(&of(a)).then(a.cmp(b));
    if cut.edges < ranked.len() {
        ranked.select_nth_unstable_by(cut.edges, stronger);
        ranked.truncate(cut.edges);
    }
    ranked.retain(|edge| of(edge) >= cut.threshold);
    ranked.sort_unstable();
    prune(graph, ranked)
}

/// What of `edges` lies on paths from the embeddings to the logits.
fn prune(graph: Graph, mut edges: Vec<Edge>) -> Vec<Edge> {
    let logits = graph.n_sources();
    loop {
        let mut is_entered = vec![false; logits + 1];
        let mut is_left = vec![false; logits + 1];
        (is_entered[0], is_left[logits]) = (true, true);
        for edge in &edges {
            is_entered[graph.node_of(edge.to)] = true;
            is_left[edge.from] = true;
        }
        let n = edges.len();
        edges.retain(|edge| is_entered[edge.from] && is_left[graph.node_of(edge.to)]);
        if edges.len() == n {
            return edges;
        }
    }
}

/// The heads that `edges` touch.
pub(super) fn heads(graph: Graph, edges: &[Edge]) -> BTreeSet<HeadId> {
    let nodes = edges.iter().flat_map(|edge| [edge.from, graph.node_of(edge.to)]);
    nodes.filter_map(|node| graph.head(node)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// embed -> a0.h0.q -> ... of two layers of one head; strengths by name.
    #[test]
    fn what_leads_nowhere_goes_round_by_round() {
        let graph = Graph { layers: 2, heads: 1 };
        let all = Cut { edges: 100, threshold: 1.0 };
        let circuit = |strong: &[(&str, &str)]| {
            let strength = |from: usize, to: usize| {
                let names = (graph.node_name(from), graph.reader_name(to));
                f64::from(u8::from(strong.iter().any(|(from, to)| *from == names.0 && *to == names.1)))
            };
            let n = graph.n_destinations();
            let magnitudes: Vec<f64> = (0..graph.n_sources() * n).map(|i| strength(i / n, i % n)).collect();
            let name = |edge: Edge| format!("{} {}", graph.node_name(edge.from), graph.reader_name(edge.to));
            select(graph, &magnitudes, all).into_iter().map(name).collect::<Vec<_>>()
        };
        let whole = [("embed", "a0.h0.k"), ("a0.h0", "m1"), ("m1", "logits")];
        assert_eq!(circuit(&whole), ["embed a0.h0.k", "a0.h0 m1", "m1 logits"]);
        // m0 is entered and left into a1.h0, which writes nowhere.
        let with_dead_end = [&whole[..], &[("embed", "m0"), ("m0", "a1.h0.v")]].concat();
        assert_eq!(circuit(&with_dead_end).len(), 3);
        assert!(circuit(&whole[1..]).is_empty());
    }

    #[test]
    fn of_equal_edges_the_earlier_stays() {
        let graph = Graph { layers: 1, heads: 1 };
        let circuit = select(
            graph,
            &vec![2.0; graph.n_sources() * graph.n_destinations()],
            Cut { edges: 5, threshold: 0.0 },
        );
        // The five edges that leave `embed`; those into the head and the MLP end there.
        assert_eq!(circuit, [Edge { from: 0, to: 4 }]);
    }
}
