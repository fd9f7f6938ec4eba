//! What circuits of other sizes recover, by the same scores.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Search;
use super::attribution::Batch;
use super::findings::{Findings, numbers};
use super::pairs::Pair;
use super::select::{Cut, heads, select};
use crate::stats::mean;

/// A circuit of some size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// Edges that it was made of; all there are where more were asked for.
    pub edges: usize,
    /// Those that lie on paths from the embeddings to the logits.
    pub kept: usize,
    /// Its heads.
    pub heads: usize,
    /// Mean loss of the runs through it.
    pub loss: f64,
    /// Share of the way from the corrupted to the clean loss; `None` if these are equal.
    pub recovered: Option<f64>,
}

/// Sizes of three to a tenfold, up to all `n_edges`.
#[must_use]
pub(crate) fn usual_sizes(n_edges: usize) -> Vec<usize> {
    let sizes = (1..).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_usize.pow(power)));
    sizes.take_while(|size| *size < n_edges).chain([n_edges]).collect()
}

impl Search<'_> {
    /// Circuits made of the `sizes` strongest edges of `found`, over the same `pairs`.
    ///
    /// # Errors
    /// If libtorch fails; that of `check`.
    pub(crate) fn curve(&self, pairs: &[Pair], found: &Findings, sizes: &[usize]) -> Result<Vec<Point>> {
        let graph = found.graph;
        let magnitudes = self.magnitudes(&found.score, &found.abs);
        let sizes: Vec<usize> = sizes.iter().map(|size| (*size).min(graph.n_edges())).collect();
        let cut = |edges| Cut { edges, threshold: self.config.threshold };
        let circuits: Vec<_> = sizes.iter().map(|edges| select(graph, &magnitudes, cut(*edges))).collect();
        let mut losses = vec![Vec::new(); sizes.len()];
        for pairs in self.batches(pairs) {
            let batch = Batch::new(self.policy, &pairs, self.config);
            for (losses, circuit) in losses.iter_mut().zip(&circuits) {
                (self.check)()?;
                losses.extend(numbers(&batch.through(circuit))?);
            }
        }
        let point = |((edges, circuit), losses): ((&usize, &Vec<_>), &Vec<f64>)| {
            let loss = mean(losses);
            let n_heads = heads(graph, circuit).len();
            Point { edges: *edges, kept: circuit.len(), heads: n_heads, loss, recovered: found.way(loss) }
        };
        Ok(sizes.iter().zip(&circuits).zip(&losses).map(point).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::usual_sizes;

    #[test]
    fn sizes_grow_to_all_edges() {
        assert_eq!(usual_sizes(927), [10, 20, 50, 100, 200, 500, 927]);
        assert_eq!(usual_sizes(100), [10, 20, 50, 100]);
        assert_eq!(usual_sizes(7), [7]);
    }
}
