//! Finding the answer in a response, in time linear in its length.
//!
//! What stands before the last `</think>` is not read, nor is what is denied where it stands, or explains (see
//! [`claim`](crate::claim)). Of the rest, the first of these that occurs decides:
//!
//! 1. the last `\boxed{…}` or `\fbox{…}` (see [`boxed`]). Where a box is not closed there is no answer;
//! 2. the last of: `<answer>…</answer>`; the line after the last `####`, where it is no headline; what the last phrase
//!    such as "the answer is" announces (see `phrase`), after one of the other two only where it is mathematics;
//! 3. what the last line says, where it is short and has mathematics in it (see `phrase`);
//! 4. the response itself, where it is one short line.

mod phrase;

use std::ops::Range;

use crate::{boxed, claim, marked::is_headline, struck::without_struck, tags, thought};

/// How many boxes, from the last on, may be denied.
const MAX_DENIED: usize = 20;
/// Longest line that is read for what it says, in bytes.
const MAX_LINE: usize = 200;

/// The answer in `response`, without what is around it; none where it gives none.
pub(super) fn answer(response: &str) -> Option<String> {
    let spoken = without_struck(without_end_marks(thought::spoken(response, false)?));
    let spoken = &*spoken;
    let mut boxes = boxed::boxes(spoken).ok()?;
    let has_loose = boxes.iter().any(|one| one.is_loose);
    if has_loose && (boxes.iter().any(|one| !one.is_loose) || is_marked(spoken)) {
        boxes.retain(|one| !one.is_loose);
    }
    let found = if boxes.is_empty() {
        unboxed(spoken)?.to_owned()
    } else {
        let last = boxes.split_off(boxes.len().saturating_sub(MAX_DENIED));
        boxes.extend(last.into_iter().filter(|one| !is_denied(spoken, one.place())));
        boxed::last_list(spoken, &boxes)
    };
    // "where k is an integer" belongs to the formula in a box.
    let found = found.trim();
    // "5 \text{ fails}"
    if claim::is_denied_behind(found) {
        return None;
    }
    let answer = if found.contains("where") { found } else { claim::without_asides(found).trim() };
    (!answer.is_empty()).then(|| answer.to_owned())
}

/// Whether `text` marks an answer otherwise than by a box.
fn is_marked(text: &str) -> bool {
    let marked = [tagged(text), hashed(text), phrase::announced(text)];
    marked
        .into_iter()
        .flatten()
        .any(|said| !said.is_empty() && !said.contains("\\boxed") && !said.contains("\\fbox"))
}

/// Whether `text` denies what is marked at `place`, before it or behind it.
fn is_denied(text: &str, place: Range<usize>) -> bool {
    text.get(..place.start).is_some_and(claim::negates_what_follows)
        || text.get(place.end..).is_some_and(claim::is_taken_back)
}

/// Without the tokens that end a turn of a chat: `</s>`, `<|im_end|>`, ...
fn without_end_marks(response: &str) -> &str {
    let mut text = response.trim_end();
    while let Some((before, mark)) = text.rsplit_once('<')
        && (matches!(mark, "/s>" | "eos>" | "end_of_turn>") || mark.starts_with('|') && mark.ends_with("|>"))
    {
        text = before.trim_end();
    }
    text
}

fn unboxed(text: &str) -> Option<&str> {
    let tagged = tagged(text);
    let rest = tagged.map_or(text, |tagged| behind(text, tagged));
    let hashed = hashed(rest);
    let rest = hashed.map_or(rest, |hashed| behind(rest, hashed));
    let marked = hashed.or_else(|| tagged.map(|tagged| phrase::announced(tagged).unwrap_or(tagged)));
    let announced = phrase::announced(rest).filter(|said| marked.is_none() || phrase::is_mathematical(said));
    if announced.is_none() && hashed.or(tagged).is_some_and(|sign| is_denied(text, place(text, sign))) {
        return None;
    }
    let bare = || Some(text.trim()).filter(|text| text.len() <= MAX_LINE && !text.contains('\n'));
    announced.or(marked).or_else(|| last_line(text)).or_else(bare)
}

/// Where `sign`, a slice of `text`, stands in it, with its hashes or tags.
fn place(text: &str, sign: &str) -> Range<usize> {
    let start = sign.as_ptr().addr() - text.as_ptr().addr();
    let before = text.get(..start).unwrap_or_default();
    match before.trim_end().strip_suffix("####") {
        Some(before) => before.len()..start + sign.len(),
        None => start.saturating_sub(tags::OPEN.len())..start + sign.len() + tags::CLOSE.len(),
    }
}

/// What stands in `text` behind `part`, a slice of it.
fn behind<'a>(text: &'a str, part: &str) -> &'a str {
    text.get(part.as_ptr().addr() - text.as_ptr().addr() + part.len()..).unwrap_or_default()
}

