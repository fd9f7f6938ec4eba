//! Folders read, saved and refused.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use super::*;
use crate::files::model_folder::{
    CHAT_TEMPLATE, CONFIG, FURTHER_TEMPLATES, GENERATION_CONFIG, SPECIAL_TOKENS, TOKENIZER_CONFIG,
};
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

/// One whose tokens are bytes.
pub(crate) fn byte_tokenizer() -> Tokenizer {
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;
    let mut letters: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    letters.sort_unstable();
    let vocab: serde_json::Map<String, Value> =
        letters.iter().zip(0..).map(|(letter, id)| (letter.to_string(), Value::from(id))).collect();
    let end = json!({ "id": vocab.len(), "content": "<eos>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true });
    let byte_level =
        json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false });
    let tokenizer = json!({ "version": "1.0", "truncation": null, "padding": null, "added_tokens": [end],
        "normalizer": null, "pre_tokenizer": byte_level, "post_processor": null, "decoder": byte_level,
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": [] } });
    let files = [(TOKENIZER, tokenizer), (TOKENIZER_CONFIG, json!({"eos_token": "<eos>"}))];
    let files = files.map(|(name, content)| (name.to_owned(), content.to_string().into_bytes()));
    Tokenizer::from_files(files.into(), true).unwrap()
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
        (vec![(CONFIG, json!({"eos_token_id": 100_000}))], "100000 is not in the vocabulary"),
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
    let source = folder(&[template, (CONFIG, json!({"eos_token_id": [7, 9]}))]);
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
    assert!(!saved.path().join(CONFIG).exists());
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
fn a_byte_order_mark_is_passed_over() {
    let dir = folder(&[]);
    fs::write(dir.path().join(CONFIG), "\u{feff}{\"eos_token_id\": 7}").unwrap();
    let settings = "\u{feff}{\"temperature\": 0.6}";
    fs::write(dir.path().join(GENERATION_CONFIG), settings).unwrap();
    let tokenizer = Tokenizer::from_folder(dir.path()).unwrap();
    assert_eq!(tokenizer.eos_ids(), [7]);
    let saved: Value = serde_json::from_slice(&tokenizer.files[GENERATION_CONFIG]).unwrap();
    assert_eq!(saved, json!({"temperature": 0.6, "eos_token_id": [7]}));
}

fn refusal(dir: &tempfile::TempDir) -> String {
    format!("{:#}", Tokenizer::from_folder(dir.path()).unwrap_err())
}

#[test]
fn files_are_no_larger_than_such_files_are() {
    for (name, megabytes) in [(GENERATION_CONFIG, 5), (CONFIG, 5), (CHAT_TEMPLATE, 1), ("vocab.json", 33)] {
        let dir = folder(&[(TOKENIZER_CONFIG, json!({"eos_token": "<eos>"}))]);
        fs::File::create(dir.path().join(name)).unwrap().set_len(megabytes << 20).unwrap();
        let error = refusal(&dir);
        assert!(error.contains(&format!("{name}: cannot be read: it has ")), "{error}");
    }
    let junk = json!({"temperature": 0.6, "x": vec![0; 50_000]});
    let dir = folder(&[(TOKENIZER_CONFIG, json!({"eos_token": "<eos>"})), (GENERATION_CONFIG, junk)]);
    let error = refusal(&dir);
    assert!(error.contains("generation_config.json: it takes more than 4 MB"), "{error}");
    let junk = with_sections(&[("normalizer", json!({"type": "NFC", "x": vec![0; 50_000]}))]);
    let error = refusal(&junk);
    assert!(error.contains("tokenizer.json: not a tokenizer: it takes more than 4 MB"), "{error}");
}

#[test]
fn of_further_templates_only_some_files_count() {
    let dir = folder(&[(TOKENIZER_CONFIG, json!({"eos_token": "<eos>"}))]);
    let further = dir.path().join(FURTHER_TEMPLATES);
    fs::create_dir_all(further.join(".ipynb_checkpoints")).unwrap();
    fs::create_dir(further.join("folder.jinja")).unwrap();
    fs::write(further.join("notes.txt"), "x").unwrap();
    fs::write(dir.path().join("elsewhere"), "{{ tools }}").unwrap();
    std::os::unix::fs::symlink("../elsewhere", further.join("linked.jinja")).unwrap();
    let tokenizer = Tokenizer::from_folder(dir.path()).unwrap();
    let names: Vec<_> = tokenizer.files.keys().filter(|name| name.starts_with(FURTHER_TEMPLATES)).collect();
    assert_eq!(names, ["additional_chat_templates/linked.jinja"]);
    for i in 0..100 {
        fs::write(further.join(format!("{i}.jinja")), "").unwrap();
    }
    let error = refusal(&dir);
    assert!(error.ends_with("additional_chat_templates: 101 templates, expected at most 100"), "{error}");
    fs::remove_file(further.join("0.jinja")).unwrap();
    fs::File::create(further.join("1.jinja")).unwrap().set_len(127 << 20).unwrap();
    let error = refusal(&dir);
    assert!(error.contains("1.jinja: cannot be read: it has "), "{error}");
}

#[test]
fn values_of_any_length_are_told_by_their_beginning() {
    let long = "A".repeat(2_000_000);
    let cases = [
        (TOKENIZER_CONFIG, json!({"eos_token": [long]})),
        (TOKENIZER_CONFIG, json!({"eos_token": long})),
        (TOKENIZER_CONFIG, json!({"eos_token": "<eos>", "chat_template": {"x": long}})),
        (TOKENIZER_CONFIG, json!({"eos_token": "<eos>", "chat_template": [{"name": long}]})),
        (GENERATION_CONFIG, json!({"eos_token_id": [long]})),
    ];
    for (name, content) in cases {
        let error = refusal(&folder(&[(name, content)]));
        assert!(error.contains("AAAA") && error.len() < 1000, "{} bytes", error.len());
    }
}

#[test]
fn ids_that_no_token_has_are_told() {
    let dir = folder(&[(TOKENIZER_CONFIG, json!({"eos_token": "<eos>"}))]);
    let file = json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"<unk>": 0, "<eos>": 2, "a": 3, "<b>": 6}, "unk_token": "<unk>"}});
    fs::write(dir.path().join(TOKENIZER), file.to_string()).unwrap();
    let tokenizer = Tokenizer::from_folder(dir.path()).unwrap();
    let has = tokenizer.has_token();
    let ids: Vec<_> = (0..has.len()).filter(|&id| has[id]).collect();
    assert_eq!((has.len(), ids), (tokenizer.vocab_size(), vec![0, 2, 3, 6]));
}

