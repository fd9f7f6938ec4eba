//! The marked answers of a response: the places where it says "this is my answer", in time linear in its length.
//!
//! A thought is cut off before (see [`thought`](crate::thought)). Marks are boxes ([`boxed`]; those in one list are one mark),
//! `#### …` up to the end of its line, where that is no headline, `<answer>…</answer>`, and the phrases of
//! [`announce`](crate::announce) up to the end of the sentence. Of all marks the one that begins last counts, so that a second
//! thought overrules the first; a mark that is denied where it stands ("not \boxed{5}", "\boxed{5} is wrong") claims nothing.

use std::ops::Range;

use crate::{
    announce::{Form, announcements},
    boxed::{self, Unclosed},
    claim, tags,
};

/// Longest text that belongs to a phrase, in bytes.
const MAX_PHRASE: usize = 200;
/// Most words before "answer" where its verb is a sign at a distance: "Final answer in dollars: 5".
const MAX_HEADING: usize = 3;
/// Most boxes and lines of hashes that are read, from the last on.
const MAX_SIGNS: usize = 20;

/// One mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark<'a> {
    /// What it marks, empty where a box is not closed.
    pub content: &'a str,
    /// The part of it that stands before "is the answer", else all of it.
    pub said: &'a str,
    /// What marks it.
    pub kind: Kind,
    /// Where it stands in the text.
    place: Range<usize>,
    /// Whether it says itself that what it marks is no answer.
    is_denied: bool,
    /// Whether it may be no mark, so that any other one goes before.
    is_guess: bool,
}

/// By what an answer is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A box, hashes or tags.
    Sign,
    /// "the answer is …"; a sentence may speak of "the answer" without giving it.
    Phrase,
    /// A sentence that may speak of something else unless it gives one answer: "… is the answer".
    Loose,
}

impl Mark<'_> {
    /// Whether `text`, in which it stands, denies what it marks: before it, behind it or in the next sentence.
    pub(crate) fn is_denied(&self, text: &str) -> bool {
        let before = || text.get(..self.place.start).is_some_and(claim::negates_what_follows);
        let behind = || text.get(self.place.end..).is_some_and(claim::is_taken_back);
        self.is_denied || self.kind == Kind::Sign && before() || behind()
    }
}

/// The marks of `text` from the last on; `holds` finds a value in a text.
pub(crate) fn marks<'a>(text: &'a str, holds: impl Fn(&str) -> bool + 'a) -> Vec<Mark<'a>> {
    let mut marks = signs(text);
    let is_heading = |at: usize| {
        let line = text.get(..at).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
        line.split_whitespace().take(MAX_HEADING + 1).count() <= MAX_HEADING
    };
    let announced = announcements(text, holds)
        .filter(|found| !found.is_loose || matches!(found.form, Form::Behind { .. }) || is_heading(found.at));
    marks.extend(announced.map(|found| {
        let (content, said) = match found.form {
            Form::Before(after) => (sentence(after), sentence(after)),
            Form::Behind { sentence, said } => (sentence, said),
        };
        let kind = if found.is_loose { Kind::Loose } else { Kind::Phrase };
        let end = offset(text, content) + content.len();
        Mark { content, said, kind, place: found.at..end, is_denied: found.is_denied, is_guess: false }
    }));
    if marks.iter().any(|mark| !mark.is_guess) {
        marks.retain(|mark| !mark.is_guess);
    }
    marks.sort_by_key(|mark| std::cmp::Reverse(mark.place.start));
    marks
}

/// The boxes, hashes and tags of `text` from the last on.
pub(crate) fn signs(text: &str) -> Vec<Mark<'_>> {
    let hashed = text.rmatch_indices("####").take(MAX_SIGNS).filter_map(|(at, command)| {
        let after = text.get(at + command.len()..)?;
        let line = after.lines().next().unwrap_or_default();
        let at_end = after.get(line.len()..)?.trim_start().is_empty();
        (!is_headline(line.trim_start(), at_end)).then(|| mark(at, line, at + command.len() + line.len()))
    });
    let tagged = tags::last_answer(text).map(|content| {
        let start = offset(text, content);
        mark(start, content, start + content.len() + tags::CLOSE.len())
    });
    let mut marks: Vec<_> = boxes(text).into_iter().chain(hashed).chain(tagged).collect();
    marks.sort_by_key(|mark| std::cmp::Reverse(mark.place.start));
    marks
}

/// The boxes of `text`, those of one list as one mark with what is between them; an empty one where a box is not closed.
fn boxes(text: &str) -> Vec<Mark<'_>> {
    let mut all = match boxed::boxes(text) {
        Ok(all) => all,
        Err(Unclosed(start)) => return vec![mark(start, "", text.len())],
    };
    let all = all.split_off(all.len().saturating_sub(MAX_SIGNS));
    let lists = all.chunk_by(|first, second| boxed::are_joined(text, first, second));
    let mut marks = Vec::new();
    for list in lists {
        let (Some(first), Some(last)) = (list.first(), list.last()) else { continue };
        let (start, end) = (first.place().start, last.place().end);
        let content = if list.len() == 1 { first.content } else { text.get(start..end).unwrap_or_default() };
        let is_guess = list.iter().all(|one| one.is_loose);
        marks.push(Mark { is_guess, ..mark(start, content, end) });
    }
    marks
}

