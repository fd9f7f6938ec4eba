//! Folders read, saved and refused.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;

use super::*;
use crate::text::countdown_tokenizer;

/// The preset's `tokenizer.json` in a folder with the other `files`.
pub(in crate::text) fn folder(files: &[(&str, Value)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(TOKENIZER), &countdown_tokenizer().unwrap().files[TOKENIZER]).unwrap();
    for (name, content) in files {
        fs::write(dir.path().join(name), content.to_string()).unwrap();
    }
    dir
}

#[test]
fn says_what_is_wrong_with_a_folder() {
    let cases = [
        (vec![], "no end-of-sequence token"),
        (vec![(TOKENIZER_CONFIG, json!({"eos_token": "<end>"}))], "\"<end>\" is not in the vocabulary"),
        (vec![(TOKENIZER_CONFIG, json!({"eos_token": 3}))], "got 3, expected a string"),
        (
            vec![(SPECIAL_TOKENS, json!({"eos_token": "<end>"}))],
            "special_tokens_map.json, eos_token: \"<end>\" is not in the vocabulary",
        ),
        (
            vec![(GENERATION_CONFIG, json!({"eos_token_id": "7"}))],
            "generation_config.json, eos_token_id: got \"7\"",
        ),
        (vec![(MODEL_CONFIG, json!({"eos_token_id": 100_000}))], "100000 is not in the vocabulary"),
        (vec![(TOKENIZER, json!({"model": 1}))], "tokenizer.json: not a tokenizer"),
    ];
    for (files, expected) in cases {
        let dir = folder(&files);
        let error = format!("{:#}", Tokenizer::from_folder(dir.path()).unwrap_err());
        assert!(error.contains(expected) && error.contains(dir.path().to_str().unwrap()), "{error}");
    }
    let empty = tempfile::tempdir().unwrap();
    let error = format!("{:#}", Tokenizer::from_folder(empty.path()).unwrap_err());
    assert!(error.contains("tokenizer.json is missing"), "{error}");
}

#[test]
fn a_saved_folder_reads_back_the_same() {
    let template = (CHAT_TEMPLATE, json!("{{ messages }}"));
    let source = folder(&[template, (MODEL_CONFIG, json!({"eos_token_id": [7, 9]}))]);
    let further = Path::new(FURTHER_TEMPLATES).join("tool_use.jinja");
    fs::create_dir(source.path().join(FURTHER_TEMPLATES)).unwrap();
    fs::write(source.path().join(&further), "{{ tools }}").unwrap();
    let tokenizer = Tokenizer::from_folder(source.path()).unwrap();
    let saved = tempfile::tempdir().unwrap();
    tokenizer.save(saved.path()).unwrap();
    let again = Tokenizer::from_folder(saved.path()).unwrap();
    assert_eq!(again.files, tokenizer.files);
    assert_eq!(again.eos_ids(), [7, 9]);
    assert!(saved.path().join(CHAT_TEMPLATE).is_file());
    assert_eq!(fs::read_to_string(saved.path().join(further)).unwrap(), "{{ tools }}");
    assert!(!saved.path().join(MODEL_CONFIG).exists());
}

#[test]
fn a_model_may_have_spare_rows_but_none_too_few() {
    let tokenizer = countdown_tokenizer().unwrap();
    let n = tokenizer.vocab_size();
    tokenizer.check_fits(n).unwrap();
    tokenizer.check_fits(n + 100).unwrap();
    let error = tokenizer.check_fits(n - 1).unwrap_err().to_string();
    assert!(error.contains(&format!("largest token id is {}", n - 1)), "{error}");
}

#[test]
fn ids_that_no_token_has_are_told() {
    let dir = folder(&[(TOKENIZER_CONFIG, json!({"eos_token": "<eos>"}))]);
    let added = json!({"id": 6, "content": "<b>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true});
    let file = json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [added], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"<unk>": 0, "<eos>": 2, "a": 3}, "unk_token": "<unk>"}});
    fs::write(dir.path().join(TOKENIZER), file.to_string()).unwrap();
    let tokenizer = Tokenizer::from_folder(dir.path()).unwrap();
    let has = tokenizer.has_token();
    let ids: Vec<_> = (0..has.len()).filter(|&id| has[id]).collect();
    assert_eq!((has.len(), ids), (tokenizer.vocab_size(), vec![0, 2, 3, 6]));
}

#[test]
fn pieces_are_what_each_token_adds() {
    let tokenizer = countdown_tokenizer().unwrap();
    let text = "Make 45 from 3, 7.\n(3+ 7)*9 no\n<eos>";
    let tokens = tokenizer.encode(text).unwrap();
    let pieces = tokenizer.pieces(&tokens).unwrap();
    assert_eq!((pieces.len(), pieces.concat().as_str()), (tokens.len(), text));
    assert_eq!(tokenizer.pieces(&[70_000, tokens[1]]).unwrap(), ["<70000>", "45"]);

    // Bytes of characters, as byte-level vocabularies have them.
    let bytes = json!({"<0xC3>": 0, "<0xA9>": 1, "a": 2, "<eos>": 3});
    let dir = folder(&[(TOKENIZER_CONFIG, json!({"eos_token": "<eos>"}))]);
    let file = json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "WordLevel", "vocab": bytes, "unk_token": "a"}});
    fs::write(dir.path().join(TOKENIZER), file.to_string()).unwrap();
    let tokenizer = Tokenizer::from_folder(dir.path()).unwrap();
    assert_eq!(tokenizer.pieces(&[2, 0, 1, 2, 0]).unwrap(), ["a", "", "é", "a", ""]);
}

#[test]
fn a_saved_length_limit_or_padding_is_not_applied() {
    let dir = folder(&[(TOKENIZER_CONFIG, json!({"eos_token": "<eos>"}))]);
    let path = dir.path().join(TOKENIZER);
    let mut file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    file["truncation"] =
        json!({"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0});
    file["padding"] = json!({"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 1, "pad_type_id": 0, "pad_token": "<pad>"});
    fs::write(&path, file.to_string()).unwrap();
    assert_eq!(Tokenizer::from_folder(dir.path()).unwrap().encode("1+2+3").unwrap().len(), 5);
}

#[test]
fn of_special_tokens_only_those_that_end_or_pad_are_no_text() {
    let mut file: Value =
        serde_json::from_slice(&countdown_tokenizer().unwrap().files[TOKENIZER].clone()).unwrap();
    for (id, content) in (2000..).zip(["<think>", "</think>", "<|im_end|>", "<|pad|>"]) {
        file["added_tokens"].as_array_mut().unwrap().push(json!({ "id": id, "content": content,
            "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true }));
    }
    let dir = folder(&[
        (TOKENIZER, file),
        (TOKENIZER_CONFIG, json!({"eos_token": "<|im_end|>", "pad_token": "<|pad|>"})),
        (GENERATION_CONFIG, json!({"eos_token_id": 2, "pad_token_id": 1})),
    ]);
    let tokenizer = Tokenizer::from_folder(dir.path()).unwrap();
    let text = "<think>1+2</think>\n<answer>3<unk></answer>";
    let tokens = tokenizer.encode(&format!("{text}<|im_end|><eos><pad><|pad|>")).unwrap();
    assert_eq!(tokenizer.decode(&tokens, true).unwrap(), text);
    assert_eq!(tokenizer.decode(&tokens, false).unwrap(), format!("{text}<|im_end|><eos><pad><|pad|>"));
}
