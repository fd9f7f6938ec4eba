//! A pass that autograd goes back through, as a whole or layer by layer.

use anyhow::Result;
use tch::{Kind, Tensor};

use super::super::{Decoder, Forward, Tape};
use crate::model::gradient::Gradient;
use crate::model::inputs::Inputs;
use crate::model::layout::{Layout, Slot};

/// What autograd keeps of a pass, cut between layers so that the gradients of one are all that is held at a time.
struct PassTape {
    /// The residual stream `[N, E]` before each layer and behind the last one, leaves.
    starts: Vec<Tensor>,
    /// What came of each of them, with the way that autograd goes back; without it layers are computed again.
    ends: Option<Vec<Tensor>>,
}

pub(super) fn forward(decoder: &Decoder<'_>, inputs: &Inputs, recompute: bool) -> Forward {
    let leaf = |x: &Tensor| x.detach().set_requires_grad(true);
    let rotation = decoder.rotation(inputs);
    let mut starts = vec![leaf(&tch::no_grad(|| decoder.embed(&inputs.tokens)))];
    let mut ends = Vec::new();
    for l in 0..decoder.weights.layers.len() {
        let x = starts[l].shallow_clone();
        let end = match recompute {
            true => tch::no_grad(|| decoder.layer(inputs, &rotation, l, x, &mut None)),
            false => decoder.layer(inputs, &rotation, l, x, &mut None),
        };
        starts.push(leaf(&end));
        ends.push(end);
    }
    let norm = || decoder.norm(&starts[starts.len() - 1], &decoder.weights.final_norm);
    let hidden = if recompute { tch::no_grad(norm) } else { norm() };
    let forward = hidden.detach();
    ends.push(hidden);
    Forward { hidden: forward, tape: Box::new(PassTape { starts, ends: (!recompute).then_some(ends) }) }
}

impl Tape for PassTape {
    /// One layer after the other, the last one first.
    fn pull_back(
        self: Box<Self>,
        decoder: &Decoder<'_>,
        layout: &Layout,
        inputs: &Inputs,
        d_hidden: &Tensor,
        gradient: &mut Gradient,
    ) -> Result<()> {
        let Self { mut starts, mut ends } = *self;
        let weights = decoder.weights;
        let rotation = decoder.rotation(inputs);
        let mut d = d_hidden.shallow_clone();
        while let Some(start) = starts.pop() {
            let (l, x) = (starts.len(), start.shallow_clone());
            let is_last = l == weights.layers.len();
            let end = ends.as_mut().and_then(Vec::pop).unwrap_or_else(|| match is_last {
                true => decoder.norm(&x, &weights.final_norm),
                false => decoder.layer(inputs, &rotation, l, x, &mut None),
            });
            let leaves = if is_last { weights.final_leaf(layout) } else { weights.layer_leaves(layout, l) };
            d = pull_back(&end, &d, &start, &leaves, gradient);
        }
        if !gradient.wants(&layout.embed) {
            return Ok(());
        }
        let _guard = tch::no_grad_guard();
        let d_rows = d.to_kind(Kind::Float);
        let vocab_size = decoder.config.vocab_size;
        let d_embed = Tensor::embedding_dense_backward(&d_rows, &inputs.tokens, vocab_size, -1, false);
        gradient.part(&layout.embed).add(&d_embed);
        Ok(())
    }
}

/// Autograd's way from `y`, whose gradient is `d`, back to `leaves`, of which those that `gradient` wants are added to it, and to
/// `x`.
fn pull_back(
    y: &Tensor,
    d: &Tensor,
    x: &Tensor,
    leaves: &[(Slot, Tensor)],
    gradient: &mut Gradient,
) -> Tensor {
    let leaves: Vec<&(Slot, Tensor)> = leaves.iter().filter(|(slot, _)| gradient.wants(slot)).collect();
    let inputs: Vec<&Tensor> = std::iter::once(x).chain(leaves.iter().map(|(_, leaf)| leaf)).collect();
    // The inner product's derivative with respect to `y` is exactly `d`; its value does not matter.
    let product = (y * d).sum(None);
    let mut grads = Tensor::run_backward(&[product], &inputs, false, false).into_iter();
    let d_x = grads.next().unwrap_or_else(|| x.zeros_like());
    let _guard = tch::no_grad_guard();
    for ((slot, _), grad) in leaves.iter().zip(grads) {
        gradient.part(slot).add(&grad);
    }
    d_x
}
