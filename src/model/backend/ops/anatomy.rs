//! A decoder taken apart into what each of its parts reads and writes, by libtorch's operations whatever the engine.
//!
//! ```text
//! x = embed(tokens)
//! per layer:  x = x + sum over query heads of write(head),  x = x + write(MLP)
//! logits = output(norm(x))
//! ```
//!
//! Sequences of equal length that share nothing stand side by side, `[.., T, E]`. Each query head has a copy of its own of the
//! keys and values that it shares with its group, so that what it reads can be told apart. A model that norms what attention and
//! MLP give (Gemma 2) writes what comes of that: a head's part of it, since one divisor is for all.

use tch::{Kind, Tensor};

use super::super::Decoder;
use super::attention::causal_attention;
use crate::model::ModelConfig;
use crate::model::rope::Rotation;
use crate::model::weights::LayerWeights;

/// What the inputs of all heads of a layer are multiplied by: for query head h the rows `3 h`, `3 h + 1` and `3 h + 2` make its
/// query, key and value.
pub(crate) struct Readers {
    /// `[3H, D, E]`.
    pub weight: Tensor,
    /// `[3H, D]`.
    pub bias: Option<Tensor>,
}

/// A norm that was computed: what divides, and what came of it before the gain.
pub(crate) struct Normed {
    /// One over the root mean square, `[.., 1]`.
    pub scale: Tensor,
    /// `[.., E]`, without the gain.
    pub unit: Tensor,
}

impl Decoder<'_> {
    /// The residual stream that `tokens` `[B, T]` begin, `[B, T, E]`.
    pub(crate) fn begin(&self, tokens: &Tensor) -> Tensor {
        self.enter(self.embed(tokens))
    }

    /// The rotation of sequences of `n` tokens.
    pub(crate) fn rotation_of(&self, n: i64) -> Rotation {
        let positions = Tensor::arange(n, (Kind::Int64, self.weights.embed.device()));
        self.rope.at(&positions, n)
    }

    /// What norms of this model multiply by, where their weight is `weight`.
    fn gain(&self, weight: &Tensor) -> Tensor {
        if self.config.norm_offset { weight + 1.0 } else { weight.shallow_clone() }
    }

    /// The gain before the attention of layer `l`, `[E]`.
    pub(crate) fn attention_gain(&self, l: usize) -> Tensor {
        self.gain(&self.weights.layers[l].input_norm)
    }

    /// What the norms of this model divide `x` by.
    pub(crate) fn normed_apart(&self, x: &Tensor) -> Normed {
        let mean_square = x.square().mean_dim([-1i64].as_slice(), true, None);
        let scale = (mean_square + self.config.rms_norm_eps).rsqrt();
        Normed { unit: x * &scale, scale }
    }

    /// What the heads of layer `l` multiply the normed residual stream by.
    pub(crate) fn readers(&self, l: usize) -> Readers {
        let ModelConfig { n_heads: h, n_kv_heads: k, head_dim: d, .. } = *self.config;
        let layer = &self.weights.layers[l];
        let own = |x: &Tensor| {
            let parts = x.split_with_sizes([h * d, k * d, k * d], 0);
            let of = |part: &Tensor, n: i64| {
                let shape = [&[n, d], &x.size()[1..]].concat();
                part.view(shape.as_slice()).repeat_interleave_self_int(h / n, 0, None)
            };
            Tensor::stack(&[of(&parts[0], h), of(&parts[1], k), of(&parts[2], k)], 1).flatten(0, 1)
        };
        Readers { weight: own(&layer.qkv), bias: layer.qkv_bias.as_ref().map(own) }
    }

    /// Queries, keys and values of layer `l` before their norms and rotation, `[.., T, 3H, D]`, in the order of [`Readers`], of the
    /// residual stream `x`, of which all heads read the same.
    pub(crate) fn read(&self, l: usize, x: &Tensor) -> Tensor {
        let ModelConfig { n_heads: h, n_kv_heads: k, head_dim: d, .. } = *self.config;
        let layer = &self.weights.layers[l];
        let qkv = self.norm(x, &layer.input_norm).linear(&layer.qkv, layer.qkv_bias.as_ref());
        let parts = qkv.split_with_sizes([h * d, k * d, k * d], -1);
        let own = |part: &Tensor, n: i64| {
            let heads = part.unflatten(-1, [n, d]); // (.., T, n, D)
            heads.repeat_interleave_self_int(h / n, -2, None)
        };
        Tensor::stack(&[own(&parts[0], h), own(&parts[1], k), own(&parts[2], k)], -2).flatten(-3, -2)
    }

    /// What the heads of layer `l` gather, `[B, T, H, D]`, by `read` `[B, T, 3H, D]`.
    pub(crate) fn attend(&self, l: usize, read: &Tensor, rotation: &Rotation) -> Tensor {
        let (h, d) = (self.config.n_heads, self.config.head_dim);
        let of_heads = read.unflatten(2, [h, 3]);
        let part = |i: i64| of_heads.select(3, i); // (B, T, H, D)
        let norms = self.weights.layers[l].qk_norm.as_ref();
        let [q, k] =
            [(part(0), norms.map(|norm| &norm.q)), (part(1), norms.map(|norm| &norm.k))].map(|(x, norm)| {
                rotation.apply(&norm.map_or_else(|| x.shallow_clone(), |norm| self.norm(&x, norm)))
            });
        let out =
            causal_attention(&q, &k.transpose(1, 2), &part(2).transpose(1, 2), self.config.attention(l));
        out.unflatten(-1, [h, d])
    }

    /// What all heads of layer `l` write together, `[.., T, E]`, by what they gathered, `[.., T, H, D]`.
    pub(crate) fn heads_write(&self, l: usize, gathered: &Tensor) -> Tensor {
        let LayerWeights { o, attention_out_norm, .. } = &self.weights.layers[l];
        self.normed(gathered.flatten(-2, -1).linear::<Tensor>(o, None), attention_out_norm)
    }

    /// What each head of layer `l` writes, `[H, .., T, E]`.
    pub(crate) fn each_head_writes(&self, l: usize, gathered: &Tensor) -> Tensor {
        let ModelConfig { n_heads: h, head_dim: d, hidden_size: e, .. } = *self.config;
        let LayerWeights { o, attention_out_norm, .. } = &self.weights.layers[l];
        let size = gathered.size();
        let own = gathered.reshape([-1, h, d]).transpose(0, 1); // (H, N, D)
        let each = own.bmm(&o.view([e, h, d]).permute([1, 2, 0])); // (H, N, E)
        let each = match attention_out_norm {
            None => each,
            Some(weight) => {
                let all = each.sum_dim_intlist([0i64].as_slice(), false, None);
                each * self.normed_apart(&all).scale * self.gain(weight)
            }
        };
        let shape = [&[h], &size[..size.len() - 2], &[e]].concat();
        each.view(shape.as_slice())
    }

    /// What the MLP of layer `l` writes where it reads `x` `[.., E]`.
    pub(crate) fn mlp_writes(&self, l: usize, x: &Tensor) -> Tensor {
        self.mlp(&self.weights.layers[l], x)
    }

    /// The final hidden states where the residual stream ends in `x`.
    pub(crate) fn end(&self, x: &Tensor) -> Tensor {
        self.norm(x, &self.weights.final_norm)
    }
}
