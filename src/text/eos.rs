//! Which tokens end a response, as the files of a Hugging Face folder say it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::tokenizer::{GENERATION_CONFIG, MODEL_CONFIG, TOKENIZER, TOKENIZER_CONFIG};
use crate::types::TokenId;

/// The ids that end a response, without repeats: `eos_token` of the tokenizer's configuration, then
/// `eos_token_id` of the generation configuration, or without one that of the model's.
///
/// # Errors
/// If no file names one, or one that is not in the vocabulary of `inner`, or if a file is not what it should
/// be.
pub(super) fn eos_ids(
    inner: &tokenizers::Tokenizer,
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<Vec<TokenId>> {
    let read = |name: &str, key: &str| -> Result<Option<Value>> {
        let Some(content) = files.get(name) else { return Ok(None) };
        let config: Value =
            serde_json::from_slice(content).with_context(|| format!("{name}: not valid JSON"))?;
        Ok(config.get(key).filter(|value| !value.is_null()).cloned())
    };
    let mut ids = Vec::new();
    if let Some(value) = read(TOKENIZER_CONFIG, "eos_token")? {
        let token = value.as_str().or_else(|| value.get("content")?.as_str());
        let token = token.with_context(|| {
            format!(
                "{TOKENIZER_CONFIG}, eos_token: got {value}, expected a string or an object with `content`"
            )
        })?;
        let id = inner.token_to_id(token);
        ids.push(id.with_context(|| {
            format!("{TOKENIZER_CONFIG}, eos_token: {token:?} is not in the vocabulary of {TOKENIZER}")
        })?);
    }
    for name in [GENERATION_CONFIG, MODEL_CONFIG] {
        let Some(value) = read(name, "eos_token_id")? else { continue };
        for entry in value.as_array().map_or(std::slice::from_ref(&value), Vec::as_slice) {
            let id = entry.as_u64().and_then(|id| TokenId::try_from(id).ok());
            let id = id.with_context(|| {
                format!("{name}, eos_token_id: got {value}, expected a token id or a list")
            })?;
            ensure!(
                inner.id_to_token(id).is_some(),
                "{name}, eos_token_id: {id} is not in the vocabulary of {TOKENIZER}"
            );
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        break;
    }
    if ids.is_empty() {
        bail!(
            "no end-of-sequence token: add `eos_token` to {TOKENIZER_CONFIG} or `eos_token_id` to {GENERATION_CONFIG}"
        );
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;
    use crate::text::{Tokenizer, countdown_tokenizer, tokenizer::tests::folder};

    #[test]
    fn finds_the_tokens_that_end_a_response() {
        let eos = countdown_tokenizer().unwrap().eos_id();
        let cases = [
            (vec![(TOKENIZER_CONFIG, json!({"eos_token": "<eos>"}))], vec![eos]),
            (
                vec![(TOKENIZER_CONFIG, json!({"eos_token": {"content": "<eos>", "lstrip": false}}))],
                vec![eos],
            ),
            (vec![(GENERATION_CONFIG, json!({"eos_token_id": 7}))], vec![7]),
            (vec![(MODEL_CONFIG, json!({"eos_token_id": [7, 9]}))], vec![7, 9]),
            (
                vec![
                    (GENERATION_CONFIG, json!({"eos_token_id": 5})),
                    (MODEL_CONFIG, json!({"eos_token_id": 7})),
                ],
                vec![5],
            ),
            (
                vec![
                    (TOKENIZER_CONFIG, json!({"eos_token": "<eos>"})),
                    (GENERATION_CONFIG, json!({"eos_token_id": [9, eos]})),
                ],
                vec![eos, 9],
            ),
            (
                vec![
                    (GENERATION_CONFIG, json!({"eos_token_id": null})),
                    (MODEL_CONFIG, json!({"eos_token_id": 7})),
                ],
                vec![7],
            ),
        ];
        for (files, expected) in cases {
            let tokenizer = Tokenizer::from_folder(folder(&files).path()).unwrap();
            assert_eq!(tokenizer.eos_ids(), expected, "{files:?}");
        }
    }
}
