//! The tokenizers of the presets: texts of one kind, in as few tokens as they have meaningful parts.
//!
//! ```text
//! text  = { piece }            decode = concatenation of the pieces
//! piece = one of the words | a whole number of 0..=999 without leading zeros | one ASCII character | <unk>
//! words = COUNTDOWN, or WORDS of words.rs
//! ```
//!
//! The longest word wins, then the longest number; every other character stands alone. Spaces and line ends
//! are parts of the words that go with them, so decoding an encoded ASCII text gives the text back, character
//! by character.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::Tokenizer;
use super::words::WORDS;
use crate::files::model_folder::{GENERATION_CONFIG, TOKENIZER, TOKENIZER_CONFIG};

/// Special tokens, in order of id from 0.
const SPECIALS: [&str; 3] = ["<unk>", "<pad>", "<eos>"];

/// Pieces of terse Countdown texts that are one token each. None is a prefix of a later one.
const COUNTDOWN: [&str; 8] = ["Make ", " from ", ", ", ".\n", " yes\n", " no\n", "<answer>", "</answer>"];

/// Whole numbers below this are one token each.
const NUMBERS: u32 = 1000;

/// Characters that mean something in a regular expression.
const SYNTAX: &str = r"\.^$|?*+()[]{}";

/// The tokenizer of Countdown texts, as a Hugging Face tokenizer that transformers loads too.
///
/// # Errors
/// If the `tokenizers` crate refuses the description, which would be a fault of this file.
pub(crate) fn countdown_tokenizer() -> Result<Tokenizer> {
    tokenizer(&COUNTDOWN)
}

/// The tokenizer of texts that are spoken in whole words, as a Hugging Face tokenizer that transformers loads too.
///
/// # Errors
/// As [`countdown_tokenizer`].
pub(crate) fn words_tokenizer() -> Result<Tokenizer> {
    let mut words = WORDS.to_vec();
    words.sort_by_key(|word| Reverse(word.len()));
    tokenizer(&words)
}

/// The tokenizer whose pieces besides numbers and characters are `words`, of which the first that fits is taken.
fn tokenizer(words: &[&str]) -> Result<Tokenizer> {
    let tokenizer_config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": SPECIALS[0],
        "pad_token": SPECIALS[1],
        "eos_token": SPECIALS[2],
        "clean_up_tokenization_spaces": false,
        "model_max_length": u32::MAX,
    });
    let generation_config = json!({ "eos_token_id": 2, "pad_token_id": 1 });
    let files = [
        (TOKENIZER, tokenizer_json(words)),
        (TOKENIZER_CONFIG, tokenizer_config),
        (GENERATION_CONFIG, generation_config),
    ];
    let files =
        files.into_iter().map(|(name, content)| Ok((name.to_owned(), serde_json::to_vec_pretty(&content)?)));
    Tokenizer::from_files(files.collect::<Result<BTreeMap<_, _>>>()?, true)
}

/// The description in the format of `tokenizer.json`.
fn tokenizer_json(words: &[&str]) -> Value {
    let ascii = (0..128u8)
        .map(|byte| char::from(byte).to_string())
        .filter(|c| !c.chars().all(|c| c.is_ascii_digit()));
    let numbers = (0..NUMBERS).map(|n| n.to_string());
    let words = || words.iter().copied();
    let pieces = SPECIALS.into_iter().chain(words()).map(str::to_owned).chain(ascii).chain(numbers);
    let vocab: Map<String, Value> = pieces.zip(0u32..).map(|(piece, id)| (piece, id.into())).collect();

    let words: Vec<String> = words().map(escaped).collect();
    let pattern = format!(r"{}|0|[1-9][0-9]{{0,2}}|[\s\S]", words.join("|"));
    let specials = SPECIALS.iter().zip(0u32..).map(|(content, id)| {
        json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true })
    });
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": specials.collect::<Vec<_>>(),
        "normalizer": null,
        "pre_tokenizer": { "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false },
        "post_processor": null,
        "decoder": { "type": "Fuse" },
        "model": { "type": "WordLevel", "vocab": vocab, "unk_token": SPECIALS[0] },
    })
}

