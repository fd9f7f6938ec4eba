//! One decoder for the Llama, Qwen2 and Qwen3 families; what differs is a flag of [`ModelConfig`].
//!
//! ```text
//! x = embed(tokens)
//! per layer:  x = x + O attention(rope(norm_q(Q h)), rope(norm_k(K h)), V h),  h = rms_norm(x)
//!             x = x + down(silu(gate h) * up h),                               h = rms_norm(x)
//! hidden = rms_norm(x);  logits = hidden lm_head^T   (see `model::head`; never formed here)
//! ```

use std::ops::Range;

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::config::ModelConfig;
use super::inputs::Inputs;
use super::kv_cache::{AttentionTap, KvCache};
use super::rope::{Rope, Rotation};
use super::weights::{LayerWeights, Weights};

/// The forward pass over a set of weights.
pub struct Decoder<'a> {
    /// Shape of the model.
    pub config: &'a ModelConfig,
    /// Weights in the compute precision.
    pub weights: &'a Weights,
    /// Rotation tables.
    pub rope: &'a Rope,
}

/// Sequences above this length are attended to by the fused kernel: plain products would hold maps of T x T.
const LONG: i64 = 512;

/// What a layer attends with, after norm and rotation: B sequences side by side, padded to T.
pub struct Tapped<'t> {
    /// Number of the layer.
    pub layer: usize,
    /// Which of the pass's sequences these are.
    pub sequences: Range<usize>,
    /// Queries, `[B, T, H, D]`, not yet scaled.
    pub queries: &'t Tensor,
    /// Keys, `[B, K, T, D]`.
    pub keys: &'t Tensor,
    /// Values, `[B, K, T, D]`.
    pub values: &'t Tensor,
}

