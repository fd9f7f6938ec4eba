//! The shape of a decoder, as plain numbers, read from and written to a Hugging Face `config.json`.
//!
//! Letters used throughout `model`: **V** vocabulary, **E** width, **F** feed-forward width, **L** layers,
//! **H** query heads, **K** key/value heads, **D** head size. H / K query heads share one key/value head.

mod family;
mod fields;
mod gemma2;
mod read;
mod write;

pub(crate) use family::Family;
pub(crate) use write::SpecialIds;

/// What the gates of the MLP go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `x / (1 + exp(-x))`.
    Silu,
    /// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2` (Gemma).
    GeluTanh,
}

/// Layers whose tokens see no farther back than a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SlidingWindow {
    /// Tokens that a token sees, itself among them.
    pub tokens: i64,
    /// For each layer, whether it looks through the window.
    pub layers: Vec<bool>,
}

/// Rotary position embedding: pair i of a head turns by `position * theta^(-2i / D)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rope {
    /// Base of the wavelengths.
    pub theta: f64,
    /// Llama 3's stretching of the long wavelengths; `None` leaves them as they are.
    pub scaling: Option<Llama3Scaling>,
}

/// Llama 3's rope scaling. With n = `original_max_position_embeddings` and a pair of wavelength w = 2 pi / f,
/// its frequency f
/// - stays where w < n / `high_freq_factor`,
/// - becomes f / `factor` where w > n / `low_freq_factor`,
/// - and in between blends both: (1 - s) f / factor + s f, s = (n / w - low) / (high - low).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Llama3Scaling {
    /// How many times longer the longest wavelengths become.
    pub factor: f64,
    /// See the formula; a wavelength that fits the original context fewer times than this is stretched in full.
    pub low_freq_factor: f64,
    /// See the formula; a wavelength that fits the original context more times than this stays.
    pub high_freq_factor: f64,
    /// Context length before stretching, in tokens.
    pub original_max_position_embeddings: i64,
}

/// Shape and flags of a decoder.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ModelConfig {
    /// Architecture, decides names in `config.json`.
    pub family: Family,
    /// V, rows of the embedding.
    pub vocab_size: i64,
    /// E, width of the residual stream.
    pub hidden_size: i64,
    /// F, width of the gated feed-forward layer.
    pub intermediate_size: i64,
    /// L.
    pub n_layers: i64,
    /// H, query heads.
    pub n_heads: i64,
    /// K, key/value heads; divides H.
    pub n_kv_heads: i64,
    /// D, size of a head; H * D need not equal E.
    pub head_dim: i64,
    /// Added to the mean square in every RMS norm.
    pub rms_norm_eps: f64,
    /// Rotary position embedding.
    pub rope: Rope,
    /// Longest sequence the model is made for, in tokens.
    pub max_position_embeddings: i64,
    /// Whether the output projection is the embedding matrix.
    pub tie_word_embeddings: bool,
    /// Whether q, k and v have biases (Qwen2).
    pub qkv_bias: bool,
    /// Whether each query and key head goes through an RMS norm of size D (Qwen3).
    pub qk_norm: bool,
    /// What the gates of the MLP go through.
    pub activation: Activation,
    /// Whether norms multiply by 1 + gain (Gemma) rather than by the gain.
    pub norm_offset: bool,
    /// Whether what attention and MLP give is normed before it joins the residual stream (Gemma 2).
    pub output_norms: bool,
    /// Whether embeddings are multiplied by `sqrt(E)` (Gemma).
    pub scaled_embeddings: bool,
    /// Scores are divided by the root of this; D where there is none (`query_pre_attn_scalar` of Gemma).
    pub query_scalar: Option<f64>,
    /// c, where scores s become `c tanh(s / c)` before their softmax (Gemma 2).
    pub attention_softcap: Option<f64>,
    /// The layers that do not see all tokens (Gemma 2).
    pub sliding_window: Option<SlidingWindow>,
    /// c, where logits l become `c tanh(l / c)` (Gemma 2).
    pub logit_softcap: Option<f64>,
    /// For the first rows of the embedding, whether a token has it; those behind have none. `None` where no tokenizer is known,
    /// since `config.json` does not say, see [`ModelConfig::with_tokens`].
    pub has_token: Option<Vec<bool>>,
}

impl ModelConfig {
    /// The same model with a tokenizer that has a token for row i where `has_token[i]` is true. Embeddings are often padded to
    /// a round number of rows; those without a token are never drawn and take no probability.
    #[must_use]
    pub(crate) fn with_tokens(self, has_token: Vec<bool>) -> Self {
        Self { has_token: Some(has_token), ..self }
    }

    /// Rows of the embedding that are known to stand for no token, ascending.
    #[must_use]
    pub(crate) fn rows_without_token(&self) -> Vec<i64> {
        let Some(has_token) = &self.has_token else { return Vec::new() };
        let has = |row: &i64| usize::try_from(*row).is_ok_and(|row| has_token.get(row) == Some(&true));
        (0..self.vocab_size).filter(|row| !has(row)).collect()
    }

    /// Number of parameters of a policy, without laying them out.
    #[must_use]
    pub(crate) fn n_params(&self) -> i64 {
        let (e, q, kv) = (self.hidden_size, self.q_width(), self.kv_width());
        let biases = if self.qkv_bias { q + 2 * kv } else { 0 };
        let head_norms = if self.qk_norm { 2 * self.head_dim } else { 0 };
        let norms = if self.output_norms { 4 * e } else { 2 * e };
        let layer = e * (2 * q + 2 * kv + 3 * self.intermediate_size) + biases + head_norms + norms;
        let vocabularies = if self.tie_word_embeddings { 1 } else { 2 };
        vocabularies * self.vocab_size * e + self.n_layers * layer + e
    }

    /// Width of all query heads together, H * D.
    #[must_use]
    pub(crate) const fn q_width(&self) -> i64 {
        self.n_heads * self.head_dim
    }

    /// Width of all key (or value) heads together, K * D.
    #[must_use]
    pub(crate) const fn kv_width(&self) -> i64 {
        self.n_kv_heads * self.head_dim
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(crate) mod tests;
