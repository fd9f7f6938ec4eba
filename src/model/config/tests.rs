use super::*;

/// V=11 E=8 F=6 L=2 H=4 K=2 D=3 with the flags of the family; Qwen models tied, Llama not.
pub fn tiny(family: Family) -> ModelConfig {
    ModelConfig {
        family,
        vocab_size: 11,
        hidden_size: 8,
        intermediate_size: 6,
        n_layers: 2,
        n_heads: 4,
        n_kv_heads: 2,
        head_dim: 3,
        rms_norm_eps: 1e-6,
        rope: Rope { theta: 10_000.0, scaling: None },
        max_position_embeddings: 64,
        tie_word_embeddings: family != Family::Llama,
        qkv_bias: family == Family::Qwen2,
        qk_norm: family == Family::Qwen3,
    }
}
