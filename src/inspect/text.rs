//! Tokens as a person reads them: nothing in them can be missed or taken for something else.

use anyhow::Result;
use serde::Serialize;

use super::{Inspection, Sampled, Subject};
use crate::text::Tokenizer;
use crate::types::{TokenId, picture};

/// An inspection with its texts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Shown {
    /// The numbers.
    #[serde(flatten)]
    pub inspection: Inspection,
    /// What the response is called.
    pub label: String,
    /// Text of the prompt.
    pub prompt: String,
    /// Text of each response token; together they are the response.
    pub pieces: Vec<String>,
    /// Where a run sampled it.
    #[serde(flatten)]
    pub sampled: Option<Sampled>,
}

impl Shown {
    /// Puts the texts to the numbers; without a tokenizer tokens are shown as their numbers.
    ///
    /// # Errors
    /// If the tokenizer refuses the tokens.
    pub(crate) fn new(
        subject: &Subject,
        inspection: Inspection,
        tokenizer: Option<&Tokenizer>,
    ) -> Result<Self> {
        let mut pieces = match tokenizer {
            Some(tokenizer) => tokenizer.pieces(&inspection.tokens)?,
            None => inspection.tokens.iter().map(|token| number(*token)).collect(),
        };
        let response = pieces.split_off(inspection.response_start);
        let (label, sampled) = (subject.label.clone(), subject.sampled.clone());
        Ok(Self { label, prompt: pieces.concat(), pieces: response, sampled, inspection })
    }
}

/// A token without a text.
pub(crate) fn number(token: TokenId) -> String {
    format!("<{token}>")
}

/// Stands for a token whose text another one holds: part of a character.
const PART: &str = "◌";

/// `piece` for one line of a terminal: control characters as the pictures of themselves, a line's end as `⏎`, nothing as
/// `◌`. No control character is left.
#[must_use]
pub(crate) fn visible(piece: &str) -> String {
    if piece.is_empty() {
        return PART.to_owned();
    }
    piece.chars().map(picture).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_reaches_a_terminal() {
        assert_eq!(visible(" no\n"), " no⏎");
        assert_eq!(visible("\u{1b}[31m\t\r\0\u{7f}\u{9b}\u{202e}"), "␛[31m␉␍␀␡\u{fffd}\u{fffd}");
        assert_eq!(visible(""), "◌");
        assert!(
            !(0..0x300)
                .filter_map(char::from_u32)
                .any(|c| visible(&c.to_string()).contains(char::is_control))
        );
    }
}
