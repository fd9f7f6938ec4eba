//! The architectures of Hugging Face that are this decoder, and what each one's `config.json` takes for granted.

use serde_json::Value;

use super::fields::Fields;
use super::{Activation, ModelConfig, gemma2};

/// Which Hugging Face architecture a folder holds; all are one decoder with flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// `LlamaForCausalLM`.
    Llama,
    /// `Qwen2ForCausalLM` (Qwen2 and Qwen2.5): biases on q, k and v.
    Qwen2,
    /// `Qwen3ForCausalLM`: RMS norm on each query and key head.
    Qwen3,
    /// `Gemma2ForCausalLM`: four norms in a layer, soft limits for scores and logits, windows in every other layer.
    Gemma2,
}

/// What a family's `config.json` takes for granted.
pub(super) struct Dialect {
    /// `model_type`.
    pub model_type: &'static str,
    /// The class that transformers builds, `architectures`.
    pub architecture: &'static str,
    /// K where the key is absent; without a number H.
    pub n_kv_heads: Option<i64>,
    /// D where the key is absent; without a number E / H.
    pub head_dim: Option<i64>,
    /// Positions where the key is absent.
    pub max_position_embeddings: i64,
    /// Whether embeddings are tied where the key is absent.
    pub is_tied: bool,
    /// Whether q, k and v have biases, whatever the file says.
    pub qkv_bias: bool,
    /// Whether each query and key head goes through a norm.
    pub qk_norm: bool,
    /// What the gates of the MLP go through.
    pub activation: Activation,
    /// The key that says so, and its values that mean it; the first is written.
    pub activation_key: (&'static str, &'static [&'static str]),
    /// Flags that must be off: biases that the decoder does not have.
    pub biases: &'static [&'static str],
    /// Whether the file can ask for windows, by `use_sliding_window`.
    pub may_slide: bool,
    /// What the family has beyond flags that stand here.
    pub beyond: Option<Beyond>,
}

/// How a family with a file of its own is read and written.
pub(super) struct Beyond {
    /// Adds what the file says, windows among it, to the shape; `None` only where a problem was recorded.
    pub read: fn(&mut Fields<'_>, ModelConfig) -> Option<ModelConfig>,
    /// Adds it to the file.
    pub write: fn(&ModelConfig, &mut Value),
}

const LLAMA: Dialect = Dialect {
    model_type: "llama",
    architecture: "LlamaForCausalLM",
    n_kv_heads: None,
    head_dim: None,
    max_position_embeddings: 2048,
    is_tied: false,
    qkv_bias: false,
    qk_norm: false,
    activation: Activation::Silu,
    activation_key: ("hidden_act", &["silu", "swish"]),
    biases: &["attention_bias", "mlp_bias"],
    may_slide: false,
    beyond: None,
};

impl Family {
    /// Every family, in the order in which messages list them.
    pub(crate) const ALL: [Self; 4] = [Self::Llama, Self::Qwen2, Self::Qwen3, Self::Gemma2];

    /// What its `config.json` takes for granted; the registry of families.
    pub(super) const fn dialect(self) -> Dialect {
        match self {
            Self::Llama => LLAMA,
            // Biases on q, k and v, and only there, whatever the keys of biases say.
            Self::Qwen2 => Dialect {
                model_type: "qwen2",
                architecture: "Qwen2ForCausalLM",
                n_kv_heads: Some(32),
                max_position_embeddings: 32_768,
                qkv_bias: true,
                biases: &[],
                may_slide: true,
                ..LLAMA
            },
            Self::Qwen3 => Dialect {
                model_type: "qwen3",
                architecture: "Qwen3ForCausalLM",
                n_kv_heads: Some(32),
                head_dim: Some(128),
                max_position_embeddings: 32_768,
                qk_norm: true,
                biases: &["attention_bias"],
                may_slide: true,
                ..LLAMA
            },
            Self::Gemma2 => Dialect {
                model_type: "gemma2",
                architecture: "Gemma2ForCausalLM",
                n_kv_heads: Some(4),
                head_dim: Some(256),
                max_position_embeddings: 8192,
                is_tied: true,
                activation: Activation::GeluTanh,
                activation_key: ("hidden_activation", &["gelu_pytorch_tanh"]),
                biases: &["attention_bias"],
                beyond: Some(Beyond { read: gemma2::read, write: gemma2::write }),
                ..LLAMA
            },
        }
    }

    /// `model_type` in `config.json`.
    #[must_use]
    pub(crate) const fn model_type(self) -> &'static str {
        self.dialect().model_type
    }

    /// The class that transformers builds, `architectures` in `config.json`.
    #[must_use]
    pub(crate) const fn architecture(self) -> &'static str {
        self.dialect().architecture
    }
}
