//! One decoder for all families; what differs is a flag of [`ModelConfig`].
//!
//! ```text
//! x = embed(tokens)
//! per layer:  x = x + O attention(rope(norm_q(Q h)), rope(norm_k(K h)), V h),  h = rms_norm(x)
//!             x = x + down(silu(gate h) * up h),                               h = rms_norm(x)
//! hidden = rms_norm(x);  logits = hidden lm_head^T   (see `model::head`; never formed here)
//! ```
//!
//! Gemma 2 multiplies embeddings by `sqrt(E)`, gates by another function, and norms what attention and MLP give, too.

use tch::{Kind, Tensor};

use super::super::{Decoder, Tap, Tapped};
use super::attention::causal_attention;
use crate::model::ModelConfig;
use crate::model::config::Activation;
use crate::model::inputs::Inputs;
use crate::model::rope::Rotation;
use crate::model::weights::LayerWeights;

impl Decoder<'_> {
    /// The final hidden states of `inputs`, `[N, E]`, from their embeddings `x`, by libtorch's operations alone. Autograd
    /// can go back through it, unless it is told not to.
    pub(crate) fn hidden(&self, inputs: &Inputs, x: Tensor, tap: Option<Tap<'_>>) -> Tensor {
        let x = self.layers(inputs, x, self.weights.layers.len(), tap);
        self.norm(&x, &self.weights.final_norm)
    }

    /// Shows `tap` the layers up to `last` and computes nothing behind the queries, keys and values of that one.
    pub(super) fn read_until(&self, inputs: &Inputs, x: Tensor, last: usize, tap: Tap<'_>) {
        let rotation = self.rotation(inputs);
        let x = self.layers(inputs, x, last, Some(&mut *tap));
        let x = if last == 0 { self.enter(x) } else { x };
        let qkv = self.attention_inputs(&self.weights.layers[last], &x, &rotation);
        self.side_by_side(inputs, last, &qkv, &mut |tapped| tap(&tapped));
    }

    /// The rotation of the tokens of `inputs`.
    pub(super) fn rotation(&self, inputs: &Inputs) -> Rotation {
        self.rope.at(&inputs.positions, inputs.n_positions())
    }

    /// The residual stream behind the first `n` layers.
    fn layers(&self, inputs: &Inputs, x: Tensor, n: usize, mut tap: Option<Tap<'_>>) -> Tensor {
        let rotation = self.rotation(inputs);
        (0..n).fold(x, |x, l| self.layer(inputs, &rotation, l, x, &mut tap))
    }

    /// The residual stream that embeddings begin.
    pub(super) fn enter(&self, embedded: Tensor) -> Tensor {
        if !self.config.scaled_embeddings {
            return embedded;
        }
        // Rounded like the numbers that it multiplies, as the model was trained.
        let scale = Tensor::from((self.config.hidden_size as f64).sqrt()).to_kind(embedded.kind());
        embedded * scale.to_device(self.weights.embed.device())
    }

    /// Layer `l` over the residual stream `x` `[N, E]`, of the first over the embeddings.
    pub(super) fn layer(
        &self,
        inputs: &Inputs,
        rotation: &Rotation,
        l: usize,
        x: Tensor,
        tap: &mut Option<Tap<'_>>,
    ) -> Tensor {
        let x = if l == 0 { self.enter(x) } else { x };
        self.block(&self.weights.layers[l], x, rotation, |qkv| {
            let mut out = Vec::with_capacity(inputs.grids.len());
            self.side_by_side(inputs, l, &qkv, &mut |tapped| {
                if let Some(tap) = tap {
                    tap(&tapped);
                }
                let Tapped { queries, keys, values, attention, .. } = tapped;
                out.push(causal_attention(queries, keys, values, attention).flatten(0, 1));
            });
            inputs.gather(&Tensor::cat(&out, 0))
        })
    }

    /// Shows `see` what layer `l` attends with, one grid of sequences after the other.
    fn side_by_side(&self, inputs: &Inputs, l: usize, qkv: &[Tensor; 3], see: &mut dyn FnMut(Tapped<'_>)) {
        for grid in &inputs.grids {
            let of_heads = |x: &Tensor| {
                let (n, heads, d) = size3(x);
                let spread = inputs.spread(&x.reshape([n, heads * d]), grid); // (B, T, heads * D)
                spread.view([grid.rows.len() as i64, grid.width as i64, heads, d])
            };
            let [queries, keys, values] = [0, 1, 2].map(|i| of_heads(&qkv[i]));
            see(Tapped {
                layer: l,
                sequences: grid.rows.clone(),
                queries: &queries,
                keys: &keys.transpose(1, 2),
                values: &values.transpose(1, 2),
                attention: self.config.attention(l),
            });
        }
    }

    /// One layer. `attend` takes queries `[N, H, D]`, keys and values `[N, K, D]`, and gives `[N, H * D]`.
    pub(super) fn block(
        &self,
        layer: &LayerWeights,
        x: Tensor,
        rotation: &Rotation,
        attend: impl FnOnce([Tensor; 3]) -> Tensor,
    ) -> Tensor {
        let qkv = self.attention_inputs(layer, &x, rotation);
        let x = x + self.normed(attend(qkv).linear::<Tensor>(&layer.o, None), &layer.attention_out_norm);
        let mlp = self.mlp(layer, &x);
        x + mlp
    }

    /// What the MLP of a layer adds to the residual stream `x`.
    pub(super) fn mlp(&self, layer: &LayerWeights, x: &Tensor) -> Tensor {
        let gate_up = self.norm(x, &layer.post_norm).linear::<Tensor>(&layer.gate_up, None).chunk(2, -1);
        let gate = match self.config.activation {
            Activation::Silu => gate_up[0].silu(),
            Activation::GeluTanh => gate_up[0].gelu("tanh"),
        };
        self.normed((gate * &gate_up[1]).linear::<Tensor>(&layer.down, None), &layer.mlp_out_norm)
    }

    /// `x` through a norm, where there is one.
    pub(super) fn normed(&self, x: Tensor, weight: &Option<Tensor>) -> Tensor {
        weight.as_ref().map_or_else(|| x.shallow_clone(), |weight| self.norm(&x, weight))
    }

    /// Queries `[N, H, D]`, keys and values `[N, K, D]` of one layer.
    fn attention_inputs(&self, layer: &LayerWeights, x: &Tensor, rotation: &Rotation) -> [Tensor; 3] {
        let ModelConfig { n_heads: h, n_kv_heads: k, head_dim: d, .. } = *self.config;
        let qkv = self.norm(x, &layer.input_norm).linear(&layer.qkv, layer.qkv_bias.as_ref());
        let parts = qkv.split_with_sizes([(h + k) * d, k * d], -1);
        let mut qk = parts[0].view([-1, h + k, d]);
        if let Some(weight) = &layer.qk_norm {
            qk = self.norm(&qk, &weight.rows(h, k));
        }
        let qk = rotation.apply(&qk).split_with_sizes([h, k], 1);
        [qk[0].shallow_clone(), qk[1].shallow_clone(), parts[1].view([-1, k, d])]
    }

    /// RMSNorm over the last dimension, the mean square in f32.
    pub(super) fn norm(&self, x: &Tensor, weight: &Tensor) -> Tensor {
        let wide = x.to_kind(Kind::Float);
        // The norm is one pass over the data where square and mean would be two, forward and backward.
        let width = x.size().last().map_or(1.0, |e| *e as f64);
        let mean_square = wide.norm_scalaropt_dim(2, [-1i64].as_slice(), true).square() / width;
        let normed = wide * (mean_square + self.config.rms_norm_eps).rsqrt();
        if self.config.norm_offset {
            return (normed * (weight.to_kind(Kind::Float) + 1.0)).to_kind(x.kind());
        }
        normed.to_kind(x.kind()) * weight
    }
}

fn size3(x: &Tensor) -> (i64, i64, i64) {
    let size = x.size();
    (size[0], size[1], size[2])
}
