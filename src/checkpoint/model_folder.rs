//! A policy and its tokenizer as a Hugging Face folder with the f32 master weights.

use std::path::Path;

use anyhow::{Context, Result};
use tch::Tensor;

use crate::model::config::SpecialIds;
use crate::model::{Layout, ModelConfig, save};
use crate::text::Tokenizer;

/// Writes `weights` (f32 `[n_params]`), their configuration and the tokenizer's files into `dir`.
///
/// # Errors
/// If a file exists already or cannot be written.
pub(crate) fn save_model(
    dir: &Path,
    config: &ModelConfig,
    layout: &Layout,
    weights: &Tensor,
    tokenizer: &Tokenizer,
) -> Result<()> {
    let flat = Vec::<f32>::try_from(weights).context("copying the weights to the host")?;
    let special =
        SpecialIds { bos: tokenizer.bos_id(), eos: tokenizer.eos_ids().to_vec(), pad: tokenizer.pad_id() };
    save::save_folder(dir, config, layout, &flat, &special)?;
    tokenizer.save(dir)
}
