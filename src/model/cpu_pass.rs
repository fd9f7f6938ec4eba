//! A pass over whole sequences on the CPU, forward and backward, with the kernels of [`crate::kernel`]; activations are
//! row-major, a row per token. What it computes, [`Decoder::hidden`] and autograd compute by libtorch's operations.
//!
//! Of each layer a pass keeps what its gradient cannot do without; norms and gates are made again from that. Where memory is
//! short it keeps the layer's input alone, and the layer is computed again.

mod attention;

use anyhow::Result;
use tch::{Kind, Tensor};

use self::attention::{Attention, MAX_MAP};
use super::decoder::{Decoder, Tap};
use super::inputs::Inputs;
use super::layout::{LayerLayout, Layout, Slot};
use super::network::Gradient;
use super::product::{add_outer, filling, linear, mm};
use super::rope::Tables;
use super::weights::LayerWeights;
use crate::kernel::{
    Bf16, HeadRows, NormBack, Number, add_norm_rows, add_rows, gate_rows, gate_rows_back, norm_rows_back,
    view, view_mut,
};

/// What the gradient of a pass needs of it.
pub(super) struct Tape {
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
    input: Normed,
    qkv: Tensor,      // (N, (H + 2K) D), before norm and rotation
    attended: Tensor, // (N, H D)
    post: Normed,
    gate_up: Tensor, // (N, 2F)
}

impl Decoder<'_> {
    /// The final hidden states of `inputs`, `[N, E]`.
    ///
    /// # Errors
    /// If weights are not in main memory.
    pub(super) fn hidden_on_cpu(&self, inputs: &Inputs, mut tap: Option<Tap<'_>>) -> Result<Tensor> {
        let rope = self.rope.tables(inputs.n_positions());
        let (_, hidden) = match self.weights.embed.kind() {
            Kind::BFloat16 => CpuPass::<Bf16>::new(self, inputs, &rope)?.forward(&mut tap, drop)?,
            _ => CpuPass::<f32>::new(self, inputs, &rope)?.forward(&mut tap, drop)?,
        };
        Ok(hidden)
    }

    /// The same with the tape, on which with `recompute` the layers' inputs stand alone.
    ///
    /// # Errors
    /// If weights are not in main memory.
    pub(super) fn forward_on_cpu(&self, inputs: &Inputs, recompute: bool) -> Result<(Tensor, Tape)> {
        let mut layers = Vec::with_capacity(self.weights.layers.len());
        let keep = |tape: LayerTape| {
            layers.push(if recompute { Kept::Input(tape.input.x) } else { Kept::All(tape) });
        };
        let rope = self.rope.tables(inputs.n_positions());
        let (last, hidden) = match self.weights.embed.kind() {
            Kind::BFloat16 => CpuPass::<Bf16>::new(self, inputs, &rope)?.forward(&mut None, keep)?,
            _ => CpuPass::<f32>::new(self, inputs, &rope)?.forward(&mut None, keep)?,
        };
        Ok((hidden, Tape { layers, last }))
    }

    /// As [`Decoder::read_until`].
    ///
    /// # Errors
    /// If weights are not in main memory.
    pub(super) fn read_on_cpu(&self, inputs: &Inputs, last: usize, tap: Tap<'_>) -> Result<()> {
        let rope = self.rope.tables(inputs.n_positions());
        match self.weights.embed.kind() {
            Kind::BFloat16 => CpuPass::<Bf16>::new(self, inputs, &rope)?.read_until(last, tap),
            _ => CpuPass::<f32>::new(self, inputs, &rope)?.read_until(last, tap),
        }
    }

    /// Adds to `gradient` those of all weights but the output layer's, from that of the final hidden states, `d_hidden`
    /// `[N, E]`.
    ///
    /// # Errors
    /// If weights are not in main memory.
    pub(super) fn backward_on_cpu(
        &self,
        inputs: &Inputs,
        tape: Tape,
        d_hidden: &Tensor,
        layout: &Layout,
        gradient: &Gradient,
    ) -> Result<()> {
        let target = Target { layout, gradient };
        let rope = self.rope.tables(inputs.n_positions());
        match self.weights.embed.kind() {
            Kind::BFloat16 => CpuPass::<Bf16>::new(self, inputs, &rope)?.backward(tape, d_hidden, &target),
            _ => CpuPass::<f32>::new(self, inputs, &rope)?.backward(tape, d_hidden, &target),
        }
    }
}

