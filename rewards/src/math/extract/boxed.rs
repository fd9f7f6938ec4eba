//! Answers in boxes: the last `\boxed{…}` or `\fbox{…}`, the outermost of nested ones, also `\boxed 5`. Boxes joined by
//! nothing but "and", "or", commas and slashes, or by a hedge such as "or maybe", are one list.

use crate::tags::balanced;

/// Longest hedge between two boxes, in bytes.
const MAX_HEDGE: usize = 40;
/// Words between two boxes that leave open which of them is the answer.
const HEDGES: [&str; 6] = ["or", "maybe", "perhaps", "possibly", "alternatively", "otherwise"];

/// A box: where its command starts and where it ends in the text, and what it holds.
pub(super) struct Boxed<'a> {
    start: usize,
    end: usize,
    content: &'a str,
}

/// A box without its end.
pub(super) struct Unclosed;

/// The boxes that are in no other box, from left to right.
pub(super) fn boxes(text: &str) -> Result<Vec<Boxed<'_>>, Unclosed> {
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

/// The last box, together with those before it that only a joint parts from it; equal ones once.
pub(super) fn last_list(text: &str, boxes: &[Boxed<'_>]) -> String {
    let mut first = boxes.len().saturating_sub(1);
    while let Some((left, right)) =
        first.checked_sub(1).and_then(|left| Some((boxes.get(left)?, boxes.get(first)?)))
        && text.get(left.end..right.start).is_some_and(is_joint)
    {
        first -= 1;
    }
    let mut contents: Vec<&str> = boxes.iter().skip(first).map(|one| one.content.trim()).collect();
    if contents.iter().all(|content| Some(content) == contents.first()) {
        contents.truncate(1);
    }
    contents.join(" , ")
}

/// Whether the text between two boxes makes them a list: nothing, a comma or "and", perhaps a name as in `and x =`; or a
/// hedge.
fn is_joint(gap: &str) -> bool {
    let mut words = gap.split(|c: char| !c.is_alphabetic());
    let is_hedge = |word: &str| HEDGES.iter().any(|hedge| hedge.eq_ignore_ascii_case(word));
    let short = gap.len() <= MAX_HEDGE && !gap.contains(|c: char| c == '\n' || c.is_ascii_digit());
    if short && words.any(is_hedge) && !gap.contains("equivalent") {
        return true;
    }
    let (gap, named) = match gap.trim_end().strip_suffix('=') {
        Some(named) => {
            (named.trim_end().rsplit_once([' ', '$', '(']).map_or("=", |(before, _)| before), true)
        }
        None => (gap, false),
    };
    let bare = gap.trim_matches(|c: char| c.is_whitespace() || "$\\()".contains(c));
    let text = bare.strip_prefix("text{").and_then(|text| text.strip_suffix('}')).unwrap_or(bare).trim();
    text.is_empty() && !named || matches!(text, "," | ";" | "/" | "and" | "or" | ", and" | ", or")
}
