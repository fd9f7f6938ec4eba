//! From the files of a folder to a tokenizer, and to the files that are saved with it.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use serde_json::json;

use super::regex;
use crate::files::model_folder::{GENERATION_CONFIG, TOKENIZER};
use crate::text::caught::{Allowance, watched};
use crate::text::companion::{read, whole};
use crate::types::TokenId;

/// Makes `generation_config.json` among `files` name every one of `eos_ids`, since others generate by that file; what else it
/// says stays.
pub(super) fn name_ends(files: &mut BTreeMap<String, Vec<u8>>, eos_ids: &[TokenId]) -> Result<()> {
    let named = read(files, GENERATION_CONFIG, "eos_token_id")?.unwrap_or_default();
    let named = named.as_array().cloned().unwrap_or_else(|| vec![named]);
    if eos_ids.iter().all(|id| named.contains(&json!(id))) {
        return Ok(());
    }
    let mut config = whole(files, GENERATION_CONFIG)?;
    config.insert("eos_token_id".to_owned(), json!(eos_ids));
    files.insert(GENERATION_CONFIG.to_owned(), serde_json::to_vec_pretty(&config)?);
    Ok(())
}

/// The tokenizer that `content` describes, without a limit or padding, which would change texts behind the caller's back.
pub(super) fn built(content: &[u8]) -> Result<tokenizers::Tokenizer> {
    regex::bound_matches();
    let megabytes = content.len() as f64 / 1e6;
    let allowance = Allowance {
        stack_bytes: 64 << 20,
        cpu_s: 6.0 + megabytes / 4.0,
        memory_bytes: (256 << 20) + 24 * content.len() as u64,
    };
    let content = content.to_vec();
    let inner = watched(allowance, move || {
        let mut inner = tokenizers::Tokenizer::from_bytes(content)?;
        inner.with_truncation(None)?;
        inner.with_padding(None);
        Ok::<_, tokenizers::Error>(inner)
    });
    let inner = inner.and_then(|inner| inner.map_err(|error| anyhow!("{error}")));
    inner.map_err(|error| anyhow!("{TOKENIZER}: not a tokenizer: {error}"))
}

/// What a text of `n_bytes` takes at most.
pub(super) fn for_text(n_bytes: usize) -> Allowance {
    Allowance { stack_bytes: 16 << 20, cpu_s: 5.0, memory_bytes: (256 << 20) + 1000 * n_bytes as u64 }
}

/// What `n` tokens take at most. Halves of characters are read from their beginning for each that follows.
pub(super) fn for_tokens(n: usize) -> Allowance {
    let of_text = for_text(n);
    Allowance { cpu_s: of_text.cpu_s + n as f64 / 1000.0, ..of_text }
}
