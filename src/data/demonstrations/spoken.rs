//! The spoken style: a search in many words, of which few matter.
//!
//! ```text
//! okay, we might begin boldly.                        OPENING
//! hmm, i could try first times, then minus: 12*3=36, 36-9=27. oh, that is surely too low.
//! \__ HESITATION ___/ \_____ plan _______/ \___ steps ____/  \________ verdict _________/
//! such a silly mistake.                               COMMENT
//! sadly, i must stop here.                            RESIGNATION
//! ```
//!
//! A plan names the operators of the steps that follow, in their order, so that the steps have only operands left to choose. A
//! verdict follows from the value. All else is said for its own sake: a phrase is a row of slots, one word of each is drawn,
//! every one as likely as the others, and none changes what an answer is worth.

use std::cmp::Ordering;
use std::iter::{once, repeat};

use anyhow::Result;
use rand::{RngExt, seq::IndexedRandom};

use super::Counter;
use super::expression::{Expression, Step};

/// The words of which one is said. Each is one piece of the words tokenizer.
type Slot = &'static [&'static str];

/// A row of slots.
type Phrase = &'static [Slot];

/// Chance that an attempt begins with a [`HESITATION`].
const HESITATES: f64 = 0.75;
/// Chance that a miss is followed by a [`COMMENT`].
const COMMENTS: f64 = 0.5;

/// Who acts.
const WHO: Slot = &["i ", "we ", "one "];
/// How surely they do.
const MAY: Slot = &["can ", "could ", "should ", "will ", "must ", "might ", "may ", "would "];
/// What a value is pointed at by.
const THAT: Slot = &["that ", "this ", "it "];
/// How it appears.
const IS: Slot = &["is ", "looks ", "seems ", "feels ", "sounds "];
/// What is said before bad news.
const ALAS: Slot =
    &["no, ", "oh, ", "alas, ", "sadly, ", "sorry, ", "ah, ", "hmm, ", "nope, ", "ouch, ", "well, "];
/// How certain the news is.
const SURELY: Slot =
    &["surely ", "clearly ", "simply ", "still ", "again ", "just ", "really ", "plainly ", "rather "];

/// Before the first attempt.
const OPENING: Phrase = &[
    &[
        "okay, ",
        "well, ",
        "right, ",
        "alright, ",
        "so, ",
        "now, ",
        "fine, ",
        "good, ",
        "look, ",
        "hmm, ",
        "yes, ",
        "hello, ",
    ],
    WHO,
    MAY,
    &[
        "try ", "search ", "begin ", "start ", "guess ", "explore ", "play ", "reason ", "proceed ",
        "think ", "go ", "wander ",
    ],
    &[
        "slowly.\n",
        "calmly.\n",
        "boldly.\n",
        "quickly.\n",
        "gently.\n",
        "freely.\n",
        "wisely.\n",
        "quietly.\n",
        "here.\n",
        "now.\n",
        "bravely.\n",
        "happily.\n",
    ],
];

/// Before a plan.
const HESITATION: Phrase = &[
    &[
        "hmm, ",
        "well, ",
        "okay, ",
        "maybe, ",
        "perhaps, ",
        "then, ",
        "so, ",
        "now, ",
        "next, ",
        "also, ",
        "indeed, ",
        "again, ",
    ],
    WHO,
    MAY,
    &[
        "try ",
        "take ",
        "use ",
        "choose ",
        "pick ",
        "test ",
        "check ",
        "prefer ",
        "attempt ",
        "consider ",
        "want ",
        "like ",
    ],
];

/// Before the operator of the first step.
const FIRST: Slot = &["first ", "initially ", "directly ", "straight ", "mere ", "plain "];
/// Before that of each further step.
const THEN: Slot = &["then ", "next ", "later ", "afterwards ", "finally ", "lastly "];
/// Operators in words, the last one of a plan with a colon.
const OPERATORS: [(char, &str, &str); 4] = [
    ('+', "plus, ", "plus: "),
    ('-', "minus, ", "minus: "),
    ('*', "times, ", "times: "),
    ('/', "over, ", "over: "),
];

/// Behind the steps.
const STOP: &str = ". ";

/// What is said of the target.
const RIGHT: Phrase = &[
    &[
        "yes, ",
        "great, ",
        "perfect, ",
        "bravo, ",
        "nice, ",
        "super, ",
        "bingo, ",
        "hooray, ",
        "finally, ",
        "ha, ",
    ],
    THAT,
    IS,
    &["right.\n", "correct.\n", "exact.\n", "perfect.\n", "true.\n", "good.\n", "fine.\n", "solved.\n"],
];

