//! Pairs of prompts that differ in what is to be explained: a clean one and a corrupted one, of as many tokens.

mod countdown;
mod prefix;
mod think;

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
pub(crate) use countdown::countdown;
pub(crate) use prefix::{openings, prefix};
use serde::Deserialize;
pub(crate) use think::think;

use super::config::MetricKind;
use crate::data::jsonl;
use crate::text::Tokenizer;
use crate::types::TokenId;

/// What a line of a file looks like.
const EXPECTED: &str = "{\"clean_tokens\": [...], \"corrupted_tokens\": [...]} or {\"clean\": \"...\", \"corrupted\": \"...\"}, both of \
                        as many tokens; clean_answer and corrupted_answer beside them for logit_diff";

/// What a text meets where there is none.
const NO_TOKENIZER: &str = "a text, and the model's folder has no tokenizer.json; give token ids, or put the tokenizer beside the weights";

/// A clean and a corrupted prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// Where a person finds it: `pairs.jsonl:3`.
    pub place: String,
    /// The clean prompt.
    pub clean: Vec<TokenId>,
    /// The corrupted prompt, as long.
    pub corrupted: Vec<TokenId>,
    /// What follows the clean prompt.
    pub clean_answer: Option<TokenId>,
    /// What follows the corrupted prompt.
    pub corrupted_answer: Option<TokenId>,
}

/// A line as it was given.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Line {
    clean_tokens: Option<Vec<TokenId>>,
    corrupted_tokens: Option<Vec<TokenId>>,
    clean: Option<String>,
    corrupted: Option<String>,
    clean_answer: Option<Answer>,
    corrupted_answer: Option<Answer>,
    #[serde(skip)]
    place: String,
}

/// An answer as it was given.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    Id(TokenId),
    Text(String),
}

/// What the model can read.
#[derive(Clone, Copy)]
pub(crate) struct Limits<'a> {
    /// `None` where the model has none and takes token ids alone.
    pub tokenizer: Option<&'a Tokenizer>,
    /// Entries of the vocabulary.
    pub n_vocab: usize,
    /// What stands before the shorter prompt of a pair whose lengths differ; without it they may not.
    pub pad: Option<TokenId>,
}

/// Two prompts of as many tokens.
trait Aligned {
    /// The shorter one behind as many tokens `pad` as it lacks. They are read like others: what is behind them stands where it stands in
    /// the longer one, counted from the end, and the last tokens, where the loss is read, remain the last.
    fn aligned(self, pad: TokenId) -> Self;
}

impl Aligned for [Vec<TokenId>; 2] {
    fn aligned(self, pad: TokenId) -> Self {
        let n = self.iter().map(Vec::len).max().unwrap_or(0);
        self.map(|tokens| [vec![pad; n - tokens.len()], tokens].concat())
    }
}

/// Every line of the file at `path`. Keys beside the known ones are passed over; where a line has both, the ids count.
///
/// # Errors
/// If the file cannot be read, has no line, or a line is something else.
pub(crate) fn lines(path: &Path) -> Result<Vec<Line>> {
    jsonl::read(path, EXPECTED, |line: Line, place| Ok(Line { place: place.to_owned(), ..line }))
}

impl Line {
    /// The texts that are read of it.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let sides = [(&self.clean_tokens, &self.clean), (&self.corrupted_tokens, &self.corrupted)];
        sides.into_iter().filter(|(ids, _)| ids.is_none()).filter_map(|(_, text)| text.as_deref())
    }

    /// The tokens, as far as the model can read them.
    ///
    /// # Errors
    /// If a side is missing or empty, the two differ in length, a token is not in the vocabulary, or a text meets no tokenizer; each
    /// names the place.
    pub(crate) fn pair(self, limits: Limits<'_>) -> Result<Pair> {
        let place = self.place.clone();
        self.checked(limits).with_context(|| place)
    }

    fn checked(self, limits: Limits<'_>) -> Result<Pair> {
        let mut clean = side("clean", self.clean_tokens, self.clean.as_deref(), limits)?;
        let mut corrupted = side("corrupted", self.corrupted_tokens, self.corrupted.as_deref(), limits)?;
        if let Some(pad) = limits.pad {
            [clean, corrupted] = [clean, corrupted].aligned(pad);
        }
        ensure!(
            clean.len() == corrupted.len(),
            "the clean prompt has {} tokens and the corrupted one {}; expected as many, since tokens are exchanged place by place; --align pads the shorter one",
            clean.len(),
            corrupted.len()
        );
        let answer = |name: &str, answer: Option<Answer>| {
            answer.map(|answer| answer.token(limits).with_context(|| name.to_owned())).transpose()
        };
        Ok(Pair {
            clean_answer: answer("clean_answer", self.clean_answer)?,
            corrupted_answer: answer("corrupted_answer", self.corrupted_answer)?,
            place: self.place,
            clean,
            corrupted,
        })
    }
}

