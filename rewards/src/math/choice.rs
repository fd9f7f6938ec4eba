//! Options of a multiple choice: a label such as `(B)`, alone or before what it says, as in `(B) 5` and `B. Paris`.

use super::{
    parse,
    token::{Spaced, Token},
    tree::Answer,
    unit,
};

/// The option that an answer chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    label: char,
    /// Whether nothing stands behind the label.
    alone: bool,
}

impl Choice {
    /// Reads all of `tokens`; none where they begin with no label, or say more than what one option says.
    pub(super) fn from_tokens(tokens: &[Spaced]) -> Option<Self> {
        let at = |at: usize| tokens.get(at).map(|spaced| &spaced.token);
        let (label, words, n_tokens) = match (at(0)?, at(1), at(2)) {
            (Token::Mark('('), Some(Token::Letter(label)), Some(Token::Mark(')'))) => (*label, "", 3),
            (Token::Letter(label), Some(Token::Mark('.' | ')' | ':')), _) => (*label, "", 2),
            (Token::Letter(label), None, _) => (*label, "", 1),
            (Token::Word(word), next, _) => {
                let inner = word.strip_prefix('(').unwrap_or(word);
                let label = inner.chars().next()?;
                let rest = inner.get(label.len_utf8()..)?;
                let parted =
                    rest.strip_prefix([')', '.', ':']).or((rest.is_empty() && next.is_none()).then_some(""));
                (label, parted?, 1)
            }
            _ => return None,
        };
        let rest = tokens.get(n_tokens..)?;
        let is_label = |c: char| ('A'..='J').contains(&c);
        let is_other = |token: &Token| match token {
            Token::Letter(letter) => is_label(*letter),
            Token::Word(word) => names_another(word),
            _ => false,
        };
        let is_one = || !matches!(parse::answer(rest), Err(_) | Ok(Answer::List(..)));
        let fits = is_label(label)
            && !names_another(words)
            && !parse::words(rest).is_some_and(|words| names_another(&words))
            && !rest.iter().any(|spaced| is_other(&spaced.token))
            && (rest.is_empty() || is_one());
        fits.then_some(Self { label, alone: rest.is_empty() && words.trim().is_empty() })
    }

    /// Whether both choose the same option, and one says no more than its label.
    pub(super) fn same(self, other: Self) -> bool {
        self.label == other.label && (self.alone || other.alone)
    }
}

/// Whether the words hold another label, or a word such as "or" and "not".
fn names_another(words: &str) -> bool {
    let mut words = words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.any(|word| unit::is_excluded(word) || word.len() == 1 && word.starts_with(char::is_uppercase))
}