/// Where gradients go.
struct Target<'a> {
    layout: &'a Layout,
    gradient: &'a Gradient,
}

impl Target<'_> {
    /// Adds that of a weight `[out, in]`, from those of the product's rows `d` `[N, out]` and the rows `x` `[N, in]`.
    fn product(&self, slot: &Slot, d: &Tensor, x: &Tensor) -> Result<()> {
        add_outer(&mut self.gradient.at(slot), d, x)
    }
}

/// Queries, keys and values of the rows `normed` `[N, E]`, side by side.
fn qkv(layer: &LayerWeights, normed: &Tensor) -> Result<Tensor> {
    let mut qkv = linear(normed, &layer.qkv)?;
    if let Some(bias) = &layer.qkv_bias {
        qkv += bias;
    }
    Ok(qkv)
}

/// A pass under way in numbers of kind `T`.
struct CpuPass<'a, T> {
    decoder: &'a Decoder<'a>,
    inputs: &'a Inputs,
    rope: (&'a [T], &'a [T]),
    eps: f32,
}

impl<'a, T: Number> CpuPass<'a, T> {
    fn new(decoder: &'a Decoder<'a>, inputs: &'a Inputs, rope: &'a Tables) -> Result<Self> {
        let rope = (view(&rope.cos)?, view(&rope.sin)?);
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
            x = tape.post.x.shallow_clone();
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
            (x, delta) = (tape.post.x, Some(out));
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

    /// One layer over the residual stream `x` + `delta`: its tape, whose `post.x` goes on, and what is to be added to that.
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
        let out = linear(&attended, &layer.o)?;
        let (post, normed) = self.add_norm(input.x.shallow_clone(), Some(out), &layer.post_norm)?;
        let gate_up = linear(&normed, &layer.gate_up)?;
        let width = self.decoder.config.intermediate_size;
        let mut gated = Tensor::empty([gate_up.size()[0], width], (T::KIND, gate_up.device()));
        gate_rows(view::<T>(&gate_up)?, width as usize, view_mut(&mut gated)?);
        let delta = linear(&gated, &layer.down)?;
        Ok((LayerTape { input, qkv, attended, post, gate_up }, delta))
    }

    fn backward(&self, tape: Tape, d_hidden: &Tensor, target: &Target<'_>) -> Result<()> {
        let weights = self.decoder.weights;
        let d_hidden = d_hidden.constant_pad_nd([0, 0, 0, filling(d_hidden.size()[0], T::KIND)]);
        let mut dx = d_hidden.zeros_like();
        let place = &target.layout.final_norm;
        let _ = self.norm_back(&tape.last, &weights.final_norm, &d_hidden, &mut dx, target, place)?;
        let layers = weights.layers.iter().zip(&target.layout.layers).enumerate();
        for ((l, (layer, places)), kept) in layers.zip(tape.layers).rev() {
            let mut tape = match kept {
                Kept::All(tape) => tape,
                Kept::Input(x) => self.layer(l, layer, x, None, &mut None)?.0,
            };
            self.mlp_back(layer, places, &mut tape, &mut dx, target)?;
            self.attention_back(layer, places, &tape, &mut dx, target)?;
        }
        let dx = dx.narrow(0, 0, self.inputs.n_tokens() as i64);
        let mut d_embed = target.gradient.at(&target.layout.embed);
        add_rows(view::<T>(&dx)?, &Vec::<i64>::try_from(&self.inputs.tokens)?, view_mut(&mut d_embed)?);
        Ok(())
    }

    /// From the gradient `dx` of what a layer gives to that of the stream before its MLP.
    fn mlp_back(
        &self,
        layer: &LayerWeights,
        places: &LayerLayout,
        tape: &mut LayerTape,
        dx: &mut Tensor,
        target: &Target<'_>,
    ) -> Result<()> {
        let mut gated = mm(dx, &layer.down)?;
        let width = self.decoder.config.intermediate_size as usize;
        gate_rows_back(view_mut::<T>(&mut tape.gate_up)?, view_mut(&mut gated)?, width);
        target.product(&places.down, dx, &gated)?;
        let d_gate_up = &tape.gate_up;
        let d_normed = mm(d_gate_up, &layer.gate_up)?;
        let normed =
            self.norm_back(&tape.post, &layer.post_norm, &d_normed, dx, target, &places.post_norm)?;
        target.product(&places.gate_up, d_gate_up, &normed)?;
        Ok(())
    }

