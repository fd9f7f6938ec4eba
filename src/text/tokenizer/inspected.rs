//! What a `tokenizer.json` may ask for. It comes with a model's files, from anybody: parts that would multiply a text, draw at
//! random or nest without end are refused before the tokenizer is built.
//!
//! ```text
//! normalizer, pre_tokenizer, post_processor, decoder     at most 64 parts each, 8 sequences deep
//! Replace, Prepend                                       a text grows by a factor of 1,000 at most
//! regular expressions                                    64 KiB
//! post_processor                                         the text once, 256 tokens around it
//! ```

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::types::TokenId;

/// Largest file, in bytes; the largest published ones have some 40 MB.
pub(super) const MAX_FILE: usize = 256 << 20;
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

/// Keys of the parts of a sequence.
const SEQUENCES: [&str; 4] = ["normalizers", "pretokenizers", "processors", "decoders"];

/// What is read of the file besides the tokenizer itself.
#[derive(Debug, Deserialize)]
pub(super) struct Inspected {
    #[serde(default)]
    added_tokens: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    decoder: Value,
    #[serde(default)]
    model: Model,
}

#[derive(Debug, Default, Deserialize)]
struct Model {
    dropout: Option<f64>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    unk_token: Option<String>,
    unk_id: Option<u64>,
}

impl Inspected {
    /// Reads `content`, and refuses what it should not ask for.
    ///
    /// # Errors
    /// If it is not JSON, or asks for more than it may: the message names the section.
    pub(super) fn of(content: &[u8]) -> Result<Self> {
        ensure!(content.len() <= MAX_FILE, "{} bytes, expected at most {MAX_FILE}", content.len());
        let file: Self = serde_json::from_slice(content).context("not a tokenizer")?;
        let n_added = file.added_tokens.len();
        ensure!(n_added <= MAX_ADDED, "added_tokens: {n_added} tokens, expected at most {MAX_ADDED}");
        let sections = [
            ("normalizer", &file.normalizer),
            ("pre_tokenizer", &file.pre_tokenizer),
            ("post_processor", &file.post_processor),
            ("decoder", &file.decoder),
        ];
        for (name, section) in sections {
            Section::default().walk(section, 0).with_context(|| name.to_owned())?;
        }
        file.around().context("post_processor")?;
        file.model.check().context("model")?;
        Ok(file)
    }

    /// The ids that the post-processor can put around a text, with their tokens.
    pub(super) fn inserted(&self) -> Vec<(u64, String)> {
        let mut ids = Vec::new();
        for part in parts(&self.post_processor) {
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

    /// Whether characters become texts that only a table of the file's own bounds.
    pub(super) fn maps_characters(&self) -> bool {
        parts(&self.normalizer).iter().any(|part| part["type"] == "Precompiled")
    }

    /// The token that stands for what the vocabulary does not have: by its text, or by its id.
    pub(super) fn unknown(&self) -> (Option<&str>, Option<TokenId>) {
        let id = self.model.unk_id.and_then(|id| TokenId::try_from(id).ok());
        (self.model.unk_token.as_deref(), id)
    }

    /// Refuses a post-processor that writes a text twice, or too much around it.
    fn around(&self) -> Result<()> {
        for part in parts(&self.post_processor) {
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
        let dropout = self.dropout.unwrap_or(0.0);
        ensure!(
            dropout == 0.0,
            "dropout: got {dropout}, by which a text has other tokens each time; expected none"
        );
        for (key, affix) in [
            ("continuing_subword_prefix", &self.continuing_subword_prefix),
            ("end_of_word_suffix", &self.end_of_word_suffix),
        ] {
            let length = affix.as_ref().map_or(0, String::len);
            ensure!(length <= MAX_AFFIX, "{key}: {length} bytes, expected at most {MAX_AFFIX}");
        }
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

/// How much a section has so far.
struct Section {
    n_parts: usize,
    /// Characters that one character may have become.
    growth: usize,
}

impl Default for Section {
    fn default() -> Self {
        Self { n_parts: 0, growth: 1 }
    }
}

impl Section {
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
        if let Some(content) = part["content"].as_str().filter(|_| kind == "Replace") {
            let content = content.chars().count();
            // An expression may match between all characters, which then stay.
            let factor = match literal {
                Some(literal) => content.div_ceil(literal.chars().count()).max(1),
                None => 1 + content,
            };
            self.growth = self.growth.saturating_mul(factor);
            ensure!(
                self.growth <= MAX_GROWTH,
                "content: with what goes before it makes {} characters of one, expected at most {MAX_GROWTH}",
                self.growth
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
