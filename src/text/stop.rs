//! Strings that end a response, found in its text as the tokens come.
//!
//! ```text
//! text of the tokens so far:      ...2 + 3 = 5\n\nQues
//! text with the newest token:     ...2 + 3 = 5\n\nQuestion:       ends at "Question:", here
//! ```
//!
//! A token completes a string if the string is in the text and ends behind what the tokens before it say. So a string is found
//! however tokens cut it, within a character too. The text is the one that graders see ([`Tokenizer::decode`] without what ends or pads);
//! they see it up to where the string begins.

use std::sync::Arc;

use anyhow::Result;

use super::Tokenizer;
use crate::types::TokenId;

/// Tokens more than the longest string has bytes that are looked back on: those that a character of its own may be cut into.
const MARGIN: usize = 4;

/// Strings that end a response.
#[derive(Clone, Debug)]
pub(crate) struct Stops {
    /// Never empty, none of them empty.
    strings: Arc<[String]>,
    tokenizer: Arc<Tokenizer>,
    /// Tokens that are sure to have all of a string that the last of them completes.
    n_window: usize,
}

impl Stops {
    /// Those of `strings` in texts of `tokenizer`; `None` where there are none.
    #[must_use]
    pub(crate) fn new(strings: &[String], tokenizer: &Arc<Tokenizer>) -> Option<Self> {
        // Of every token that has a text it is a byte at least.
        let longest = strings.iter().map(String::len).max()?;
        let (strings, tokenizer) = (strings.into(), Arc::clone(tokenizer));
        Some(Self { strings, tokenizer, n_window: longest + MARGIN })
    }

    /// Whether the last of `tokens`, the response as far as it goes, of which those of `prefix` come first, completes a string.
    ///
    /// # Errors
    /// If the tokens cannot be decoded.
    pub(crate) fn completed(&self, prefix: &[TokenId], tokens: &[TokenId]) -> Result<bool> {
        let own = &tokens[tokens.len().saturating_sub(self.n_window)..];
        let before = &prefix[prefix.len() - prefix.len().min(self.n_window - own.len())..];
        let window = [before, own].concat();
        let text = self.tokenizer.decode(&window, true)?;
        // Nearly always no string is near.
        if !self.strings.iter().any(|string| text.contains(string.as_str())) {
            return Ok(false);
        }
        self.begins(&window, &text).map(|begins| begins.is_some())
    }

    /// Whether a string is anywhere in `tokens`, behind those of `prefix`: where none is, none of them completes one.
    ///
    /// # Errors
    /// If the tokens cannot be decoded.
    pub(crate) fn occur(&self, prefix: &[TokenId], tokens: &[TokenId]) -> Result<bool> {
        let before = &prefix[prefix.len().saturating_sub(self.n_window)..];
        let text = self.tokenizer.decode(&[before, tokens].concat(), true)?;
        Ok(self.strings.iter().any(|string| text.contains(string.as_str())))
    }

    /// The part of `text`, that of the response `tokens` whose last one completes a string, before that string; all of it where none
    /// is found.
    ///
    /// # Errors
    /// As [`Stops::completed`].
    pub(crate) fn cut(&self, tokens: &[TokenId], mut text: String) -> Result<String> {
        if let Some(begins) = self.begins(tokens, &text)? {
            text.truncate(begins);
        }
        Ok(text)
    }

