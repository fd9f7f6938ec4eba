//! The circuit of many pairs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};

use super::CircuitConfig;
use super::attribution::Batch;
use super::config::Aggregate;
use super::curve::Point;
use super::graph::{Edge, Graph};
use super::pairs::Pair;
use super::select::{Cut, heads, select};
use super::sums::{Part, Sums};
use crate::model::Policy;
use crate::stats::mean;
use crate::types::HeadId;

/// How a circuit is looked for.
pub(crate) struct Search<'a> {
    /// Of whom.
    pub policy: &'a Policy,
    /// How.
    pub config: &'a CircuitConfig,
    /// Tokens of a pass, or one run of a pair where that has more.
    pub max_tokens: usize,
    /// Asked now and then; its error ends the search.
    pub check: &'a dyn Fn() -> Result<()>,
    /// Hears of so many more pairs that are done.
    pub advance: &'a dyn Fn(usize),
}

/// What was found.
pub(crate) struct Findings {
    /// Nodes and edges.
    pub graph: Graph,
    /// Number of pairs.
    pub n_pairs: usize,
    /// Mean score of every edge: of source s into destination d at `s * n_destinations + d`.
    pub score: Vec<f64>,
    /// Mean absolute score of every edge.
    pub abs: Vec<f64>,
    /// The edges of the circuit.
    pub circuit: Vec<Edge>,
    /// Number of pairs whose own circuit has the head.
    pub own: BTreeMap<HeadId, usize>,
    /// Mean loss of the clean runs, of the corrupted ones, and of those through the circuit.
    pub losses: [f64; 3],
    /// Circuits of other sizes, where they were asked for.
    pub curve: Vec<Point>,
    /// What the scores took, and the runs through the circuit.
    pub took: [Duration; 2],
}

/// What every source adds to the loss, all its edges together.
pub(crate) struct SourceScores {
    /// Nodes and edges.
    pub graph: Graph,
    /// Number of pairs.
    pub n_pairs: usize,
    /// Mean score of every source.
    pub score: Vec<f64>,
    /// Mean absolute score.
    pub abs: Vec<f64>,
}

/// What a head does in a circuit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Importance {
    /// Sum of the mean absolute scores of the circuit's edges that leave it.
    pub importance: f64,
    /// That over the sum of all heads'.
    pub share: f64,
    /// Share of the pairs whose own circuit has it.
    pub frequency: f64,
}

