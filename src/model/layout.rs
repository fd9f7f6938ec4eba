//! Where each parameter lies in the one flat f32 buffer that holds them all.
//!
//! ```text
//! | embed | layer 0: q k v o gate up down | layer 1 ... | output | layer 0: biases, norms | ... | final norm | output bias |
//! |<-------------------- weight decay: n_decayed -------------->|<------------------- no weight decay ----------------->|
//! ```
//!
//! q, k, v and gate, up are neighbours, so one view of the buffer is the fused `[(H + 2K) D, E]` or `[2F, E]` matrix and
//! no copy exists. Matrices are `[out, in]`, row-major, as Hugging Face stores them.

use tch::Tensor;

use super::config::ModelConfig;

/// One parameter under its Hugging Face name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// For example `model.layers.0.self_attn.q_proj.weight`.
    pub name: String,
    /// Sizes, row-major.
    pub shape: Vec<i64>,
    /// Offset of the first element in the flat buffer, in elements.
    pub start: i64,
}

/// A view of the flat buffer: one parameter or several fused along their first dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Offset of the first element, in elements.
    pub start: i64,
    /// Sizes, row-major.
    pub shape: Vec<i64>,
}

/// The views of one decoder layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayerLayout {
    /// Query, key and value projections, `[(H + 2K) D, E]`.
    pub qkv: Slot,
    /// Their biases, `[(H + 2K) D]`.
    pub qkv_bias: Option<Slot>,
    /// Norm of each query head, `[D]`.
    pub q_norm: Option<Slot>,
    /// Norm of each key head, `[D]`.
    pub k_norm: Option<Slot>,
    /// Output projection of attention, `[E, H D]`.
    pub o: Slot,
    /// Gate and up projections, `[2F, E]`.
    pub gate_up: Slot,
    /// Down projection, `[E, F]`.
    pub down: Slot,
    /// Norm before attention, `[E]`.
    pub input_norm: Slot,
    /// Norm before the feed-forward layer, `[E]`.
    pub post_norm: Slot,
    /// Norm of what attention gives, `[E]`.
    pub attention_out_norm: Option<Slot>,
    /// Norm of what the feed-forward layer gives, `[E]`.
    pub mlp_out_norm: Option<Slot>,
}

/// Every parameter of a model and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Token embedding, `[V, E]`.
    pub embed: Slot,
    /// One per decoder layer, first layer first.
    pub layers: Vec<LayerLayout>,
    /// Norm before the output projection, `[E]`.
    pub final_norm: Slot,
    /// The output layer.
    pub output: Output<Slot>,
    entries: Vec<Entry>,
    n_decayed: i64,
    n_params: i64,
}

/// The output layer of a network: where its parameters lie, or the parameters themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output<T> {
    /// The embedding, turned around.
    Tied,
    /// A projection onto the vocabulary, `[V, E]`.
    Vocabulary(T),
    /// One number per token.
    Value {
        /// `[1, E]`
        weight: T,
        /// `[1]`
        bias: T,
    },
}

impl<T> Output<T> {
    /// The same with every part replaced by `f` of it.
    pub(crate) fn map<U>(&self, f: impl Fn(&T) -> U) -> Output<U> {
        match self {
            Self::Tied => Output::Tied,
            Self::Vocabulary(weight) => Output::Vocabulary(f(weight)),
            Self::Value { weight, bias } => Output::Value { weight: f(weight), bias: f(bias) },
        }
    }
}

impl Slot {
    /// Number of elements.
    #[must_use]
    pub(crate) fn n_elements(&self) -> i64 {
        self.shape.iter().product()
    }

    /// This part of `flat` `[n_params]`, in its shape.
    pub(crate) fn of(&self, flat: &Tensor) -> Tensor {
        flat.narrow(0, self.start, self.n_elements()).view(self.shape.as_slice())
    }
}

impl LayerLayout {
    /// The matrix that element `start` of the flat buffer is of.
    pub(super) fn around(&self, start: i64) -> Option<&Slot> {
        let matrices = [&self.qkv, &self.o, &self.gate_up, &self.down];
        matrices.into_iter().find(|slot| (slot.start..slot.start + slot.n_elements()).contains(&start))
    }
}

impl Entry {
    /// Number of elements.
    #[must_use]
    pub(crate) fn n_elements(&self) -> i64 {
        self.shape.iter().product()
    }
}

impl Layout {
    /// Places every parameter of a policy.
    #[must_use]
    pub(crate) fn new(config: &ModelConfig) -> Self {
        Self::with_output(config, false)
    }

