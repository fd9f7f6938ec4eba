//! What a policy has learnt, f32, and its tokenizer as a folder: a Hugging Face model, or adapters as peft has them.

use std::path::Path;

use anyhow::Result;
use tch::Tensor;

use crate::kernel::view;
use crate::model::config::SpecialIds;
use crate::model::{ModelConfig, StoredDtype, Trainable, save};
use crate::text::Tokenizer;

/// Writes `weights` (f32 on the host, what `learnt` says), their configuration and the tokenizer's files into `dir`.
///
/// # Errors
/// If a file exists already or cannot be written.
pub(crate) fn save_model(
    dir: &Path,
    config: &ModelConfig,
    learnt: Trainable<'_>,
    weights: &Tensor,
    tokenizer: &Tokenizer,
) -> Result<()> {
    save_model_in(dir, config, learnt, weights, tokenizer, StoredDtype::F32)
}

/// As [`save_model`], with a model's numbers in `dtype`; adapters stay f32.
///
/// # Errors
/// As [`save_model`]; a number too large for `dtype`.
pub(crate) fn save_model_in(
    dir: &Path,
    config: &ModelConfig,
    learnt: Trainable<'_>,
    weights: &Tensor,
    tokenizer: &Tokenizer,
    dtype: StoredDtype,
) -> Result<()> {
    let special =
        SpecialIds { bos: tokenizer.bos_id(), eos: tokenizer.eos_ids().to_vec(), pad: tokenizer.pad_id() };
    save::save(dir, config, learnt, view(weights)?, &special, dtype)?;
    tokenizer.save(dir)
}