/// Whether `line`, behind hashes, is a headline: it speaks of the answer or of steps, has a number before its words as a
/// section has, or begins with a word where more follows below it, unless it names an option.
pub(crate) fn is_headline(line: &str, at_end: bool) -> bool {
    let lower = line.to_ascii_lowercase();
    let (first, rest) = line.trim_start_matches('*').split_once(' ').unwrap_or((line, ""));
    let number = first.strip_suffix(['.', ')', ':']).unwrap_or_default();
    let numbered = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let n_letters = first.chars().filter(|c| c.is_alphabetic()).count();
    let worded = first.starts_with(char::is_alphabetic) && n_letters > 1 && !first.contains(['=', '^', '(']);
    let names = lower.starts_with("option ") || lower.starts_with("choice ");
    lower.contains("answer")
        || lower.contains("step")
        || lower.ends_with(':')
        || numbered && !rest.is_empty()
        || worded && !at_end && !names
}

/// The sign from `start` to `end`.
fn mark(start: usize, content: &str, end: usize) -> Mark<'_> {
    let content = content.trim();
    Mark { content, said: content, kind: Kind::Sign, place: start..end, is_denied: false, is_guess: false }
}

/// `text` up to the end of its first sentence or line, or the longest that a phrase may be.
fn sentence(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.char_indices().map(|(at, _)| at).find(|at| *at >= MAX_PHRASE).unwrap_or(text.len());
    let line = text.get(..end).unwrap_or(text).lines().next().unwrap_or_default();
    claim::sentence(line).trim_end_matches(['.', '*', '_', ' '])
}

/// Where `part`, a slice of `text`, begins in it.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the last mark of `text` marks that holds a digit and is not denied.
    fn last(text: &str) -> Option<&str> {
        let digit = |text: &str| text.contains(|c: char| c.is_ascii_digit());
        let marks = marks(text, digit);
        let found = marks.into_iter().find(|mark| mark.kind == Kind::Sign || digit(mark.content))?;
        Some(if found.is_denied(text) { "denied" } else { found.content })
    }

    #[test]
    fn the_last_mark_counts() {
        for (text, expected) in [
            ("", None),
            ("18", None),
            ("so \\boxed{18}.", Some("18")),
            ("\\boxed{ \\frac{1}{2} } and", Some("\\frac{1}{2}")),
            ("\\boxed{1} no, \\boxed{2", Some("")),
            ("#### 18\n", Some("18")),
            ("#### 18 #### 20", Some("20")),
            ("#### 18\nThe answer is 20.", Some("20")),
            ("The answer is 20.\n#### 18", Some("18")),
            ("\\boxed{18}. The answer is right.", Some("18")),
            ("<answer> 18 </answer>", Some("18")),
            ("<answer>The answer is 18.</answer>", Some("18.</answer>")),
            ("**Answer:** 18", Some("18")),
            ("Answer:\n18 apples", Some("18 apples")),
            ("The answers ARE = 1", Some("= 1")),
            ("an answer 5", None),
            ("The correct option is 5.", Some("5")),
            ("The best choices are: 5 and 6. The correct option: 7", Some("7")),
            ("The answer is 5. The Right Choice is 6. A choice is 7.", Some("6")),
            ("One option is 5", None),
            ("The final answer is: $18$. I hope 20 is wrong.", Some("$18$")),
        ] {
            assert_eq!(last(text), expected, "{text}");
        }
    }

    #[test]
    fn what_stands_around_a_mark_may_deny_it() {
        for text in [
            "It is not \\boxed{5}.",
            "It cannot be $\\boxed{5}$.",
            "6 rather than \\boxed{5}",
            "\\boxed{5} is wrong.",
            "\\boxed{5}$ is ruled out, as is 6",
            "<answer>5</answer> is not the answer",
            "#### 5\nThat is wrong.",
            "The answer is 5. No, that is not right.",
            "The answer is 5. Wait, that can't be correct.",
            "The wrong answer is 5.",
            "It is not the answer: 5",
        ] {
            assert_eq!(last(text), Some("denied"), "{text}");
        }
        for (text, expected) in [
            ("Is it not so? \\boxed{5}", "5"),
            ("It is not 6. \\boxed{5}", "5"),
            ("\\boxed{5}. 6 is wrong.", "5"),
            ("The answer is 5. A is wrong.", "5"),
            ("The answer is 5. It is not possible to have 6.", "5"),
            ("The answer is 5. No other number fits.", "5"),
        ] {
            assert_eq!(last(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn long_texts_are_read_once() {
        for piece in [
            "\\boxed{",
            "\\boxed",
            "answer is ",
            "answer: 1",
            "<answer>",
            "####",
            "{",
            "best choice is\n",
            "is the answer ",
        ] {
            let text = piece.repeat(100_000 / piece.len());
            let start = std::time::Instant::now();
            let found = marks(&text, |text| text.contains('#'));
            assert!(found.iter().filter(|mark| mark.is_denied(&text)).count() <= found.len());
            assert!(start.elapsed().as_millis() < 200, "{piece}: {:?}", start.elapsed());
        }
    }
}
