//! Edge attribution patching with integrated gradients: what each edge adds to the loss.
//!
//! ```text
//! score(u -> v) = sum over positions of < z_u - z'_u , mean over k = 1..m of dL/d(input of v) >
//! ```
//!
//! z_u is what u writes in the clean run, z'_u in the corrupted one; gradients are those of runs on the embeddings
//! `z' + (k / m) (z - z')`. Edges that carry the answer lower the loss: their scores are negative. The cheap score of a source, the same with
//! the gradient of its own write, is the sum over its edges.

use anyhow::Result;
use tch::{Kind, Tensor};

use super::graph::Graph;
use super::loss::Loss;
use super::pairs::Pair;
use super::pass::{HeadGradients, Place, Run, Visitor, logits, of_loss, pull_back};
use super::{CircuitConfig, tokens};
use crate::model::Policy;

/// Pairs of equal length side by side, with their clean and their corrupted run.
pub(super) struct Batch<'p> {
    pub(super) policy: &'p Policy,
    pub(super) graph: Graph,
    pub(super) loss: Loss,
    pub(super) clean: Run,
    pub(super) corrupted: Run,
    /// Losses of the runs of each pair, f32 `[P]`: the clean one, the corrupted one.
    pub(super) losses: [Tensor; 2],
    /// P.
    n_pairs: i64,
    /// `z - z'` of each source, `[P, S, T, E]`.
    differences: Tensor,
}

impl<'p> Batch<'p> {
    /// Of `pairs`, which are equally long.
    pub(super) fn new(policy: &'p Policy, pairs: &[&Pair], config: &CircuitConfig) -> Self {
        let _guard = tch::no_grad_guard();
        let decoder = policy.network.decoder();
        let run = |of: fn(&Pair) -> &[u32]| {
            let ids = tokens(pairs.iter().map(|pair| of(pair)), policy.network.placement.device);
            Run::new(&decoder, decoder.begin(&ids), true)
        };
        let (clean, corrupted) = (run(|pair| &pair.clean), run(|pair| &pair.corrupted));
        let [of_clean, of_corrupted] = [&clean, &corrupted].map(|run| logits(policy, &run.last()));
        let loss = Loss::new(config.metric, pairs, &of_clean);
        let losses = [loss.of(&of_clean), loss.of(&of_corrupted)];
        let mut differences = vec![(&clean.starts[0] - &corrupted.starts[0]).unsqueeze(0)];
        for (own, other) in clean.writes.iter().zip(&corrupted.writes) {
            differences.push(&own.heads - &other.heads); // (H, P, T, E)
            differences.push((&own.mlp - &other.mlp).unsqueeze(0));
        }
        let differences = Tensor::cat(&differences, 0).transpose(0, 1).contiguous();
        let n_pairs = pairs.len() as i64;
        Self {
            policy,
            graph: Graph::of(&policy.network.config),
            loss,
            clean,
            corrupted,
            losses,
            n_pairs,
            differences,
        }
    }

    /// The score of every edge for each pair, f32 `[P, S, number of destinations]`, 0 where there is no edge.
    ///
    /// # Errors
    /// That of `check`.
    pub(super) fn edges(
        &self,
        steps: usize,
        max_tokens: usize,
        check: &dyn Fn() -> Result<()>,
    ) -> Result<Tensor> {
        let (n_sources, n_destinations) = (self.graph.n_sources() as i64, self.graph.n_destinations() as i64);
        let size = [self.n_pairs, n_sources, n_destinations];
        let options = (Kind::Float, self.differences.device());
        let mut edges = Edges { batch: self, scores: Tensor::zeros(size, options) };
        self.integrate(steps, max_tokens, &mut edges, check)?;
        Ok(edges.scores / steps as f64)
    }

    /// The score of every source for each pair, f32 `[P, S]`.
    ///
    /// # Errors
    /// That of `check`.
    pub(super) fn sources(
        &self,
        steps: usize,
        max_tokens: usize,
        check: &dyn Fn() -> Result<()>,
    ) -> Result<Tensor> {
        let size = [self.n_pairs, self.graph.n_sources() as i64];
        let options = (Kind::Float, self.differences.device());
        let mut sources = Sources { batch: self, scores: Tensor::zeros(size, options) };
        self.integrate(steps, max_tokens, &mut sources, check)?;
        Ok(sources.scores / steps as f64)
    }

