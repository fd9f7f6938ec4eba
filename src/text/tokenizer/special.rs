//! Special tokens that texts of others spell out.

use super::Tokenizer;

impl Tokenizer {
    /// The texts of all special tokens, which [`Tokenizer::encode`] reads as those tokens wherever they stand, in order.
    #[must_use]
    pub(crate) fn special_tokens(&self) -> Vec<String> {
        let added = self.inner.get_added_tokens_decoder().into_values();
        let mut texts: Vec<String> = added
            .filter(|token| token.special && !token.content.is_empty())
            .map(|token| token.content)
            .collect();
        texts.sort();
        texts
    }
}

#[cfg(test)]
mod tests {
    use crate::text::countdown_tokenizer;

    #[test]
    fn special_tokens_are_known_by_their_texts() {
        let texts = countdown_tokenizer().map(|tokenizer| tokenizer.special_tokens()).unwrap_or_default();
        assert!(texts.iter().any(|text| text == "<eos>") && texts.is_sorted(), "{texts:?}");
    }
}
