//! The engine of the CPU: hand-written kernels, and between them libtorch's products or our own. No autograd.

mod attention;
mod draw;
mod head;
mod pass;
mod product;
mod step;

#[cfg(test)]
pub(super) use draw::{draw as reference_draw, most_likely};

use anyhow::Result;
use tch::Tensor;

use super::{Decoder, Engine, Forward, Tap};
use crate::kernel::{HeadNorm, HeadNorms, KEY_BLOCK, Number, view};
use crate::model::ModelConfig;
use crate::model::config::Activation;
use crate::model::gradient::GradientPart;
use crate::model::head::{Head, Rows, ScoredRows, StatsGrad, Truncation};
use crate::model::inputs::Inputs;
use crate::model::kv_cache::{AttentionTap, KvCache};
use crate::model::weights::QkNorm;
use crate::types::TokenId;

/// Evaluates an expression with `$T` as the numbers that a kind stands for.
macro_rules! in_kind {
    ($kind:expr, $T:ident => $work:expr) => {
        match $kind {
            tch::Kind::BFloat16 => {
                type $T = crate::kernel::Bf16;
                $work
            }
            _ => {
                type $T = f32;
                $work
            }
        }
    };
}
use in_kind;

/// The norms of a layer over its heads, as the kernels take them.
fn head_norms<T: Number>(norms: &QkNorm, eps: f32) -> Result<HeadNorms<'_, T>> {
    Ok(HeadNorms { q: HeadNorm { gain: view(&norms.q)?, eps }, k: HeadNorm { gain: view(&norms.k)?, eps } })
}

/// Whether the kernels compute all that `config` asks for.
#[must_use]
pub(super) fn knows(config: &ModelConfig) -> bool {
    // Taken apart without `..`, so that whoever adds a flag says here what it means for the kernels.
    let ModelConfig {
        family: _,
        vocab_size: _,
        hidden_size: _,
        intermediate_size: _,
        n_layers: _,
        n_heads: _,
        n_kv_heads: _,
        head_dim: _,
        rms_norm_eps: _,
        rope: _,
        max_position_embeddings: _,
        tie_word_embeddings: _,
        qkv_bias: _,
        qk_norm: _,
        activation,
        norm_offset,
        output_norms,
        scaled_embeddings,
        query_scalar,
        attention_softcap,
        sliding_window,
        logit_softcap,
        has_token: _,
    } = config;
    *activation == Activation::Silu
        && !(*norm_offset || *output_norms || *scaled_embeddings)
        && [query_scalar, attention_softcap, logit_softcap].iter().all(|number| number.is_none())
        && sliding_window.is_none()
}

/// The engine of the kernels.
pub(super) struct Cpu;

impl Engine for Cpu {
    fn hidden(&self, decoder: &Decoder<'_>, inputs: &Inputs, tap: Option<Tap<'_>>) -> Result<Tensor> {
        pass::hidden(decoder, inputs, tap)
    }

    fn read_until(&self, decoder: &Decoder<'_>, inputs: &Inputs, last: usize, tap: Tap<'_>) -> Result<()> {
        pass::read_until(decoder, inputs, last, tap)
    }

    fn forward(&self, decoder: &Decoder<'_>, inputs: &Inputs, recompute: bool) -> Result<Forward> {
        pass::forward(decoder, inputs, recompute)
    }

    fn step(
        &self,
        decoder: &Decoder<'_>,
        tokens: &Tensor,
        cache: &mut KvCache,
        tap: Option<&mut dyn AttentionTap>,
    ) -> Result<Tensor> {
        step::step(decoder, tokens, cache, tap)
    }

    fn key_block(&self) -> Option<i64> {
        Some(KEY_BLOCK as i64)
    }

    fn linear(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        Ok(product::linear(x, weight)?.into_tensor())
    }

    fn score(&self, head: &Head<'_>, rows: &Rows) -> Result<ScoredRows> {
        head::score(head, rows)
    }

    fn pull_back(
        &self,
        head: &Head<'_>,
        rows: &Rows,
        scored: ScoredRows,
        grad: &StatsGrad,
        d_weight: &mut GradientPart<'_>,
    ) -> Result<Tensor> {
        head::pull_back(head, rows, scored, grad, d_weight)
    }

    fn draw(
        &self,
        head: &Head<'_>,
        hidden: &Tensor,
        draws: &[Option<f64>],
        truncation: Truncation,
    ) -> Result<Vec<(TokenId, f32)>> {
        head::draw(head, hidden, draws, truncation)
    }
}
