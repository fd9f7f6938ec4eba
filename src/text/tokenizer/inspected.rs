//! What a `tokenizer.json` may ask for. It comes with a model's files, from anybody: parts that would multiply a text, draw at
//! random or nest without end are refused before the tokenizer is built.
//!
//! ```text
//! normalizer, pre_tokenizer, post_processor, decoder     4 MB of memory each, at most 64 parts, 8 sequences deep
//! Replace, ByteLevel and others                          a text grows by a factor of 1,000 at most
//! regular expressions                                    64 KiB
//! post_processor                                         the text once, 256 tokens around it
//! tokens                                                 4 KiB each
//! ```

mod lists;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use self::lists::{Added, Model};
use super::pattern::always_takes_a_character;
use crate::text::bounded::Limited;
use crate::types::TokenId;

/// Largest file, in bytes; the largest published ones have some 40 MB.
pub(super) const MAX_FILE: usize = 128 << 20;
/// Most added tokens.
const MAX_ADDED: usize = 500_000;
/// Most parts of a section.
const MAX_PARTS: usize = 64;
/// Deepest sequence of sequences.
const MAX_DEPTH: usize = 8;
/// Most characters that a section makes of one.
const MAX_GROWTH: usize = 1000;
/// Longest pattern, in bytes.
const MAX_PATTERN: usize = 64 << 10;
/// Longest text that is put before or behind each word, in bytes.
const MAX_AFFIX: usize = 256;
/// Most tokens around a text.
const MAX_AROUND: usize = 256;
/// Longest token, in bytes; runs of blanks have some hundred.
const MAX_TOKEN: usize = 4 << 10;
/// Longest text that is read unwatched, in bytes.
const QUICK_READ: usize = 1 << 10;
/// Longest text that is written unwatched, in bytes.
const QUICK_WRITTEN: usize = 16 << 20;

/// Keys of the parts of a sequence.
const SEQUENCES: [&str; 4] = ["normalizers", "pretokenizers", "processors", "decoders"];

/// What is read of the file besides the tokenizer itself.
#[derive(Debug, Deserialize)]
pub(super) struct Inspected {
    #[serde(default)]
    added_tokens: Added,
    #[serde(default)]
    normalizer: Limited,
    #[serde(default)]
    pre_tokenizer: Limited,
    #[serde(default)]
    post_processor: Limited,
    #[serde(default)]
    decoder: Limited,
    #[serde(default)]
    model: Model,
    /// Of a text that is read.
    #[serde(skip)]
    reads: Section,
    /// Of one that is written.
    #[serde(skip)]
    writes: Section,
}

impl Inspected {
    /// Reads `content`, and refuses what it should not ask for.
    ///
    /// # Errors
    /// If it is not JSON, or asks for more than it may: the message names the section.
    pub(super) fn parse(content: &[u8]) -> Result<Self> {
        ensure!(content.len() <= MAX_FILE, "{} bytes, expected at most {MAX_FILE}", content.len());
        let mut file: Self = serde_json::from_slice(content).context("not a tokenizer")?;
        let Added { n, longest } = file.added_tokens;
        ensure!(n <= MAX_ADDED, "added_tokens: {n} tokens, expected at most {MAX_ADDED}");
        ensure!(longest <= MAX_TOKEN, "added_tokens: one has {longest} bytes, expected at most {MAX_TOKEN}");
        for (name, section) in [("normalizer", &file.normalizer), ("pre_tokenizer", &file.pre_tokenizer)] {
            file.reads.add(&section.0).context(name)?;
        }
        Section::default().add(&file.post_processor.0).context("post_processor")?;
        file.writes.add(&file.decoder.0).context("decoder")?;
        file.around().context("post_processor")?;
        file.model.check().context("model")?;
        Ok(file)
    }

    /// Whether the time that a text of `n_bytes` takes is bounded by its length.
    pub(super) fn reads_quickly(&self, n_bytes: usize) -> bool {
        self.reads.is_bounded && n_bytes.saturating_mul(self.reads.growth) <= QUICK_READ
    }

    /// Whether the time that `n` tokens take is bounded by the lengths of their texts.
    pub(super) fn writes_quickly(&self, n: usize) -> bool {
        let longest = self.model.longest.max(self.added_tokens.longest);
        let bytes = n.saturating_mul(longest).saturating_mul(self.writes.growth);
        self.writes.is_bounded && bytes <= QUICK_WRITTEN
    }

    /// The ids that the post-processor can put around a text, with their tokens.
    pub(super) fn inserted(&self) -> Vec<(u64, String)> {
        let mut ids = Vec::new();
        for part in parts(&self.post_processor.0) {
            for special in part["special_tokens"].as_object().into_iter().flat_map(|map| map.values()) {
                let texts = special["tokens"].as_array().into_iter().flatten();
                let numbers = special["ids"].as_array().into_iter().flatten();
                let text = |text: &Value| text.as_str().unwrap_or_default().to_owned();
                let all = numbers
                    .filter_map(Value::as_u64)
                    .zip(texts.map(text).chain(std::iter::repeat(String::new())));
                ids.extend(all);
            }
            for pair in ["sep", "cls"].map(|key| &part[key]) {
                let text = pair[0].as_str().unwrap_or_default().to_owned();
                ids.extend(pair[1].as_u64().map(|id| (id, text)));
            }
        }
        ids
    }

    /// The token that stands for what the vocabulary does not have: by its text, or by its id.
    pub(super) fn unknown(&self) -> (Option<&str>, Option<TokenId>) {
        let id = self.model.settings.unk_id.and_then(|id| TokenId::try_from(id).ok());
        (self.model.settings.unk_token.as_deref(), id)
    }

