//! The engine of any device and any model: libtorch's operations, and autograd between them.

mod anatomy;
mod attention;
mod decoder;
mod draw;
mod head;
mod step;
mod tape;

pub(crate) use anatomy::Readers;

use anyhow::Result;
use tch::Tensor;

use super::{Decoder, Engine, Forward, Tap};
use crate::model::gradient::GradientPart;
use crate::model::head::{Head, Rows, ScoredRows, StatsGrad, Truncation};
use crate::model::inputs::Inputs;
use crate::model::kv_cache::{AttentionTap, KvCache};
use crate::types::TokenId;

/// The engine of libtorch's operations.
pub(super) struct Ops;

impl Engine for Ops {
    fn hidden(&self, decoder: &Decoder<'_>, inputs: &Inputs, tap: Option<Tap<'_>>) -> Result<Tensor> {
        Ok(decoder.hidden(inputs, decoder.embed(&inputs.tokens), tap))
    }

    fn read_until(&self, decoder: &Decoder<'_>, inputs: &Inputs, last: usize, tap: Tap<'_>) -> Result<()> {
        decoder.read_until(inputs, decoder.embed(&inputs.tokens), last, tap);
        Ok(())
    }

    fn forward(&self, decoder: &Decoder<'_>, inputs: &Inputs, recompute: bool) -> Result<Forward> {
        Ok(tape::forward(decoder, inputs, recompute))
    }

    fn step(
        &self,
        decoder: &Decoder<'_>,
        tokens: &Tensor,
        cache: &mut KvCache,
        tap: Option<&mut dyn AttentionTap>,
    ) -> Result<Tensor> {
        Ok(decoder.step(tokens, cache, tap))
    }

    fn key_block(&self) -> Option<i64> {
        None
    }

    fn linear(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        Ok(x.linear::<Tensor>(weight, None))
    }

    fn score(&self, head: &Head<'_>, rows: &Rows) -> Result<ScoredRows> {
        Ok(ScoredRows { numbers: head::score(head, rows), logits: None })
    }

    fn pull_back(
        &self,
        head: &Head<'_>,
        rows: &Rows,
        scored: ScoredRows,
        grad: &StatsGrad,
        d_weight: &mut GradientPart<'_>,
    ) -> Result<Tensor> {
        Ok(head::pull_back(head, rows, &scored.numbers, grad, d_weight))
    }

    fn draw(
        &self,
        head: &Head<'_>,
        hidden: &Tensor,
        draws: &[Option<f64>],
        truncation: Truncation,
    ) -> Result<Vec<(TokenId, f32)>> {
        draw::draw(head, hidden, draws, truncation)
    }
}
