//! Phrases that announce an answer, the same for all graders: "the answer is …", "answer: …", "the answer to this problem
//! must be …", "the correct option is …", "… is the answer", in any case.

use crate::claim::{self, last_sentence, sentence};

/// How far the verb may be from what it speaks of, in bytes.
const WINDOW: usize = 100;
/// Longest sentence that is read backwards, in bytes.
const MAX_SENTENCE: usize = 200;
/// How many phrases may speak of an answer, from the last on, until one must give it.
const MAX_PHRASES: usize = 100;
/// Words between it and its verb with which the verb is denied.
const MODALS: [&str; 8] = ["can", "could", "must", "would", "should", "will", "possibly", "really"];
/// What a phrase speaks of; an option is spoken of with a word of [`CHOSEN`] before it.
const SUBJECTS: [&str; 3] = ["answer", "option", "choice"];
const CHOSEN: [&str; 6] = ["correct", "right", "best", "my", "our", "final"];
/// What a phrase in the last line speaks of, where nothing is concluded behind it.
const OUTCOMES: [&str; 2] = ["result", "solution"];
/// What is said of an answer: "B is correct".
const JUDGEMENTS: [&str; 2] = ["correct", "right"];
/// Words before what is so judged.
#[rustfmt::skip]
const LEADS: &[&str] = &[
    "so", "thus", "hence", "therefore", "then", "only", "clearly", "the", "that", "means", "and", "option", "choice",
    "answer", "letter", "number",
];
/// Verbs before "the answer 5".
#[rustfmt::skip]
const GETTING: &[&str] = &[
    "get", "gets", "got", "have", "obtain", "find", "found", "gives", "give", "yields", "reach", "giving", "yielding",
];
/// Words with which a text goes on to another result.
const CONCLUSIONS: [&str; 7] = ["so", "then", "thus", "therefore", "hence", "finally", "total"];
/// Words before "answer" where it is a verb, or another answer.
const OTHERS: [&str; 9] = ["you", "we", "i", "they", "second", "third", "fourth", "previous", "other"];
/// Verbs and signs between it and what it is; of those that begin together the longest counts.
#[rustfmt::skip]
const VERBS: &[&str] = &[
    " is", " are", " be", " equals", " was", " were", " comes to", " comes out to", " works out to",
    " amounts to", " becomes", "'s ", "’s ", ":", "=>", "=", "->", "→",
];
/// Verbs before "the answer", where what it is stands before them.
const LINKS: [&str; 10] = ["is", "are", "was", "were", "be", "becomes", "not", "isn't", "isn’t", "wasn't"];
/// Words before such a verb.
const AUXILIARIES: [&str; 5] = ["must", "should", "will", "has", "to"];
/// Words between such a verb and "answer".
#[rustfmt::skip]
const ARTICLES: &[&str] = &[
    "the", "our", "my", "your", "final", "correct", "right", "best", "only", "true", "actual", "required",
    "desired", "wrong", "incorrect",
];
/// Words with which a sentence leaves open, or denies, that something is the answer.
#[rustfmt::skip]
const DOUBTS: &[&str] = &[
    "if", "whether", "suppose", "assume", "assuming", "doubt", "unless", "what", "which", "would", "could",
    "might",
];
/// Words before "answer" that say that what follows is none.
const WRONG: [&str; 8] = ["wrong", "incorrect", "false", "mistaken", "no", "bad", "tempting", "invalid"];
/// Decoration between a verb and what it announces.
const DRESS: [char; 4] = ['*', '_', ':', ' '];

/// One phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announcement<'a> {
    /// Where it speaks of an answer.
    pub at: usize,
    /// How it is built.
    pub form: Form<'a>,
    /// Whether it says what the answer is not: "the wrong answer is".
    pub is_denied: bool,
    /// Whether it may speak of something else: "express the answer as a percentage: 32 / 96".
    pub is_loose: bool,
}