    /// Where in `text`, that of `tokens`, the first of the strings begins that the last token completes.
    fn begins(&self, tokens: &[TokenId], text: &str) -> Result<Option<usize>> {
        let before = self.tokenizer.decode(&tokens[..tokens.len().saturating_sub(1)], true)?;
        // Halves of a character read as marks, which the rest of it replaces.
        let said = before.trim_end_matches(char::REPLACEMENT_CHARACTER).len();
        let begins = self.strings.iter().filter_map(|string| {
            // The first place from which it would end behind what was said.
            let from = (said + 1).saturating_sub(string.len());
            let from = (from..text.len()).find(|from| text.is_char_boundary(*from))?;
            text[from..].find(string.as_str()).map(|at| from + at)
        });
        Ok(begins.min())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::text::countdown_tokenizer;
    use crate::text::tokenizer::tests::byte_tokenizer;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|&one| one.to_owned()).collect()
    }

    /// The tokens of `text` up to the one that completes one of `stops`, and what is left of their text.
    fn ended(tokenizer: &Arc<Tokenizer>, stops: &[&str], text: &str) -> Option<(usize, String)> {
        let stops = Stops::new(&strings(stops), tokenizer).unwrap();
        let tokens = tokenizer.encode(text).unwrap();
        let n = (1..=tokens.len()).find(|n| stops.completed(&[], &tokens[..*n]).unwrap())?;
        // However much of it was there before.
        for cut in 0..n {
            let (prefix, own) = tokens[..n].split_at(cut);
            assert!(stops.completed(prefix, own).unwrap(), "{cut}");
        }
        let said = tokenizer.decode(&tokens[..n], true).unwrap();
        Some((n, stops.cut(&tokens[..n], said).unwrap()))
    }

    /// Against looking through the whole text behind every token.
    #[test]
    fn a_string_is_found_at_the_token_that_completes_it() {
        let tokenizer = Arc::new(byte_tokenizer());
        let text = "naïve 🙂🙃 — one\n\ntwo ENDE END";
        for stop in ["ï", "🙃", "🙂🙃", "—", "\n\n", "END", "ENDE", "e 🙂", " ", "naïve", "D"] {
            let (n, left) = ended(&tokenizer, &[stop], text).unwrap();
            let at = text.find(stop).unwrap();
            // A token is a byte.
            assert_eq!((n, left.as_str()), (at + stop.len(), &text[..at]), "{stop}");
        }
        assert_eq!(ended(&tokenizer, &["ö", "three", "END."], text), None);
        assert!(Stops::new(&[], &tokenizer).is_none());
    }

    #[test]
    fn of_several_strings_the_first_counts() {
        let tokenizer = Arc::new(byte_tokenizer());
        assert_eq!(ended(&tokenizer, &["two", "one"], "one two").unwrap().1, "");
        assert_eq!(ended(&tokenizer, &["b", "abc", "c"], "xabc").unwrap().1, "xa");
        assert_eq!(ended(&tokenizer, &["c", "abc"], "xabc").unwrap().1, "x");
    }

    #[test]
    fn tokens_of_several_characters_end_where_the_string_is_whole() {
        let tokenizer = Arc::new(countdown_tokenizer().unwrap());
        let text = "12+3=15\n<answer>12+3</answer>";
        let tokens = tokenizer.encode(text).unwrap();
        let (n, left) = ended(&tokenizer, &["</answer>"], text).unwrap();
        assert_eq!((n, left.as_str()), (tokens.len(), "12+3=15\n<answer>12+3"));
        let (n, left) = ended(&tokenizer, &["15"], text).unwrap();
        assert!(n < tokens.len() && left == "12+3=", "{n} {left}");
    }

    /// As under a least number of tokens: what was complete before does not end it later.
    #[test]
    fn what_was_complete_before_the_last_token_does_not_count() {
        let tokenizer = Arc::new(byte_tokenizer());
        let stops = Stops::new(&strings(&["ab"]), &tokenizer).unwrap();
        let tokens = tokenizer.encode("abcab").unwrap();
        let ends: Vec<bool> = (1..=5).map(|n| stops.completed(&[], &tokens[..n]).unwrap()).collect();
        assert_eq!(ends, [false, true, false, false, true]);
        assert_eq!(stops.cut(&tokens, "abcab".to_owned()).unwrap(), "abc");
    }

    #[test]
    fn what_ends_or_pads_is_no_part_of_the_text() {
        let tokenizer = Arc::new(countdown_tokenizer().unwrap());
        assert_eq!(ended(&tokenizer, &["12"], "1<pad>2"), Some((3, String::new())));
    }
}