/// Sees every layer of a forward pass go by.
pub type Tap<'t> = &'t mut dyn FnMut(&Tapped<'_>);

impl Decoder<'_> {
    /// Looks the tokens' embeddings up: `[N]` to `[N, E]`.
    pub fn embed(&self, tokens: &Tensor) -> Tensor {
        Tensor::embedding(&self.weights.embed, tokens, -1, false, false)
    }

    /// The final hidden states of `inputs`, `[N, E]`, from their embeddings `x`, by libtorch's operations alone.
    pub fn hidden(&self, inputs: &Inputs, x: Tensor, tap: Option<Tap<'_>>) -> Tensor {
        let x = self.layers(inputs, x, self.weights.layers.len(), tap);
        self.norm(&x, &self.weights.final_norm)
    }

    /// Shows `tap` the layers up to `last` and computes nothing behind the queries, keys and values of that one.
    pub fn read_until(&self, inputs: &Inputs, x: Tensor, last: usize, tap: Tap<'_>) {
        let rotation = self.rotation(inputs);
        let x = self.layers(inputs, x, last, Some(&mut *tap));
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

    /// Layer `l` over the residual stream `x` `[N, E]`.
    pub(super) fn layer(
        &self,
        inputs: &Inputs,
        rotation: &Rotation,
        l: usize,
        x: Tensor,
        tap: &mut Option<Tap<'_>>,
    ) -> Tensor {
        self.block(&self.weights.layers[l], x, rotation, |qkv| {
            let mut out = Vec::with_capacity(inputs.grids.len());
            self.side_by_side(inputs, l, &qkv, &mut |tapped| {
                if let Some(tap) = tap {
                    tap(&tapped);
                }
                let attend = if tapped.queries.size()[1] <= LONG { causal_attention } else { long_attention };
                out.push(attend(tapped.queries, tapped.keys, tapped.values).flatten(0, 1));
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
            });
        }
    }

    /// One decoding step: the next token of every row, `[B]`, to the final hidden states, `[B, E]`. `tap` sees the attention
    /// of the layers that it names.
    ///
    /// # Errors
    /// If weights or cache are not where the tokens are.
    pub fn step(
        &self,
        tokens: &Tensor,
        cache: &mut KvCache,
        tap: Option<&mut dyn AttentionTap>,
    ) -> Result<Tensor> {
        match tokens.device() {
            Device::Cpu => Ok(self.step_on_cpu(tokens, cache, tap)?.transpose(0, 1)),
            _ => Ok(self.step_by_operations(tokens, cache, tap)),
        }
    }

    /// [`Decoder::step`] by libtorch's operations alone, on any device.
    pub fn step_by_operations(
        &self,
        tokens: &Tensor,
        cache: &mut KvCache,
        mut tap: Option<&mut dyn AttentionTap>,
    ) -> Tensor {
        let (b, k, d) = (tokens.size()[0], self.config.n_kv_heads, self.config.head_dim);
        let group = self.config.n_heads / k;
        // A row that has ended is fed on until it leaves the batch, if need be past the last position.
        let positions = cache.next_positions().clamp_max(self.rope.n_positions() - 1);
        let rotation = self.rope.at(&positions.to_device(tokens.device()), cache.n_positions());
        let mut x = self.embed(tokens); // (B, E)
        for (l, layer) in self.weights.layers.iter().enumerate() {
            x = self.block(layer, x, &rotation, |[q, key, value]| {
                let q = (q * (d as f64).powf(-0.5)).view([b * k, group, d]);
                let tap: Option<&mut dyn AttentionTap> = match &mut tap {
                    Some(tap) if tap.wants(l) => Some(&mut **tap),
                    _ => None,
                };
                let out = cache.attend(l, &q, &key.unsqueeze(2), &value.unsqueeze(2), tap);
                out.view([b, k * group * d])
            });
        }
        cache.advance();
        self.norm(&x, &self.weights.final_norm)
    }

    /// One layer. `attend` takes queries `[N, H, D]`, keys and values `[N, K, D]`, and gives `[N, H * D]`.
    fn block(
        &self,
        layer: &LayerWeights,
        x: Tensor,
        rotation: &Rotation,
        attend: impl FnOnce([Tensor; 3]) -> Tensor,
    ) -> Tensor {
        let qkv = self.attention_inputs(layer, &x, rotation);
        let x = x + attend(qkv).linear::<Tensor>(&layer.o, None);

        let gate_up = self.norm(&x, &layer.post_norm).linear::<Tensor>(&layer.gate_up, None).chunk(2, -1);
        let gated = gate_up[0].silu() * &gate_up[1];
        x + gated.linear::<Tensor>(&layer.down, None)
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
        normed.to_kind(x.kind()) * weight
    }
}

/// `q` `[B, T, H, D]`, `k` and `v` `[B, K, T, D]` to `[B, T, H * D]`.
///
/// Plain products and a softmax: for the short sequences of a rollout this beats the fused kernel's backward pass on
/// a CPU several times over.
fn causal_attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Tensor {
    let (b, t, h, d) = q.size4().unwrap_or((0, 0, 0, 0));
    let n_kv = k.size()[1];
    let group = h / n_kv;
    let mask = Tensor::full([t, t], f64::NEG_INFINITY, (q.kind(), q.device())).triu(1);
    let flat = |x: &Tensor, rows: i64| x.reshape([b * n_kv, rows, d]);
    let q = flat(&(q * (d as f64).powf(-0.5)).transpose(1, 2), group * t); // (B * K, H/K * T, D)
    let scores = q.bmm(&flat(k, t).transpose(1, 2)); // (B * K, H/K * T, T)
    let scores = scores.view([b * n_kv, group, t, t]) + mask;
    let weights = scores.softmax(-1, None).view([b * n_kv, group * t, t]);
    let out = weights.bmm(&flat(v, t)); // (B * K, H/K * T, D)
    out.view([b, h, t, d]).transpose(1, 2).reshape([b, t, h * d])
}

/// The same for long sequences, in memory that grows with their length rather than its square.
fn long_attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Tensor {
    let (b, t, h, d) = q.size4().unwrap_or((0, 0, 0, 0));
    let group = h / k.size()[1];
    let for_all_heads = |x: &Tensor| x.repeat_interleave_self_int(group, 1, None); // (B, H, T, D)
    let q = q.transpose(1, 2);
    let out = Tensor::scaled_dot_product_attention::<Tensor>(
        &q,
        &for_all_heads(k),
        &for_all_heads(v),
        None,
        0.0,
        true,
        None,
        false,
    );
    out.transpose(1, 2).reshape([b, t, h * d])
}

fn size3(x: &Tensor) -> (i64, i64, i64) {
    let size = x.size();
    (size[0], size[1], size[2])
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn the_fused_kernel_attends_as_the_plain_products_do() {
        tch::manual_seed(2);
        let normal = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        let (b, t, h, k, d) = (2, 37, 6, 2, 8);
        let (q, keys, values) = (normal(&[b, t, h, d]), normal(&[b, k, t, d]), normal(&[b, k, t, d]));
        let plain = causal_attention(&q, &keys, &values);
        assert!(long_attention(&q, &keys, &values).allclose(&plain, 1e-5, 1e-5, false));
    }
}
