//! Answers in boxes: the last `\boxed{…}` or `\fbox{…}`, the outermost of nested ones. Boxes joined by nothing but "and",
//! "or", commas and slashes, or by a hedge such as "or maybe", are one list.
//!
//! Without braces a box holds the formula right behind its command, as in `$\boxed 5$` and `\boxed\frac12`. Where a word
//! or a mark follows, the command is talked about: "put it into a \boxed command". A digit before prose may be either: "I used
//! \boxed 0 times".

use std::cell::LazyCell;

use crate::tags::balanced;

/// Longest hedge between two boxes, in bytes.
const MAX_HEDGE: usize = 40;
/// Words between two boxes that leave open which of them is the answer.
const HEDGES: [&str; 6] = ["or", "maybe", "perhaps", "possibly", "alternatively", "otherwise"];

/// What ends a formula without braces.
const FORMULA_ENDS: [&str; 7] = ["$", "\n", "`", "\\)", "\\]", ". ", "**"];

/// A box: where its command starts and where it ends in the text, and what it holds.
pub(crate) struct Boxed<'a> {
    start: usize,
    end: usize,
    /// What stands between its braces.
    pub(crate) content: &'a str,
    /// Whether it may be no box, but the command talked about.
    pub(crate) is_loose: bool,
}

impl Boxed<'_> {
    /// Where it stands in the text, with its command.
    pub(crate) fn place(&self) -> std::ops::Range<usize> {
        self.start..self.end
    }
}

/// A box without its end, and where it starts.
pub(crate) struct Unclosed(pub(crate) usize);

/// The boxes that are in no other box, from left to right.
pub(crate) fn boxes(text: &str) -> Result<Vec<Boxed<'_>>, Unclosed> {
    let (mut boxes, mut from) = (Vec::new(), 0);
    let ends = LazyCell::new(|| formula_ends(text));
    for (start, _) in text.match_indices('\\') {
        let command = text.get(start..).unwrap_or_default();
        let after = command.strip_prefix("\\boxed").or_else(|| command.strip_prefix("\\fbox"));
        let Some(after) = after.filter(|_| start >= from) else { continue };
        let (content, is_loose) = match after.trim_start().strip_prefix('{') {
            Some(inside) => (balanced(inside).ok_or(Unclosed(start))?, false),
            None => {
                let end = |after: &str| {
                    let at = text.len() - after.len();
                    ends.get(ends.partition_point(|end| *end < at)).map_or(after.len(), |end| end - at)
                };
                let Some(formula) = formula(after, end) else { continue };
                formula
            }
        };
        let end = content.as_ptr().addr() - text.as_ptr().addr() + content.len();
        from = end + usize::from(text.get(end..).is_some_and(|rest| rest.starts_with('}')));
        boxes.push(Boxed { start, end: from, content, is_loose });
    }
    Ok(boxes)
}

/// Where in `text` a formula without braces would end.
fn formula_ends(text: &str) -> Vec<usize> {
    let marks = text.match_indices(['$', '\n', '`', '\\', '.', '*']).map(|(at, _)| at);
    let ends = |at: &usize| {
        let rest = text.get(*at..).unwrap_or_default();
        FORMULA_ENDS.iter().any(|end| rest.starts_with(end))
    };
    marks.filter(ends).collect()
}

/// The formula that `after`, the text behind the command of a box, begins with; none where it is no formula. It goes up
/// to the end of the mathematics, the sentence or the line, where `end_of` says. A bracket or a single letter is a
/// formula between dollars only. Also whether it is a number in prose outside of dollars.
fn formula(after: &str, end_of: impl Fn(&str) -> usize) -> Option<(&str, bool)> {
    if after.starts_with(|c: char| c.is_ascii_alphabetic()) {
        // Another command.
        return None;
    }
    let after = after.trim_start_matches([' ', '\t', '~']);
    let unsigned = after.trim_start_matches(['+', '-', '−', ' ']);
    let mut symbols = unsigned.chars();
    let first = symbols.next()?;
    let second = symbols.clone().next();
    let needs_dollars = match first {
        '0'..='9' => false,
        '.' if second.is_some_and(|c| c.is_ascii_digit()) => false,
        '\\' if second.is_some_and(|c| c.is_ascii_alphabetic() || c == '{') => false,
        '(' | '[' => true,
        letter if letter.is_alphabetic() && ends_mathematics(symbols.as_str().trim_start()) => true,
        _ => return None,
    };
    let (formula, rest) = after.split_at_checked(end_of(after))?;
    let formula = formula.trim_end_matches([' ', '.', ',', '!']);
    let bare = without_prose(formula);
    let is_loose = first.is_ascii_digit() && bare.len() < formula.len() && !ends_mathematics(rest);
    (!needs_dollars || ends_mathematics(rest)).then_some((bare, is_loose))
}

fn ends_mathematics(rest: &str) -> bool {
    ["$", "\\)", "\\]"].iter().any(|end| rest.starts_with(end))
}

/// The number or command that `formula` begins with, where words without another number follow: of "5 as asked" the 5.
fn without_prose(formula: &str) -> &str {
    let Some((token, rest)) = formula.split_once(' ') else { return formula };
    let is_word = |word: &str| {
        let letters = word.trim_matches(|c: char| "(),:;".contains(c));
        !letters.is_empty() && letters.chars().all(char::is_alphabetic)
    };
    let mut words = rest.split_whitespace();
    let is_prose = words.clone().all(is_word) && words.next().is_some_and(|word| word.len() > 1);
    let leaves_open = |word: &str| HEDGES.contains(&word) || matches!(word, "not" | "and" | "to");
    if is_prose && !rest.split_whitespace().any(leaves_open) { token } else { formula }
}

/// Whether the second box goes on with the list that the first one begins.
pub(crate) fn are_joined(text: &str, first: &Boxed<'_>, second: &Boxed<'_>) -> bool {
    text.get(first.end..second.start).is_some_and(is_joint)
}

/// The last box, together with those before it that only a joint parts from it; equal ones once.
pub(crate) fn last_list(text: &str, boxes: &[Boxed<'_>]) -> String {
    let mut first = boxes.len().saturating_sub(1);
    while let Some((left, right)) =
        first.checked_sub(1).and_then(|left| Some((boxes.get(left)?, boxes.get(first)?)))
        && are_joined(text, left, right)
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