/// On which side of its verb a phrase has what it announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form<'a> {
    /// "answer is": the text from what follows its verb on. Behind a headline that begins with the end of its line.
    Before(&'a str),
    /// "is the answer".
    Behind {
        /// What stands before its verb.
        said: &'a str,
        /// The whole sentence.
        sentence: &'a str,
    },
}

/// The phrases of `text` from the last on. No value stands between what one speaks of and its verb, as `holds` finds it.
pub(crate) fn announcements<'a>(
    text: &'a str,
    holds: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = Announcement<'a>> {
    let lower = text.to_ascii_lowercase();
    let mut places: Vec<(usize, usize)> = Vec::new();
    for subject in SUBJECTS {
        let all = lower.rmatch_indices(subject).map(|(at, _)| (at, at + subject.len()));
        places.extend(all.filter(|(at, end)| is_subject(&lower, *at, *end)).take(MAX_PHRASES));
    }
    let last_line = text.trim_end().rfind('\n').unwrap_or(0);
    for outcome in OUTCOMES {
        let all = lower.rmatch_indices(outcome).map(|(at, _)| (at, at + outcome.len()));
        let last = all.take_while(|(at, _)| *at >= last_line).take(MAX_PHRASES);
        places.extend(last.filter(|(at, end)| is_outcome(&lower, *at, *end)));
    }
    places.sort_unstable_by(|a, b| b.cmp(a));
    let judged = judgements(text, &lower);
    let announced = places.into_iter().filter_map(move |(at, end)| {
        let (form, is_negated, is_loose) = match forward(text, &lower, end, &holds) {
            Some((said, is_negated, is_loose)) => (Form::Before(said), is_negated, is_loose),
            None => match given(text, at, end) {
                Some(said) => (Form::Before(said), false, false),
                None => (backward(text, at, end, ARTICLES)?, false, true),
            },
        };
        let before = lower.get(..at).unwrap_or_default();
        let is_denied = match form {
            Form::Before(_) => {
                let is_wrong = last_word(before).is_some_and(|word| WRONG.contains(&word));
                is_wrong || is_negated || claim::negates_what_follows(before) || is_doubted(before)
            }
            Form::Behind { said, .. } => {
                let link = lower
                    .get(said.as_ptr().addr() - text.as_ptr().addr() + said.len()..at)
                    .unwrap_or_default();
                words(link).any(self::is_negated) || words(link).any(|word| WRONG.contains(&word))
            }
        };
        Some(Announcement { at, form, is_denied, is_loose })
    });
    let mut all: Vec<_> = announced.chain(judged).collect();
    all.sort_by_key(|found| std::cmp::Reverse(found.at));
    all.into_iter()
}

/// The sentences of `text` that say that something is correct, "So B is correct.", from the last on.
fn judgements<'a>(text: &'a str, lower: &str) -> Vec<Announcement<'a>> {
    let mut all = Vec::new();
    for judgement in JUDGEMENTS {
        for (at, _) in lower.rmatch_indices(judgement).take(MAX_PHRASES) {
            let after = lower.get(at + judgement.len()..).unwrap_or_default();
            let ends = after.is_empty() || after.starts_with(['.', '!', '\n', ',', '*']);
            let Some(Form::Behind { said, sentence }) =
                backward(text, at, at + judgement.len(), &[]).filter(|_| ends)
            else {
                continue;
            };
            let mut named =
                said.split_whitespace().map(|word| word.trim_matches(|c: char| "*_,:$".contains(c)));
            let value = named.find(|word| !LEADS.contains(&&*word.to_ascii_lowercase()));
            if value.is_none() || named.next().is_some() {
                continue;
            }
            let said_end = offset(text, said) + said.len();
            let is_denied = lower.get(said_end..at).is_some_and(is_negated);
            all.push(Announcement { at, form: Form::Behind { said, sentence }, is_denied, is_loose: true });
        }
    }
    all
}

