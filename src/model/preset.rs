//! Shapes of the models that start from random weights.

use super::config::{Activation, Family, ModelConfig, Rope};
use super::settings::Preset;

impl Preset {
    /// The shape of the preset for a tokenizer with `vocab_size` tokens.
    #[must_use]
    pub(crate) fn config(self, vocab_size: i64) -> ModelConfig {
        let (hidden_size, intermediate_size, n_layers, n_heads) = match self {
            Self::Countdown2m | Self::Words2m => (192, 512, 4, 6),
            Self::Words7m => (256, 688, 8, 8),
        };
        ModelConfig {
            family: Family::Qwen3,
            vocab_size,
            hidden_size,
            intermediate_size,
            n_layers,
            n_heads,
            n_kv_heads: n_heads,
            head_dim: 32,
            rms_norm_eps: 1e-6,
            rope: Rope { theta: 10_000.0, scaling: None },
            max_position_embeddings: 512,
            tie_word_embeddings: true,
            qkv_bias: false,
            qk_norm: true,
            activation: Activation::Silu,
            norm_offset: false,
            output_norms: false,
            scaled_embeddings: false,
            query_scalar: None,
            attention_softcap: None,
            sliding_window: None,
            logit_softcap: None,
            has_token: None,
        }
    }
}
