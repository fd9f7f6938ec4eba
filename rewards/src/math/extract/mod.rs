//! Finding the answer in a response, in time linear in its length.
//!
//! What stands before the last `</think>` is not read. Of the rest, the first of these that occurs decides:
//!
//! 1. the last `\boxed{…}` or `\fbox{…}` (see `boxed`). Where a box is not closed there is no answer;
//! 2. the last `<answer>…</answer>`;
//! 3. the line after the last `####`, where it is no headline;
//! 4. what the last phrase such as "the answer is" announces (see `phrase`);
//! 5. what the last line says, where it is short and has mathematics in it (see `phrase`);
//! 6. the response itself, where it is one short line.

mod boxed;
mod phrase;

use crate::tags;

const END_THINK: &str = "</think>";
/// Longest line that is read for what it says, in bytes.
const MAX_LINE: usize = 200;

/// The answer in `response`, without what is around it; none where it gives none.
pub(super) fn answer(response: &str) -> Option<String> {
    let spoken = response.rsplit(END_THINK).next().unwrap_or(response);
    if spoken.contains("<think>") {
        return None;
    }
    let found = match boxed::boxes(spoken).ok()?.as_slice() {
        [] => unboxed(spoken)?.to_owned(),
        boxes => boxed::last_list(spoken, boxes),
    };
    let answer = found.trim();
    (!answer.is_empty()).then(|| answer.to_owned())
}

fn unboxed(text: &str) -> Option<&str> {
    if let Some(tagged) = tags::last_answer(text) {
        return Some(phrase::announced(tagged).unwrap_or(tagged));
    }
    let hashed =
        || text.rsplit_once("####").map(|(_, after)| first_line(after)).filter(|line| !is_headline(line));
    let bare = || Some(text.trim()).filter(|text| text.len() <= MAX_LINE && !text.contains('\n'));
    hashed().or_else(|| phrase::announced(text)).or_else(|| last_line(text)).or_else(bare)
}

fn first_line(text: &str) -> &str {
    text.trim_start().lines().next().unwrap_or_default()
}

/// Whether the line is a headline of the fourth level, not the answer of GSM8K.
fn is_headline(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    lower.contains("answer") || lower.contains("step") || lower.ends_with(':')
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
            assert!(start.elapsed().as_millis() < 50, "{piece}: {:?}", start.elapsed());
        }
    }
}
