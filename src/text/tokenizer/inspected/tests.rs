//! What is refused, and what passes.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;

fn refusal(file: Value) -> String {
    format!("{:#}", Inspected::parse(file.to_string().as_bytes()).unwrap_err())
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
            "normalizer: Replace: with what goes before it makes 1001 characters of one",
        ),
        (
            json!({"normalizer": {"type": "Sequence", "normalizers": tens}}),
            "normalizer: Replace: with what goes before it makes 10000 characters",
        ),
        (
            json!({"decoder": replace(json!({"Regex": "x*"}), &"b".repeat(1000))}),
            "decoder: Replace: with what goes before it makes 1001 characters",
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
        (
            json!({"normalizer": {"type": "Sequence", "normalizers": vec![json!({"type": "ByteLevel"}); 12]}}),
            "normalizer: ByteLevel: with what goes before it makes 1024 characters",
        ),
        (
            json!({"decoder": {"type": "Sequence", "decoders": vec![json!({"type": "BPEDecoder", "suffix": ""}); 9]}}),
            "decoder: BPEDecoder: with what goes before it makes 2187 characters",
        ),
        (
            json!({"normalizer": {"type": "NFC", "x": vec![0; 50_000]}}),
            "not a tokenizer: it takes more than 4 MB",
        ),
        (json!({"model": {"type": "BPE", "x": vec![0; 50_000]}}), "not a tokenizer: it takes more than 4 MB"),
        (
            json!({"added_tokens": [{"id": 1, "content": "x".repeat(5000)}]}),
            "added_tokens: one has 5000 bytes, expected at most 4096",
        ),
        (
            json!({"model": {"vocab": {"a": 0, "x".repeat(5000): 1}}}),
            "model: vocab: a token has 5000 bytes, expected at most 4096",
        ),
        (
            json!({"model": {"vocab": [["a", 0.5], ["x".repeat(5000), -1]]}}),
            "model: vocab: a token has 5000 bytes, expected at most 4096",
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
    let inserted = Inspected::parse(file.to_string().as_bytes()).unwrap().inserted();
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
    let inspected = Inspected::parse(file.to_string().as_bytes()).unwrap();
    assert_eq!(inspected.unknown(), (Some("<unk>"), None));
}

#[test]
fn clean_ups_one_behind_the_other_make_nothing_longer() {
    let clean_up = replace(json!({"Regex": "\\s+"}), " ");
    let file = |n| json!({"normalizer": {"type": "Sequence", "normalizers": vec![clean_up.clone(); n]}});
    let inspected = Inspected::parse(file(40).to_string().as_bytes()).unwrap();
    assert_eq!((inspected.reads.growth, inspected.reads_quickly(1)), (1, false));
}

#[test]
fn only_what_its_length_bounds_is_quick() {
    let of = |file: Value| Inspected::parse(file.to_string().as_bytes()).unwrap();
    let plain = of(json!({
        "pre_tokenizer": {"type": "ByteLevel"},
        "decoder": replace(json!({"String": "_"}), " "),
        "model": {"vocab": {"a": 0, "b".repeat(100): 1}},
    }));
    assert!(plain.reads_quickly(512) && !plain.reads_quickly(513));
    assert!(plain.writes_quickly(100_000) && !plain.writes_quickly(200_000));
    let slow = of(json!({
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": ""},
        "decoder": replace(json!({"Regex": "_"}), " "),
    }));
    assert!(!slow.reads_quickly(1) && !slow.writes_quickly(1));
}
