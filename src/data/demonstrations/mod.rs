//! Demonstrations: a solver of deliberately limited skill writes down its search.
//!
//! ```text
//! 12-7=5, 5*3=15 no       an attempt: all numbers combined, step by step, and whether that made the target
//! 12*3=36, 36+9=45 yes    the search ends with a hit, or when the solver gives up
//! <answer>12*3+9</answer> the last attempt as one expression
//! ```
//!
//! That is the terse style; [`spoken`] says the same search in many words.
//!
//! An attempt is, of `guesses` random ones, the one whose value is nearest to the target. After a miss the
//! solver gives up with probability `give_up`, and after `max_lines` attempts in any case. It knows no better, so many
//! demonstrations end in a wrong answer: a policy that imitates them has much to learn, choosing better attempts and
//! searching on among it. Each step's value is a whole number of `0..=max_value`, so every value in a text is one token.

use anyhow::{Result, ensure};
use rand::RngExt;
use rewards::Countdown;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::expression::{Expression, SEPARATOR};
use crate::text::Tokenizer;

mod expression;
mod spoken;
mod terse;

/// Largest number that is one token.
pub(super) const MAX_VALUE: u32 = 999;
/// Draws for one attempt after which the solver takes it that it has written every expression there is.
const MAX_DRAWS: usize = 200;

/// Keys of the demonstrating solver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DemoConfig {
    /// Most attempts before the solver gives up.
    #[serde(default = "default_max_lines")]
    pub max_lines: usize,
    /// Random expressions of which an attempt is the nearest. More make a better solver.
    #[serde(default = "default_guesses")]
    pub guesses: usize,
    /// Chance of giving up after each miss.
    #[serde(default = "default_give_up")]
    pub give_up: f64,
    /// In which words it says what it does.
    #[serde(default)]
    pub style: Style,
    /// Largest value that a step may have, up to 999; no number or target of the problems may be above it.
    #[serde(default = "default_max_value")]
    pub max_value: u32,
}

/// The words of a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Style {
    /// The steps of each attempt, and whether it made the target.
    #[default]
    Terse,
    /// The same searches in many words, most of which do not matter: each attempt with a plan that names its operators.
    Spoken,
}

fn default_max_lines() -> usize {
    7
}

fn default_give_up() -> f64 {
    0.5
}

fn default_guesses() -> usize {
    2
}

fn default_max_value() -> u32 {
    199
}

/// Checks that the solver can write about `item`.
///
/// # Errors
/// If it has no numbers, or if one of them or the target is above `max_value`.
pub(crate) fn check(item: &Countdown, max_value: u32) -> Result<()> {
    ensure!(!item.numbers.is_empty(), "demonstrations: a problem has no numbers");
    let largest = item.numbers.iter().copied().fold(item.target, u32::max);
    ensure!(
        largest <= max_value,
        "demonstrations: got a problem with {largest}, expected numbers and targets of at most max_value = {max_value}"
    );
    Ok(())
}

/// One search for a solution of `item`, which [`check`] accepts. Attempts do not repeat, and are the same in every style.
pub(crate) fn demonstrate(item: &Countdown, config: &DemoConfig, rng: &mut impl RngExt) -> String {
    let attempts = search(item, config, rng);
    let text = match config.style {
        Style::Terse => terse::text(&attempts, item.target),
        Style::Spoken => spoken::text(&attempts, item.target, rng),
    };
    let answer = attempts.last().map_or("", |last| &last.text);
    text + "<answer>" + answer + "</answer>"
}

