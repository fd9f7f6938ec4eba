//! A tokenizer with what belongs to it in a Hugging Face folder: end-of-sequence tokens and the files to
//! save.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};

use super::chat::{CHAT_TEMPLATE, ChatTemplate, SPECIAL_TOKENS};
use super::eos::{eos_ids, id_of, named};
use crate::files::list;
use crate::types::TokenId;

mod special;

pub(super) const TOKENIZER: &str = "tokenizer.json";
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
pub(super) const GENERATION_CONFIG: &str = "generation_config.json";
/// The model's own configuration; read for its special ids, never saved from here.
pub(super) const MODEL_CONFIG: &str = "config.json";
/// Files that travel with a tokenizer, whether or not anything here reads them.
const COMPANIONS: [&str; 6] =
    [SPECIAL_TOKENS, "added_tokens.json", CHAT_TEMPLATE, "vocab.json", "merges.txt", "vocab.txt"];

/// Folder of the templates that a model has beside its default one; they travel too.
const FURTHER_TEMPLATES: &str = "additional_chat_templates";

/// Turns text into tokens and back, and knows which tokens end a response.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    eos_ids: Vec<TokenId>,
    bos_id: Option<TokenId>,
    pad_id: Option<TokenId>,
    /// Special tokens that end or pad a response.
    silent_ids: Vec<TokenId>,
    vocab_size: usize,
    chat_template: Option<ChatTemplate>,
    /// Name and content of each file of a saved folder.
    files: BTreeMap<String, Vec<u8>>,
}