/// `pairs`, wherever they come from, if a model with so many positions can be asked about them by `metric`.
///
/// # Errors
/// If a pair is too long, or has no answers where the metric compares them; names its place.
pub(crate) fn fitting(pairs: Vec<Pair>, n_positions: usize, metric: MetricKind) -> Result<Vec<Pair>> {
    for Pair { place, clean, corrupted, clean_answer, corrupted_answer } in &pairs {
        let n = clean.len();
        ensure!(clean != corrupted, "{place}: both prompts are the same; expected a difference to explain");
        ensure!(
            clean_answer.is_none() || clean_answer != corrupted_answer || !metric.needs_answers(),
            "{place}: both answers are the same token; metric = \"logit_diff\" compares two"
        );
        ensure!(n <= n_positions, "{place}: {n} tokens, and the model has {n_positions} positions");
        for (name, answer) in [("clean_answer", clean_answer), ("corrupted_answer", corrupted_answer)] {
            ensure!(
                answer.is_some() || !metric.needs_answers(),
                "{place}: no `{name}`; metric = \"logit_diff\" needs both answers, kl needs none"
            );
        }
    }
    Ok(pairs)
}

/// The tokens of one side.
fn side(
    name: &str,
    ids: Option<Vec<TokenId>>,
    text: Option<&str>,
    limits: Limits<'_>,
) -> Result<Vec<TokenId>> {
    let tokens = match (ids, text) {
        (Some(ids), _) => ids,
        (None, Some(text)) => {
            let tokenizer = limits.tokenizer.context(NO_TOKENIZER).with_context(|| name.to_owned())?;
            tokenizer.encode_whole(text).with_context(|| name.to_owned())?
        }
        (None, None) => bail!("neither `{name}_tokens` nor `{name}`; expected {EXPECTED}"),
    };
    ensure!(!tokens.is_empty(), "{name}: no tokens; expected at least one");
    tokens.iter().try_for_each(|token| known(*token, limits)).with_context(|| format!("{name}_tokens"))?;
    Ok(tokens)
}

fn encoded(text: &str, limits: Limits<'_>) -> Result<Vec<TokenId>> {
    limits.tokenizer.context(NO_TOKENIZER)?.encode(text)
}

fn known(token: TokenId, limits: Limits<'_>) -> Result<()> {
    let n = limits.n_vocab;
    ensure!(
        (token as usize) < n,
        "token {token} is outside of the vocabulary of {n}; expected at most {}",
        n - 1
    );
    Ok(())
}

impl Answer {
    fn token(self, limits: Limits<'_>) -> Result<TokenId> {
        match self {
            Self::Id(token) => known(token, limits).map(|()| token),
            Self::Text(text) => match encoded(&text, limits)?.as_slice() {
                [token] => Ok(*token),
                tokens => bail!(
                    "{text:?} is {} tokens; expected one, which is what the logits tell of",
                    tokens.len()
                ),
            },
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_every_kind_are_held_to_the_model_and_the_metric() {
        let pair = |clean_answer| Pair {
            place: "problem 7".to_owned(),
            clean: vec![1, 2, 3],
            corrupted: vec![1, 9, 3],
            clean_answer,
            corrupted_answer: None,
        };
        let same = Pair { corrupted: vec![1, 2, 3], ..pair(None) };
        let said = fitting(vec![same], 3, MetricKind::Kl).unwrap_err().to_string();
        assert!(said.starts_with("problem 7: both prompts are the same"), "{said}");
        let equal = Pair { corrupted_answer: Some(4), ..pair(Some(4)) };
        assert!(fitting(vec![equal.clone()], 3, MetricKind::Kl).is_ok());
        let said = fitting(vec![equal], 3, MetricKind::LogitDiff).unwrap_err().to_string();
        assert!(said.starts_with("problem 7: both answers are the same token"), "{said}");
        let said = |answer, n_positions, metric| {
            fitting(vec![pair(answer)], n_positions, metric)
                .map(|pairs| pairs.len())
                .map_err(|e| e.to_string())
        };
        assert_eq!(said(None, 3, MetricKind::Kl), Ok(1));
        assert_eq!(
            said(None, 2, MetricKind::Kl).unwrap_err(),
            "problem 7: 3 tokens, and the model has 2 positions"
        );
        let said = [None, Some(4)].map(|answer| said(answer, 3, MetricKind::LogitDiff).unwrap_err());
        assert!(
            said[0].starts_with("problem 7: no `clean_answer`; metric = \"logit_diff\" needs both"),
            "{said:?}"
        );
        assert!(said[1].starts_with("problem 7: no `corrupted_answer`"), "{said:?}");
    }

    #[test]
    fn the_shorter_prompt_is_padded_before() {
        assert_eq!([vec![5, 6, 7], vec![8]].aligned(0), [vec![5, 6, 7], vec![0, 0, 8]]);
    }
}
