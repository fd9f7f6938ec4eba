//! A pass over whole sequences, forward and backward, with the kernels of [`crate::kernel`]; activations are row-major, a row
//! per token. What it computes, [`Decoder::hidden`] and autograd compute by libtorch's operations.
//!
//! Of each layer a pass keeps what its gradient cannot do without; norms and gates are made again from that. Where memory is
//! short it keeps the layer's input alone, and the layer is computed again.

use anyhow::Result;
use tch::{Kind, Tensor};

use super::super::{Decoder, Forward, Tap, Tape};
use super::attention::{Attention, MAX_MAP};
use super::product::{add_outer, filling, linear, mm};
use super::{head_norms, in_kind};
use crate::kernel::{
    Angles, HeadRows, NormBack, NormGradients, Number, Owned, add_norm_rows, add_rows, gate_rows,
    gate_rows_back, norm_rows_back, view,
};
use crate::model::gradient::Gradient;
use crate::model::inputs::Inputs;
use crate::model::layout::{LayerLayout, Layout, Slot};
use crate::model::rope::Tables;
use crate::model::weights::LayerWeights;

/// What the gradient of a pass needs of it.
struct PassTape {
    layers: Vec<Kept>,
    last: Normed, // of the final norm
}

/// What is kept of a layer.
enum Kept {
    All(LayerTape),
    /// The residual stream before it, `[N, E]`.
    Input(Tensor),
}

/// The rows that were normed, `[N, E]`, and what they were multiplied by, f32 `[N]`.
struct Normed {
    x: Tensor,
    scale: Tensor,
}

struct LayerTape {
    attention: AttentionTape,
    mlp: MlpTape,
}

struct AttentionTape {
    input: Normed,
    qkv: Tensor,      // (N, (H + 2K) D), before norm and rotation
    attended: Tensor, // (N, H D)
}

struct MlpTape {
    input: Normed,
    gate_up: Owned, // (N, 2F)
}

pub(super) fn hidden(decoder: &Decoder<'_>, inputs: &Inputs, mut tap: Option<Tap<'_>>) -> Result<Tensor> {
    let rope = decoder.rope.tables(inputs.n_positions());
    let (_, hidden) = in_kind!(decoder.weights.embed.kind(), T => {
        CpuPass::<T>::new(decoder, inputs, &rope)?.forward(&mut tap, drop)?
    });
    Ok(hidden)
}

pub(super) fn forward(decoder: &Decoder<'_>, inputs: &Inputs, recompute: bool) -> Result<Forward> {
    let _guard = tch::no_grad_guard();
    let mut layers = Vec::with_capacity(decoder.weights.layers.len());
    let keep = |tape: LayerTape| {
        layers.push(if recompute { Kept::Input(tape.attention.input.x) } else { Kept::All(tape) });
    };
    let rope = decoder.rope.tables(inputs.n_positions());
    let (last, hidden) = in_kind!(decoder.weights.embed.kind(), T => {
        CpuPass::<T>::new(decoder, inputs, &rope)?.forward(&mut None, keep)?
    });
    Ok(Forward { hidden, tape: Box::new(PassTape { layers, last }) })
}

pub(super) fn read_until(decoder: &Decoder<'_>, inputs: &Inputs, last: usize, tap: Tap<'_>) -> Result<()> {
    let rope = decoder.rope.tables(inputs.n_positions());
    in_kind!(decoder.weights.embed.kind(), T => {
        CpuPass::<T>::new(decoder, inputs, &rope)?.read_until(last, tap)
    })
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
        let _guard = tch::no_grad_guard();
        let mut target = Target { layout, gradient };
        let rope = decoder.rope.tables(inputs.n_positions());
        in_kind!(decoder.weights.embed.kind(), T => {
            CpuPass::<T>::new(decoder, inputs, &rope)?.backward(*self, d_hidden, &mut target)
        })
    }
}

/// Where gradients go.
struct Target<'a> {
    layout: &'a Layout,
    gradient: &'a mut Gradient,
}

impl Target<'_> {
    /// Adds that of a weight `[out, in]`, from those of the product's rows `d` `[N, out]` and the rows `x` `[N, in]`.
    fn product(&mut self, slot: &Slot, d: &Tensor, x: &Tensor) -> Result<()> {
        add_outer(&mut self.gradient.part(slot), d, x)
    }
}

/// Queries, keys and values of the rows `normed` `[N, E]`, side by side.
fn qkv(layer: &LayerWeights, normed: &Tensor) -> Result<Tensor> {
    let mut qkv = linear(normed, &layer.qkv)?.into_tensor();
    if let Some(bias) = &layer.qkv_bias {
        qkv += bias;
    }
    Ok(qkv)
}

/// A pass under way in numbers of kind `T`.
struct CpuPass<'a, T> {
    decoder: &'a Decoder<'a>,
    inputs: &'a Inputs,
    rope: Angles<'a, T>,
    eps: f32,
}

