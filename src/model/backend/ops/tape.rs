//! A pass that autograd goes back through, as a whole or layer by layer.

use anyhow::Result;
use tch::{Kind, Tensor};

use super::super::{Decoder, Forward, Tape};
use crate::model::gradient::Gradient;
use crate::model::inputs::Inputs;
use crate::model::layout::{Layout, Slot};

/// What autograd keeps of a pass.
enum PassTape {
    /// The embeddings `[N, E]`, a leaf, and the hidden states that came of them.
    Graph { embedded: Tensor, hidden: Tensor },
    /// The residual stream `[N, E]` before each layer and behind the last one, leaves, to compute again from.
    Inputs(Vec<Tensor>),
}

pub(super) fn forward(decoder: &Decoder<'_>, inputs: &Inputs, recompute: bool) -> Forward {
    let leaf = |x: Tensor| x.detach().set_requires_grad(true);
    let embedded = leaf(tch::no_grad(|| decoder.embed(&inputs.tokens)));
    let (hidden, tape) = match recompute {
        true => tch::no_grad(|| {
            let rotation = decoder.rotation(inputs);
            let mut starts = vec![embedded];
            for l in 0..decoder.weights.layers.len() {
                let x = decoder.layer(inputs, &rotation, l, starts[l].detach(), &mut None);
                starts.push(leaf(x));
            }
            let last = &starts[starts.len() - 1];
            (decoder.norm(last, &decoder.weights.final_norm), PassTape::Inputs(starts))
        }),
        false => {
            let hidden = decoder.hidden(inputs, embedded.shallow_clone(), None);
            (hidden.detach(), PassTape::Graph { embedded, hidden })
        }
    };
    Forward { hidden, tape: Box::new(tape) }
}

impl Tape for PassTape {
    fn pull_back(
        self: Box<Self>,
        decoder: &Decoder<'_>,
        layout: &Layout,
        inputs: &Inputs,
        d_hidden: &Tensor,
        gradient: &mut Gradient,
    ) -> Result<()> {
        let d_embedded = match *self {
            Self::Graph { embedded, hidden } => {
                pull_back(&hidden, d_hidden, &embedded, &decoder.weights.inner(layout), gradient)
            }
            Self::Inputs(starts) => by_layers(decoder, layout, inputs, &starts, d_hidden, gradient),
        };
        let _guard = tch::no_grad_guard();
        let d_rows = d_embedded.to_kind(Kind::Float);
        let vocab_size = decoder.config.vocab_size;
        let d_embed = Tensor::embedding_dense_backward(&d_rows, &inputs.tokens, vocab_size, -1, false);
        gradient.part(&layout.embed).add(&d_embed);
        Ok(())
    }
}

/// Computes layer after layer again, the last one first, and pulls the gradient back through each.
fn by_layers(
    decoder: &Decoder<'_>,
    layout: &Layout,
    inputs: &Inputs,
    starts: &[Tensor],
    d_hidden: &Tensor,
    gradient: &mut Gradient,
) -> Tensor {
    let weights = decoder.weights;
    let rotation = decoder.rotation(inputs);
    let mut d = d_hidden.shallow_clone();
    for (l, start) in starts.iter().enumerate().rev() {
        let x = start.shallow_clone();
        let (out, leaves) = match weights.layers.get(l) {
            None => (decoder.norm(&x, &weights.final_norm), weights.final_leaf(layout)),
            Some(_) => {
                let out = decoder.layer(inputs, &rotation, l, x, &mut None);
                (out, weights.layer_leaves(layout, l))
            }
        };
        d = pull_back(&out, &d, start, &leaves, gradient);
    }
    d
}

/// Autograd's way from `y`, whose gradient is `d`, back to `leaves`, whose gradients it adds to `gradient`, and to `x`.
fn pull_back(
    y: &Tensor,
    d: &Tensor,
    x: &Tensor,
    leaves: &[(Slot, Tensor)],
    gradient: &mut Gradient,
) -> Tensor {
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