    /// Shows `visitor` the gradients of all runs between the corrupted and the clean embeddings, at most `max_tokens` at a time, or
    /// one run of each pair.
    fn integrate(
        &self,
        steps: usize,
        max_tokens: usize,
        visitor: &mut dyn Visitor,
        check: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        let decoder = self.policy.network.decoder();
        let (from, to) = (&self.corrupted.starts[0], &self.clean.starts[0]);
        let (_, t, e) = from.size3()?;
        let n_at_once = (max_tokens / (self.n_pairs * t).max(1) as usize).max(1);
        let shares: Vec<f32> = (1..=steps).map(|k| k as f32 / steps as f32).collect();
        for shares in shares.chunks(n_at_once) {
            let shares =
                Tensor::from_slice(shares).view([1, -1, 1, 1]).to_device(from.device()).to_kind(from.kind());
            let begin = tch::no_grad(|| {
                (from.unsqueeze(1) + shares * (to - from).unsqueeze(1)).view([-1, t, e]) // (P m, T, E)
            });
            let run = Run::new(&decoder, begin, false);
            let d_last = of_loss(self.policy, &run.last(), |logits| self.loss.of(logits))?;
            pull_back(&decoder, &run, &d_last, visitor, check)?;
        }
        Ok(())
    }

    /// Differences of the first `n` sources of pair `p`, `[n, T E]`.
    fn first(&self, p: i64, n: usize) -> Tensor {
        self.differences.select(0, p).narrow(0, 0, n as i64).flatten(1, -1)
    }

    /// The sum over the runs of each pair of `d` `[P m, ..]`, `[P, ..]`.
    fn of_pairs(&self, d: &Tensor) -> Tensor {
        d.unflatten(0, [self.n_pairs, -1]).sum_dim_intlist([1i64].as_slice(), false, None)
    }
}

/// Adds up the scores of edges.
struct Edges<'b, 'p> {
    batch: &'b Batch<'p>,
    scores: Tensor,
}

impl Edges<'_, '_> {
    /// Those into destinations `to` and the next ones, of which `d` `[P, n, T, E]` are the gradients.
    fn add(&mut self, to: usize, d: &Tensor) {
        let _guard = tch::no_grad_guard();
        let (n, n_read) = (d.size()[1], self.batch.graph.n_read(to));
        for p in 0..self.batch.n_pairs {
            let found = self.batch.first(p, n_read).mm(&d.select(0, p).flatten(1, -1).transpose(0, 1)); // (n_read, n)
            let mut place = self.scores.select(0, p).narrow(0, 0, n_read as i64).narrow(1, to as i64, n);
            place += found.to_kind(Kind::Float);
        }
    }
}

impl Visitor for Edges<'_, '_> {
    fn logits(&mut self, d: &Tensor) {
        let _guard = tch::no_grad_guard();
        let d = self.batch.of_pairs(d); // (P, E)
        let last = self.batch.differences.select(2, -1); // (P, S, E)
        let found = last.bmm(&d.unsqueeze(-1)).squeeze_dim(-1); // (P, S)
        let mut place = self.scores.select(2, self.batch.graph.logits() as i64);
        place += found.to_kind(Kind::Float);
    }

    fn mlp_reads(&mut self, l: usize, d: &Tensor) {
        self.add(self.batch.graph.mlp_reader(l), &self.batch.of_pairs(d).unsqueeze(1));
    }

    fn heads_read(&mut self, l: usize, d: &HeadGradients<'_>) {
        self.add(self.batch.graph.readers_of(l).start, &d.sums(self.batch.n_pairs));
    }

    fn written(&mut self, _place: Place, _d: &Tensor) {}
}

/// Adds up the scores of sources.
struct Sources<'b, 'p> {
    batch: &'b Batch<'p>,
    scores: Tensor,
}

impl Visitor for Sources<'_, '_> {
    fn logits(&mut self, _d: &Tensor) {}

    fn mlp_reads(&mut self, _l: usize, _d: &Tensor) {}

    fn heads_read(&mut self, _l: usize, _d: &HeadGradients<'_>) {}

    fn written(&mut self, place: Place, d: &Tensor) {
        let _guard = tch::no_grad_guard();
        let graph = self.batch.graph;
        let (first, n) = match place {
            Place::Embed => (0, 1),
            Place::Mlp(l) => (graph.mlp_of(l), 1),
            Place::Heads(l) => (graph.heads_of(l).start, graph.heads),
        };
        let own = self.batch.differences.narrow(1, first as i64, n as i64).flatten(2, -1); // (P, n, T E)
        let found = own.bmm(&self.batch.of_pairs(d).flatten(1, -1).unsqueeze(-1)).squeeze_dim(-1); // (P, n)
        let mut place = self.scores.narrow(1, first as i64, n as i64);
        place += found.to_kind(Kind::Float);
    }
}
