//! Named views into the flat parameter buffer, as the decoder reads them.

use tch::Tensor;

use super::layout::{Layout, Output, Slot};

/// The weights of a decoder. Every tensor is a leaf of the autograd graph and shares the storage of what the network keeps.
pub(crate) struct Weights {
    /// Token embeddings, `[V, E]`.
    pub embed: Tensor,
    /// The blocks.
    pub layers: Vec<LayerWeights>,
    /// Gain of the last norm, `[E]`.
    pub final_norm: Tensor,
    /// The output layer.
    pub output: Output<Tensor>,
}

/// The weights of one block.
pub(crate) struct LayerWeights {
    /// Gain before attention, `[E]`.
    pub input_norm: Tensor,
    /// Queries, keys and values in one projection, `[(H + 2K) * D, E]`.
    pub qkv: Tensor,
    /// Bias of that projection (Qwen2), `[(H + 2K) * D]`.
    pub qkv_bias: Option<Tensor>,
    /// Gains of the norm over each head's queries and keys (Qwen3).
    pub qk_norm: Option<QkNorm>,
    /// Output projection of attention, `[E, H * D]`.
    pub o: Tensor,
    /// Gain before the MLP, `[E]`.
    pub post_norm: Tensor,
    /// Gain for what attention gives (Gemma 2), `[E]`.
    pub attention_out_norm: Option<Tensor>,
    /// Gain for what the MLP gives (Gemma 2), `[E]`.
    pub mlp_out_norm: Option<Tensor>,
    /// Gate and up projection in one, `[2F, E]`.
    pub gate_up: Tensor,
    /// Down projection, `[E, F]`.
    pub down: Tensor,
}

/// Gains of query and key norm, `[D]` each.
pub(crate) struct QkNorm {
    /// For queries.
    pub q: Tensor,
    /// For keys.
    pub k: Tensor,
}

impl QkNorm {
    /// One row per head, queries first: `[H + K, D]`, so that queries and keys are normed together.
    pub(crate) fn rows(&self, n_heads: i64, n_kv_heads: i64) -> Tensor {
        let repeat = |t: &Tensor, n: i64| t.unsqueeze(0).expand([n, -1], false);
        Tensor::cat(&[repeat(&self.q, n_heads), repeat(&self.k, n_kv_heads)], 0)
    }
}

impl Weights {
    /// Views of `flat` (`[n_params]`, any float kind) at the places of `layout`.
    #[must_use]
    pub(crate) fn new(layout: &Layout, flat: &Tensor) -> Self {
        Self::by(layout, |slot| slot.of(flat))
    }

    /// What `of` gives for the places of `layout`, in their shapes.
    pub(super) fn by(layout: &Layout, of: impl Fn(&Slot) -> Tensor) -> Self {
        let view = |slot: &Slot| leaf(&of(slot));
        let layers = layout.layers.iter().map(|places| LayerWeights {
            input_norm: view(&places.input_norm),
            qkv: view(&places.qkv),
            qkv_bias: places.qkv_bias.as_ref().map(view),
            qk_norm: places
                .q_norm
                .as_ref()
                .zip(places.k_norm.as_ref())
                .map(|(q, k)| QkNorm { q: view(q), k: view(k) }),
            o: view(&places.o),
            post_norm: view(&places.post_norm),
            attention_out_norm: places.attention_out_norm.as_ref().map(view),
            mlp_out_norm: places.mlp_out_norm.as_ref().map(view),
            gate_up: view(&places.gate_up),
            down: view(&places.down),
        });
        let layers = layers.collect();
        let embed = view(&layout.embed);
        Self { embed, layers, final_norm: view(&layout.final_norm), output: layout.output.map(view) }
    }

    /// The leaves whose gradient autograd finds, with their places: all but the embedding and the output layer, whose
    /// gradients are made by hand ([`super::Network::backward`], [`super::Head::backward`], [`super::ValueHead::backward`]).
    #[cfg(test)]
    pub(crate) fn inner(&self, layout: &Layout) -> Vec<(Slot, Tensor)> {
        let layers = (0..self.layers.len()).flat_map(|l| self.layer_leaves(layout, l));
        self.final_leaf(layout).into_iter().chain(layers).collect()
    }

    /// The gain of the last norm.
    pub(super) fn final_leaf(&self, layout: &Layout) -> Vec<(Slot, Tensor)> {
        vec![(layout.final_norm.clone(), self.final_norm.shallow_clone())]
    }

    /// The leaves of layer `l`.
    pub(super) fn layer_leaves(&self, layout: &Layout, l: usize) -> Vec<(Slot, Tensor)> {
        let (layer, places) = (&self.layers[l], layout.layer(l));
        let mut leaves = Vec::new();
        let mut push = |slot: &Slot, tensor: &Tensor| leaves.push((slot.clone(), tensor.shallow_clone()));
        push(&places.input_norm, &layer.input_norm);
        push(&places.qkv, &layer.qkv);
        if let (Some(slot), Some(bias)) = (&places.qkv_bias, &layer.qkv_bias) {
            push(slot, bias);
        }
        if let (Some(q), Some(k), Some(norm)) = (&places.q_norm, &places.k_norm, &layer.qk_norm) {
            push(q, &norm.q);
            push(k, &norm.k);
        }
        push(&places.o, &layer.o);
        push(&places.post_norm, &layer.post_norm);
        for (slot, gain) in [
            (&places.attention_out_norm, &layer.attention_out_norm),
            (&places.mlp_out_norm, &layer.mlp_out_norm),
        ] {
            if let (Some(slot), Some(gain)) = (slot, gain) {
                push(slot, gain);
            }
        }
        push(&places.gate_up, &layer.gate_up);
        push(&places.down, &layer.down);
        leaves
    }
}

/// The same numbers as a leaf that wants a gradient.
fn leaf(weight: &Tensor) -> Tensor {
    weight.detach().set_requires_grad(true)
}
