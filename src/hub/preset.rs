//! Models that come with the program, and start from random weights.

use anyhow::Result;

use crate::model::{ModelConfig, Preset};
use crate::text::{Tokenizer, countdown_tokenizer, words_tokenizer};

/// The shape of `preset`, and its tokenizer.
///
/// # Errors
/// If the tokenizer cannot be made, which would be a fault of its own.
pub(crate) fn preset(preset: Preset) -> Result<(ModelConfig, Tokenizer)> {
    let tokenizer = match preset {
        Preset::Countdown2m => countdown_tokenizer()?,
        Preset::Words2m | Preset::Words7m => words_tokenizer()?,
    };
    Ok((preset.config(i64::try_from(tokenizer.vocab_size())?), tokenizer))
}
