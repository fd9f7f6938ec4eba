//! The ways to read one text, and whether two readings say the same.

use super::{
    choice::Choice,
    compare,
    exact::Work,
    parse,
    qualifier::{self, Claim},
    reals,
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
    /// The answer where plain letters behind a number are a unit.
    measured: Option<Answer>,
    choice: Option<Choice>,
    /// What was said of letters of the formula and is no part of it here.
    claims: Vec<Claim>,
}

/// The ways to read `text`, as it stands, without what it says of letters, and its words for sets in signs; none where it
/// is too long or not text.
pub(super) fn readings(text: &str) -> Vec<Reading> {
    let mut readings = by_commas(text);
    if !readings.is_empty() {
        readings.extend(reals::in_signs(text).iter().flat_map(|signs| by_commas(signs)));
        if let Some((formula, claims)) = qualifier::split(text) {
            readings.extend(
                by_commas(&formula).into_iter().map(|read| Reading { claims: claims.clone(), ..read }),
            );
        }
    }
    readings
}

/// The ways to read the commas in `text`.
fn by_commas(text: &str) -> Vec<Reading> {
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
            measured: parse::measured(tokens),
            choice: Choice::from_tokens(tokens),
            claims: Vec::new(),
        }
    }

    /// Whether it is mathematics or words.
    pub(super) fn is_understood(&self) -> bool {
        self.answer.is_some() || self.choice.is_some() || self.has_word && self.words.is_some()
    }

    /// Whether it says more than its words do.
    fn is_formula(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| !matches!(answer, Answer::Text(_)))
    }

    /// Whether the other has the same tokens, whatever they mean.
    pub(super) fn is_spelled(&self, other: &Self) -> bool {
        self.spelling == other.spelling && self.spelling.contains(char::is_alphanumeric)
    }

    /// Whether both say the same of the letters of their formulas, beside what goes without saying.
    pub(super) fn says_as_much(&self, other: &Self) -> bool {
        qualifier::agree((&self.claims, self.answer.as_ref()), (&other.claims, other.answer.as_ref()))
    }

    /// Whether the other says the same as this one, the gold answer.
    pub(super) fn same(&self, other: &Self, work: &Work) -> Option<bool> {
        if !self.says_as_much(other) {
            return Some(false);
        }
        let worded = (self.has_word || other.has_word) && !(self.is_formula() && other.is_formula());
        if worded && self.words.is_some() && self.words == other.words {
            return Some(true);
        }
        if self.choice.zip(other.choice).is_some_and(|(gold, other)| gold.same(other)) {
            return Some(true);
        }
        let (Some(gold), Some(answer)) = (&self.answer, &other.answer) else { return Some(false) };
        let is_number =
            |answer: &Answer| matches!(answer, Answer::Quantity(node, None) if node.variables().is_empty());
        match &other.measured {
            Some(measured) if is_number(gold) => compare::same_answer(gold, measured, work),
            _ => compare::same_answer(gold, answer, work),
        }
    }
}

/// The tokens written one after the other. Braces around a single one say nothing and are left out, but those around
/// letters that are read as one word: they part `\sqrt{abcd}x` from `\sqrt{abcdx}`.
fn spelling(tokens: &[Spaced]) -> String {
    let mut text = String::new();
    let at = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map(|spaced| &spaced.token);
    let is_mark = |token: Option<&Token>, mark| token == Some(&Token::Mark(mark));
    let is_single = |token: Option<&Token>| match token {
        Some(Token::Mark('{' | '}')) | None => false,
        Some(Token::Word(word)) => word.chars().count() == 1,
        Some(_) => true,
    };
    for (here, Spaced { token, .. }) in tokens.iter().enumerate() {
        let single = match token {
            Token::Mark('{') => is_mark(at(Some(here + 2)), '}') && is_single(at(Some(here + 1))),
            Token::Mark('}') => is_mark(at(here.checked_sub(2)), '{') && is_single(at(here.checked_sub(1))),
            _ => false,
        };
        match token {
            Token::Mark('{' | '}') if single => {}
            Token::Mark(c) | Token::Letter(c) => text.push(*c),
            Token::Word(word) => text.extend(word.split_whitespace()),
            Token::Name(name) => text.extend(["\\", name, " "]),
            Token::Number(number) => {
                // 1 2 is not 12, in whatever braces.
                let parted = text.ends_with(|c: char| c.is_ascii_digit());
                text.extend([if parted { " " } else { "" }, number]);
            }
        }
    }
    text
}
