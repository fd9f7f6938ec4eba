//! Finding the answer in a response, in time linear in its length.
//!
//! What stands before the last `</think>` is not read. Of the rest, the first of these that occurs decides:
//!
//! 1. the last `\boxed{…}` or `\fbox{…}`, the outermost of nested ones, also `\boxed 5`. Boxes joined by nothing but
//!    "and", "or" and commas are one list. Where a box is not closed there is no answer;
//! 2. the last `<answer>…</answer>`;
//! 3. the line after the last `####`;
//! 4. what follows the last "answer is", "answer:" or "answer =" (in any case; also "answers are"), up to the end of the
//!    line or sentence, or a displayed formula there;
//! 5. the response itself, where it is one short line.

use crate::tags;

const END_THINK: &str = "</think>";
/// Longest response that is an answer as a whole, in bytes.
const MAX_BARE: usize = 200;

/// The answer in `response`, without what is around it; none where it gives none.
pub(super) fn answer(response: &str) -> Option<String> {
    let spoken = response.rsplit(END_THINK).next().unwrap_or(response);
    if spoken.contains("<think>") {
        return None;
    }
    let found = match boxes(spoken).ok()?.as_slice() {
        [] => unboxed(spoken)?.to_owned(),
        boxes => last_list(spoken, boxes),
    };
    let answer = found.trim();
    (!answer.is_empty()).then(|| answer.to_owned())
}

fn unboxed(text: &str) -> Option<&str> {
    if let Some(tagged) = tags::last_answer(text) {
        return Some(after_phrase(tagged).unwrap_or(tagged));
    }
    let hashed = || text.rsplit_once("####").map(|(_, after)| first_line(after));
    let bare = || Some(text.trim()).filter(|text| text.len() <= MAX_BARE && !text.contains('\n'));
    hashed().or_else(|| after_phrase(text)).or_else(bare)
}

/// A box: where its command starts and where it ends in the text, and what it holds.
struct Boxed<'a> {
    start: usize,
    end: usize,
    content: &'a str,
}

/// A box without its end.
struct Unclosed;

/// The boxes that are in no other box, from left to right.
fn boxes(text: &str) -> Result<Vec<Boxed<'_>>, Unclosed> {
    let (mut boxes, mut from) = (Vec::new(), 0);
    for (start, _) in text.match_indices('\\') {
        let command = text.get(start..).unwrap_or_default();
        let after = command.strip_prefix("\\boxed").or_else(|| command.strip_prefix("\\fbox"));
        let Some(after) = after.filter(|_| start >= from) else { continue };
        let content = match after.trim_start().strip_prefix('{') {
            Some(inside) => balanced(inside).ok_or(Unclosed)?,
            None if after.starts_with(|c: char| c.is_ascii_alphabetic()) => continue,
            None => after.split(['$', '\n']).next().unwrap_or(after).trim_end_matches([' ', '.']),
        };
        let end = content.as_ptr().addr() - text.as_ptr().addr() + content.len();
        from = end + usize::from(text.get(end..).is_some_and(|rest| rest.starts_with('}')));
        boxes.push(Boxed { start, end: from, content });
    }
    Ok(boxes)
}

/// `text` up to the brace that closes one opened just before it.
fn balanced(text: &str) -> Option<&str> {
    let (mut depth, mut escaped) = (0_usize, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'{' => depth += 1,
            b'}' if depth == 0 => return text.get(..at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The last box, together with those before it that only a joint parts from it.
fn last_list(text: &str, boxes: &[Boxed<'_>]) -> String {
    let mut first = boxes.len().saturating_sub(1);
    while let Some((left, right)) =
        first.checked_sub(1).and_then(|left| Some((boxes.get(left)?, boxes.get(first)?)))
        && text.get(left.end..right.start).is_some_and(is_joint)
    {
        first -= 1;
    }
    let contents: Vec<&str> = boxes.iter().skip(first).map(|one| one.content).collect();
    contents.join(" , ")
}

fn is_joint(gap: &str) -> bool {
    let bare = gap.trim_matches(|c: char| c.is_whitespace() || "$\\()".contains(c));
    let text = bare.strip_prefix("text{").and_then(|text| text.strip_suffix('}')).unwrap_or(bare);
    matches!(text.trim(), "," | ";" | "and" | "or" | ", and" | ", or")
}

/// What stands after the last phrase that announces an answer.
fn after_phrase(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    let starts =
        lower.match_indices("answer").filter_map(|(at, word)| announced(lower.get(at + word.len()..)?));
    let length = starts.last()?;
    let after = text.get(text.len() - length..)?.trim_start();
    for (open, close) in [("\\[", "\\]"), ("$$", "$$")] {
        if let Some((display, _)) = after.strip_prefix(open).and_then(|rest| rest.split_once(close)) {
            return Some(display);
        }
    }
    let line = first_line(after);
    let sentence = line.split(". ").next().unwrap_or(line);
    Some(sentence.trim_end_matches(['.', '*', ' ']))
}

/// How many bytes are left after `after`, the rest of the text behind the word "answer", has announced one.
fn announced(after: &str) -> Option<usize> {
    let after = after.strip_prefix('s').unwrap_or(after);
    let bare = |text: &'_ str| text.trim_start_matches([' ', '*', '_']).len();
    let after = after.get(after.len() - bare(after)..)?;
    let verbs = ["is:", "are:", "is ", "are ", "is\n", "is$", "is\\", ":", "="];
    let verb = verbs.iter().find(|verb| after.starts_with(**verb))?;
    // A dollar or backslash belongs to the answer.
    let verb = verb.trim_end_matches(['$', '\\']);
    Some(bare(after.get(verb.len()..)?))
}

fn first_line(text: &str) -> &str {
    text.trim_start().lines().next().unwrap_or_default()
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
        for piece in ["\\boxed{", "\\boxed{1}", "\\boxed", "answer is ", "<answer>", "#### ", "{", "\\"] {
            let text = piece.repeat(100_000 / piece.len());
            let start = std::time::Instant::now();
            answer(&text);
            assert!(start.elapsed().as_millis() < 50, "{piece}: {:?}", start.elapsed());
        }
    }
}