    /// Places every parameter of a critic, named as transformers names those of a model for token classification.
    #[must_use]
    pub(crate) fn of_critic(config: &ModelConfig) -> Self {
        Self::with_output(config, true)
    }

    fn with_output(config: &ModelConfig, value: bool) -> Self {
        let &ModelConfig { vocab_size: v, hidden_size: e, intermediate_size: f, head_dim: d, .. } = config;
        let (q, kv) = (config.q_width(), config.kv_width());
        let mut builder = LayoutBuilder::default();

        let embed = builder.put("model.embed_tokens.weight", &[v, e]);
        let matrices: Vec<[Slot; 4]> = (0..config.n_layers)
            .map(|l| {
                let mut put = |name: &str, shape: &[i64]| {
                    builder.put(&format!("model.layers.{l}.{name}.weight"), shape)
                };
                [
                    put("self_attn.q_proj", &[q, e])
                        .with(&put("self_attn.k_proj", &[kv, e]))
                        .with(&put("self_attn.v_proj", &[kv, e])),
                    put("self_attn.o_proj", &[e, q]),
                    put("mlp.gate_proj", &[f, e]).with(&put("mlp.up_proj", &[f, e])),
                    put("mlp.down_proj", &[e, f]),
                ]
            })
            .collect();
        let weight = match (value, config.tie_word_embeddings) {
            (true, _) => Some(builder.put("score.weight", &[1, e])),
            (false, true) => None,
            (false, false) => Some(builder.put("lm_head.weight", &[v, e])),
        };
        let n_decayed = builder.end;

        // What stands behind attention is, by its name in transformers, the norm of what it gives where there is one.
        let out_norms = config.output_norms;
        let before_mlp =
            if out_norms { "pre_feedforward_layernorm.weight" } else { "post_attention_layernorm.weight" };

        let layers = (0..)
            .zip(matrices)
            .map(|(l, [qkv, o, gate_up, down])| {
                let mut put =
                    |name: &str, size: i64| builder.put(&format!("model.layers.{l}.{name}"), &[size]);
                LayerLayout {
                    qkv,
                    qkv_bias: config.qkv_bias.then(|| {
                        put("self_attn.q_proj.bias", q)
                            .with(&put("self_attn.k_proj.bias", kv))
                            .with(&put("self_attn.v_proj.bias", kv))
                    }),
                    q_norm: config.qk_norm.then(|| put("self_attn.q_norm.weight", d)),
                    k_norm: config.qk_norm.then(|| put("self_attn.k_norm.weight", d)),
                    o,
                    gate_up,
                    down,
                    input_norm: put("input_layernorm.weight", e),
                    attention_out_norm: out_norms.then(|| put("post_attention_layernorm.weight", e)),
                    post_norm: put(before_mlp, e),
                    mlp_out_norm: out_norms.then(|| put("post_feedforward_layernorm.weight", e)),
                }
            })
            .collect();
        let final_norm = builder.put("model.norm.weight", &[e]);
        let output = match weight {
            None => Output::Tied,
            Some(weight) if value => Output::Value { weight, bias: builder.put("score.bias", &[1]) },
            Some(weight) => Output::Vocabulary(weight),
        };
        let LayoutBuilder { entries, end: n_params } = builder;
        Self { embed, layers, final_norm, output, entries, n_decayed, n_params }
    }

    /// Views of layer `l`, counted from 0 and below L.
    #[must_use]
    pub(crate) fn layer(&self, l: usize) -> &LayerLayout {
        &self.layers[l]
    }

    /// Every parameter once, in the order of the buffer and without gaps.
    #[must_use]
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The parameter with this Hugging Face name.
    #[must_use]
    pub(crate) fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Length of the flat buffer, in elements.
    #[must_use]
    pub(crate) const fn n_params(&self) -> i64 {
        self.n_params
    }

    /// Where the parameters lie that a token of the vocabulary has to itself: embedding and output projection.
    #[must_use]
    pub(crate) fn vocabulary(&self) -> Vec<std::ops::Range<i64>> {
        let place = |slot: &Slot| slot.start..slot.start + slot.n_elements();
        let output = match &self.output {
            Output::Vocabulary(slot) => Some(place(slot)),
            Output::Tied | Output::Value { .. } => None,
        };
        std::iter::once(place(&self.embed)).chain(output).collect()
    }

    /// Elements `0..n_decayed` are the matrices, which get weight decay; norms and biases follow.
    #[must_use]
    pub(crate) const fn n_decayed(&self) -> i64 {
        self.n_decayed
    }
}

