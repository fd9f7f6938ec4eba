//! What computes a decoder: its passes, its decoding steps and its output layer, by one of two engines.
//!
//! | engine | by | where | which models |
//! |---|---|---|---|
//! | `ops` | libtorch's operations and autograd | any device | all |
//! | `cpu` | the kernels of [`crate::kernel`] | the CPU | those of which [`cpu::knows`] every flag |
//!
//! A network chooses its engine once, when it is made ([`Backend::choose`]); nobody else asks where it computes in order to
//! choose. Both say the same up to rounding, and `ops` is the reference of `cpu`. A model that needs something new begins in
//! `ops`.

mod cpu;
mod ops;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use anyhow::Result;
use serde::Serialize;
use tch::{Device, Tensor};

use super::attention::Attention;
use super::config::ModelConfig;
use super::device::Placement;
use super::gradient::{Gradient, GradientPart};
use super::head::{Head, Rows, ScoredRows, StatsGrad, Truncation};
use super::inputs::Inputs;
use super::kv_cache::{AttentionTap, KvCache};
use super::layout::Layout;
use super::rope::Rope;
use super::settings::BackendChoice;
use super::weights::Weights;
use crate::types::TokenId;
pub(crate) use ops::Readers;

/// Which engine computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Backend {
    /// Kernels for the CPU.
    Cpu,
    /// libtorch's operations.
    Ops,
}

impl Backend {
    /// The engine of a model: the kernels where it lives on the CPU, they know all that it is made of, and nobody asks for
    /// operations; else those.
    #[must_use]
    pub(crate) fn choose(config: &ModelConfig, placement: Placement) -> Self {
        match (placement.backend, placement.device) {
            (BackendChoice::Auto, Device::Cpu) if cpu::knows(config) => Self::Cpu,
            (BackendChoice::Auto | BackendChoice::Ops, _) => Self::Ops,
        }
    }

    pub(super) fn engine(self) -> &'static dyn Engine {
        match self {
            Self::Cpu => &cpu::Cpu,
            Self::Ops => &ops::Ops,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Ops => "ops",
        })
    }
}

/// A decoder over a set of weights.
pub(crate) struct Decoder<'a> {
    /// Shape of the model.
    pub config: &'a ModelConfig,
    /// Weights in the compute precision.
    pub weights: &'a Weights,
    /// Rotation tables.
    pub rope: &'a Rope,
}

impl Decoder<'_> {
    /// Looks the tokens' embeddings up: `[N]` to `[N, E]`.
    pub(crate) fn embed(&self, tokens: &Tensor) -> Tensor {
        Tensor::embedding(&self.weights.embed, tokens, -1, false, false)
    }
}

/// What a layer attends with, after norm and rotation: B sequences side by side, padded to T.
pub(crate) struct Tapped<'t> {
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
    /// How they become weights.
    pub attention: Attention,
}

/// Sees every layer of a forward pass go by.
pub(crate) type Tap<'t> = &'t mut dyn FnMut(&Tapped<'_>);

/// A forward pass that gradients will be asked of.
pub(crate) struct Forward {
    /// Final hidden states, `[N, E]`, without gradient.
    pub hidden: Tensor,
    pub(super) tape: Box<dyn Tape>,
}

/// What an engine keeps of a pass for its gradient.
pub(super) trait Tape {
    /// Adds to `gradient` those of all weights but the output layer's, from that of the final hidden states, `d_hidden`
    /// `[N, E]`.
    ///
    /// # Errors
    /// If one of them is not where the pass was.
    fn pull_back(
        self: Box<Self>,
        decoder: &Decoder<'_>,
        layout: &Layout,
        inputs: &Inputs,
        d_hidden: &Tensor,
        gradient: &mut Gradient,
    ) -> Result<()>;
}

/// An engine. It has no state; all its tensors are where the weights are, or it fails.
pub(super) trait Engine {
    /// The final hidden states of `inputs`, `[N, E]`. `tap` sees the layers go by.
    fn hidden(&self, decoder: &Decoder<'_>, inputs: &Inputs, tap: Option<Tap<'_>>) -> Result<Tensor>;

    /// Shows `tap` the layers up to `last`, and computes nothing behind what that one attends with.
    fn read_until(&self, decoder: &Decoder<'_>, inputs: &Inputs, last: usize, tap: Tap<'_>) -> Result<()>;

    /// The final hidden states and all that their gradient needs; with `recompute` the layers' inputs alone, from which the
    /// layers are computed again.
    fn forward(&self, decoder: &Decoder<'_>, inputs: &Inputs, recompute: bool) -> Result<Forward>;

    /// One decoding step: the next token of every row, `[B]`, to the final hidden states, `[B, E]`. `tap` sees the attention
    /// of the layers that it names.
    fn step(
        &self,
        decoder: &Decoder<'_>,
        tokens: &Tensor,
        cache: &mut KvCache,
        tap: Option<&mut dyn AttentionTap>,
    ) -> Result<Tensor>;

    /// How many columns of keys lie together in a cache of this engine; `None` for all of them.
    fn key_block(&self) -> Option<i64>;

    /// The product that layers are made of: `x W^T` of rows `[N, I]` and a weight `[O, I]`, `[N, O]`.
    fn linear(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor>;

    /// What `head` says of `rows`, and the logits `[n, V]` if its gradient can use them.
    fn score(&self, head: &Head<'_>, rows: &Rows) -> Result<ScoredRows>;

    /// Pulls `grad` back through [`Engine::score`], which gave `scored`, maybe without the logits: gives the gradient of the
    /// hidden states, `[n, E]`, and adds that of the weight to `d_weight` `[V, E]`.
    fn pull_back(
        &self,
        head: &Head<'_>,
        rows: &Rows,
        scored: ScoredRows,
        grad: &StatsGrad,
        d_weight: &mut GradientPart<'_>,
    ) -> Result<Tensor>;

    /// As [`Head::draw`].
    fn draw(
        &self,
        head: &Head<'_>,
        hidden: &Tensor,
        draws: &[Option<f64>],
        truncation: Truncation,
    ) -> Result<Vec<(TokenId, f32)>>;
}