/// `word` as a regular expression that matches it alone.
fn escaped(word: &str) -> String {
    let escape = |c| if SYNTAX.contains(c) { format!("\\{c}") } else { String::from(c) };
    word.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    /// The texts of the tokens of `text`.
    fn pieces(text: &str, tokenizer: &Tokenizer) -> Vec<String> {
        tokenizer.encode(text).unwrap().iter().map(|&t| tokenizer.token_text(t).unwrap()).collect()
    }

    #[test]
    fn splits_prompts_and_responses_into_meaningful_parts() {
        let cases = [
            ("Make 45 from 3, 7, 12.\n", vec!["Make ", "45", " from ", "3", ", ", "7", ", ", "12", ".\n"]),
            ("(12-7)*3=15 no\n", vec!["(", "12", "-", "7", ")", "*", "3", "=", "15", " no\n"]),
            ("12*3+9=45 yes\n", vec!["12", "*", "3", "+", "9", "=", "45", " yes\n"]),
            ("<answer>999/1</answer>", vec!["<answer>", "999", "/", "1", "</answer>"]),
            // Outside the grammar: nothing is lost, leading zeros and long numbers fall apart.
            ("007 1234 nay", vec!["0", "0", "7", " ", "123", "4", " ", "n", "a", "y"]),
            ("é", vec!["<unk>"]),
        ];
        // Whoever reads whole words reads these texts the same way.
        for tokenizer in [countdown_tokenizer().unwrap(), words_tokenizer().unwrap()] {
            for (text, expected) in &cases {
                assert_eq!(&pieces(text, &tokenizer), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn a_whole_word_is_one_token_and_the_longest_wins() {
        let tokenizer = words_tokenizer().unwrap();
        for (text, expected) in [
            (
                "okay, i try first times, then minus: 12*3=36, 36-9=27. that is too low.\n",
                vec![
                    "okay, ", "i ", "try ", "first ", "times, ", "then ", "minus: ", "12", "*", "3", "=",
                    "36", ", ", "36", "-", "9", "=", "27", ". ", "that ", "is ", "too ", "low.\n",
                ],
            ),
            ("Map 417: amber, cobalt.\n", vec!["Map ", "417", ": ", "amber", ", ", "cobalt", ".\n"]),
            ("right right, right.\n", vec!["right ", "right, ", "right.\n"]),
            ("a aa", vec!["a ", "a", "a"]),
        ] {
            assert_eq!(pieces(text, &tokenizer), expected, "{text:?}");
        }
        for word in WORDS {
            assert_eq!(pieces(word, &tokenizer), [*word]);
        }
    }

    #[test]
    fn the_vocabulary_has_no_gaps_and_its_special_tokens_are_skipped_on_request() {
        for (tokenizer, n_words) in
            [(countdown_tokenizer().unwrap(), COUNTDOWN.len()), (words_tokenizer().unwrap(), WORDS.len())]
        {
            assert_eq!(tokenizer.vocab_size(), 3 + n_words + 118 + 1000);
            let texts: Vec<_> =
                (0..tokenizer.vocab_size() as u32).map(|t| tokenizer.token_text(t).unwrap()).collect();
            let distinct: std::collections::HashSet<_> = texts.iter().collect();
            assert!(distinct.len() == texts.len() && texts.iter().all(|t| !t.is_empty()));
            assert_eq!(tokenizer.eos_ids(), [2]);
            assert_eq!(
                tokenizer.decode(&[20, 1, 2, 21], true).unwrap(),
                tokenizer.decode(&[20, 21], false).unwrap()
            );
        }
    }

    /// What was trained with it is read by it: its bytes stay.
    #[test]
    fn the_countdown_tokenizer_is_the_one_it_was() {
        let json = tokenizer_json(&COUNTDOWN);
        let pattern = &json["pre_tokenizer"]["pattern"]["Regex"];
        let expected = "Make | from |, |\\.\n| yes\n| no\n|<answer>|</answer>|0|[1-9][0-9]{0,2}|[\\s\\S]";
        assert_eq!(pattern, expected);
        for (piece, id) in [("Make ", 3), ("</answer>", 10), ("\u{0}", 11), ("0", 129), ("999", 1128)] {
            assert_eq!(json["model"]["vocab"][piece], id, "{piece:?}");
        }
    }

    /// Texts of any ASCII characters, and of words that run into each other.
    fn texts() -> impl Strategy<Value = String> {
        let words = proptest::collection::vec(proptest::sample::select(WORDS), 0..12);
        prop_oneof!["[\\x00-\\x7f]{0,60}", words.prop_map(|words| words.concat())]
    }

    proptest! {
        #[test]
        fn ascii_text_survives_a_round_trip_without_unknown_tokens(text in texts(), cut in 0usize..9) {
            let text = &text[cut.min(text.len())..];
            for tokenizer in [countdown_tokenizer().unwrap(), words_tokenizer().unwrap()] {
                let tokens = tokenizer.encode(text).unwrap();
                prop_assert!(!tokens.contains(&0));
                prop_assert_eq!(tokenizer.decode(&tokens, false).unwrap(), text);
            }
        }

        #[test]
        fn decoding_concatenates(tokens in proptest::collection::vec(0u32..1129, 0..40)) {
            for tokenizer in [countdown_tokenizer().unwrap(), words_tokenizer().unwrap()] {
                let joined: String = tokens.iter().map(|&t| tokenizer.token_text(t).unwrap()).collect();
                prop_assert_eq!(tokenizer.decode(&tokens, false).unwrap(), joined);
            }
        }
    }
}