/// The content of the last `<answer>…</answer>`, in whatever case.
fn tagged(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    let content = tags::last_answer(&lower)?;
    let start = content.as_ptr().addr() - lower.as_ptr().addr();
    text.get(start..start + content.len())
}

/// The line after the last `####`, where it is an answer, as in GSM8K, and no headline of the fourth level.
fn hashed(text: &str) -> Option<&str> {
    let (_, after) = text.rsplit_once("####")?;
    let line = after.trim_start().lines().next()?;
    let at_end = behind(after, line).trim().is_empty();
    (!is_headline(line, at_end)).then_some(line)
}

fn last_line(text: &str) -> Option<&str> {
    let line = text.trim_end().rsplit('\n').next()?;
    if line.len() > MAX_LINE { None } else { phrase::concluded(line.trim()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_where_the_response_puts_it() {
        for (response, expected) in [
            ("so \\boxed{5}.", Some("5")),
            ("\\boxed{\\frac{1}{2}} no, \\boxed{\\{1, 2\\}}", Some("\\{1, 2\\}")),
            ("\\fbox{7}", Some("7")),
            ("$\\boxed 7$", Some("7")),
            ("\\boxed{x = \\boxed{3}}", Some("x = \\boxed{3}")),
            ("$\\boxed{1}$ and $\\boxed{2}$", Some("1 , 2")),
            ("$\\boxed{1} \\text{ or } \\boxed{2}$, \\(\\boxed{3}\\)", Some("1 , 2 , 3")),
            ("\\boxed{1}, hence \\boxed{2}", Some("2")),
            ("\\boxed{4} then \\boxed{", None),
            ("\\boxed{}", None),
            ("\\boxed{1}</think> it is \\boxed{2}", Some("2")),
            ("\\boxed{1}</think> done", Some("done")),
            ("<think>\\boxed{1}", None),
            ("a <answer> 5 </answer>", Some("5")),
            ("<answer>The answer is 5.</answer>", Some("5")),
            ("48 / 2 = 24\n#### 24\n", Some("24")),
            ("#### 1. Compute\nThe answer is 5.", Some("5")),
            ("#### Solution\nWe add.\nThe answer is 5.", Some("5")),
            ("#### 1. Compute 2 + 3\nThere are 5.", Some("5")),
            ("#### 5\nWait, I made an error. The answer is 6.", Some("6")),
            ("#### 5\nI hope the answer is clear.", Some("5")),
            ("#### Evelyn", Some("Evelyn")),
            ("The answer is 5.\n#### 6", Some("6")),
            ("<answer>5</answer> no wait, the answer is 6.", Some("6")),
            ("<answer>5</answer> So the answer is right.", Some("5")),
            ("<answer>5</answer>\n#### 6", Some("6")),
            ("#### 5\n<Answer>6</Answer>", Some("6")),
            ("The answer is 5<|im_end|>\n", Some("5")),
            ("The answer is 5.</s>", Some("5")),
            ("The answer is 5!", Some("5")),
            ("The answer is $5!$", Some("$5!$")),
            ("It is:\nThe answer is:\n\\begin{align*}\n5\n\\end{align*}", Some("5")),
            ("Hence, $x = 5$ is the answer.", Some("x = 5")),
            ("We add.\n5 is the answer.", Some("5")),
            ("She makes 9 * 2 = $18 every day at the farmer's market.", Some("$18")),
            ("She sold 48+24 = 72 clips in April and May.", Some("72")),
            ("\\boxed{5}\\text{ or maybe }\\boxed{6}", Some("5 , 6")),
            ("\\boxed{5} alternatively \\boxed{6}", Some("5 , 6")),
            ("\\boxed{5}, otherwise \\boxed{6}", Some("5 , 6")),
            ("$\\boxed{5}$/$\\boxed{6}$", Some("5 , 6")),
            ("\\boxed{0.5} or equivalently \\boxed{\\frac12}", Some("\\frac12")),
            ("**Answer:** 12", Some("12")),
            ("The final answer is $x$. I hope it is correct.", Some("$x$")),
            ("The answer is:\n\\[ 5 \\]\nas asked.", Some("5")),
            ("The answer is 1. No, the answer is **3.5**.", Some("3.5")),
            ("First we see.\nThen we stop.", None),
            ("= 72", Some("= 72")),
            ("", None),
        ] {
            assert_eq!(answer(response).as_deref(), expected, "{response}");
        }
    }

    #[test]
    fn long_responses_are_read_once() {
        for piece in [
            "\\boxed{",
            "\\boxed{1}",
            "\\boxed",
            "\\boxed ",
            "\\boxed 5 ",
            "\\boxed x ",
            "\\boxed(1",
            "answer is ",
            "answer",
            "answer ",
            "answer\n",
            "<answer>",
            "#### ",
            "{",
            "\\",
        ] {
            let text = piece.repeat(100_000 / piece.len());
            let start = std::time::Instant::now();
            answer(&text);
            assert!(start.elapsed().as_millis() < 200, "{piece}: {:?}", start.elapsed());
        }
    }
}
