//! The marked answer of a response: the last place where it says "this is my answer", in time linear in its length.
//!
//! A thought is cut off before (see [`thought`](crate::thought)). Marks are
//! `\boxed{…}`, `#### …` up to the end of its line, `<answer>…</answer>`, and "answer is …", "answer: …" or "answer = …"
//! (in any case; also "answers are", and "correct option", "best choice" and the like instead of "answer") up to the end of
//! the sentence. Of all marks the one that begins last counts, so that a second thought overrules the first.

use crate::tags::{self, balanced};

/// Longest text that belongs to a phrase, in bytes.
const MAX_PHRASE: usize = 200;
/// How many phrases may speak of an answer, from the last on, until one must give it.
const MAX_PHRASES: usize = 100;
/// What a phrase speaks of.
const SUBJECTS: [&str; 7] = [
    "answer",
    "correct option",
    "correct choice",
    "right option",
    "right choice",
    "best option",
    "best choice",
];

/// What the last mark of `text` marks, empty where a box is not closed; none where it has no mark. A phrase is a mark only
/// where `says` finds an answer in it, since a sentence may speak of "the answer" without giving it.
pub(crate) fn last(text: &str, says: impl Fn(&str) -> bool) -> Option<&str> {
    let boxed = text.rmatch_indices("\\boxed").find_map(|(at, command)| {
        let inside = text.get(at + command.len()..)?.trim_start().strip_prefix('{')?;
        Some((at, balanced(inside).unwrap_or_default()))
    });
    let hashed = text
        .rmatch_indices("####")
        .next()
        .and_then(|(at, mark)| Some((at, text.get(at + mark.len()..)?.lines().next().unwrap_or_default())));
    let tagged =
        tags::last_answer(text).map(|content| (content.as_ptr().addr() - text.as_ptr().addr(), content));
    let marks = [boxed, hashed, tagged, phrase(text, says)];
    marks.into_iter().flatten().max_by_key(|(at, _)| *at).map(|(_, content)| content.trim())
}

/// Where the last phrase stands that says an answer, and what follows its verb.
fn phrase(text: &str, says: impl Fn(&str) -> bool) -> Option<(usize, &str)> {
    let lower = text.to_ascii_lowercase();
    let last = |subject: &&str| {
        lower.rmatch_indices(*subject).take(MAX_PHRASES).find_map(|(at, subject)| {
            let after = text.get(at + subject.len()..)?;
            let said = sentence(after_verb(after)?);
            says(said).then_some((at, said))
        })
    };
    SUBJECTS.iter().filter_map(last).max_by_key(|(at, _)| *at)
}

/// What follows the verb that `after`, the text behind what a phrase speaks of, begins with.
fn after_verb(after: &str) -> Option<&str> {
    let emphasis = [' ', '*', '_'];
    let rest = after.strip_prefix(['s', 'S']).unwrap_or(after).trim_start_matches(emphasis);
    let verb = |verb: &str| {
        let (head, tail) = rest.split_at_checked(verb.len())?;
        let ends = !tail.starts_with(|c: char| c.is_alphanumeric());
        (head.eq_ignore_ascii_case(verb) && ends).then_some(tail)
    };
    let tail = ["is", "are", ""].into_iter().find_map(verb)?;
    let bare = tail.trim_start_matches(emphasis).trim_start_matches([':', '=']);
    // Without a verb there is a colon or an equals sign.
    let spoken = tail.len() < rest.len() || bare.len() < tail.trim_start_matches(emphasis).len();
    spoken.then(|| bare.trim_start_matches(emphasis).trim_start())
}

/// `text` up to the end of its first sentence or line, or the longest that a phrase may be.
fn sentence(text: &str) -> &str {
    let end = text.char_indices().map(|(at, _)| at).find(|at| *at >= MAX_PHRASE).unwrap_or(text.len());
    let line = text.get(..end).unwrap_or(text).lines().next().unwrap_or_default();
    line.split(". ").next().unwrap_or(line).trim_end_matches(['.', '*', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_mark_counts() {
        let digit = |text: &str| text.contains(|c: char| c.is_ascii_digit());
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
            ("The answers ARE = 1", Some("1")),
            ("the answer isn't 5", None),
            ("an answer 5", None),
            ("The correct option is 5.", Some("5")),
            ("The best choices are: 5 and 6. The correct option: 7", Some("7")),
            ("The answer is 5. The Right Choice is 6. A choice is 7.", Some("6")),
            ("One option is 5", None),
            ("The final answer is: $18$. I hope 20 is wrong.", Some("$18$")),
        ] {
            assert_eq!(last(text, digit), expected, "{text}");
        }
    }

    #[test]
    fn long_texts_are_read_once() {
        for piece in
            ["\\boxed{", "\\boxed", "answer is ", "answer: 1", "<answer>", "####", "{", "best choice is\n"]
        {
            let text = piece.repeat(100_000 / piece.len());
            let start = std::time::Instant::now();
            last(&text, |text| text.contains('#'));
            assert!(start.elapsed().as_millis() < 50, "{piece}: {:?}", start.elapsed());
        }
    }
}