/// The folder of the preset's tokenizer with `changed` sections of its file.
fn with_sections(changed: &[(&str, Value)]) -> tempfile::TempDir {
    let dir = folder(&[(TOKENIZER_CONFIG, json!({"eos_token": "<eos>"}))]);
    let path = dir.path().join(TOKENIZER);
    let mut file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (name, section) in changed {
        file[*name] = section.clone();
    }
    fs::write(&path, file.to_string()).unwrap();
    dir
}

/// A post-processor that puts `single` around texts, `S` being the token `<eos>` of this id.
fn around(single: &str, id: u64) -> Value {
    let piece = |c| match c {
        'S' => json!({"SpecialToken": {"id": "<eos>", "type_id": 0}}),
        _ => json!({"Sequence": {"id": "A", "type_id": 0}}),
    };
    let pieces: Vec<Value> = single.chars().map(piece).collect();
    json!({"type": "TemplateProcessing", "single": pieces, "pair": [],
        "special_tokens": {"<eos>": {"id": "<eos>", "ids": [id], "tokens": ["<eos>"]}}})
}

#[test]
fn patterns_that_go_back_without_end_and_parts_that_panic_are_refused_by_file() {
    let split = |pattern: &str| json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
    let text = "a".repeat(60) + "!";
    let cases = [
        ("pre_tokenizer", split("(a|a)*$")),
        ("pre_tokenizer", split("(a+)+$")),
        ("normalizer", json!({"type": "Replace", "pattern": {"Regex": "(.*a){12}b"}, "content": ""})),
    ];
    for (name, section) in cases {
        let tokenizer = Tokenizer::from_folder(with_sections(&[(name, section)]).path()).unwrap();
        let error = tokenizer.encode(&text).unwrap_err().to_string();
        assert!(
            error.starts_with("tokenizer.json: a text cannot be tokenized: it broke off: Onig"),
            "{error}"
        );
    }
    let strip = json!({"type": "Strip", "content": "1", "start": 0, "stop": 9});
    let tokenizer = Tokenizer::from_folder(with_sections(&[("decoder", strip)]).path()).unwrap();
    let one = tokenizer.encode("1").unwrap();
    let error = tokenizer.decode(&one, true).unwrap_err().to_string();
    assert!(error.starts_with("tokenizer.json: 1 tokens cannot be decoded: it broke off: "), "{error}");
    let charsmap = json!({"type": "Precompiled", "precompiled_charsmap": "////////////"});
    let error = format!(
        "{:#}",
        Tokenizer::from_folder(with_sections(&[("normalizer", charsmap)]).path()).unwrap_err()
    );
    assert!(error.contains("tokenizer.json: not a tokenizer: "), "{error}");
}

/// Goes back 65,000 times at each `a`.
const SLOW: &str = "(?:a|a){16}(?!a)(?!$)";

#[test]
fn short_texts_that_become_long_work_are_given_up() {
    let tokenizer = with_sections(&[
        ("normalizer", json!({"type": "Replace", "pattern": {"String": "a"}, "content": "a".repeat(1000)})),
        (
            "pre_tokenizer",
            json!({"type": "Split", "pattern": {"Regex": format!("{SLOW}|[\\s\\S]")}, "behavior": "Isolated", "invert": false}),
        ),
    ]);
    let tokenizer = Tokenizer::from_folder(tokenizer.path()).unwrap();
    let error = tokenizer.encode(&"a".repeat(20)).unwrap_err().to_string();
    assert!(error.contains("a text cannot be tokenized: it takes more than 5 s; text: \"aaaa"), "{error}");
}

