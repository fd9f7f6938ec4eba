//! A tokenizer with what belongs to it in a Hugging Face folder: end-of-sequence tokens and the files to
//! save.

mod build;
mod checks;
pub(super) mod folder;
mod inspected;
mod pace;
mod pattern;
mod regex;
mod special;
mod texts;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use self::build::{built, name_ends};
use self::inspected::Inspected;
use self::pace::Pace;
use super::caught::Workers;
use super::chat::ChatTemplate;
use super::eos::{eos_ids, id_of, named};
use crate::files::model_folder::{MODEL_FILES, TOKENIZER};
use crate::types::TokenId;

/// Turns text into tokens and back, and knows which tokens end a response.
#[derive(Clone, Debug)]
pub(crate) struct Tokenizer {
    inner: Arc<tokenizers::Tokenizer>,
    inspected: Arc<Inspected>,
    pace: Arc<Pace>,
    workers: Arc<Workers>,
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
    /// Reads `tokenizer.json` of the Hugging Face folder `dir`, and the tokens that end a response: the tokenizer's own
    /// (`eos_token` of `tokenizer_config.json`, or without one of `special_tokens_map.json`) first, then the `eos_token_id` of
    /// `generation_config.json`, or without one that of `config.json`, then the token with which the chat template closes the
    /// assistant's turn.
    ///
    /// # Errors
    /// If `tokenizer.json` is missing, not a tokenizer or asks for more than one may, if a configuration or template is broken,
    /// or if no file names an end-of-sequence token of the vocabulary.
    pub(crate) fn from_folder(dir: &Path) -> Result<Self> {
        Self::read(dir, true)
    }

    /// As [`Tokenizer::from_folder`], for texts that nobody answers: the chat template is not rendered, so that the token
    /// with which it closes a turn need not be among those that end a response.
    ///
    /// # Errors
    /// As [`Tokenizer::from_folder`].
    pub(crate) fn for_texts(dir: &Path) -> Result<Self> {
        Self::read(dir, false)
    }

    fn read(dir: &Path, answer: bool) -> Result<Self> {
        let files = folder::read_files(dir)?;
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
        let inspected = Inspected::parse(content).context(TOKENIZER)?;
        let inner = built(content)?;
        let chat_template = ChatTemplate::from_files(&files)?;
        let eos_ids = eos_ids(&inner, &files, chat_template.as_ref(), answer)?;
        let (bos_id, pad_id) = (id_of("bos", &inner, &files)?, id_of("pad", &inner, &files)?);
        let added = inner.get_added_tokens_decoder();
        let is_special = |id: &TokenId| added.get(id).is_some_and(|token| token.special);
        let named_pad = named("pad", &inner, &files)?;
        let silent_ids = eos_ids.iter().copied().chain(pad_id).chain(named_pad).filter(is_special).collect();
        files.retain(|name, _| MODEL_FILES.iter().all(|file| file.name != name || file.travels));
        name_ends(&mut files, &eos_ids)?;
        let vocab_size = inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        Ok(Self {
            inner: Arc::new(inner),
            inspected: Arc::new(inspected),
            pace: Arc::default(),
            workers: Arc::default(),
            eos_ids,
            bos_id,
            pad_id,
            silent_ids,
            vocab_size,
            chat_template,
            files,
        })
    }

    /// Smallest vocabulary that holds every token: the largest id plus one.
    #[must_use]
    pub(crate) fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// For each id below [`Tokenizer::vocab_size`], whether a token has it. Vocabularies may have gaps, and models rows behind
    /// the largest id; no text is read or written by those.
    #[must_use]
    pub(crate) fn has_token(&self) -> Vec<bool> {
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
    pub(crate) fn eos_ids(&self) -> &[TokenId] {
        &self.eos_ids
    }

    /// The token to end a supervised response with: the first of [`Tokenizer::eos_ids`].
    #[must_use]
    pub(crate) fn eos_id(&self) -> TokenId {
        self.eos_ids[0]
    }

    /// The token that starts a text, for files to be saved; nothing here adds it to a text.
    #[must_use]
    pub(crate) fn bos_id(&self) -> Option<TokenId> {
        self.bos_id
    }

    /// The token that fills short rows, for files to be saved; nothing here pads with it.
    #[must_use]
    pub(crate) fn pad_id(&self) -> Option<TokenId> {
        self.pad_id
    }

    /// How the model's own template writes a conversation; `None` for a model without one.
    #[must_use]
    pub(crate) fn chat_template(&self) -> Option<&ChatTemplate> {
        self.chat_template.as_ref()
    }
}

#[cfg(test)]
pub(crate) mod tests;