/// Tokens that no demonstration about `n` numbers exceeds, the end-of-sequence token left out: `max_lines` misses of
/// `n - 1` steps each, and an answer in which every step but the last has parentheses. Pieces are counted one by one,
/// since a tokenizer that joins some of them makes fewer.
///
/// # Errors
/// If the tokenizer refuses a piece.
pub(crate) fn most_tokens(n: usize, config: &DemoConfig, tokenizer: &Tokenizer) -> Result<usize> {
    let counter = Counter(tokenizer);
    let numbers: Vec<String> = (0..=config.max_value).map(|n| n.to_string()).collect();
    let number = counter.most(&numbers.iter().map(String::as_str).collect::<Vec<_>>())?;
    let operator = counter.most(&["+", "-", "*", "/"])?;
    let n_steps = n.saturating_sub(1);
    let line = n_steps * (3 * number + operator + counter.most(&["="])?)
        + n_steps.saturating_sub(1) * counter.most(&[SEPARATOR])?;
    let words = match config.style {
        Style::Terse => terse::most_tokens(config.max_lines, &counter)?,
        Style::Spoken => spoken::most_tokens(config.max_lines, n_steps, &counter)?,
    };
    let parentheses = n_steps.saturating_sub(1) * (counter.most(&["("])? + counter.most(&[")"])?);
    let tags = counter.most(&["<answer>"])? + counter.most(&["</answer>"])?;
    let answer = n * number + n_steps * operator + parentheses + tags;
    Ok(config.max_lines.saturating_mul(line).saturating_add(words).saturating_add(answer))
}

/// Counts tokens.
struct Counter<'t>(&'t Tokenizer);

impl Counter<'_> {
    /// The tokens of the longest of `pieces`.
    fn most(&self, pieces: &[&str]) -> Result<usize> {
        let lengths = pieces.iter().map(|piece| Ok(self.0.encode(piece)?.len()));
        lengths.collect::<Result<Vec<_>>>().map(|lengths| lengths.into_iter().max().unwrap_or(0))
    }
}

/// The attempts at `item` until one hits or the solver gives up.
fn search(item: &Countdown, config: &DemoConfig, rng: &mut impl RngExt) -> Vec<Expression> {
    let mut attempts: Vec<Expression> = Vec::new();
    while attempts.len() < config.max_lines {
        let Some(attempt) = attempt(item, config, &attempts, rng) else { break };
        let hit = attempt.value == item.target;
        attempts.push(attempt);
        if hit || rng.random_bool(config.give_up) {
            break;
        }
    }
    attempts
}

