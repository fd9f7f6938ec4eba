//! What is left of the clean run when everything outside of a circuit carries what the corrupted run wrote.
//!
//! ```text
//! input of v = sum over u in circuit(v) of what u writes now + sum over the others of z'_u
//!            = input of v in the corrupted run + sum over u in circuit(v) of (what u writes now - z'_u)
//! ```
//!
//! The whole graph gives the clean run, no edge the corrupted one.

use tch::Tensor;

use super::attribution::Batch;
use super::graph::Edge;
use super::pass::logits;

impl Batch<'_> {
    /// The loss of the run of each pair through `circuit` alone, f32 `[P]`.
    pub(super) fn through(&self, circuit: &[Edge]) -> Tensor {
        let _guard = tch::no_grad_guard();
        let (graph, decoder) = (self.graph, self.policy.network.decoder());
        let (p, t, e) = self.corrupted.end.size3().unwrap_or_default();
        let (h, d) = (decoder.config.n_heads, decoder.config.head_dim);
        let is_kept = self.kept(circuit); // (destinations, S)
        let kept = |to: usize, n: usize| {
            is_kept.narrow(0, to as i64, n as i64).narrow(1, 0, graph.n_read(to) as i64)
        };
        let rotation = decoder.rotation_of(t);
        // What each source so far writes now, less what it wrote: (S, P T E).
        let mut now = (&self.clean.starts[0] - &self.corrupted.starts[0]).view([1, -1]);
        for (l, wrote) in self.corrupted.writes.iter().enumerate() {
            let readers = graph.readers_of(l);
            let changes = kept(readers.start, readers.len()).mm(&now).view([3 * h, p * t, e]);
            let x = self.corrupted.starts[l].view([1, p * t, e]) + changes; // (3H, P T, E)
            let unit = decoder.normed_apart(&x).unit * decoder.attention_gain(l);
            let own = decoder.readers(l);
            let read = unit.bmm(&own.weight.transpose(1, 2)); // (3H, P T, D)
            let read = own.bias.map_or_else(|| read.shallow_clone(), |bias| &read + bias.unsqueeze(1));
            let read = read.view([3 * h, p, t, d]).permute([1, 2, 0, 3]); // (P, T, 3H, D)
            let writes = decoder.each_head_writes(l, &decoder.attend(l, &read.contiguous(), &rotation));
            now = Tensor::cat(&[now, (writes - &wrote.heads).view([h, -1])], 0);

            let changes = kept(graph.mlp_reader(l), 1).mm(&now).view([p, t, e]);
            let writes = decoder.mlp_writes(l, &(&self.corrupted.middles[l] + changes));
            now = Tensor::cat(&[now, (writes - &wrote.mlp).view([1, -1])], 0);
        }
        let last = now.view([-1, p, t, e]).select(2, -1).flatten(1, -1); // (S, P E)
        let changes = kept(graph.logits(), 1).mm(&last).view([p, e]);
        self.loss.of(&logits(self.policy, &(self.corrupted.last() + changes)))
    }

    /// 1 where `circuit` has an edge and 0 elsewhere, `[number of destinations, S]`.
    fn kept(&self, circuit: &[Edge]) -> Tensor {
        let (n, n_sources) = (self.graph.n_destinations(), self.graph.n_sources());
        let mut flags = vec![0f32; n * n_sources];
        circuit.iter().for_each(|edge| flags[edge.to * n_sources + edge.from] = 1.0);
        let end = &self.corrupted.end;
        Tensor::from_slice(&flags)
            .view([n as i64, n_sources as i64])
            .to_kind(end.kind())
            .to_device(end.device())
    }
}
