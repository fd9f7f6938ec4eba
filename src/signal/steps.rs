//! A response in steps of reasoning (arXiv 2509.26628): it is cut behind every token whose text holds an empty line; if there
//! is none, behind those that hold a line's end; if there is none either, every token is a step.

use std::ops::Range;

use anyhow::Result;

use crate::text::Tokenizer;
use crate::types::TokenId;

/// Ends a chain of thought.
const END_OF_THINKING: &str = "</think>";

/// Knows of every token where its text cuts.
///
/// One that knows none, as the default, lets every token be a step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Segmenter {
    cuts: Vec<Cut>,
}

/// A response in steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Segmented {
    /// Neighbouring ranges of its tokens, together all of them.
    pub steps: Vec<Range<usize>>,
    /// Place of the last token that ends the thinking.
    pub end_of_thinking: Option<usize>,
}

/// What a token's text holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cut {
    empty_line: bool,
    line_end: bool,
    end_of_thinking: bool,
}

impl Segmenter {
    /// Of the vocabulary of `tokenizer`.
    ///
    /// # Errors
    /// If a token has no text.
    pub(crate) fn new(tokenizer: &Tokenizer) -> Result<Self> {
        let tokens = 0..tokenizer.vocab_size() as TokenId;
        let text = |token| tokenizer.decode(&[token], false);
        Ok(Self::of_texts(tokens.map(text).collect::<Result<Vec<_>>>()?.iter().map(String::as_str)))
    }

    fn of_texts<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let cut = |text: &str| Cut {
            empty_line: text.contains("\n\n"),
            line_end: text.contains('\n'),
            end_of_thinking: text.contains(END_OF_THINKING),
        };
        Self { cuts: texts.map(cut).collect() }
    }

    /// `response` in steps.
    #[must_use]
    pub(crate) fn segment(&self, response: &[TokenId]) -> Segmented {
        let end_of_thinking = response.iter().rposition(|token| self.cut(*token).end_of_thinking);
        Segmented { steps: self.steps(response), end_of_thinking }
    }

    fn steps(&self, response: &[TokenId]) -> Vec<Range<usize>> {
        let behind = |cuts: fn(&Cut) -> bool| -> Vec<usize> {
            let places = response.iter().enumerate().filter(|(_, token)| cuts(&self.cut(**token)));
            places.map(|(t, _)| t + 1).collect()
        };
        let mut ends = behind(|cut| cut.empty_line);
        if ends.is_empty() {
            ends = behind(|cut| cut.line_end);
        }
        if ends.is_empty() {
            ends = (1..=response.len()).collect();
        }
        if !response.is_empty() && ends.last() != Some(&response.len()) {
            ends.push(response.len());
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts.zip(&ends).map(|(start, end)| start..*end).collect()
    }

    fn cut(&self, token: TokenId) -> Cut {
        self.cuts.get(token as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 6] = ["a", "b\n", ".\n\n", "\n\nc", "</think>", " d"];

    fn steps(response: &[TokenId]) -> Vec<Range<usize>> {
        Segmenter::of_texts(TEXTS.into_iter()).steps(response)
    }

    #[test]
    fn empty_lines_cut_before_line_ends_and_these_before_tokens() {
        assert_eq!(steps(&[0, 1, 2, 0, 3, 5]), [0..3, 3..5, 5..6]);
        assert_eq!(steps(&[0, 1, 0, 1]), [0..2, 2..4]);
        assert_eq!(steps(&[0, 5, 0]), [0..1, 1..2, 2..3]);
        assert_eq!(steps(&[2, 0]), [0..1, 1..2]);
        assert_eq!(steps(&[]), [0..0; 0]);
        assert_eq!(steps(&[99, 1, 0]), [0..2, 2..3], "a token beyond the vocabulary cuts nothing");
    }

    #[test]
    fn the_last_end_of_thinking_counts() {
        let end =
            |response: &[TokenId]| Segmenter::of_texts(TEXTS.into_iter()).segment(response).end_of_thinking;
        assert_eq!((end(&[4, 0, 4, 0]), end(&[0, 1])), (Some(2), None));
    }
}