/// Places one parameter after the other.
#[derive(Default)]
struct LayoutBuilder {
    entries: Vec<Entry>,
    end: i64,
}

impl LayoutBuilder {
    fn put(&mut self, name: &str, shape: &[i64]) -> Slot {
        let slot = Slot { start: self.end, shape: shape.to_vec() };
        self.entries.push(Entry { name: name.to_owned(), shape: shape.to_vec(), start: self.end });
        self.end += slot.n_elements();
        slot
    }
}

impl Slot {
    /// This view and the one right behind it as one, fused along the first dimension.
    fn with(mut self, next: &Self) -> Self {
        debug_assert_eq!(self.start + self.n_elements(), next.start, "fused parameters are neighbours");
        self.shape[0] += next.shape[0];
        self
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::model::config::Family;
    use crate::model::config::tests::tiny;

    #[test]
    fn entries_fill_the_buffer_without_gaps() {
        for family in Family::ALL {
            let layout = Layout::new(&tiny(family));
            let mut end = 0;
            for entry in layout.entries() {
                assert_eq!(entry.start, end, "{}", entry.name);
                end += entry.n_elements();
            }
            assert_eq!(layout.n_params(), end);
            assert_eq!(tiny(family).n_params(), end);
        }
    }

    #[test]
    fn matrices_come_first_and_only_they_are_decayed() {
        for family in Family::ALL {
            let layout = Layout::new(&tiny(family));
            for entry in layout.entries() {
                assert_eq!(entry.shape.len() == 2, entry.start < layout.n_decayed(), "{}", entry.name);
            }
        }
    }

    /// Names, sizes and order for V=11 E=8 F=6 L=2 H=4 K=2 D=4, counted by hand.
    #[test]
    fn fused_views_cover_their_parts() {
        let layout = Layout::new(&tiny(Family::Qwen2));
        let first = layout.layer(0);
        assert_eq!(layout.embed, Slot { start: 0, shape: vec![11, 8] });
        assert_eq!(first.qkv, Slot { start: 88, shape: vec![32, 8] });
        assert_eq!(first.o, Slot { start: 344, shape: vec![8, 16] });
        assert_eq!(first.gate_up, Slot { start: 472, shape: vec![12, 8] });
        assert_eq!(first.down, Slot { start: 568, shape: vec![8, 6] });
        assert_eq!(layout.layer(1).qkv.start, 616);
        assert_eq!((layout.n_decayed(), &layout.output), (1144, &Output::Tied));
        assert_eq!(first.qkv_bias, Some(Slot { start: 1144, shape: vec![32] }));
        assert_eq!(layout.n_params(), 1144 + 2 * (32 + 8 + 8) + 8);

        let start = |name: &str| layout.find(&format!("model.layers.0.{name}")).unwrap().start;
        let part = |part: &str| ["q", "k", "v"].map(|x| start(&format!("self_attn.{x}_proj.{part}")));
        assert_eq!(part("weight"), [88, 88 + 16 * 8, 88 + 24 * 8]);
        assert_eq!(part("bias"), [1144, 1144 + 16, 1144 + 24]);
        assert_eq!([start("mlp.gate_proj.weight"), start("mlp.up_proj.weight")], [472, 472 + 6 * 8]);
    }

    #[test]
    fn a_critic_has_one_number_for_a_vocabulary() {
        for family in Family::ALL {
            let (policy, critic) = (Layout::new(&tiny(family)), Layout::of_critic(&tiny(family)));
            let Output::Value { weight, bias } = &critic.output else { panic!("{:?}", critic.output) };
            assert_eq!((weight.shape.as_slice(), bias.shape.as_slice()), (&[1, 8][..], &[1][..]));
            assert!(weight.start < critic.n_decayed() && bias.start == critic.n_params() - 1);
            assert_eq!(policy.embed, critic.embed);
            let lm_head = if let Output::Vocabulary(slot) = &policy.output { slot.n_elements() } else { 0 };
            assert_eq!(critic.n_params(), policy.n_params() - lm_head + 9);
        }
    }

    #[test]
    fn flags_decide_which_parameters_exist() {
        let llama = Layout::new(&tiny(Family::Llama));
        assert!(
            matches!(llama.output, Output::Vocabulary(_))
                && llama.layer(0).qkv_bias.is_none()
                && llama.layer(0).q_norm.is_none()
        );
        let qwen3 = Layout::new(&tiny(Family::Qwen3));
        assert_eq!(qwen3.layer(1).k_norm.as_ref().map(|slot| slot.shape.clone()), Some(vec![4]));
        assert!(qwen3.find("lm_head.weight").is_none());
    }
}