/// The nearest to the target of `guesses` random expressions that are not `written` yet; of equals the first.
/// `None` when no further expression turns up.
fn attempt(
    item: &Countdown,
    config: &DemoConfig,
    written: &[Expression],
    rng: &mut impl RngExt,
) -> Option<Expression> {
    let draws =
        (0..MAX_DRAWS + config.guesses).map(|_| Expression::random(&item.numbers, config.max_value, rng));
    let fresh =
        draws.filter(|guess| written.iter().all(|other| other.text != guess.text)).take(config.guesses);
    fresh.min_by_key(|guess| guess.value.abs_diff(item.target))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::HashSet;

    use proptest::prelude::*;
    use rewards::{Expression as Parsed, Rational};

    use super::*;
    use crate::data::supervised::SourceSettings;
    use crate::{
        data::countdown::{CountdownConfig, generate, prompt_text},
        text::countdown_tokenizer,
        types::{Purpose, RunRandom},
    };

    fn demo(item: &Countdown, max_lines: usize, guesses: usize, index: u64) -> String {
        let mut rng = RunRandom::new(0).stream(Purpose::Demonstrations, &[index]);
        demonstrate(
            item,
            &DemoConfig { max_lines, guesses, give_up: 0.3, style: Style::Terse, max_value: MAX_VALUE },
            &mut rng,
        )
    }

    /// Checks everything that a demonstration claims, by the grader's own parser, and returns its last
    /// verdict.
    fn check_claims(item: &Countdown, max_lines: usize, text: &str) -> bool {
        let (attempts, answer) = text.split_once("<answer>").unwrap();
        let mut seen = HashSet::new();
        let mut last = (0, false);
        for line in attempts.lines() {
            assert!(!last.1, "the search goes on after a hit: {text}");
            let (steps, verdict) = line.rsplit_once(' ').unwrap();
            let mut at_hand = item.numbers.clone();
            for step in steps.split(", ") {
                let (expression, value) = step.split_once('=').unwrap();
                let (parsed, value) = (Parsed::parse(expression).unwrap(), value.parse::<u32>().unwrap());
                assert_eq!(parsed.value().unwrap(), Rational::from(value), "{line}");
                for used in parsed.numbers() {
                    let place = at_hand.iter().position(|n| *n == used).unwrap();
                    at_hand.swap_remove(place);
                }
                at_hand.push(value);
                assert!(value <= MAX_VALUE, "{line}");
            }
            assert_eq!(at_hand.len(), 1, "not all numbers are used: {line}");
            assert_eq!(verdict, if at_hand[0] == item.target { "yes" } else { "no" }, "{line}");
            seen.insert(line);
            last = (at_hand[0], verdict == "yes");
        }
        assert!((1..=max_lines).contains(&seen.len()), "{text}");
        let answer = Parsed::parse(answer.strip_suffix("</answer>").unwrap()).unwrap();
        assert_eq!(answer.value().unwrap(), Rational::from(last.0), "{text}");
        let (mut used, mut given) = (answer.numbers(), item.numbers.clone());
        used.sort_unstable();
        given.sort_unstable();
        assert_eq!(used, given, "{text}");
        last.1
    }

    proptest! {
        #[test]
        fn every_claim_is_true_and_tokens_give_the_text_back(
            numbers in proptest::collection::vec(0u32..=999, 2..6),
            (target, max_lines, guesses, index) in (1u32..=999, 1usize..7, 1usize..6, 0u64..1000),
        ) {
            let item = Countdown { numbers, target };
            check(&item, MAX_VALUE).unwrap();
            let text = demo(&item, max_lines, guesses, index);
            check_claims(&item, max_lines, &text);
            let tokenizer = countdown_tokenizer().unwrap();
            for text in [text, prompt_text(&item)] {
                prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text).unwrap(), true).unwrap(), text);
            }
        }
    }

    #[test]
    fn more_skill_solves_more_but_not_everything() {
        let config = CountdownConfig {
            seed: 0,
            numbers: [3, 3],
            max_number: 20,
            targets: [1, 99],
            train_items: 2000,
            eval_items: 1,
            prompt: "Make {target} from {numbers}.\n".into(),
        };
        let items = generate(&config).unwrap().train;
        let solved = |max_lines, guesses| {
            let texts = items.iter().zip(0..).map(|(item, i)| (item, demo(item, max_lines, guesses, i)));
            texts.filter(|(item, text)| check_claims(item, max_lines, text)).count()
        };
        let (poor, middling, good) = (solved(1, 1), solved(4, 3), solved(6, 5));
        assert!(poor < middling && middling < good && good < items.len(), "{poor} {middling} {good}");
    }

    #[test]
    fn a_demonstration_depends_on_its_coordinate() {
        let item = Countdown { numbers: vec![3, 7, 12], target: 45 };
        let texts: HashSet<String> = (0..50).map(|i| demo(&item, 4, 3, i)).collect();
        assert!(texts.len() > 25, "{}", texts.len());
        assert_eq!(demo(&item, 4, 3, 9), demo(&item, 4, 3, 9));
    }

    #[test]
    fn says_what_cannot_be_demonstrated() {
        let error = check(&Countdown { numbers: vec![3, 1000], target: 7 }, 199).unwrap_err().to_string();
        assert!(
            error.contains("a problem with 1000, expected numbers and targets of at most max_value = 199"),
            "{error}"
        );
        assert!(check(&Countdown { numbers: vec![], target: 7 }, 199).is_err());
        assert_eq!(
            DemoConfig { max_lines: 0, guesses: 0, give_up: 2.0, style: Style::Terse, max_value: 1000 }
                .rules()
                .problems()
                .len(),
            4
        );
        let defaults: DemoConfig = serde_json::from_str("{}").unwrap();
        assert_eq!(
            defaults,
            DemoConfig { max_lines: 7, guesses: 2, give_up: 0.5, style: Style::Terse, max_value: 199 }
        );
    }
}
