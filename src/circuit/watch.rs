//! Which heads carry the answer while a policy trains, by the cheap scores.
//!
//! ```text
//! heads      the fewest that hold four fifths of the sum of all heads' absolute scores
//! emergent   those that the policy before the first step did not have;  lost   those that it had
//! turnover   heads that came or went since the measurement before, over all that either has
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::findings::SourceScores;
use crate::types::{HeadId, MetricRow, Step};

/// Share of the scores that the heads hold together.
const HELD: f64 = 0.8;
/// Heads whose share says how few carry all.
const TOP: usize = 10;

/// One measurement, a line of `circuit.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// The step behind which the policy was measured.
    pub step: Step,
    /// The heads that carry the answer, in order of layer and number.
    pub heads: BTreeSet<HeadId>,
    /// Mean absolute score of every head, by layer and number.
    pub scores: Vec<f64>,
}

impl Measured {
    /// What `scores` say of the policy behind `step`.
    pub(crate) fn new(step: Step, scores: &SourceScores) -> Self {
        let graph = scores.graph;
        let of_heads = (0..graph.n_sources()).filter_map(|node| Some((graph.head(node)?, scores.abs[node])));
        let mut ranked: Vec<(HeadId, f64)> = of_heads.collect();
        let scores = ranked.iter().map(|(_, score)| *score).collect();
        ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let all: f64 = ranked.iter().map(|(_, score)| score).sum();
        let mut held = 0.0;
        let heads = ranked.into_iter().take_while(|(_, score)| {
            let is_needed = held < HELD * all;
            held += score;
            is_needed
        });
        Self { step, heads: heads.map(|(head, _)| head).collect(), scores }
    }

    /// `circuit/*`, beside the first measurement and the one before.
    pub(crate) fn row(&self, first: &Self, before: &Self) -> MetricRow {
        let only = |a: &Self, b: &Self| a.heads.difference(&b.heads).count() as f64;
        let either = self.heads.union(&before.heads).count().max(1) as f64;
        let mut scores = self.scores.clone();
        scores.sort_by(|a, b| b.total_cmp(a));
        let sum = |scores: &[f64]| scores.iter().sum::<f64>();
        let all = sum(&scores);
        let share = if all > 0.0 { sum(&scores[..TOP.min(scores.len())]) / all } else { 0.0 };
        [
            ("circuit/heads", self.heads.len() as f64),
            ("circuit/emergent", only(self, first)),
            ("circuit/lost", only(first, self)),
            ("circuit/turnover", (only(self, before) + only(before, self)) / either),
            ("circuit/share_top10", share),
        ]
        .into_iter()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::Graph;
    use super::*;

    #[test]
    fn the_fewest_heads_that_hold_four_fifths() {
        // Sources: embed, two heads and the MLP of each of two layers.
        let scores = |abs: [f64; 7]| SourceScores {
            graph: Graph { layers: 2, heads: 2 },
            n_pairs: 1,
            score: vec![0.0; 7],
            abs: abs.to_vec(),
        };
        let first = Measured::new(0, &scores([9.0, 5.0, 1.0, 9.0, 3.0, 1.0, 9.0]));
        let head = |layer, head| HeadId { layer, head };
        assert_eq!(first.heads.iter().copied().collect::<Vec<_>>(), [head(0, 0), head(1, 0)]);
        let later = Measured::new(5, &scores([0.0, 0.0, 4.0, 0.0, 4.0, 2.0, 0.0]));
        assert_eq!(later.heads.iter().copied().collect::<Vec<_>>(), [head(0, 1), head(1, 0)]);
        let row = later.row(&first, &first);
        let of = |key: &str| row.get(key);
        assert_eq!(
            (of("circuit/heads"), of("circuit/emergent"), of("circuit/lost")),
            (Some(2.0), Some(1.0), Some(1.0))
        );
        assert_eq!((of("circuit/turnover"), of("circuit/share_top10")), (Some(2.0 / 3.0), Some(1.0)));
        assert_eq!(later.row(&first, &later).get("circuit/turnover"), Some(0.0));
    }
}
