//! Pairs of Countdown problems: a search up to where one of the numbers is due, behind its prompt and behind the same prompt with another
//! number in the place of that one.
//!
//! ```text
//! clean      Make 45 from 3, 7, 12.⏎12-7=5, 5*        3 follows, the number that is left
//! corrupted  Make 45 from 8, 7, 12.⏎12-7=5, 5*        and here 8
//! ```

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use rand::RngExt;
use rewards::{Countdown, Task};

use super::Pair;
use crate::data::demonstrations::{self, DemoConfig, demonstrate};
use crate::text::Tokenizer;
use crate::types::{Prompt, Purpose, RunRandom, TokenId};

/// Draws of another number before a problem is passed over.
const MAX_DRAWS: usize = 50;

/// `n` pairs of the first of `prompts` that make one, told as by the solver of `demos`.
///
/// # Errors
/// If a prompt is no Countdown problem, or one that the solver cannot write about; if there are fewer pairs.
pub(crate) fn countdown(
    prompts: &[Arc<Prompt>],
    tokenizer: &Tokenizer,
    demos: &DemoConfig,
    n: usize,
    random: RunRandom,
) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for prompt in prompts {
        if pairs.len() == n {
            break;
        }
        let Task::Countdown(problem) = &prompt.task else {
            bail!(
                "pairs \"countdown\" are made of Countdown problems, and prompt {} is none; give a file of pairs",
                prompt.id
            );
        };
        demonstrations::check(problem, demos.max_value)?;
        let rng = &mut random.stream(Purpose::Pairs, &[prompt.id]);
        pairs.extend(pair(prompt, problem, tokenizer, demos, rng)?);
    }
    ensure!(
        pairs.len() == n,
        "{} of {} problems make a pair, and {n} are wanted; ask for fewer, or hold more problems out",
        pairs.len(),
        prompts.len()
    );
    Ok(pairs)
}

/// `None` where no number can be exchanged without another length.
fn pair(
    prompt: &Prompt,
    problem: &Countdown,
    tokenizer: &Tokenizer,
    demos: &DemoConfig,
    rng: &mut impl RngExt,
) -> Result<Option<Pair>> {
    let response = tokenizer.encode(&demonstrate(problem, demos, rng))?;
    let pieces = tokenizer.pieces(&response)?;
    let is_once = |number: &u32| {
        problem.numbers.iter().chain([&problem.target]).filter(|other| *other == number).count() == 1
    };
    // The one that is used last is the one that is left over.
    let first_use = |number: u32| pieces.iter().position(|piece| piece.trim() == number.to_string());
    let used = problem
        .numbers
        .iter()
        .filter(|number| is_once(number))
        .filter_map(|number| Some((first_use(*number)?, *number)));
    let Some((due, number)) = used.max() else { return Ok(None) };
    let written = number.to_string();
    for _ in 0..MAX_DRAWS {
        let other = rng.random_range(1..10u32.pow(written.len() as u32)).to_string();
        let is_known =
            problem.numbers.iter().chain([&problem.target]).any(|known| known.to_string() == other);
        if other.len() != written.len() || is_known {
            continue;
        }
        let Some(text) = exchanged(&prompt.text, &written, &other) else { return Ok(None) };
        // With the tokens that the tokenizer puts around a text, if the policy reads it so.
        let mut clean = tokenizer.encode(&prompt.text)?;
        let mut corrupted = tokenizer.encode(&text)?;
        if clean != prompt.tokens {
            (clean, corrupted) = (tokenizer.encode_whole(&prompt.text)?, tokenizer.encode_whole(&text)?);
        }
        let [answer] = tokenizer.encode(&pieces[due].replace(&written, &other))?[..] else { continue };
        if corrupted.len() != clean.len() || clean != prompt.tokens {
            continue;
        }
        let behind = |before: Vec<TokenId>| [before, response[..due].to_vec()].concat();
        return Ok(Some(Pair {
            place: format!("problem {}", prompt.id),
            clean: behind(clean),
            corrupted: behind(corrupted),
            clean_answer: Some(response[due]),
            corrupted_answer: Some(answer),
        }));
    }
    Ok(None)
}

/// `text` with the number `other` in the place of `number`, which must stand there once.
fn exchanged(text: &str, number: &str, other: &str) -> Option<String> {
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let is_whole = |(at, _): &(usize, &str)| {
        !is_digit(text[..*at].chars().next_back()) && !is_digit(text[at + number.len()..].chars().next())
    };
    let mut places = text.match_indices(number).filter(is_whole);
    let (at, _) = places.next()?;
    places.next().is_none().then(|| format!("{}{other}{}", &text[..at], &text[at + number.len()..]))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::data::PromptBuilder;
    use crate::text::{countdown_tokenizer, words_tokenizer};

    fn prompts(tokenizer: &Tokenizer) -> Vec<Arc<Prompt>> {
        let builder = PromptBuilder::new(tokenizer, None).unwrap();
        let problems = [(45, [3, 7, 12]), (12, [4, 4, 8]), (30, [5, 6, 10])];
        let prompt = |(id, (target, numbers)): (usize, (u32, [u32; 3]))| {
            let text = format!("Make {target} from {}, {}, {}.\n", numbers[0], numbers[1], numbers[2]);
            let problem = Countdown { numbers: numbers.to_vec(), target };
            let (text, tokens) = builder.build(&text).unwrap();
            Arc::new(Prompt { id: id as u64, text, tokens, task: Task::Countdown(problem) })
        };
        problems.into_iter().enumerate().map(prompt).collect()
    }

    #[test]
    fn a_number_of_the_prompt_is_exchanged_and_due() {
        for (tokenizer, style) in [(countdown_tokenizer(), "terse"), (words_tokenizer(), "spoken")] {
            let tokenizer = tokenizer.unwrap();
            let demos: DemoConfig = toml::from_str(&format!("style = \"{style}\"")).unwrap();
            let prompts = prompts(&tokenizer);
            let pairs = countdown(&prompts, &tokenizer, &demos, 3, RunRandom::new(1)).unwrap();
            for (pair, prompt) in pairs.iter().zip(&prompts) {
                let differ: Vec<usize> =
                    (0..pair.clean.len()).filter(|i| pair.clean[*i] != pair.corrupted[*i]).collect();
                assert_eq!(differ.len(), 1, "{style}");
                assert!(differ[0] < prompt.tokens.len() && pair.clean.starts_with(&prompt.tokens));
                let text =
                    |token: Option<TokenId>| tokenizer.token_text(token.unwrap()).unwrap().trim().to_owned();
                let exchanged = tokenizer.token_text(pair.clean[differ[0]]).unwrap();
                assert_eq!(text(pair.clean_answer), exchanged.trim(), "{style}");
                assert_eq!(text(pair.corrupted_answer), text(Some(pair.corrupted[differ[0]])), "{style}");
                assert!(!pair.clean[prompt.tokens.len()..].contains(&pair.clean_answer.unwrap()));
            }
            let said = countdown(&prompts, &tokenizer, &demos, 4, RunRandom::new(1)).unwrap_err().to_string();
            assert!(said.starts_with("3 of 3 problems make a pair, and 4 are wanted"), "{said}");
        }
    }

    #[test]
    fn a_number_within_another_is_none() {
        assert_eq!(exchanged("Make 45 from 3, 5, 13.", "3", "9").as_deref(), Some("Make 45 from 9, 5, 13."));
        assert_eq!(exchanged("Make 45 from 3, 3.", "3", "9"), None);
        assert_eq!(exchanged("Make 45 from 30.", "3", "9"), None);
    }
}
