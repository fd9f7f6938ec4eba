//! A tokenizer with what belongs to it in a Hugging Face folder: end-of-sequence tokens and the files to
//! save.

mod build;
mod checks;
mod inspected;
mod pace;
mod regex;

use std::sync::Arc;
use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Error, Result, anyhow};

use self::build::{built, for_text, name_ends};
use self::inspected::Inspected;
use self::pace::Pace;
use super::caught::{caught, watched};
use super::chat::{CHAT_TEMPLATE, ChatTemplate, SPECIAL_TOKENS};
use super::eos::{eos_ids, id_of, named};
use crate::files::{list, read_regular};
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

/// Largest of the files besides `tokenizer.json`, in bytes.
pub(super) const MAX_COMPANION: u64 = 128 << 20;

/// Longest text that is tokenized where it is asked for, in bytes; longer ones are watched.
const UNWATCHED_BYTES: usize = 256;

/// Folder of the templates that a model has beside its default one; they travel too.
const FURTHER_TEMPLATES: &str = "additional_chat_templates";

/// Turns text into tokens and back, and knows which tokens end a response.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: Arc<tokenizers::Tokenizer>,
    inspected: Arc<Inspected>,
    pace: Arc<Pace>,
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
    /// If `tokenizer.json` is missing, not a tokenizer or asks for more than one may, if a configuration or template is broken,
    /// or if no file names an end-of-sequence token of the vocabulary.
    pub fn from_folder(dir: &Path) -> Result<Self> {
        Self::read(dir, true)
    }

    /// As [`Tokenizer::from_folder`], for texts that nobody answers: the chat template is not rendered, so that the token
    /// with which it closes a turn need not be among those that end a response.
    ///
    /// # Errors
    /// As [`Tokenizer::from_folder`].
    pub fn for_texts(dir: &Path) -> Result<Self> {
        Self::read(dir, false)
    }

    fn read(dir: &Path, answer: bool) -> Result<Self> {
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
            if path.exists() {
                let most = if name == TOKENIZER { inspected::MAX_FILE as u64 } else { MAX_COMPANION };
                let content = read_regular(&path, most)
                    .with_context(|| format!("{}: cannot be read", path.display()))?;
                files.insert(name, content);
            }
        }
        Self::from_files(files, answer).with_context(|| format!("tokenizer of {}", dir.display()))
    }

    /// The tokenizer that `files`, named as in a Hugging Face folder, describe, for texts that somebody is to `answer` or not.
    /// Its `generation_config.json`, added where there is none, names all end-of-sequence ids.
    ///
    /// # Errors
    /// As [`Tokenizer::from_folder`].
    pub(super) fn from_files(mut files: BTreeMap<String, Vec<u8>>, answer: bool) -> Result<Self> {
        let content = files.get(TOKENIZER).with_context(|| {
            format!("{TOKENIZER} is missing; a model folder needs the file that transformers' fast tokenizers save")
        })?;
        let inspected = Inspected::of(content).context(TOKENIZER)?;
        let inner = built(content)?;
        let chat_template = ChatTemplate::from_files(&files)?;
        let eos_ids = eos_ids(&inner, &files, chat_template.as_ref(), answer)?;
        let (bos_id, pad_id) = (id_of("bos", &inner, &files)?, id_of("pad", &inner, &files)?);
        let added = inner.get_added_tokens_decoder();
        let is_special = |id: &TokenId| added.get(id).is_some_and(|token| token.special);
        let named_pad = named("pad", &inner, &files)?;
        let silent_ids = eos_ids.iter().copied().chain(pad_id).chain(named_pad).filter(is_special).collect();
        files.remove(MODEL_CONFIG);
        name_ends(&mut files, &eos_ids)?;
        let vocab_size = inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        let (inner, inspected, pace) = (Arc::new(inner), Arc::new(inspected), Arc::default());
        Ok(Self {
            inner,
            inspected,
            pace,
            eos_ids,
            bos_id,
            pad_id,
            silent_ids,
            vocab_size,
            chat_template,
            files,
        })
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
    /// If the tokenizer refuses the text, or takes more for it than any may.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>> {
        self.ids(text, false)
    }

    /// `text` as token ids, with those that the tokenizer puts around any text, such as one that begins it.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_whole(&self, text: &str) -> Result<Vec<TokenId>> {
        self.ids(text, true)
    }

    fn ids(&self, text: &str, whole: bool) -> Result<Vec<TokenId>> {
        let encoding = self.encoding(text, move |inner, text| inner.encode_fast(text, whole))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// What `encode` makes of `text`, within what a text may take.
    fn encoding<E>(&self, text: &str, encode: E) -> Result<tokenizers::Encoding>
    where
        E: Fn(&tokenizers::Tokenizer, &str) -> tokenizers::Result<tokenizers::Encoding> + Send + 'static,
    {
        let shown = || text.chars().take(80).collect::<String>();
        let refused =
            |error: Error| anyhow!("{TOKENIZER}: a text cannot be tokenized: {error}; text: {:?}", shown());
        let (encoding, took) = Pace::timed(|| {
            if text.len() <= UNWATCHED_BYTES && !self.inspected.maps_characters() {
                return caught(|| encode(&self.inner, text));
            }
            let (inner, text) = (Arc::clone(&self.inner), text.to_owned());
            watched(for_text(text.len()), move || encode(&inner, &text))
        });
        let encoding = encoding.and_then(|done| done.map_err(|error| anyhow!("{error}"))).map_err(refused)?;
        self.pace.add(text.len(), took).map_err(refused)?;
        Ok(encoding)
    }

    /// The parts of `texts` that the vocabulary does not have and that are read as its unknown token, each once.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn unknown<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> Result<Vec<String>> {
        let (name, id) = self.inspected.unknown();
        let Some(unknown) = name.and_then(|name| self.inner.token_to_id(name)).or(id) else {
            return Ok(Vec::new());
        };
        let mut parts: Vec<String> = Vec::new();
        for text in texts {
            let encoding = self.encoding(text, |inner, text| inner.encode(text, false))?;
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
        let decoded = caught(|| self.inner.decode(&kept, false));
        let decoded = decoded.and_then(|text| text.map_err(|error| anyhow!("{error}")));
        decoded.map_err(|error| {
            let first = &tokens[..tokens.len().min(20)];
            anyhow!(
                "{TOKENIZER}: {} tokens cannot be decoded: {error}; the first ones: {first:?}",
                tokens.len()
            )
        })
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
            let piece = caught(|| stream.step(*token));
            let piece = piece.and_then(|piece| piece.map_err(|error| anyhow!("{error}")));
            let piece =
                piece.map_err(|error| anyhow!("{TOKENIZER}: token {token} cannot be decoded: {error}"))?;
            Ok(piece.unwrap_or_default())
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
}

#[cfg(test)]
pub(super) mod tests;