    /// From the gradient `dx` of the stream behind a layer's attention to that before it.
    fn attention_back(
        &self,
        layer: &'a LayerWeights,
        places: &LayerLayout,
        tape: &LayerTape,
        dx: &mut Tensor,
        target: &Target<'_>,
    ) -> Result<()> {
        target.product(&places.o, dx, &tape.attended)?;
        let (d_qkv, d_norm) = self.attention(layer)?.backward(&tape.qkv, &mm(dx, &layer.o)?)?;
        if let (Some(q), Some(k)) = (&places.q_norm, &places.k_norm) {
            let parts = Tensor::from_slice(&d_norm).chunk(2, 0);
            let _ = target.gradient.at(q).g_add_(&parts[0]);
            let _ = target.gradient.at(k).g_add_(&parts[1]);
        }
        if let Some(bias) = &places.qkv_bias {
            let sum = d_qkv.sum_dim_intlist([0i64].as_slice(), false, Kind::Float);
            let _ = target.gradient.at(bias).g_add_(&sum);
        }
        let d_normed = mm(&d_qkv, &layer.qkv)?;
        let normed =
            self.norm_back(&tape.input, &layer.input_norm, &d_normed, dx, target, &places.input_norm)?;
        target.product(&places.qkv, &d_qkv, &normed)?;
        Ok(())
    }

    /// The sum of `x` and `delta`, and its norm.
    fn add_norm(&self, x: Tensor, delta: Option<Tensor>, weight: &Tensor) -> Result<(Normed, Tensor)> {
        let (mut out, mut scale) = (x.empty_like(), Tensor::empty([x.size()[0]], (Kind::Float, x.device())));
        let of_out = (view::<T>(weight)?, self.eps);
        let sum = match delta {
            None => {
                let (out, scale) = (view_mut(&mut out)?, view_mut(&mut scale)?);
                add_norm_rows(view::<T>(&x)?, &[], of_out.0, of_out.1, &mut [], out, scale);
                x
            }
            Some(delta) => {
                let mut sum = x.empty_like();
                let (out, scale) = (view_mut(&mut out)?, view_mut(&mut scale)?);
                let (x, delta) = (view::<T>(&x)?, view(&delta)?);
                add_norm_rows(x, delta, of_out.0, of_out.1, view_mut(&mut sum)?, out, scale);
                sum
            }
        };
        Ok((Normed { x: sum, scale }, out))
    }

    /// From the gradient `d` of a norm: adds that of the rows to `dx` and that of the weight to its place. Gives the norm.
    fn norm_back(
        &self,
        normed: &Normed,
        weight: &Tensor,
        d: &Tensor,
        dx: &mut Tensor,
        target: &Target<'_>,
        slot: &Slot,
    ) -> Result<Tensor> {
        let mut again = d.empty_like();
        let back =
            NormBack { x: view::<T>(&normed.x)?, scale: view(&normed.scale)?, weight: view::<T>(weight)? };
        let mut d_weight = target.gradient.at(slot);
        norm_rows_back(&back, view(d)?, view_mut(dx)?, view_mut(&mut d_weight)?, view_mut(&mut again)?);
        Ok(again)
    }

    fn attention(&self, layer: &'a LayerWeights) -> Result<Attention<'a, T>> {
        let config = self.decoder.config;
        let norm = match &layer.qk_norm {
            Some(norm) => Some((view(&norm.q)?, view(&norm.k)?, self.eps)),
            None => None,
        };
        let heads = HeadRows {
            n_heads: config.n_heads as usize,
            n_kv_heads: config.n_kv_heads as usize,
            head_dim: config.head_dim as usize,
            rope: self.rope,
            norm,
            slots: &self.inputs.slots,
        };
        Ok(Attention { heads, grids: &self.inputs.grids, max_map: MAX_MAP })
    }
}