impl Search<'_> {
    /// The circuit of `pairs`. What an interrupted search left in `part` is not computed again.
    ///
    /// # Errors
    /// If libtorch fails; that of `check`; if scores are not finite, or `part` cannot be written.
    pub(crate) fn run(&self, pairs: &[Pair], part: Option<&mut Part>) -> Result<Findings> {
        let start = Instant::now();
        let graph = Graph::of(&self.policy.network.config);
        let cut = Cut { edges: self.config.edges, threshold: self.config.threshold };
        let batches = self.batches(pairs);
        let Sums { mut score, mut abs, own, losses: [clean, corrupted], .. } =
            self.scored(&batches, cut, part)?;
        let n = pairs.len() as f64;
        score.iter_mut().chain(&mut abs).for_each(|sum| *sum /= n);
        let circuit = select(graph, &self.magnitudes(&score, &abs), cut);
        let scored = start.elapsed();
        let mut through = Vec::new();
        for pairs in &batches {
            (self.check)()?;
            through.extend(numbers(&Batch::new(self.policy, pairs, self.config).through(&circuit))?);
            (self.advance)(pairs.len());
        }
        let losses = [clean, corrupted, through].map(|losses| mean(&losses));
        let took = [scored, start.elapsed() - scored];
        let own = own.into_iter().collect();
        Ok(Findings {
            graph,
            n_pairs: pairs.len(),
            score,
            abs,
            circuit,
            own,
            losses,
            curve: Vec::new(),
            took,
        })
    }

    /// What edges are ranked by.
    pub(super) fn magnitudes<'s>(&self, score: &[f64], abs: &'s [f64]) -> Cow<'s, [f64]> {
        match self.config.aggregate {
            Aggregate::MeanAbs => Cow::Borrowed(abs),
            Aggregate::AbsMean => score.iter().map(|score| score.abs()).collect(),
        }
    }

    /// The sums over all `batches`.
    fn scored(&self, batches: &[Vec<&Pair>], cut: Cut, mut part: Option<&mut Part>) -> Result<Sums> {
        let graph = Graph::of(&self.policy.network.config);
        let left = part.as_mut().and_then(|part| part.take());
        let mut sums = left.unwrap_or_else(|| Sums::none(graph));
        let done = sums.n_passes.min(batches.len());
        (self.advance)(batches[..done].iter().map(Vec::len).sum());
        for pairs in &batches[done..] {
            let found = self.add(&mut sums, pairs, cut);
            if let Some(part) = &mut part {
                part.keep(&sums, found.is_err() || sums.n_passes == batches.len())?;
            }
            found?;
            (self.advance)(pairs.len());
        }
        Ok(sums)
    }

    /// Adds the scores of `pairs` to `sums`, or nothing where that fails.
    fn add(&self, sums: &mut Sums, pairs: &[&Pair], cut: Cut) -> Result<()> {
        let batch = Batch::new(self.policy, pairs, self.config);
        let found = batch.edges(self.config.steps, self.max_tokens, self.check)?;
        let scores = (0..pairs.len()).map(|p| numbers(&found.get(p as i64))).collect::<Result<Vec<_>>>()?;
        let [clean, corrupted] = &batch.losses;
        let losses = [numbers(clean)?, numbers(corrupted)?];
        for (of_pair, pair) in scores.iter().zip(pairs) {
            require_finite(of_pair, &pair.place)?;
            let magnitudes: Vec<f64> = of_pair.iter().map(|score| score.abs()).collect();
            sums.add(of_pair, heads(batch.graph, &select(batch.graph, &magnitudes, cut)));
        }
        sums.losses.iter_mut().zip(losses).for_each(|(all, own)| all.extend(own));
        sums.n_passes += 1;
        Ok(())
    }

    /// The cheap scores of all sources over `pairs`: their edges are not told apart.
    ///
    /// # Errors
    /// As [`Search::run`].
    pub(crate) fn sources(&self, pairs: &[Pair]) -> Result<SourceScores> {
        let graph = Graph::of(&self.policy.network.config);
        let (mut score, mut abs) = (vec![0.0; graph.n_sources()], vec![0.0; graph.n_sources()]);
        for pairs in self.batches(pairs) {
            let batch = Batch::new(self.policy, &pairs, self.config);
            let found = batch.sources(self.config.steps, self.max_tokens, self.check)?;
            let found = numbers(&found)?;
            require_finite(&found, &pairs[0].place)?;
            for (i, of_source) in found.into_iter().enumerate() {
                score[i % graph.n_sources()] += of_source;
                abs[i % graph.n_sources()] += of_source.abs();
            }
            (self.advance)(pairs.len());
        }
        score.iter_mut().chain(&mut abs).for_each(|sum| *sum /= pairs.len() as f64);
        Ok(SourceScores { graph, n_pairs: pairs.len(), score, abs })
    }

    /// Pairs of equal length, together as many as a pass has room for.
    pub(super) fn batches<'p>(&self, pairs: &'p [Pair]) -> Vec<Vec<&'p Pair>> {
        let mut by_length: BTreeMap<usize, Vec<&Pair>> = BTreeMap::new();
        for pair in pairs {
            by_length.entry(pair.clean.len()).or_default().push(pair);
        }
        let n_at_once = |length: usize| (self.max_tokens / (length * self.config.steps)).max(1);
        let of_length = |(length, pairs): (usize, Vec<&'p Pair>)| {
            pairs.chunks(n_at_once(length)).map(<[&Pair]>::to_vec).collect::<Vec<_>>()
        };
        by_length.into_iter().flat_map(of_length).collect()
    }
}

impl Findings {
    /// What every head does in the circuit, by layer and number.
    pub(crate) fn heads(&self) -> Vec<(HeadId, Importance)> {
        let mut sums: BTreeMap<HeadId, f64> = BTreeMap::new();
        for edge in &self.circuit {
            if let Some(head) = self.graph.head(edge.from) {
                *sums.entry(head).or_default() += self.abs[edge.from * self.graph.n_destinations() + edge.to];
            }
        }
        let all: f64 = sums.values().sum();
        let of = |head: HeadId| {
            let importance = sums.get(&head).copied().unwrap_or_default();
            let n_own = self.own.get(&head).copied().unwrap_or_default();
            let share = if all > 0.0 { importance / all } else { 0.0 };
            (head, Importance { importance, share, frequency: n_own as f64 / self.n_pairs as f64 })
        };
        self.graph.all_heads().map(of).collect()
    }

    /// How much of the way from the corrupted to the clean runs those through the circuit go; `None` where there is no way.
    pub(crate) fn recovered(&self) -> Option<f64> {
        self.way(self.losses[2])
    }

    /// How much of that way a mean loss of `loss` is.
    pub(super) fn way(&self, loss: f64) -> Option<f64> {
        let [clean, corrupted, _] = self.losses;
        (clean != corrupted).then(|| (loss - corrupted) / (clean - corrupted))
    }
}

/// That numbers were found, which weights that are broken have none of.
fn require_finite(scores: &[f64], place: &str) -> Result<()> {
    ensure!(
        scores.iter().all(|score| score.is_finite()),
        "{place}: scores that are not finite; expected numbers: the model's weights are broken, or too large for this precision \
         (--dtype f32)"
    );
    Ok(())
}

pub(super) fn numbers(x: &Tensor) -> Result<Vec<f64>> {
    Ok(Vec::try_from(x.reshape([-1]).to_kind(Kind::Double))?)
}
