//! Texts to tokens and back, within what that may take. Work that is bounded by the length of what is given is done where it
//! is asked for, and other work watched.

use std::sync::Arc;

use anyhow::{Error, Result, anyhow};

use super::build::{for_text, for_tokens};
use super::{Tokenizer, pace};
use crate::files::model_folder::TOKENIZER;
use crate::text::caught::caught;
use crate::types::TokenId;

impl Tokenizer {
    /// `text` as token ids; none are added. Special tokens written out in `text` are recognised.
    ///
    /// # Errors
    /// If the tokenizer refuses the text, or takes more for it than any may.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<TokenId>> {
        self.ids(text, false)
    }

    /// `text` as token ids, with those that the tokenizer puts around any text, such as one that begins it.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub(crate) fn encode_whole(&self, text: &str) -> Result<Vec<TokenId>> {
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
        let done = if self.inspected.reads_quickly(text.len()) {
            pace::timed(|| caught(|| encode(&self.inner, text)))
        } else {
            let (inner, text) = (Arc::clone(&self.inner), text.to_owned());
            self.workers.run(for_text(text.len()), move || encode(&inner, &text))
        };
        let (encoding, took) = done.map_err(refused)?;
        self.pace.add(text.len(), took).map_err(refused)?;
        encoding.map_err(|error| refused(anyhow!("{error}")))
    }

    /// The parts of `texts` that the vocabulary does not have and that are read as its unknown token, each once.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub(crate) fn unknown<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> Result<Vec<String>> {
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
    /// If the tokenizer refuses the tokens, or takes more for them than any may.
    pub(crate) fn decode(&self, tokens: &[TokenId], skip_ends: bool) -> Result<String> {
        let kept: Vec<TokenId> =
            tokens.iter().copied().filter(|token| !(skip_ends && self.silent_ids.contains(token))).collect();
        let refused = |error| cannot_decode(tokens, &error);
        let n = kept.len();
        let done = if self.inspected.writes_quickly(n) {
            pace::timed(|| caught(|| self.inner.decode(&kept, false)))
        } else {
            let inner = Arc::clone(&self.inner);
            self.workers.run(for_tokens(n), move || inner.decode(&kept, false))
        };
        let (text, took) = done.map_err(refused)?;
        self.pace.add(n, took).map_err(refused)?;
        text.map_err(|error| refused(anyhow!("{error}")))
    }

    /// What each of `tokens` adds to their text, special tokens included. A token that ends within a character adds nothing,
    /// and the one that completes it the whole. Ids outside the vocabulary read as their number: `<70000>`.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub(crate) fn pieces(&self, tokens: &[TokenId]) -> Result<Vec<String>> {
        let (inner, given) = (Arc::clone(&self.inner), tokens.to_vec());
        let pieces = self.workers.run(for_tokens(tokens.len()), move || pieces(&inner, &given));
        let pieces = pieces.and_then(|(pieces, _)| pieces.map_err(|error| anyhow!("{error}")));
        pieces.map_err(|error| cannot_decode(tokens, &error))
    }

    /// What `token` alone reads as, special tokens included; empty for an id outside the vocabulary.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    #[cfg(test)]
    pub(crate) fn token_text(&self, token: TokenId) -> Result<String> {
        self.decode(&[token], false)
    }
}

fn pieces(inner: &tokenizers::Tokenizer, tokens: &[TokenId]) -> tokenizers::Result<Vec<String>> {
    let mut stream = inner.decode_stream(false);
    let piece = |&token: &TokenId| match inner.id_to_token(token) {
        Some(_) => Ok(stream.step(token)?.unwrap_or_default()),
        None => Ok(format!("<{token}>")),
    };
    tokens.iter().map(piece).collect()
}

fn cannot_decode(tokens: &[TokenId], error: &Error) -> Error {
    let (n, first) = (tokens.len(), &tokens[..tokens.len().min(20)]);
    anyhow!("{TOKENIZER}: {n} tokens cannot be decoded: {error}; the first ones: {first:?}")
}
