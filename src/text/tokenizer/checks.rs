//! What a tokenizer must be for a policy to read by it.

use anyhow::{Result, anyhow, bail};

use super::Tokenizer;
use crate::files::model_folder::TOKENIZER;
use crate::types::TokenId;

impl Tokenizer {
    /// Refuses a tokenizer that ends every text with a token at which responses end: nothing follows that.
    ///
    /// # Errors
    /// If it does; the message names the token.
    pub(crate) fn check_begins_answers(&self) -> Result<()> {
        const TEXT: &str = "1";
        let (bare, whole) = (self.encode(TEXT)?, self.encode_whole(TEXT)?);
        let behind =
            whole.windows(bare.len().max(1)).rposition(|part| part == bare).unwrap_or(0) + bare.len();
        let behind = whole.get(behind..).unwrap_or_default();
        if let Some(&end) = behind.iter().find(|id| self.eos_ids.contains(id)) {
            bail!(
                "{TOKENIZER}, post_processor: it ends every text with {:?} (id {end}), at which responses end, so that a prompt \
                 would be over before its answer; take that token out of `post_processor`",
                self.inner.id_to_token(end).unwrap_or_default()
            );
        }
        Ok(())
    }

    /// Checks that a model with `vocab_size` rows of embeddings has one for every token, those included that the tokenizer puts
    /// around texts. A model may have more.
    ///
    /// # Errors
    /// If it has fewer; the message names the token.
    pub(crate) fn check_fits(&self, vocab_size: usize) -> Result<()> {
        let misfit = |what: String| {
            anyhow!(
                "the tokenizer does not fit the model: {what}, the model's vocabulary has {vocab_size} entries; use the \
                 {TOKENIZER} that was saved with the model"
            )
        };
        if self.vocab_size > vocab_size {
            let id = self.vocab_size - 1;
            let token =
                TokenId::try_from(id).ok().and_then(|id| self.inner.id_to_token(id)).unwrap_or_default();
            return Err(misfit(format!("its largest token id is {id} ({token:?})")));
        }
        let inserted = self.inspected.inserted();
        if let Some((id, token)) = inserted.iter().find(|(id, _)| *id >= vocab_size as u64) {
            return Err(misfit(format!("its post_processor puts the id {id} ({token:?}) around texts")));
        }
        Ok(())
    }
}