impl Tokenizer {
    /// Reads `tokenizer.json` of the Hugging Face folder `dir`, and the tokens that end a response: the
    /// tokenizer's own (`eos_token` of `tokenizer_config.json`, or without one of `special_tokens_map.json`) first, then the
    /// `eos_token_id` of `generation_config.json`, or without one that of `config.json`, then the token with which the chat template closes
    /// the assistant's turn.
    ///
    /// # Errors
    /// If `tokenizer.json` is missing or not a tokenizer, if a configuration or template is broken, or if no file names
    /// an end-of-sequence token of the vocabulary.
    pub fn from_folder(dir: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        let names =
            [TOKENIZER, TOKENIZER_CONFIG, GENERATION_CONFIG, MODEL_CONFIG].into_iter().chain(COMPANIONS);
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        if dir.join(FURTHER_TEMPLATES).is_dir() {
            let further = list(&dir.join(FURTHER_TEMPLATES))?;
            names.extend(
                further
                    .iter()
                    .map(|file| format!("{FURTHER_TEMPLATES}/{}", file.file_name().to_string_lossy())),
            );
        }
        for name in names {
            let path = dir.join(&name);
            if path.is_file() {
                let content =
                    fs::read(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
                files.insert(name, content);
            }
        }
        Self::from_files(files).with_context(|| format!("tokenizer of {}", dir.display()))
    }

    /// The tokenizer that `files`, named as in a Hugging Face folder, describe. A `generation_config.json`
    /// that names the end-of-sequence ids is added where there is none.
    ///
    /// # Errors
    /// As [`Tokenizer::from_folder`].
    pub(super) fn from_files(mut files: BTreeMap<String, Vec<u8>>) -> Result<Self> {
        let content = files.get(TOKENIZER).with_context(|| {
            format!("{TOKENIZER} is missing; a model folder needs the file that transformers' fast tokenizers save")
        })?;
        let mut inner = tokenizers::Tokenizer::from_bytes(content)
            .map_err(|e| anyhow!("{TOKENIZER}: not a tokenizer: {e}"))?;
        // A saved limit or padding would change texts behind the caller's back.
        inner.with_truncation(None).map_err(|e| anyhow!("{TOKENIZER}: {e}"))?;
        inner.with_padding(None);

        let chat_template = ChatTemplate::from_files(&files)?;
        let eos_ids = eos_ids(&inner, &files, chat_template.as_ref())?;
        let (bos_id, pad_id) = (id_of("bos", &inner, &files)?, id_of("pad", &inner, &files)?);
        let added = inner.get_added_tokens_decoder();
        let is_special = |id: &TokenId| added.get(id).is_some_and(|token| token.special);
        let named_pad = named("pad", &inner, &files)?;
        let silent_ids = eos_ids.iter().copied().chain(pad_id).chain(named_pad).filter(is_special).collect();
        files.remove(MODEL_CONFIG);
        if !files.contains_key(GENERATION_CONFIG) {
            let config = json!({ "eos_token_id": eos_ids });
            files.insert(GENERATION_CONFIG.to_owned(), serde_json::to_vec_pretty(&config)?);
        }
        let vocab_size = inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        Ok(Self { inner, eos_ids, bos_id, pad_id, silent_ids, vocab_size, chat_template, files })
    }

    /// Writes the tokenizer's files, those it was read from or generated with, into the folder `dir`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<()> {
        for (name, content) in &self.files {
            let path = dir.join(name);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)
                    .with_context(|| format!("{}: cannot be created", folder.display()))?;
            }
            fs::write(&path, content).with_context(|| format!("{}: cannot be written", path.display()))?;
        }
        Ok(())
    }

    /// `text` as token ids; none are added. Special tokens written out in `text` are recognised.
    ///
    /// # Errors
    /// If the tokenizer refuses the text.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>> {
        let encoding = self.inner.encode_fast(text, false);
        let encoding = encoding.map_err(|e| anyhow!("text cannot be tokenized: {e}; text: {text:?}"))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// `text` as token ids, with those that the tokenizer puts around any text, such as one that begins it.
    ///
    /// # Errors
    /// If the tokenizer refuses the text.
    pub fn encode_whole(&self, text: &str) -> Result<Vec<TokenId>> {
        let encoding = self.inner.encode_fast(text, true);
        let encoding = encoding.map_err(|e| anyhow!("text cannot be tokenized: {e}; text: {text:?}"))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The parts of `texts` that the vocabulary does not have and that are read as its unknown token, each once.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn unknown<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> Result<Vec<String>> {
        let file: Value = serde_json::from_slice(self.files.get(TOKENIZER).map_or(b"null", Vec::as_slice))?;
        let model = &file["model"];
        let by_name = model["unk_token"].as_str().and_then(|name| self.inner.token_to_id(name));
        let by_id = || TokenId::try_from(model["unk_id"].as_u64()?).ok();
        let Some(unknown) = by_name.or_else(by_id) else { return Ok(Vec::new()) };
        let mut parts: Vec<String> = Vec::new();
        for text in texts {
            let encoding =
                self.inner.encode(text, false).map_err(|e| anyhow!("text cannot be tokenized: {e}"))?;
            for (id, &(start, end)) in encoding.get_ids().iter().zip(encoding.get_offsets()) {
                let part = text.get(start..end).unwrap_or_default();
                if *id == unknown && !parts.iter().any(|known| known == part) {
                    parts.push(part.to_owned());
                }
            }
        }
        Ok(parts)
    }

    /// `tokens` as text; special tokens that end or pad a response are left out if `skip_ends`. Others, such as tags that a
    /// model writes by a token of their own, are part of what it says. Ids outside the vocabulary have no text.
    ///
    /// # Errors
    /// If the tokenizer refuses the tokens.
    pub fn decode(&self, tokens: &[TokenId], skip_ends: bool) -> Result<String> {
        let kept: Vec<TokenId> =
            tokens.iter().copied().filter(|token| !(skip_ends && self.silent_ids.contains(token))).collect();
        self.inner
            .decode(&kept, false)
            .map_err(|e| anyhow!("tokens cannot be decoded: {e}; tokens: {tokens:?}"))
    }

    /// What each of `tokens` adds to their text, special tokens included. A token that ends within a character adds nothing,
    /// and the one that completes it the whole. Ids outside the vocabulary read as their number: `<70000>`.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn pieces(&self, tokens: &[TokenId]) -> Result<Vec<String>> {
        let mut stream = self.inner.decode_stream(false);
        let piece = |token: &TokenId| {
            if self.inner.id_to_token(*token).is_none() {
                return Ok(format!("<{token}>"));
            }
            let piece = stream.step(*token);
            piece.map(Option::unwrap_or_default).map_err(|e| anyhow!("token {token} cannot be decoded: {e}"))
        };
        tokens.iter().map(piece).collect()
    }

    /// What `token` alone reads as, special tokens included; empty for an id outside the vocabulary.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn token_text(&self, token: TokenId) -> Result<String> {
        self.decode(&[token], false)
    }

    /// Smallest vocabulary that holds every token: the largest id plus one.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// For each id below [`Tokenizer::vocab_size`], whether a token has it. Vocabularies may have gaps, and models rows behind
    /// the largest id; no text is read or written by those.
    #[must_use]
    pub fn has_token(&self) -> Vec<bool> {
        let mut has = vec![false; self.vocab_size];
        for id in self.inner.get_vocab(true).into_values() {
            if let Some(has) = has.get_mut(id as usize) {
                *has = true;
            }
        }
        has
    }

    /// The tokens that end a response. Never empty.
    #[must_use]
    pub fn eos_ids(&self) -> &[TokenId] {
        &self.eos_ids
    }

    /// The token to end a supervised response with: the first of [`Tokenizer::eos_ids`].
    #[must_use]
    pub fn eos_id(&self) -> TokenId {
        self.eos_ids[0]
    }

    /// The token that starts a text, for files to be saved; nothing here adds it to a text.
    #[must_use]
    pub fn bos_id(&self) -> Option<TokenId> {
        self.bos_id
    }

    /// The token that fills short rows, for files to be saved; nothing here pads with it.
    #[must_use]
    pub fn pad_id(&self) -> Option<TokenId> {
        self.pad_id
    }

    /// How the model's own template writes a conversation; `None` for a model without one.
    #[must_use]
    pub fn chat_template(&self) -> Option<&ChatTemplate> {
        self.chat_template.as_ref()
    }

    /// Checks that a model with `vocab_size` rows of embeddings has one for every token. A model may have
    /// more.
    ///
    /// # Errors
    /// If it has fewer.
    pub fn check_fits(&self, vocab_size: usize) -> Result<()> {
        ensure!(
            self.vocab_size <= vocab_size,
            "the tokenizer does not fit the model: its largest token id is {}, the model's vocabulary has {vocab_size} \
             entries; use the {TOKENIZER} that was saved with the model",
            self.vocab_size - 1,
        );
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests;