impl<'a, T: Number> CpuPass<'a, T> {
    fn new(decoder: &'a Decoder<'a>, inputs: &'a Inputs, rope: &'a Tables) -> Result<Self> {
        let rope = Angles { cos: view(&rope.cos)?, sin: view(&rope.sin)? };
        Ok(Self { decoder, inputs, rope, eps: decoder.config.rms_norm_eps as f32 })
    }

    /// The rows of the final norm and what it gives, `[N, E]`. `keep` gets each layer's tape.
    fn forward(
        &self,
        tap: &mut Option<Tap<'_>>,
        mut keep: impl FnMut(LayerTape),
    ) -> Result<(Normed, Tensor)> {
        let weights = self.decoder.weights;
        let mut x = self.embed();
        let mut delta = None;
        for (l, layer) in weights.layers.iter().enumerate() {
            let (tape, out) = self.layer(l, layer, x, delta, tap)?;
            x = tape.mlp.input.x.shallow_clone();
            delta = Some(out);
            keep(tape);
        }
        let (last, hidden) = self.add_norm(x, delta, &weights.final_norm)?;
        Ok((last, hidden.narrow(0, 0, self.inputs.n_tokens() as i64)))
    }

    /// The tokens' embeddings, and those of the filling.
    fn embed(&self) -> Tensor {
        let n = self.inputs.n_tokens() as i64;
        self.decoder.embed(&self.inputs.tokens.constant_pad_nd([0, filling(n, T::KIND)]))
    }

    fn read_until(&self, last: usize, tap: Tap<'_>) -> Result<()> {
        let mut tap = Some(tap);
        let weights = self.decoder.weights;
        let mut x = self.embed();
        let mut delta = None;
        for (l, layer) in weights.layers[..last].iter().enumerate() {
            let (tape, out) = self.layer(l, layer, x, delta, &mut tap)?;
            (x, delta) = (tape.mlp.input.x, Some(out));
        }
        let layer = &weights.layers[last];
        let (_, normed) = self.add_norm(x, delta, &layer.input_norm)?;
        let qkv = qkv(layer, &normed)?;
        let attention = self.attention(layer)?;
        if let Some(tap) = &mut tap {
            attention.show(last, &attention.spread(&qkv)?, tap);
        }
        Ok(())
    }

    /// One layer over the residual stream `x` + `delta`: its tape, whose `mlp.input.x` goes on, and what is to be added to that.
    fn layer(
        &self,
        l: usize,
        layer: &LayerWeights,
        x: Tensor,
        delta: Option<Tensor>,
        tap: &mut Option<Tap<'_>>,
    ) -> Result<(LayerTape, Tensor)> {
        let (input, normed) = self.add_norm(x, delta, &layer.input_norm)?;
        let qkv = qkv(layer, &normed)?;
        let attention = self.attention(layer)?;
        let slots = attention.spread(&qkv)?;
        if let Some(tap) = tap {
            attention.show(l, &slots, tap);
        }
        let attended = attention.forward(&slots, qkv.size()[0])?;
        let out = linear(&attended, &layer.o)?.into_tensor();
        let (post, normed) = self.add_norm(input.x.shallow_clone(), Some(out), &layer.post_norm)?;
        let gate_up = linear(&normed, &layer.gate_up)?;
        let width = self.decoder.config.intermediate_size;
        let mut gated = Owned::empty(&[gate_up.size()[0], width], T::KIND);
        gate_rows(gate_up.view::<T>()?, width as usize, gated.numbers()?);
        let delta = linear(&gated.into_tensor(), &layer.down)?.into_tensor();
        let attention = AttentionTape { input, qkv, attended };
        Ok((LayerTape { attention, mlp: MlpTape { input: post, gate_up } }, delta))
    }

    fn backward(&self, tape: PassTape, d_hidden: &Tensor, target: &mut Target<'_>) -> Result<()> {
        let weights = self.decoder.weights;
        let d_hidden = d_hidden.constant_pad_nd([0, 0, 0, filling(d_hidden.size()[0], T::KIND)]);
        let layout = target.layout;
        let nothing = d_hidden.zeros_like();
        let (mut dx, _) =
            self.norm_back(&tape.last, &weights.final_norm, &layout.final_norm, &d_hidden, &nothing, target)?;
        let layers = weights.layers.iter().zip(&layout.layers).enumerate();
        for ((l, (layer, places)), kept) in layers.zip(tape.layers).rev() {
            let tape = match kept {
                Kept::All(tape) => tape,
                Kept::Input(x) => self.layer(l, layer, x, None, &mut None)?.0,
            };
            let LayerTape { attention, mlp } = tape;
            dx = self.mlp_back(layer, places, mlp, &dx, target)?;
            dx = self.attention_back(layer, places, attention, &dx, target)?;
        }
        let dx = dx.narrow(0, 0, self.inputs.n_tokens() as i64);
        let mut d_embed = target.gradient.part(&layout.embed);
        if !d_embed.is_wanted() {
            return Ok(());
        }
        add_rows(view::<T>(&dx)?, &Vec::<i64>::try_from(&self.inputs.tokens)?, d_embed.numbers()?);
        Ok(())
    }

