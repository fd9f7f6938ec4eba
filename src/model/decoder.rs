//! One decoder for the Llama, Qwen2 and Qwen3 families; what differs is a flag of [`ModelConfig`].
//!
//! ```text
//! x = embed(tokens)
//! per layer:  x = x + O attention(rope(norm_q(Q h)), rope(norm_k(K h)), V h),  h = rms_norm(x)
//!             x = x + down(silu(gate h) * up h),                               h = rms_norm(x)
//! hidden = rms_norm(x);  logits = hidden lm_head^T   (see `model::head`; never formed here)
//! ```

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::config::ModelConfig;
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

/// What a layer attends with, after norm and rotation.
pub struct Tapped<'t> {
    /// Number of the layer.
    pub layer: usize,
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
    /// Looks the tokens' embeddings up: `[B, T]` to `[B, T, E]`.
    pub fn embed(&self, tokens: &Tensor) -> Tensor {
        Tensor::embedding(&self.weights.embed, tokens, -1, false, false)
    }

    /// The final hidden states of whole sequences: `x` `[B, T, E]` to `[B, T, E]`, every row starting at position 0.
    ///
    /// Rows may be padded at their end: causal attention keeps padding out of everything before it.
    pub fn hidden(&self, x: Tensor, tap: Option<Tap<'_>>) -> Tensor {
        let x = self.layers(x, self.weights.layers.len(), tap);
        self.norm(&x, &self.weights.final_norm)
    }

    /// Shows `tap` the layers up to `last` and computes nothing behind the queries, keys and values of that one.
    pub fn read_until(&self, x: Tensor, last: usize, tap: Tap<'_>) {
        let rotation = self.rope.first(size3(&x).1);
        let x = self.layers(x, last, Some(&mut *tap));
        let [queries, keys, values] = self.attention_inputs(&self.weights.layers[last], &x, &rotation);
        let (keys, values) = (keys.transpose(1, 2), values.transpose(1, 2)); // (B, K, T, D)
        tap(&Tapped { layer: last, queries: &queries, keys: &keys, values: &values });
    }

    /// The residual stream behind the first `n` layers.
    fn layers(&self, x: Tensor, n: usize, mut tap: Option<Tap<'_>>) -> Tensor {
        let (_, n_tokens, _) = size3(&x);
        let rotation = self.rope.first(n_tokens);
        let mask = (n_tokens <= LONG)
            .then(|| Tensor::full([n_tokens, n_tokens], f64::NEG_INFINITY, (x.kind(), x.device())).triu(1));
        let mut x = x;
        for (l, layer) in self.weights.layers[..n].iter().enumerate() {
            x = self.block(layer, x, &rotation, |q, k, v| {
                let (k, v) = (k.transpose(1, 2), v.transpose(1, 2)); // (B, K, T, D)
                if let Some(tap) = tap.as_mut() {
                    tap(&Tapped { layer: l, queries: &q, keys: &k, values: &v });
                }
                match &mask {
                    Some(mask) => causal_attention(&q, &k, &v, mask),
                    None => long_attention(&q, &k, &v),
                }
            });
        }
        x
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
        tap: Option<AttentionTap<'_>>,
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
        mut tap: Option<AttentionTap<'_>>,
    ) -> Tensor {
        let (b, k, d) = (tokens.size()[0], self.config.n_kv_heads, self.config.head_dim);
        let group = self.config.n_heads / k;
        // A row that has ended is fed on until it leaves the batch, if need be past the last position.
        let positions = cache.next_positions().clamp_max(self.rope.n_positions() - 1);
        let rotation = self.rope.at(&positions.to_device(tokens.device()));
        let mut x = self.embed(&tokens.unsqueeze(1)); // (B, 1, E)
        for (l, layer) in self.weights.layers.iter().enumerate() {
            x = self.block(layer, x, &rotation, |q, key, value| {
                let q = (q * (d as f64).powf(-0.5)).view([b * k, group, d]);
                let tap = tap.as_mut().filter(|tap| tap.layers.contains(&l));
                let out = cache.attend(l, &q, &key.transpose(1, 2), &value.transpose(1, 2), tap);
                out.view([b, 1, k * group * d])
            });
        }
        cache.advance();
        self.norm(&x, &self.weights.final_norm).squeeze_dim(1)
    }

    /// One layer. `attend` takes queries `[B, T, H, D]` and keys, values `[B, T, K, D]`, gives `[B, T, H * D]`.
    fn block(
        &self,
        layer: &LayerWeights,
        x: Tensor,
        rotation: &Rotation,
        attend: impl FnOnce(Tensor, Tensor, Tensor) -> Tensor,
    ) -> Tensor {
        let [q, key, value] = self.attention_inputs(layer, &x, rotation);
        let x = x + attend(q, key, value).linear::<Tensor>(&layer.o, None);

        let gate_up = self.norm(&x, &layer.post_norm).linear::<Tensor>(&layer.gate_up, None).chunk(2, -1);
        let gated = gate_up[0].silu() * &gate_up[1];
        x + gated.linear::<Tensor>(&layer.down, None)
    }

    /// Queries `[B, T, H, D]`, keys and values `[B, T, K, D]` of one layer.
    fn attention_inputs(&self, layer: &LayerWeights, x: &Tensor, rotation: &Rotation) -> [Tensor; 3] {
        let (b, t, _) = size3(x);
        let ModelConfig { n_heads: h, n_kv_heads: k, head_dim: d, .. } = *self.config;
        let qkv = self.norm(x, &layer.input_norm).linear(&layer.qkv, layer.qkv_bias.as_ref());
        let parts = qkv.split_with_sizes([(h + k) * d, k * d], -1);
        let mut qk = parts[0].view([b, t, h + k, d]);
        if let Some(weight) = &layer.qk_norm {
            qk = self.norm(&qk, &weight.rows(h, k));
        }
        let qk = rotation.apply(&qk).split_with_sizes([h, k], 2);
        [qk[0].shallow_clone(), qk[1].shallow_clone(), parts[1].view([b, t, k, d])]
    }

    /// RMSNorm over the last dimension, the mean square in f32.
    fn norm(&self, x: &Tensor, weight: &Tensor) -> Tensor {
        let wide = x.to_kind(Kind::Float);
        // The norm is one pass over the data where square and mean would be two, forward and backward.
        let width = x.size().last().map_or(1.0, |e| *e as f64);
        let mean_square = wide.norm_scalaropt_dim(2, [-1i64].as_slice(), true).square() / width;
        let normed = wide * (mean_square + self.config.rms_norm_eps).rsqrt();
        normed.to_kind(x.kind()) * weight
    }
}

/// `q` `[B, T, H, D]`, `k` and `v` `[B, K, T, D]` to `[B, T, H * D]`; `mask` is -inf above the diagonal.
///
/// Plain products and a softmax: for the short sequences of a rollout this beats the fused kernel's backward pass on
/// a CPU several times over.
fn causal_attention(q: &Tensor, k: &Tensor, v: &Tensor, mask: &Tensor) -> Tensor {
    let (b, t, h, d) = q.size4().unwrap_or((0, 0, 0, 0));
    let n_kv = k.size()[1];
    let group = h / n_kv;
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
        let mask = Tensor::full([t, t], f64::NEG_INFINITY, (Kind::Float, Device::Cpu)).triu(1);
        let plain = causal_attention(&q, &keys, &values, &mask);
        assert!(long_attention(&q, &keys, &values).allclose(&plain, 1e-5, 1e-5, false));
    }
}
