//! The arms of a comparison: the product of recipes, credit strategies and varied keys, each with a label that says all of
//! it.

use std::fmt::Write;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use toml::Value;

use super::base::Base;
use crate::credit::strategy::CreditEntry;
use crate::recipe::Recipe;
use crate::run::Failure;
use crate::types::masked;

/// Most bytes of a file name.
const LONGEST_NAME: usize = 255;

/// One side of a comparison: the same recipe for all seeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arm {
    /// What it is called: `rhythm, loss.policy.clip_high=0.28`.
    pub label: String,
    /// Name of its recipe.
    pub recipe: String,
    /// What it sets beyond the overrides of all arms.
    pub overrides: Vec<String>,
}

impl Arm {
    /// Name of the folder of its run with `seed`. Different labels give different names.
    #[must_use]
    pub(crate) fn run_name(&self, seed: u64) -> String {
        let mut name = String::new();
        for byte in self.label.replace(", ", "+").bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'=' | b'+' => {
                    name.push(char::from(byte));
                }
                // Writing into a string cannot fail.
                _ => drop(write!(name, "%{byte:02X}")),
            }
        }
        format!("{name}_seed_{seed}")
    }

    /// Whether a file system can name the folder of its run with `seed`.
    pub(super) fn require_nameable(&self, seed: u64) -> Result<()> {
        let length = self.run_name(seed).len();
        if length <= LONGEST_NAME {
            return Ok(());
        }
        Err(bad(format!(
            "the folder of its run would be called by all that it sets, in {length} bytes, and a name may have \
             {LONGEST_NAME}; put a long value into the recipe or --set, or vary fewer keys at once"
        )))
    }
}

/// What an arm sets, and what that is called.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    /// What it is called.
    pub label: String,
    /// What it sets.
    pub overrides: Vec<String>,
}

/// The product of all choices, the last one changing fastest.
///
/// # Errors
/// A [`Failure::BadInput`] that lists every strategy that does not exist and every entry that is no choice.
pub(super) fn arms(bases: &[Base], credit: &[String], vary: &[String]) -> Result<Vec<Arm>> {
    let mut all = Vec::new();
    for Base { recipe, .. } in bases {
        let name = &recipe.run.name;
        for Choice { label, overrides } in product(recipe, credit, vary)? {
            let label = match (label.as_str(), bases.len()) {
                ("", _) => name.clone(),
                (_, 1) => label,
                _ => format!("{name}, {label}"),
            };
            all.push(Arm { label, recipe: name.clone(), overrides });
        }
    }
    Ok(all)
}

fn product(base: &Recipe, credit: &[String], vary: &[String]) -> Result<Vec<Choice>> {
    choices(base, credit, vary).map(|choices| Choice::product(&choices))
}

/// What arms are made of: strategies of `credit` in the place of the chain of `base`, and the values of each of `vary`,
/// `section.key=value,value`.
///
/// # Errors
/// A [`Failure::BadInput`] that lists every strategy that does not exist and every entry that is no choice.
pub(crate) fn choices(base: &Recipe, credit: &[String], vary: &[String]) -> Result<Vec<Vec<Choice>>> {
    let mut wrong = Vec::new();
    let mut choices: Vec<Vec<Choice>> = Vec::new();
    if !credit.is_empty() {
        let chosen = credit.iter().filter_map(|name| {
            let chain = credit_override(base, name);
            let overrides = chain.map_err(|error| wrong.push(format!("--credit: {error:#}"))).ok()?;
            Some(Choice { label: name.clone(), overrides: vec![overrides] })
        });
        choices.push(chosen.collect());
    }
    for entry in vary {
        match axis(entry) {
            Ok(values) => choices.push(values),
            Err(message) => wrong.push(message),
        }
    }
    if wrong.is_empty() { Ok(choices) } else { Err(bad(wrong.join("\n"))) }
}

impl Choice {
    /// Every combination of one of each of `choices`, the last one changing fastest.
    #[must_use]
    pub(crate) fn product(choices: &[Vec<Self>]) -> Vec<Self> {
        let mut all = vec![Self::default()];
        for choice in choices {
            all = all.iter().flat_map(|before| choice.iter().map(|next| before.and(next))).collect();
        }
        all
    }

    fn and(&self, next: &Self) -> Self {
        let labels: Vec<&str> = [&self.label, &next.label]
            .into_iter()
            .map(String::as_str)
            .filter(|label| !label.is_empty())
            .collect();
        Self { label: labels.join(", "), overrides: [&self.overrides[..], &next.overrides].concat() }
    }
}

/// Strategies `names`, each with its shuffled self behind it where that is another: it says what the dose does alone.
pub(super) fn with_controls(names: Vec<String>) -> Vec<String> {
    // What cannot be named is said where arms are made.
    let control = |name: &String| CreditEntry::control_of(name).filter(|control| !names.contains(control));
    names.iter().flat_map(|name| std::iter::once(name.clone()).chain(control(name))).collect()
}

/// The chain of a single strategy, with the settings of the recipe's own entry of that type where it has one. Whether its gains are
/// shuffled is said by `name` alone.
fn credit_override(base: &Recipe, name: &str) -> Result<String> {
    let default = CreditEntry::named(name)?;
    if default.strategy.is_uniform() {
        return Ok(String::from("credit=[]"));
    }
    let own = base.credit.iter().find(|entry| entry.strategy.name() == default.strategy.name());
    let own = own.map(|own| CreditEntry { shuffle: default.shuffle, ..own.clone() });
    let entry = own.unwrap_or(default);
    Ok(format!("credit=[{}]", Value::try_from(entry).context("the strategy cannot be written as TOML")?))
}

/// The values of `section.key=value,value`, one choice each.
fn axis(entry: &str) -> Result<Vec<Choice>, String> {
    let form = "write --vary section.key=value,value";
    let (key, values) =
        entry.split_once('=').ok_or_else(|| format!("--vary {entry}: there is no `=`; {form}"))?;
    let key = key.trim();
    if ["run.seed", "run.name"].contains(&key) {
        return Err(format!(
            "--vary {entry}: {key} tells the runs of an arm apart; --seeds N sets the seeds"
        ));
    }
    // An arm is called by its values, and a comparison keeps them.
    if masked(values) != values {
        return Err(format!(
            "--vary {key}: passwords and tokens of addresses are not written down; let the addresses name environment \
             variables, ${{NAME}}"
        ));
    }
    Ok(split(values)
        .into_iter()
        .map(|value| format!("{key}={value}"))
        .map(|set| Choice { label: set.clone(), overrides: vec![set] })
        .collect())
}

/// The parts of `text` between commas that stand outside of brackets and quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quote) = (Vec::new(), 0, 0u32, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

/// A mistake in the arguments.
pub(super) fn bad(message: String) -> anyhow::Error {
    Failure::BadInput(message).into()
}

/// Labels one after the other; they may hold commas.
pub(super) fn list(labels: &[&str]) -> String {
    labels.join(" / ")
}