    /// From the gradient `dx` of what a layer gives to that of the stream before its MLP.
    fn mlp_back(
        &self,
        layer: &LayerWeights,
        places: &LayerLayout,
        MlpTape { input, mut gate_up }: MlpTape,
        dx: &Tensor,
        target: &mut Target<'_>,
    ) -> Result<Tensor> {
        let mut gated = mm(dx, &layer.down)?;
        let width = self.decoder.config.intermediate_size as usize;
        gate_rows_back(gate_up.numbers::<T>()?, gated.numbers()?, width);
        target.product(&places.down, dx, &gated.into_tensor())?;
        let d_gate_up = gate_up.into_tensor();
        let d_normed = mm(&d_gate_up, &layer.gate_up)?.into_tensor();
        let (dx, normed) =
            self.norm_back(&input, &layer.post_norm, &places.post_norm, &d_normed, dx, target)?;
        target.product(&places.gate_up, &d_gate_up, &normed)?;
        Ok(dx)
    }

    /// From the gradient `dx` of the stream behind a layer's attention to that before it.
    fn attention_back(
        &self,
        layer: &'a LayerWeights,
        places: &LayerLayout,
        AttentionTape { input, qkv, attended }: AttentionTape,
        dx: &Tensor,
        target: &mut Target<'_>,
    ) -> Result<Tensor> {
        target.product(&places.o, dx, &attended)?;
        let d_attended = mm(dx, &layer.o)?.into_tensor();
        let (d_qkv, d_norm) = self.attention(layer)?.backward(&qkv, &d_attended)?;
        if let (Some(q), Some(k)) = (&places.q_norm, &places.k_norm) {
            let parts = Tensor::from_slice(&d_norm).chunk(2, 0);
            target.gradient.part(q).add(&parts[0]);
            target.gradient.part(k).add(&parts[1]);
        }
        if let Some(bias) = &places.qkv_bias {
            let sum = d_qkv.sum_dim_intlist([0i64].as_slice(), false, Kind::Float);
            target.gradient.part(bias).add(&sum);
        }
        let d_normed = mm(&d_qkv, &layer.qkv)?.into_tensor();
        let (dx, normed) =
            self.norm_back(&input, &layer.input_norm, &places.input_norm, &d_normed, dx, target)?;
        target.product(&places.qkv, &d_qkv, &normed)?;
        Ok(dx)
    }

    /// The sum of `x` and `delta`, and its norm.
    fn add_norm(&self, x: Tensor, delta: Option<Tensor>, weight: &Tensor) -> Result<(Normed, Tensor)> {
        let size = x.size();
        let (mut out, mut scale) = (Owned::empty(&size, T::KIND), Owned::empty(&size[..1], Kind::Float));
        let (weight, of_out) = (view::<T>(weight)?, (out.numbers()?, scale.numbers()?));
        let sum = match delta {
            None => {
                add_norm_rows(view(&x)?, &[], weight, self.eps, &mut [], of_out.0, of_out.1);
                x
            }
            Some(delta) => {
                let mut sum = Owned::empty(&size, T::KIND);
                let (x, delta) = (view(&x)?, view(&delta)?);
                add_norm_rows(x, delta, weight, self.eps, sum.numbers()?, of_out.0, of_out.1);
                sum.into_tensor()
            }
        };
        Ok((Normed { x: sum, scale: scale.into_tensor() }, out.into_tensor()))
    }

    /// From the gradient `d` of a norm and that of its rows by what passes it by, `dx`: gives that of the rows, and the norm.
    /// Adds that of the weight to its place.
    fn norm_back(
        &self,
        normed: &Normed,
        weight: &Tensor,
        slot: &Slot,
        d: &Tensor,
        dx: &Tensor,
        target: &mut Target<'_>,
    ) -> Result<(Tensor, Tensor)> {
        let [mut sum, mut again] = [&d, &d].map(|d| Owned::empty(&d.size(), T::KIND));
        let back = NormBack { x: view(&normed.x)?, scale: view(&normed.scale)?, weight: view(weight)? };
        let d = NormGradients { normed: view::<T>(d)?, rows: view(dx)? };
        let mut d_weight = target.gradient.part(slot);
        norm_rows_back(&back, d, sum.numbers()?, d_weight.numbers()?, again.numbers()?);
        Ok((sum.into_tensor(), again.into_tensor()))
    }

    fn attention(&self, layer: &'a LayerWeights) -> Result<Attention<'a, T>> {
        let config = self.decoder.config;
        let norms = layer.qk_norm.as_ref().map(|norms| head_norms(norms, self.eps)).transpose()?;
        let heads = HeadRows {
            n_heads: config.n_heads as usize,
            n_kv_heads: config.n_kv_heads as usize,
            head_dim: config.head_dim as usize,
            rope: self.rope,
            norms,
            slots: &self.inputs.slots,
        };
        Ok(Attention { heads, grids: &self.inputs.grids, max_map: MAX_MAP })
    }
}
