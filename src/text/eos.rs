//! Which tokens end a response, begin a text or fill short rows, as the files of a Hugging Face folder say it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::chat::{ChatOptions, ChatTemplate, Exceeded, Message};
use super::companion::read;
use super::cut::cut;
use crate::files::model_folder::{CONFIG, GENERATION_CONFIG, SPECIAL_TOKENS, TOKENIZER, TOKENIZER_CONFIG};
use crate::types::TokenId;

/// The ids that end a response, without repeats: `eos_token` of the tokenizer's configuration, or without one of its map of
/// special tokens, then `eos_token_id` of the generation configuration, or without one that of the model's, then the token
/// with which the chat template closes the assistant's turn. The template is rendered for an `answer` only, or where no file
/// names a token.
///
/// # Errors
/// If none names one, or one that is not in the vocabulary of `inner`, or if a file is not what it should
/// be.
pub(super) fn eos_ids(
    inner: &tokenizers::Tokenizer,
    files: &BTreeMap<String, Vec<u8>>,
    template: Option<&ChatTemplate>,
    answer: bool,
) -> Result<Vec<TokenId>> {
    let read = |name, key| read(files, name, key);
    let mut ids = Vec::new();
    if let Some((name, value)) = special(files, "eos_token")? {
        let token = text(&value).with_context(|| {
            let value = cut(&value.to_string());
            format!("{name}, eos_token: got {value}, expected a string or an object with `content`")
        })?;
        let id = inner.token_to_id(token);
        ids.push(id.with_context(|| {
            format!("{name}, eos_token: {:?} is not in the vocabulary of {TOKENIZER}", cut(token))
        })?);
    }
    for name in [GENERATION_CONFIG, CONFIG] {
        let Some(value) = read(name, "eos_token_id")? else { continue };
        for entry in value.as_array().map_or(std::slice::from_ref(&value), Vec::as_slice) {
            let id = entry.as_u64().and_then(|id| TokenId::try_from(id).ok());
            let id = id.with_context(|| {
                let value = cut(&value.to_string());
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
    if let Some(template) = template.filter(|_| answer || ids.is_empty()) {
        ids.extend(closes_turn(inner, template)?.filter(|id| !ids.contains(id)));
    }
    if ids.is_empty() {
        bail!(
            "no end-of-sequence token: add `eos_token` to {TOKENIZER_CONFIG} or `eos_token_id` to {GENERATION_CONFIG}"
        );
    }
    Ok(ids)
}

/// The special token that `template` writes directly behind what the assistant says; `None` if it writes another thing
/// there, or does not take a plain question with an answer.
///
/// # Errors
/// If the template takes more than one may.
fn closes_turn(inner: &tokenizers::Tokenizer, template: &ChatTemplate) -> Result<Option<TokenId>> {
    const ANSWER: &str = "It is four.";
    let messages = [Message::new("user", "What is two and two?"), Message::new("assistant", ANSWER)];
    let rendered = match template.render(&messages, &ChatOptions::default()) {
        Ok(rendered) => rendered,
        Err(error) if error.is::<Exceeded>() => return Err(error),
        Err(_) => return Ok(None),
    };
    let Some((_, behind)) = rendered.rsplit_once(ANSWER) else { return Ok(None) };
    let added = inner.get_added_tokens_decoder();
    let here = added.iter().filter(|(_, token)| token.special && behind.starts_with(&token.content));
    Ok(here.max_by_key(|(_, token)| token.content.len()).map(|(&id, _)| id))
}

/// The id that starts a text or fills short rows, `role` being `bos` or `pad`: what the model's configuration says, else
/// the generation configuration's, else the id of the token that the tokenizer's configuration or map of special tokens
/// names. Nothing depends on it but what is saved, so a value that is no id counts as none.
///
/// # Errors
/// If a file is not JSON.
pub(super) fn id_of(
    role: &str,
    inner: &tokenizers::Tokenizer,
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<Option<TokenId>> {
    for name in [CONFIG, GENERATION_CONFIG] {
        let id = read(files, name, &format!("{role}_token_id"))?.and_then(|value| value.as_u64());
        if let Some(id) = id.and_then(|id| TokenId::try_from(id).ok()) {
            return Ok(Some(id));
        }
    }
    named(role, inner, files)
}

/// The id of the token that the tokenizer's configuration or map of special tokens names for `role`.
///
/// # Errors
/// As [`id_of`].
pub(super) fn named(
    role: &str,
    inner: &tokenizers::Tokenizer,
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<Option<TokenId>> {
    let token = special(files, &format!("{role}_token"))?;
    Ok(token.as_ref().and_then(|(_, token)| text(token)).and_then(|token| inner.token_to_id(token)))
}

/// The special token `key`, and the file that names it.
fn special(files: &BTreeMap<String, Vec<u8>>, key: &str) -> Result<Option<(&'static str, Value)>> {
    for name in [TOKENIZER_CONFIG, SPECIAL_TOKENS] {
        if let Some(token) = read(files, name, key)? {
            return Ok(Some((name, token)));
        }
    }
    Ok(None)
}

/// A token as `tokenizer_config.json` writes it: its text, or an object with its `content`.
pub(super) fn text(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content")?.as_str())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs;

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
            (vec![(SPECIAL_TOKENS, json!({"eos_token": {"content": "<eos>"}}))], vec![eos]),
            (
                vec![
                    (TOKENIZER_CONFIG, json!({"eos_token": null})),
                    (SPECIAL_TOKENS, json!({"eos_token": "<eos>"})),
                    (GENERATION_CONFIG, json!({"eos_token_id": 7})),
                ],
                vec![eos, 7],
            ),
            (
                vec![
                    (TOKENIZER_CONFIG, json!({"eos_token": "<eos>"})),
                    (SPECIAL_TOKENS, json!({"eos_token": "<pad>"})),
                ],
                vec![eos],
            ),
            (vec![(GENERATION_CONFIG, json!({"eos_token_id": 7}))], vec![7]),
            (vec![(CONFIG, json!({"eos_token_id": [7, 9]}))], vec![7, 9]),
            (
                vec![(GENERATION_CONFIG, json!({"eos_token_id": 5})), (CONFIG, json!({"eos_token_id": 7}))],
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
                    (CONFIG, json!({"eos_token_id": 7})),
                ],
                vec![7],
            ),
        ];
        for (files, expected) in cases {
            let tokenizer = Tokenizer::from_folder(folder(&files).path()).unwrap();
            assert_eq!(tokenizer.eos_ids(), expected, "{files:?}");
        }
    }

    #[test]
    fn the_token_that_closes_a_turn_ends_a_response() {
        const CHATML: &str = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}";
        const LLAMA: &str = "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>{% endfor %}";
        const R1: &str = "{% for m in messages %}{% if m.role == 'user' %}<｜User｜>{{ m.content }}{% else %}<｜Assistant｜>{{ m.content.split('</think>')[-1] }}<｜end▁of▁sentence｜>{% endif %}{% endfor %}";
        const REFUSES: &str = "{% if messages | length > 1 %}{{ raise_exception('one turn') }}{% endif %}{{ messages[0].content }}<|im_end|>";
        const OPEN: &str = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n<|im_end|>{% endfor %}";
        // By id from 2000; the first is a prefix of none, <|im_end|> is one of <|im_end|>2.
        let added = ["<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<｜end▁of▁sentence｜>", "<|im_end|>2"];
        let mut tokenizer: Value =
            serde_json::from_slice(&fs::read(folder(&[]).path().join(TOKENIZER)).unwrap()).unwrap();
        for (id, content) in (2000..).zip(added) {
            tokenizer["added_tokens"].as_array_mut().unwrap().push(json!({ "id": id, "content": content,
                "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true }));
        }
        let id = |content| {
            let dir = folder(&[
                (TOKENIZER, tokenizer.clone()),
                (TOKENIZER_CONFIG, json!({ "eos_token": content })),
            ]);
            Tokenizer::from_folder(dir.path()).unwrap().eos_ids().to_vec()
        };
        let two = |a, b| [id(a), id(b)].concat();
        let closing_twice = CHATML.replace("<|im_end|>", "<|im_end|>2");
        let cases = [
            ("<|endoftext|>", CHATML, two("<|endoftext|>", "<|im_end|>")),
            ("<|im_end|>", CHATML, id("<|im_end|>")),
            ("<|endoftext|>", &closing_twice, two("<|endoftext|>", "<|im_end|>2")),
            ("<|endoftext|>", LLAMA, two("<|endoftext|>", "<|eot_id|>")),
            ("<｜end▁of▁sentence｜>", R1, id("<｜end▁of▁sentence｜>")),
            ("<|endoftext|>", REFUSES, id("<|endoftext|>")),
            ("<|endoftext|>", OPEN, id("<|endoftext|>")),
        ];
        for (eos, template, expected) in cases {
            let config = json!({ "eos_token": eos, "chat_template": template });
            let dir = folder(&[(TOKENIZER, tokenizer.clone()), (TOKENIZER_CONFIG, config)]);
            assert_eq!(Tokenizer::from_folder(dir.path()).unwrap().eos_ids(), expected, "{eos}, {template}");
        }
    }

    #[test]
    fn finds_the_tokens_that_begin_a_text_and_fill_rows() {
        let named = json!({"eos_token": "<eos>", "bos_token": {"content": "<eos>"}, "pad_token": "<pad>"});
        let cases = [
            (vec![(TOKENIZER_CONFIG, named.clone())], (Some(2), Some(1))),
            (vec![(SPECIAL_TOKENS, named.clone())], (Some(2), Some(1))),
            (
                vec![
                    (TOKENIZER_CONFIG, named.clone()),
                    (GENERATION_CONFIG, json!({"bos_token_id": 5, "pad_token_id": 6})),
                ],
                (Some(5), Some(6)),
            ),
            (
                vec![
                    (TOKENIZER_CONFIG, named),
                    (GENERATION_CONFIG, json!({"bos_token_id": 5, "pad_token_id": 6})),
                    (CONFIG, json!({"bos_token_id": 7, "pad_token_id": -1})),
                ],
                (Some(7), Some(6)),
            ),
            (vec![(CONFIG, json!({"eos_token_id": 7, "bos_token_id": null}))], (None, None)),
        ];
        for (files, expected) in cases {
            let tokenizer = Tokenizer::from_folder(folder(&files).path()).unwrap();
            assert_eq!((tokenizer.bos_id(), tokenizer.pad_id()), expected, "{files:?}");
        }
    }
}
