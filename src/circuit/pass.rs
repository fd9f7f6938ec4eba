//! Passes of which every write is seen, and the gradient of a loss with respect to every input.
//!
//! For the input x of the heads of a layer, with `n = x / r`, `r = rms(x)`, gain g and `z = W (g n) + b` what one head makes of it,
//!
//! ```text
//! dL/dx by this head alone = (g * (W^T dz)) / r - n ((z - b) . dz) / (r E)
//! ```
//!
//! so that its mean over the m runs of a pair needs one product with W of the mean of `dz / r`, and no product with W for each run.

use anyhow::{Context, Result};
use tch::{Kind, Tensor};

use crate::model::{Decoder, Policy, Readers};

/// A forward pass of B sequences of T tokens.
pub(super) struct Run {
    /// The residual stream before the heads of each layer, `[B, T, E]`.
    pub starts: Vec<Tensor>,
    /// Before the MLP of each layer.
    pub middles: Vec<Tensor>,
    /// Behind the last layer.
    pub end: Tensor,
    /// What was written, where that was asked for.
    pub writes: Vec<Writes>,
}

/// What a layer wrote.
pub(super) struct Writes {
    /// Each of its heads, `[H, B, T, E]`.
    pub heads: Tensor,
    /// Its MLP, `[B, T, E]`.
    pub mlp: Tensor,
}

impl Run {
    /// From the residual stream that embeddings begin, `[B, T, E]`.
    pub(super) fn new(decoder: &Decoder<'_>, begin: Tensor, sees_writes: bool) -> Self {
        let _guard = tch::no_grad_guard();
        let rotation = decoder.rotation_of(begin.size()[1]);
        let mut run = Self { starts: Vec::new(), middles: Vec::new(), end: begin, writes: Vec::new() };
        for l in 0..decoder.weights.layers.len() {
            let start = run.end;
            let gathered = decoder.attend(l, &decoder.read(l, &start), &rotation);
            let middle = &start + decoder.heads_write(l, &gathered);
            let mlp = decoder.mlp_writes(l, &middle);
            run.end = &middle + &mlp;
            if sees_writes {
                run.writes.push(Writes { heads: decoder.each_head_writes(l, &gathered), mlp });
            }
            run.starts.push(start);
            run.middles.push(middle);
        }
        run
    }

    /// The residual stream at the last position, `[B, E]`.
    pub(super) fn last(&self) -> Tensor {
        self.end.select(1, -1)
    }
}

/// Logits of `last` `[.., E]`, f32 `[.., V]`; those of rows without a token are as low as can be told.
pub(super) fn logits(policy: &Policy, last: &Tensor) -> Tensor {
    policy.next_logits(&policy.network.decoder().end(last))
}

/// Sees the gradients of a backward pass go by, from the logits down.
pub(super) trait Visitor {
    /// With respect to what the logits read at the last position, `[B, E]`.
    fn logits(&mut self, d: &Tensor);

    /// With respect to what the MLP of layer `l` reads, `[B, T, E]`.
    fn mlp_reads(&mut self, l: usize, d: &Tensor);

    /// With respect to what each of the heads of layer `l` reads.
    fn heads_read(&mut self, l: usize, d: &HeadGradients<'_>);

    /// With respect to all that is written into the residual stream at `place`, `[B, T, E]`.
    fn written(&mut self, place: Place, d: &Tensor);
}

/// Where something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// By the MLP of a layer.
    Mlp(usize),
    /// By the heads of a layer.
    Heads(usize),
    /// By the embeddings.
    Embed,
}

/// The gradients with respect to the queries, keys and values of a layer, and what leads from there to the residual stream.
pub(super) struct HeadGradients<'a> {
    readers: Readers,
    gain: Tensor,
    /// n, `[B, T, E]`.
    unit: &'a Tensor,
    /// `dz / r`, `[B, T, 3H, D]`.
    scaled: Tensor,
    /// `((z - b) . dz) / (r E)`, `[B, T, 3H]`.
    along: Tensor,
}

