//! The ways to read one text, and whether two readings say the same.

use super::{
    compare,
    exact::Work,
    parse,
    token::{self, Commas, Spaced, Token, Unreadable},
    tree::Answer,
};

/// One way to read a text.
pub(super) struct Reading {
    /// Its tokens as one text, for what can only be compared as it is spelled.
    spelling: String,
    /// Its words in lower case, where it holds nothing else but numbers.
    words: Option<String>,
    has_word: bool,
    answer: Option<Answer>,
}

/// The ways to read the commas in `text`; none where it is too long or not text.
pub(super) fn readings(text: &str) -> Vec<Reading> {
    let read = |commas| -> Result<(Reading, bool), Unreadable> {
        let (tokens, ambiguous) = token::tokens(text, commas)?;
        Ok((Reading::new(&tokens), ambiguous))
    };
    let Ok((reading, ambiguous)) = read(Commas::Group) else { return Vec::new() };
    let other = if ambiguous { read(Commas::Separate).ok() } else { None };
    std::iter::once(reading).chain(other.map(|(reading, _)| reading)).collect()
}

impl Reading {
    fn new(tokens: &[Spaced]) -> Self {
        let is_word = |token: &Token| matches!(token, Token::Word(word) if word.chars().count() > 1);
        Self {
            spelling: spelling(tokens),
            words: parse::words(tokens),
            has_word: tokens.iter().any(|spaced| is_word(&spaced.token)),
            answer: parse::answer(tokens).ok(),
        }
    }

    /// Whether it is mathematics or words.
    pub(super) fn is_understood(&self) -> bool {
        self.answer.is_some() || self.has_word && self.words.is_some()
    }

    /// Whether the other has the same tokens, whatever they mean.
    pub(super) fn is_spelled(&self, other: &Self) -> bool {
        self.spelling == other.spelling && self.spelling.contains(char::is_alphanumeric)
    }

    pub(super) fn same(&self, other: &Self, work: &Work) -> Option<bool> {
        if (self.has_word || other.has_word) && self.words.is_some() && self.words == other.words {
            return Some(true);
        }
        match (&self.answer, &other.answer) {
            (Some(a), Some(b)) => compare::same_answer(a, b, work),
            _ => Some(false),
        }
    }
}

/// The tokens written one after the other; braces around a single one say nothing and are left out.
fn spelling(tokens: &[Spaced]) -> String {
    let mut text = String::new();
    let is_mark = |at: Option<usize>, mark| {
        at.and_then(|at| tokens.get(at)).is_some_and(|spaced| spaced.token == Token::Mark(mark))
    };
    for (at, Spaced { token, .. }) in tokens.iter().enumerate() {
        let single = match token {
            Token::Mark('{') => is_mark(Some(at + 2), '}') && !is_mark(Some(at + 1), '{'),
            Token::Mark('}') => is_mark(at.checked_sub(2), '{') && !is_mark(at.checked_sub(1), '}'),
            _ => false,
        };
        match token {
            Token::Mark('{' | '}') if single => {}
            Token::Mark(c) | Token::Letter(c) => text.push(*c),
            Token::Word(word) => text.extend(word.split_whitespace()),
            Token::Name(name) => text.extend(["\\", name]),
            Token::Number(number) => {
                // 1 2 is not 12, in whatever braces.
                let parted = text.ends_with(|c: char| c.is_ascii_digit());
                text.extend([if parted { " " } else { "" }, number]);
            }
        }
    }
    text
}
