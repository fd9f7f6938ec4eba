//! What there is to know of problems before a model learns from them.

use std::path::PathBuf;

use anyhow::{Context, Result};
use rayon::prelude::*;
use rewards::Task;
use serde::Serialize;

use crate::data::{ChatConfig, FileReport, Item, Items, Lengths, PromptBuilder};
use crate::text::Tokenizer;

/// How problems are read: by a model, or as plain text.
pub(super) enum Reader<'t> {
    /// As a model reads them.
    Tokens(PromptBuilder<'t>),
    /// No model is known.
    Characters,
}

/// All problems of a file or a recipe.
#[derive(Serialize)]
pub(super) struct Survey {
    /// What lengths count.
    pub unit: &'static str,
    pub sets: Vec<Set>,
    /// The first problem as the model will see it.
    pub prompt: Option<Seen>,
    pub notes: Vec<String>,
}

/// Problems of one file, or generated together.
#[derive(Serialize)]
pub(super) struct Set {
    pub name: String,
    pub path: Option<PathBuf>,
    pub rows: usize,
    pub used: usize,
    pub broken: usize,
    /// What is wrong with the first broken rows.
    pub broken_rows: Vec<String>,
    pub repeated: usize,
    pub also_trained_on: usize,
    /// Training problems that are left out for the length of their prompts.
    pub too_long: usize,
    pub lengths: Option<Lengths>,
    pub problems: Vec<Problem>,
}

/// One problem.
#[derive(Serialize)]
pub(super) struct Problem {
    pub place: Option<String>,
    pub text: String,
    pub gold: String,
}

/// A problem as the model will see it.
#[derive(Serialize)]
pub(super) struct Seen {
    pub place: Option<String>,
    /// With all special tokens.
    pub text: String,
    pub length: usize,
}

impl<'t> Reader<'t> {
    /// By `tokenizer`, if there is one.
    pub(super) fn new(tokenizer: Option<&'t Tokenizer>, chat: Option<&'t ChatConfig>) -> Result<Self> {
        Ok(match tokenizer {
            Some(tokenizer) => Self::Tokens(PromptBuilder::new(tokenizer, chat)?),
            None => Self::Characters,
        })
    }

    fn unit(&self) -> &'static str {
        match self {
            Self::Tokens(_) => "tokens",
            Self::Characters => "characters",
        }
    }

    fn length(&self, item: &Item) -> Result<usize> {
        match self {
            Self::Tokens(builder) => {
                Ok(builder.build_behind(&item.before, &item.text).with_context(|| place(item))?.1.len())
            }
            Self::Characters => Ok(item.text.chars().count()),
        }
    }

    fn read(&self, item: &Item) -> Result<Seen> {
        let (text, length) = match self {
            Self::Tokens(builder) => builder.read(&item.before, &item.text).with_context(|| place(item))?,
            Self::Characters => (item.text.clone(), item.text.chars().count()),
        };
        Ok(Seen { place: item.place.clone(), text, length })
    }
}

fn place(item: &Item) -> String {
    item.place.clone().unwrap_or_else(|| item.text.clone())
}

impl Survey {
    /// Of `items`, the first `rows` of each set shown.
    pub(super) fn take(items: Items, reader: &Reader<'_>, rows: usize) -> Result<Self> {
        let notes = special(&items, reader).into_iter().collect();
        let Items { train, eval, max_prompt_tokens, reports } = items;
        let prompt = train.first().or_else(|| eval.iter().find_map(|set| set.items.first()));
        let prompt = prompt.map(|item| reader.read(item)).transpose()?;
        let n_eval = eval.len();
        let mut sets = Vec::new();
        let mut rest = train.as_slice();
        let (of_train, of_eval) = reports.split_at(reports.len().saturating_sub(n_eval));
        if reports.is_empty() {
            sets.push(Set::new("train".to_owned(), None, rest, reader, rows, max_prompt_tokens)?);
        }
        for report in of_train {
            let (items, behind) = rest.split_at(report.n_used.min(rest.len()));
            rest = behind;
            sets.push(Set::new("train".to_owned(), Some(report), items, reader, rows, max_prompt_tokens)?);
        }
        for (index, set) in eval.into_iter().enumerate() {
            sets.push(Set::new(set.name, of_eval.get(index), &set.items, reader, rows, None)?);
        }
        Ok(Self { unit: reader.unit(), sets, prompt, notes })
    }
}

/// How many problems spell out a special token, where there are any.
fn special(items: &Items, reader: &Reader<'_>) -> Option<String> {
    let Reader::Tokens(builder) = reader else { return None };
    let all = || items.train.iter().chain(items.eval.iter().flat_map(|set| &set.items));
    let mut spelled = all().filter_map(|item| Some((item, builder.special_in(&item.text)?)));
    let (first, token) = spelled.next()?;
    let n = 1 + spelled.count();
    Some(format!(
        "{n} of {} problems contain the text of a special token and are read with that token, first {}, {token}",
        all().count(),
        place(first)
    ))
}

impl Set {
    fn new(
        name: String,
        report: Option<&FileReport>,
        items: &[Item],
        reader: &Reader<'_>,
        rows: usize,
        longest: Option<usize>,
    ) -> Result<Self> {
        let lengths: Vec<usize> = items.par_iter().map(|item| reader.length(item)).collect::<Result<_>>()?;
        let too_long = longest.map_or(0, |most| lengths.iter().filter(|length| **length > most).count());
        let problem = |item: &Item| Problem {
            place: item.place.clone(),
            text: item.text.clone(),
            gold: match &item.task {
                Task::Question(question) => question.answer.clone(),
                Task::Countdown(problem) => problem.target.to_string(),
                Task::Bifurcation(problem) => problem.gold(),
            },
        };
        let counts = report.cloned().unwrap_or_else(|| FileReport {
            n_rows: items.len(),
            n_used: items.len(),
            ..FileReport::default()
        });
        Ok(Self {
            name,
            path: report.map(|report| report.path.clone()),
            rows: counts.n_rows,
            used: counts.n_used - too_long,
            broken: counts.n_broken,
            broken_rows: counts.broken,
            repeated: counts.n_repeated,
            also_trained_on: counts.n_trained,
            too_long,
            lengths: Lengths::new(lengths),
            problems: items.iter().take(rows).map(problem).collect(),
        })
    }
}