    /// Refuses a post-processor that writes a text twice, or too much around it.
    fn around(&self) -> Result<()> {
        for part in parts(&self.post_processor.0) {
            let pieces = part["single"].as_array().map_or(&[][..], Vec::as_slice);
            let texts = pieces.iter().filter(|piece| piece.get("Sequence").is_some()).count();
            ensure!(texts <= 1, "it writes each text {texts} times, expected once");
            ensure!(pieces.len() <= MAX_AROUND, "{} pieces, expected at most {MAX_AROUND}", pieces.len());
        }
        let n = self.inserted().len();
        ensure!(n <= MAX_AROUND, "it puts {n} tokens around a text, expected at most {MAX_AROUND}");
        Ok(())
    }
}

impl Model {
    fn check(&self) -> Result<()> {
        let dropout = self.settings.dropout.unwrap_or(0.0);
        ensure!(
            dropout == 0.0,
            "dropout: got {dropout}, by which a text has other tokens each time; expected none"
        );
        for (key, affix) in [
            ("continuing_subword_prefix", &self.settings.continuing_subword_prefix),
            ("end_of_word_suffix", &self.settings.end_of_word_suffix),
        ] {
            let length = affix.as_ref().map_or(0, String::len);
            ensure!(length <= MAX_AFFIX, "{key}: {length} bytes, expected at most {MAX_AFFIX}");
        }
        let longest = self.longest;
        ensure!(longest <= MAX_TOKEN, "vocab: a token has {longest} bytes, expected at most {MAX_TOKEN}");
        Ok(())
    }
}

/// The parts of a section, those of its sequences one by one.
fn parts(section: &Value) -> Vec<&Value> {
    let (mut found, mut open) = (Vec::new(), vec![section]);
    while let Some(part) = open.pop() {
        match SEQUENCES.iter().find_map(|key| part.get(key)?.as_array()) {
            Some(inner) => open.extend(inner.iter().rev()),
            None => found.push(part),
        }
    }
    found
}

/// What the sections that a text goes through ask for so far.
#[derive(Debug)]
struct Section {
    n_parts: usize,
    /// Bytes that one byte may have become.
    growth: usize,
    /// Whether the time for a text is bounded by its length: expressions go back, and tables of the file make texts of
    /// characters.
    is_bounded: bool,
}

impl Default for Section {
    fn default() -> Self {
        Self { n_parts: 0, growth: 1, is_bounded: true }
    }
}

impl Section {
    /// Adds `section`, within bounds of its own but for what a text grows by.
    fn add(&mut self, section: &Value) -> Result<()> {
        self.n_parts = 0;
        self.walk(section, 0)
    }

    fn walk(&mut self, part: &Value, depth: usize) -> Result<()> {
        ensure!(depth <= MAX_DEPTH, "sequences nest more than {MAX_DEPTH} deep");
        if let Some(inner) = SEQUENCES.iter().find_map(|key| part.get(key)?.as_array()) {
            return inner.iter().try_for_each(|part| self.walk(part, depth + 1));
        }
        self.n_parts += 1;
        ensure!(self.n_parts <= MAX_PARTS, "more than {MAX_PARTS} parts");
        let kind = part["type"].as_str().unwrap_or("a part");
        self.part(kind, part).with_context(|| kind.to_owned())
    }

    fn part(&mut self, kind: &str, part: &Value) -> Result<()> {
        for key in ["prefix", "suffix", "prepend", "pad_token", "word_delimiter_token"] {
            let length = part[key].as_str().map_or(0, str::len);
            ensure!(length <= MAX_AFFIX, "{key}: {length} bytes, expected at most {MAX_AFFIX}");
        }
        if kind == "FixedLength" && part["length"].as_u64() == Some(0) {
            bail!("length: got 0, expected at least 1");
        }
        let pattern = &part["pattern"];
        let (literal, regex) = (pattern["String"].as_str(), pattern["Regex"].as_str());
        let length = literal.or(regex).map_or(0, str::len);
        ensure!(length <= MAX_PATTERN, "pattern: {length} bytes, expected at most {MAX_PATTERN}");
        ensure!(
            literal.or(regex) != Some(""),
            "pattern: it is empty, so it is found everywhere and never ends"
        );
        self.is_bounded &= regex.is_none() && kind != "Precompiled";
        self.growth = self.growth.saturating_mul(growth(kind, part));
        ensure!(
            self.growth <= MAX_GROWTH,
            "with what goes before it makes {} characters of one, expected at most {MAX_GROWTH}",
            self.growth
        );
        Ok(())
    }
}

/// Characters that `part` may make of one.
fn growth(kind: &str, part: &Value) -> usize {
    let is_empty = |key: &str| part[key].as_str() == Some("");
    match kind {
        "Replace" => {
            let content = part["content"].as_str().map_or(0, |content| content.chars().count());
            match (part["pattern"]["String"].as_str(), part["pattern"]["Regex"].as_str()) {
                (Some(literal), _) => content.div_ceil(literal.chars().count()).max(1),
                (None, Some(regex)) if always_takes_a_character(regex) => content.max(1),
                // It may be found between all characters, which then stay.
                _ => 1 + content,
            }
        }
        // A character of two bytes for a byte.
        "ByteLevel" => 2,
        // One before each part of a text, which others may have made of each character.
        "Metaspace" => 2,
        // An empty text is found before, between and behind all characters.
        "CTC" if is_empty("word_delimiter_token") => 3,
        "BPEDecoder" if is_empty("suffix") => 3,
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