#[test]
fn tokens_that_become_long_work_are_given_up() {
    let decoder = json!({"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "1"}, "content": "a".repeat(900)}, {"type": "Fuse"},
        {"type": "Replace", "pattern": {"Regex": SLOW}, "content": ""}]});
    let tokenizer = Tokenizer::from_folder(with_sections(&[("decoder", decoder)]).path()).unwrap();
    let ones = tokenizer.encode("1").unwrap().repeat(20);
    let error = tokenizer.decode(&ones, true).unwrap_err().to_string();
    assert!(
        error.starts_with("tokenizer.json: 20 tokens cannot be decoded: it takes more than 5.02 s; "),
        "{error}"
    );

    let decoder = json!({"type": "Replace", "pattern": {"String": "9"}, "content": "a".repeat(1000)});
    let tokenizer = Tokenizer::from_folder(with_sections(&[("decoder", decoder)]).path()).unwrap();
    let nines = tokenizer.encode("999").unwrap().repeat(200_000);
    let error = tokenizer.decode(&nines, true).unwrap_err().to_string();
    assert!(error.contains("200000 tokens cannot be decoded: it takes more than 446 MB"), "{error}");
}

#[test]
#[ignore = "tells times"]
fn short_texts_are_watched_at_little_cost() {
    let tokenizer = countdown_tokenizer().unwrap();
    let texts: Vec<_> = (0..10_000).map(|i| format!("Make {i} from 3, 7, 25.\n(3+ 7)*9 no\n")).collect();
    for _ in 0..3 {
        let start = Instant::now();
        let bare = texts.iter().map(|text| tokenizer.inner.encode_fast(text.as_str(), false).unwrap().len());
        let (bare, bare_s) = (bare.sum::<usize>(), start.elapsed().as_secs_f64());
        let start = Instant::now();
        let watched = texts.iter().map(|text| tokenizer.encode(text).unwrap().len());
        let (watched, watched_s) = (watched.sum::<usize>(), start.elapsed().as_secs_f64());
        assert_eq!(bare, watched);
        println!("10,000 texts: {bare_s:.3} s by themselves, {watched_s:.3} s watched");
    }
}

#[test]
fn a_token_that_ends_every_text_is_refused_and_one_that_begins_them_is_not() {
    let of = |single| {
        Tokenizer::from_folder(with_sections(&[("post_processor", around(single, 2))]).path()).unwrap()
    };
    let error = of("AS").check_begins_answers().unwrap_err().to_string();
    assert!(error.contains("post_processor: it ends every text with \"<eos>\" (id 2)"), "{error}");
    let begins = of("SA");
    begins.check_begins_answers().unwrap();
    assert_eq!(begins.encode_whole("1+").unwrap()[0], 2);
    countdown_tokenizer().unwrap().check_begins_answers().unwrap();
}

#[test]
fn ids_around_texts_must_be_in_the_models_vocabulary() {
    let tokenizer =
        Tokenizer::from_folder(with_sections(&[("post_processor", around("SA", 99_999))]).path()).unwrap();
    let n = tokenizer.vocab_size();
    let error = tokenizer.check_fits(n + 10).unwrap_err().to_string();
    assert!(error.contains("its post_processor puts the id 99999 (\"<eos>\") around texts"), "{error}");
    tokenizer.check_fits(100_000).unwrap();
}

#[test]
fn saved_generation_settings_name_every_end() {
    let template =
        "{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}<pad>{% endif %}{% endfor %}";
    let settings = json!({"temperature": 0.6, "eos_token_id": 2, "top_k": 3});
    let config = json!({"eos_token": "<eos>", "chat_template": template});
    let dir = folder(&[(TOKENIZER_CONFIG, config.clone()), (GENERATION_CONFIG, settings.clone())]);
    let saved =
        |tokenizer: &Tokenizer| serde_json::from_slice::<Value>(&tokenizer.files[GENERATION_CONFIG]).unwrap();
    let tokenizer = Tokenizer::from_folder(dir.path()).unwrap();
    assert_eq!(saved(&tokenizer), json!({"temperature": 0.6, "eos_token_id": [2, 1], "top_k": 3}));
    // Where all are named the file stays as it is, to the byte.
    let whole = json!({"eos_token_id": [1, 2], "top_k": 3});
    let dir = folder(&[(TOKENIZER_CONFIG, config), (GENERATION_CONFIG, whole.clone())]);
    assert_eq!(
        Tokenizer::from_folder(dir.path()).unwrap().files[GENERATION_CONFIG],
        whole.to_string().as_bytes()
    );
}

#[test]
fn a_template_is_rendered_for_answers_only() {
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    let dir = folder(&[(TOKENIZER_CONFIG, json!({"eos_token": "<eos>", "chat_template": endless}))]);
    assert_eq!(Tokenizer::for_texts(dir.path()).unwrap().eos_ids(), [2]);
    let error = format!("{:#}", Tokenizer::from_folder(dir.path()).unwrap_err());
    assert!(error.contains("tokenizer_config.json, chat_template, line 1: it takes more than"), "{error}");
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