/// What is said of a value above the target.
const HIGH: Phrase = &[
    ALAS,
    THAT,
    IS,
    SURELY,
    &["too "],
    &["high.\n", "large.\n", "big.\n", "great.\n", "much.\n", "vast.\n"],
];

/// What is said of a value below the target.
const LOW: Phrase = &[
    ALAS,
    THAT,
    IS,
    SURELY,
    &["too "],
    &["low.\n", "small.\n", "little.\n", "few.\n", "tiny.\n", "short.\n"],
];

/// Behind a miss.
const COMMENT: Phrase = &[
    &["what ", "such ", "quite ", "rather "],
    &["a "],
    &[
        "small ", "silly ", "pretty ", "real ", "big ", "strange ", "curious ", "simple ", "sad ", "funny ",
        "clumsy ", "nasty ",
    ],
    &[
        "pity.\n",
        "mistake.\n",
        "failure.\n",
        "shame.\n",
        "waste.\n",
        "riddle.\n",
        "puzzle.\n",
        "trap.\n",
        "surprise.\n",
        "mess.\n",
    ],
];

/// Where the search ends without the target.
const RESIGNATION: Phrase = &[
    &["anyway, ", "enough, ", "okay, ", "sadly, ", "alas, ", "fine, ", "sorry, ", "basta, "],
    WHO,
    MAY,
    &["stop ", "rest ", "quit ", "finish ", "end ", "leave ", "pause ", "surrender "],
    &["here.\n", "now.\n", "there.\n", "today.\n", "already.\n", "anyhow.\n", "quietly.\n", "calmly.\n"],
];

/// What is said of a search with these attempts.
pub(super) fn text(attempts: &[Expression], target: u32, rng: &mut impl RngExt) -> String {
    let mut text = phrase(OPENING, rng);
    for attempt in attempts {
        if rng.random_bool(HESITATES) {
            text += &phrase(HESITATION, rng);
        }
        text += &plan(attempt, rng);
        text += &attempt.written_steps();
        text += STOP;
        text += &phrase(verdict(attempt.value, target), rng);
        if attempt.value != target && rng.random_bool(COMMENTS) {
            text += &phrase(COMMENT, rng);
        }
    }
    if attempts.last().is_some_and(|last| last.value != target) {
        text += &phrase(RESIGNATION, rng);
    }
    text
}

/// Most tokens of the words around the steps of `lines` attempts of `n_steps` steps each.
///
/// # Errors
/// If the tokenizer refuses a piece.
pub(super) fn most_tokens(lines: usize, n_steps: usize, counter: &Counter<'_>) -> Result<usize> {
    let phrase = |phrase: Phrase| phrase.iter().map(|slot| counter.most(slot)).sum::<Result<usize>>();
    let operators: Vec<&str> = OPERATORS.iter().flat_map(|(_, name, last)| [*name, *last]).collect();
    let lead = counter.most(FIRST)?.max(counter.most(THEN)?);
    let plan = n_steps * (lead + counter.most(&operators)?);
    let verdict = phrase(RIGHT)?.max(phrase(HIGH)?).max(phrase(LOW)?);
    let line = phrase(HESITATION)? + plan + counter.most(&[STOP])? + verdict + phrase(COMMENT)?;
    Ok(lines.saturating_mul(line).saturating_add(phrase(OPENING)? + phrase(RESIGNATION)?))
}

/// One word of each slot.
fn phrase(phrase: Phrase, rng: &mut impl RngExt) -> String {
    phrase.iter().filter_map(|slot| slot.choose(rng).copied()).collect()
}

/// The operators of the steps of `attempt` in words; nothing of a single number.
fn plan(attempt: &Expression, rng: &mut impl RngExt) -> String {
    let n_steps = attempt.steps.len();
    let leads = once(FIRST).chain(repeat(THEN));
    let step = |((number, step), lead): ((usize, &Step), Slot)| {
        let (_, name, last) = OPERATORS.iter().find(|(op, ..)| *op == step.operator)?;
        let lead = lead.choose(rng)?;
        Some(format!("{lead}{}", if number + 1 == n_steps { last } else { name }))
    };
    attempt.steps.iter().enumerate().zip(leads).filter_map(step).collect()
}

