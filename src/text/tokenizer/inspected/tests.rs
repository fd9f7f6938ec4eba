//! What is refused, and what passes.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;

fn refusal(file: Value) -> String {
    format!("{:#}", Inspected::of(file.to_string().as_bytes()).unwrap_err())
}

fn replace(pattern: Value, content: &str) -> Value {
    json!({"type": "Replace", "pattern": pattern, "content": content})
}

#[test]
fn what_multiplies_nests_or_draws_is_refused_by_its_section() {
    let mut nested = json!({"type": "NFC"});
    for _ in 0..9 {
        nested = json!({"type": "Sequence", "normalizers": [nested]});
    }
    let long = "x".repeat(300);
    let twice = json!({"Sequence": {"id": "A", "type_id": 0}});
    let tens = vec![replace(json!({"String": "a"}), "aaaaaaaaaa"); 4];
    let cases = [
        (
            json!({"normalizer": replace(json!({"String": "a"}), &"b".repeat(1001))}),
            "normalizer: Replace: content: with what goes before it makes 1001 characters of one",
        ),
        (
            json!({"normalizer": {"type": "Sequence", "normalizers": tens}}),
            "normalizer: Replace: content: with what goes before it makes 10000 characters",
        ),
        (
            json!({"decoder": replace(json!({"Regex": "x*"}), &"b".repeat(1000))}),
            "decoder: Replace: content: with what goes before it makes 1001 characters",
        ),
        (json!({"normalizer": nested}), "normalizer: sequences nest more than 8 deep"),
        (
            json!({"pre_tokenizer": {"type": "Sequence", "pretokenizers": vec![json!({"type": "Digits"}); 65]}}),
            "pre_tokenizer: more than 64 parts",
        ),
        (
            json!({"pre_tokenizer": {"type": "Split", "pattern": {"String": ""}}}),
            "pre_tokenizer: Split: pattern: it is empty",
        ),
        (
            json!({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "a".repeat(70_000)}}}),
            "pre_tokenizer: Split: pattern: 70000 bytes",
        ),
        (
            json!({"pre_tokenizer": {"type": "FixedLength", "length": 0}}),
            "pre_tokenizer: FixedLength: length: got 0",
        ),
        (
            json!({"normalizer": {"type": "Prepend", "prepend": long}}),
            "normalizer: Prepend: prepend: 300 bytes",
        ),
        (
            json!({"post_processor": {"type": "TemplateProcessing", "single": [twice, twice]}}),
            "post_processor: it writes each text 2 times",
        ),
        (json!({"model": {"dropout": 0.1}}), "model: dropout: got 0.1"),
        (json!({"model": {"end_of_word_suffix": long}}), "model: end_of_word_suffix: 300 bytes"),
    ];
    for (file, expected) in cases {
        let got = refusal(file);
        assert!(got.starts_with(expected), "{got}");
    }
}

#[test]
fn inserted_ids_are_found_wherever_they_stand() {
    let template = json!({"type": "TemplateProcessing", "single": [], "special_tokens":
        {"<b>": {"id": "<b>", "ids": [7, 9], "tokens": ["<b>", "<c>"]}}});
    let file = json!({"post_processor": {"type": "Sequence", "processors": [
        template, {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]}]}});
    let inserted = Inspected::of(file.to_string().as_bytes()).unwrap().inserted();
    let expected = [(7, "<b>"), (9, "<c>"), (2, "</s>"), (0, "<s>")];
    assert_eq!(inserted, expected.map(|(id, text)| (id, text.to_owned())));
}

#[test]
fn what_published_tokenizers_have_passes() {
    let file = json!({
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, replace(json!({"String": " "}), "▁"), replace(json!({"Regex": " {2,}"}), " ")]},
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\p{L}+"}, "behavior": "Isolated"},
        "post_processor": {"type": "TemplateProcessing", "single": [
            {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [replace(json!({"String": "▁"}), " "), {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "vocab": {"a": 0}, "merges": [["a", "b"]]},
    });
    let inspected = Inspected::of(file.to_string().as_bytes()).unwrap();
    assert_eq!(inspected.unknown(), (Some("<unk>"), None));
}