/// Where `part`, a slice of `text`, begins in it.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}

/// Whether the word that stands from `at` to `end` is the outcome of a text that concludes nothing else behind it: "The
/// result is 3. It took 2 steps."
fn is_outcome(lower: &str, at: usize, end: usize) -> bool {
    let (before, after) = (lower.get(..at).unwrap_or_default(), lower.get(end..).unwrap_or_default());
    let named = last_word(before).is_some_and(|word| matches!(word, "the" | "final" | "our" | "my"));
    let Some(said) = after.strip_prefix(" is ").or_else(|| after.strip_prefix(": ")) else { return false };
    let behind = said.get(sentence(said).len()..).unwrap_or_default();
    named && !behind.contains(['=', ':']) && !words(behind).any(|word| CONCLUSIONS.contains(&word))
}

/// Whether the word that stands from `at` to `end` is one that a phrase speaks of, and no tag.
fn is_subject(lower: &str, at: usize, end: usize) -> bool {
    let (before, after) = (lower.get(..at).unwrap_or_default(), lower.get(end..).unwrap_or_default());
    let after = after.strip_prefix('s').unwrap_or(after);
    let whole = !before.ends_with(char::is_alphabetic)
        && !after.starts_with(|c: char| c.is_alphanumeric() || c == '>');
    let chosen = || last_word(before).is_some_and(|word| CHOSEN.contains(&word));
    let other = || last_word(before).is_some_and(|word| OTHERS.contains(&word));
    whole && (lower.get(at..end) == Some("answer") && !other() || chosen())
}

fn last_word(text: &str) -> Option<&str> {
    let text = text.trim_end_matches(|c: char| c.is_whitespace() || DRESS.contains(&c));
    text.rsplit(|c: char| !c.is_alphabetic()).next().filter(|word| !word.is_empty())
}

/// The next [`WINDOW`] bytes of the text, or some fewer.
fn window(text: &str, start: usize) -> &str {
    let end = (start..text.len().min(start + WINDOW) + 1).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(start..end)).unwrap_or_default()
}

/// What is said behind `end`, where the word "answer" ends, to be the answer, and whether it is said not to be.
fn forward<'a>(
    text: &'a str,
    lower: &str,
    end: usize,
    holds: &impl Fn(&str) -> bool,
) -> Option<(&'a str, bool, bool)> {
    let after = window(lower, end);
    let rest = after.strip_prefix('s').unwrap_or(after);
    let undressed = rest.trim_start_matches(DRESS);
    if undressed.starts_with('\n') {
        return Some((text.get(end + after.len() - undressed.len()..)?, false, false));
    }
    let line = sentence(rest.lines().next().unwrap_or_default());
    let is_whole =
        |verb: &str, rest: &str| !verb.starts_with(' ') || !rest.starts_with(char::is_alphanumeric);
    let ends = VERBS.iter().filter_map(|verb| {
        let at = line.find(verb)?;
        is_whole(verb, line.get(at + verb.len()..)?).then_some((at, std::cmp::Reverse(at + verb.len())))
    });
    let (at, std::cmp::Reverse(verb_end)) = ends.min()?;
    // What is between belongs to the question: "the answer to the second part is".
    let between = line.get(..at)?;
    let original = text.get(end + after.len() - rest.len()..)?.get(..at)?;
    let is_value = between.contains(|c: char| c.is_ascii_digit() || "$\\?!;".contains(c)) || holds(original);
    let is_denied = is_negated(between);
    // "the answer cannot be", but not "the answer that I did not find is".
    if is_value || is_denied && !words(between).all(|word| is_negated(word) || MODALS.contains(&word)) {
        return None;
    }
    let left = rest.get(verb_end..)?.trim_start_matches(DRESS);
    let is_loose = !between.trim().is_empty() && !rest.get(at..verb_end)?.starts_with(' ');
    Some((text.get(end + after.len() - left.len()..)?, is_denied, is_loose))
}