fn verdict(value: u32, target: u32) -> Phrase {
    match value.cmp(&target) {
        Ordering::Equal => RIGHT,
        Ordering::Greater => HIGH,
        Ordering::Less => LOW,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::HashMap;

    use rewards::{Countdown, CountdownConfig, CountdownReward, Response, Reward, Task};

    use super::super::{DemoConfig, Style, demonstrate, most_tokens, search};
    use super::*;
    use crate::data::countdown;
    use crate::text::words_tokenizer;
    use crate::types::{Purpose, RunRandom};

    /// Every phrase of the grammar.
    const PHRASES: [Phrase; 7] = [OPENING, HESITATION, RIGHT, HIGH, LOW, COMMENT, RESIGNATION];

    fn config(style: Style) -> DemoConfig {
        DemoConfig { max_lines: 4, guesses: 2, give_up: 0.5, style, max_value: 199 }
    }

    fn problems(n: usize, numbers: [u32; 2]) -> Vec<Countdown> {
        let config = countdown::CountdownConfig {
            seed: 0,
            numbers,
            max_number: 25,
            targets: [1, 99],
            train_items: n,
            eval_items: 1,
            prompt: "{target} {numbers}".into(),
        };
        countdown::generate(&config).unwrap().train
    }

    fn demo(item: &Countdown, style: Style, index: u64) -> String {
        demonstrate(item, &config(style), &mut RunRandom::new(0).stream(Purpose::Demonstrations, &[index]))
    }

    #[test]
    fn every_word_is_one_token() {
        let tokenizer = words_tokenizer().unwrap();
        let names = OPERATORS.iter().flat_map(|(_, name, last)| [*name, *last]);
        let words = PHRASES
            .iter()
            .flat_map(|phrase| phrase.iter())
            .chain(&[FIRST, THEN])
            .flat_map(|slot| slot.iter());
        for word in words.copied().chain(names).chain([STOP]) {
            assert_eq!(tokenizer.encode(word).unwrap().len(), 1, "{word:?}");
        }
        // Words, numbers and single signs: no text falls into letters.
        for (item, i) in problems(300, [3, 4]).iter().zip(0..) {
            for token in tokenizer.encode(&demo(item, Style::Spoken, i)).unwrap() {
                let piece = tokenizer.token_text(token).unwrap();
                let is_letter = piece.len() == 1 && !"0123456789+-*/=()".contains(&piece);
                assert!(!is_letter, "{piece:?} in {}", demo(item, Style::Spoken, i));
            }
        }
    }

    #[test]
    fn the_searches_are_those_of_the_terse_style_and_plans_name_their_operators() {
        let reward = CountdownReward::new(CountdownConfig::default());
        for (item, i) in problems(300, [3, 4]).iter().zip(0..) {
            let [terse, spoken] = [Style::Terse, Style::Spoken].map(|style| demo(item, style, i));
            let answer = |text: &str| text[text.find("<answer>").unwrap()..].to_owned();
            assert_eq!(answer(&terse), answer(&spoken));
            let task = Task::Countdown(item.clone());
            let correct = |text: &str| reward.score(&task, &Response::new(text)).correct();
            assert_eq!(correct(&terse), correct(&spoken));
            let steps = |line: &str| line.rsplit_once(' ').map(|(steps, _)| steps.to_owned());
            let tried: Vec<String> = terse.lines().filter_map(steps).collect();
            let lines: Vec<&str> = spoken.lines().filter(|line| line.contains(": ")).collect();
            assert_eq!(lines.len(), tried.len(), "{spoken}");
            for (line, steps) in lines.iter().zip(&tried) {
                let (before, rest) = line.split_once(": ").unwrap();
                assert!(rest.starts_with(&format!("{steps}. ")), "{line} {steps}");
                let sign = |word: &str| {
                    let name = word.trim_end_matches(',');
                    OPERATORS
                        .iter()
                        .find(|(_, _, last)| last.trim_end_matches(": ") == name)
                        .map(|(op, ..)| *op)
                };
                let planned: String = before.split(' ').filter_map(sign).collect();
                let done: String = steps.chars().filter(|c| "+-*/".contains(*c)).collect();
                assert_eq!(planned, done, "{line}");
            }
            let value = |steps: &str| steps.rsplit_once('=').unwrap().1.parse::<u32>().unwrap();
            for (line, steps) in lines.iter().zip(&tried) {
                let high = HIGH[5].iter().any(|word| line.ends_with(&format!("too {}", word.trim_end())));
                let low = LOW[5].iter().any(|word| line.ends_with(&format!("too {}", word.trim_end())));
                assert_eq!((high, low), (value(steps) > item.target, value(steps) < item.target), "{line}");
            }
        }
    }

    #[test]
    fn the_bound_on_tokens_holds_and_is_near() {
        let tokenizer = words_tokenizer().unwrap();
        for numbers in [3, 4] {
            let bound = most_tokens(numbers as usize, &config(Style::Spoken), &tokenizer).unwrap();
            let items = problems(4000, [numbers; 2]);
            let length =
                |(item, i): (&Countdown, u64)| tokenizer.encode(&demo(item, Style::Spoken, i)).unwrap().len();
            let longest = items.iter().zip(0..).map(length).max().unwrap();
            assert!(longest <= bound && bound <= longest + 10, "{longest} {bound}");
        }
        let none = Countdown { numbers: vec![5], target: 5 };
        assert!(demo(&none, Style::Spoken, 0).ends_with("<answer>5</answer>"));
    }

    /// Entropy of a draw of one word of each slot, nats.
    fn nats(phrase: Phrase) -> f64 {
        phrase.iter().map(|slot| (slot.len() as f64).ln()).sum()
    }

    /// Entropy of a yes that has the chance `p`, nats.
    fn nats_of_chance(p: f64) -> f64 {
        -p * p.ln() - (1.0 - p) * (1.0 - p).ln()
    }

    /// Entropy of what is counted, nats.
    fn nats_of_counts<K>(counts: &HashMap<K, usize>) -> f64 {
        let n = counts.values().sum::<usize>() as f64;
        counts.values().map(|count| *count as f64 / n).map(|p| -p * p.ln()).sum()
    }

    /// Where the entropy of texts is, nats a text.
    #[derive(Default)]
    struct Shares {
        words: f64,
        operators: f64,
        operands: f64,
        stops: f64,
    }

    /// The words by the grammar, the search by counting what is drawn of `item`.
    fn shares(item: &Countdown, n_draws: usize, rng: &mut impl RngExt) -> Shares {
        let mut all = Shares::default();
        let (mut plans, mut attempts) = (HashMap::new(), HashMap::new());
        for _ in 0..n_draws {
            all.words += nats(OPENING);
            let search = search(item, &config(Style::Spoken), rng);
            for attempt in &search {
                all.words += nats_of_chance(HESITATES) + HESITATES * nats(HESITATION);
                all.words += nats(&[FIRST, THEN]) + nats(verdict(attempt.value, item.target));
                if attempt.value != item.target {
                    all.words += nats_of_chance(COMMENTS) + COMMENTS * nats(COMMENT);
                    all.stops += nats_of_chance(0.5);
                }
                let signs: String = attempt.steps.iter().map(|step| step.operator).collect();
                *plans.entry(signs).or_default() += 1;
                *attempts.entry(attempt.written_steps()).or_default() += 1;
            }
            if search.last().is_some_and(|last| last.value != item.target) {
                all.words += nats(RESIGNATION);
            }
        }
        let n_attempts = attempts.values().sum::<usize>() as f64;
        all.operators = n_attempts * nats_of_counts(&plans);
        all.operands = n_attempts * (nats_of_counts(&attempts) - nats_of_counts(&plans));
        all
    }

    #[test]
    fn most_of_the_entropy_is_in_words_that_do_not_matter() {
        const DRAWS: usize = 1500;
        let tokenizer = words_tokenizer().unwrap();
        let items = problems(40, [3, 3]);
        let mut all = Shares::default();
        for (item, number) in items.iter().zip(0u64..) {
            let rng = &mut RunRandom::new(1).stream(Purpose::Demonstrations, &[number]);
            let Shares { words, operators, operands, stops } = shares(item, DRAWS, rng);
            all.words += words;
            all.operators += operators;
            all.operands += operands;
            all.stops += stops;
        }
        let n = (items.len() * DRAWS) as f64;
        let Shares { words, operators, operands, stops } = all;
        let total = words + operators + operands + stops;
        let texts: Vec<String> =
            items.iter().zip(0..).map(|(item, i)| demo(item, Style::Spoken, i)).collect();
        let tokens: usize = texts.iter().map(|text| tokenizer.encode(text).unwrap().len()).sum();
        println!(
            "nats a text: words {:.1}, operators {:.1}, operands and their order {:.1}, stopping {:.1}; words {:.0} %; \
             {:.0} tokens a text\n{}",
            words / n,
            operators / n,
            operands / n,
            stops / n,
            100.0 * words / total,
            tokens as f64 / items.len() as f64,
            texts[..4].join("\n\n")
        );
        assert!(words / total > 0.75, "{words} of {total}");
    }
}