impl HeadGradients<'_> {
    /// Sums over the runs of each pair, `[P, 3H, T, E]`, of B = P m runs, pair after pair.
    pub(super) fn sums(&self, n_pairs: i64) -> Tensor {
        let (b, t, h3, d) = size4(&self.scaled);
        let (e, m) = (self.unit.size()[2], b / n_pairs);
        let sums = self.scaled.view([n_pairs, m, t, h3, d]).sum_dim_intlist([1i64].as_slice(), false, None);
        let rows = sums.view([n_pairs * t, h3, d]).transpose(0, 1); // (3H, P T, D)
        let through = rows.bmm(&self.readers.weight) * &self.gain; // (3H, P T, E)
        let through = through.view([h3, n_pairs, t, e]).transpose(0, 1); // (P, 3H, T, E)
        // By token: (3H, m) x (m, E).
        let by_token = |x: &Tensor, w: i64| {
            x.view([n_pairs, m, t, w]).permute([0, 2, 1, 3]).reshape([n_pairs * t, m, w])
        };
        let along = by_token(&self.along, h3).transpose(1, 2).bmm(&by_token(self.unit, e)); // (P T, 3H, E)
        through - along.view([n_pairs, t, h3, e]).transpose(1, 2)
    }

    /// Of all heads together, `[B, T, E]`.
    fn total(&self) -> Tensor {
        let (b, t, h3, d) = size4(&self.scaled);
        let through = self.scaled.view([b * t, h3 * d]).mm(&self.readers.weight.flatten(0, 1));
        let along = self.along.sum_dim_intlist([2i64].as_slice(), true, None); // (B, T, 1)
        through.view([b, t, -1]) * &self.gain - along * self.unit
    }
}

/// Shows `visitor` the gradients of a loss whose own with respect to the end of the residual stream of `run` at the last position is
/// `d_last` `[B, E]`.
///
/// # Errors
/// That of `check`, which is asked before each layer.
pub(super) fn pull_back(
    decoder: &Decoder<'_>,
    run: &Run,
    d_last: &Tensor,
    visitor: &mut dyn Visitor,
    check: &dyn Fn() -> Result<()>,
) -> Result<()> {
    visitor.logits(d_last);
    let mut d = run.end.zeros_like(); // (B, T, E)
    d.select(1, -1).copy_(d_last);
    let rotation = decoder.rotation_of(run.end.size()[1]);
    for l in (0..run.starts.len()).rev() {
        check()?;
        visitor.written(Place::Mlp(l), &d);
        let by_mlp = gradient(&run.middles[l], &d, |x| decoder.mlp_writes(l, x))?;
        visitor.mlp_reads(l, &by_mlp);
        d += by_mlp;
        visitor.written(Place::Heads(l), &d);

        let start = &run.starts[l];
        let read = tch::no_grad(|| decoder.read(l, start)); // (B, T, 3H, D)
        let d_read = gradient(&read, &d, |read| decoder.heads_write(l, &decoder.attend(l, read, &rotation)))?;
        let _guard = tch::no_grad_guard();
        let normed = decoder.normed_apart(start);
        let readers = decoder.readers(l);
        let raw = match &readers.bias {
            Some(bias) => read - bias,
            None => read,
        };
        let e = start.size()[2] as f64;
        let d_heads = HeadGradients {
            along: (raw * &d_read).sum_dim_intlist([-1i64].as_slice(), false, None) * (&normed.scale / e),
            scaled: d_read * normed.scale.unsqueeze(-1),
            unit: &normed.unit,
            gain: decoder.attention_gain(l),
            readers,
        };
        visitor.heads_read(l, &d_heads);
        d += d_heads.total();
    }
    visitor.written(Place::Embed, &d);
    Ok(())
}

/// The gradient of `<f(x), d>` with respect to `x`.
fn gradient(x: &Tensor, d: &Tensor, f: impl FnOnce(&Tensor) -> Tensor) -> Result<Tensor> {
    let x = x.detach().set_requires_grad(true);
    let product = (f(&x) * d).sum(Kind::Float);
    let mut found = Tensor::run_backward(&[product], &[&x], false, false);
    found.pop().context("a gradient of one input")
}

/// The gradient of the sum of `loss` of what ends in `last` `[B, E]`.
///
/// # Errors
/// If libtorch finds none.
pub(super) fn of_loss(
    policy: &Policy,
    last: &Tensor,
    loss: impl FnOnce(&Tensor) -> Tensor,
) -> Result<Tensor> {
    let last = last.detach().set_requires_grad(true);
    let sum = loss(&logits(policy, &last)).sum(Kind::Float);
    let mut found = Tensor::run_backward(&[sum], &[&last], false, false);
    found.pop().context("a gradient of one input")
}

fn size4(x: &Tensor) -> (i64, i64, i64, i64) {
    x.size4().unwrap_or_default()
}