/// What is said right behind `end`, where the word "answer" ends, of which a verb before it says that it comes out: "we get
/// the answer 5".
fn given(text: &str, at: usize, end: usize) -> Option<&str> {
    let before = without_last(text.get(..at).filter(|before| before.ends_with(' '))?, ARTICLES);
    let gets = last_word(before).is_some_and(|word| GETTING.contains(&&*word.to_ascii_lowercase()));
    let said = text.get(end..)?.strip_prefix(' ')?;
    (gets && said.starts_with(|c: char| c.is_ascii_digit() || "$-−\\(".contains(c))).then_some(said)
}

/// The sentence around `at`..`end`, where the word "answer" stands, that says before it what the answer is.
fn backward<'a>(text: &'a str, at: usize, end: usize, articles: &[&str]) -> Option<Form<'a>> {
    let line_start = text.get(..at)?.rfind('\n').map_or(0, |at| at + 1);
    let start =
        (at.saturating_sub(MAX_SENTENCE)..at).find(|start| text.is_char_boundary(*start))?.max(line_start);
    let before = last_sentence(text.get(start..at)?);
    let bare = without_last(before, articles);
    let verb = without_last(bare, &LINKS);
    if bare.len() == before.trim_end().len() && !articles.is_empty() || verb.len() == bare.len() {
        return None;
    }
    let said = without_last(verb, &AUXILIARIES).trim();
    let from = before.as_ptr().addr() - text.as_ptr().addr();
    let line = text.get(from..)?.lines().next().unwrap_or_default();
    let whole = line.get(..end - from)?.len() + sentence(line.get(end - from..)?).len();
    let sentence = line.get(..whole)?;
    let doubtful = sentence.trim_end().ends_with('?')
        || words(said).any(|word| DOUBTS.contains(&&*word.to_ascii_lowercase()));
    (!doubtful && whole <= 2 * MAX_SENTENCE).then_some(Form::Behind { said, sentence })
}

/// `text` without those of `words` at its end.
fn without_last<'a>(text: &'a str, words: &[&str]) -> &'a str {
    let mut text = text.trim_end();
    while let Some(word) = text.split_whitespace().next_back()
        && words.contains(&&*word.to_ascii_lowercase())
    {
        text = text.get(..text.len() - word.len()).unwrap_or_default().trim_end();
    }
    text
}

/// The words of `text`, apostrophes within them included.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphabetic() && c != '\'' && c != '’').filter(|word| !word.is_empty())
}

/// Whether the sentence that `before` ends with denies what follows: "I don't think that the answer".
fn is_doubted(before: &str) -> bool {
    const BELIEFS: [&str; 15] = [
        "think",
        "believe",
        "say",
        "claim",
        "mean",
        "guess",
        "suppose",
        "certain",
        "sure",
        "convinced",
        "true",
        "case",
        "possible",
        "correct",
        "likely",
    ];
    let start = before.char_indices().map(|(at, _)| at).rev().nth(WINDOW).unwrap_or(0);
    let clause = before
        .get(start..)
        .and_then(|tail| tail.rsplit([',', ';', '.', ':', '!', '?', '\n']).next())
        .unwrap_or_default();
    let clause = clause.rsplit(" but ").next().unwrap_or(clause);
    let doubts = || words(clause).any(|word| word.starts_with("doubt"));
    is_negated(clause) && words(clause).any(|word| BELIEFS.contains(&word))
        || doubts() && !words(clause).any(|word| matches!(word, "no" | "without" | "beyond"))
        || clause.ends_with(" that the ") && words(clause).any(|word| WRONG.contains(&word)) && !doubts()
}

/// Whether a word of `text` denies.
pub(crate) fn is_negated(text: &str) -> bool {
    let negates = |word: &str| {
        matches!(word, "not" | "never" | "cannot") || word.ends_with("n't") || word.ends_with("n’t")
    };
    words(text).any(negates)
}
