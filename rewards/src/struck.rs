//! What a text takes back by striking it out: `~~5~~`, `<del>5</del>`, `\cancel{5}`.

use std::borrow::Cow;

use crate::tags::balanced;

/// Longest piece that is struck out, in bytes.
const MAX_STRUCK: usize = 300;
const TILDES: &str = "~~";
/// Tags around what is struck out; `<s>` is left out, as some tokenizers begin a text with it.
const TAGS: [(&str, &str); 2] = [("<del>", "</del>"), ("<strike>", "</strike>")];
/// Commands whose argument is struck out.
const COMMANDS: [&str; 4] = ["\\cancel{", "\\bcancel{", "\\xcancel{", "\\sout{"];

/// `text` without what is struck out in it.
pub(crate) fn without_struck(text: &str) -> Cow<'_, str> {
    let mut signs = TAGS.iter().map(|(open, _)| *open).chain(COMMANDS).chain([TILDES]);
    if !signs.any(|sign| text.contains(sign)) {
        return Cow::Borrowed(text);
    }
    let mut left = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.find(['~', '<', '\\']).and_then(|at| rest.split_at_checked(at)) {
        left.push_str(before);
        // Of what is not struck out, tildes stay together.
        let n_tildes = from.bytes().take_while(|byte| *byte == b'~').count();
        let (kept, behind) = match struck(&left, from) {
            Some(length) => ("", from.get(length..)),
            None => from
                .split_at_checked(n_tildes.max(1))
                .map(|(kept, rest)| (kept, Some(rest)))
                .unwrap_or_default(),
        };
        left.push_str(kept);
        rest = behind.unwrap_or_default();
    }
    left.push_str(rest);
    Cow::Owned(left)
}

/// The length of what is struck out at the start of `from`, which follows `before`.
fn struck(before: &str, from: &str) -> Option<usize> {
    let end = (0..=from.len().min(MAX_STRUCK)).rev().find(|end| from.is_char_boundary(*end))?;
    let near = from.get(..end)?;
    if let Some(inside) = near.strip_prefix(TILDES) {
        let length = inside.find(TILDES)?;
        let (inside, behind) = inside.split_at_checked(length)?;
        let opens = !before.ends_with(|c: char| c.is_alphanumeric() || c == '}');
        // `5~~\text{m}, 6~~\text{s}` are blanks of LaTeX, `~~~` begins a listing.
        let joined =
            behind.get(TILDES.len()..)?.starts_with(|c: char| c.is_alphanumeric() || "~\\".contains(c));
        let fits =
            !inside.starts_with([' ', '~', '\n']) && !inside.ends_with([' ', '\n']) && !inside.contains('\n');
        return (opens && fits && !joined).then_some(length + 2 * TILDES.len());
    }
    if let Some((open, close)) = TAGS.iter().find(|(open, _)| near.starts_with(open)) {
        return Some(near.get(open.len()..)?.find(close)? + open.len() + close.len());
    }
    let command = COMMANDS.iter().find(|command| near.starts_with(**command))?;
    Some(command.len() + balanced(near.get(command.len()..)?)?.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_struck_out_is_gone() {
        for (text, expected) in [
            ("~~4~~", ""),
            ("Answer: ~~A~~ B", "Answer:  B"),
            ("(~~4 or 5~~, 6)", "(, 6)"),
            ("<del>4</del><strike>5</strike>6", "6"),
            ("\\boxed{\\cancel{4}} \\xcancel{\\frac{1}{2}}5", "\\boxed{} 5"),
        ] {
            assert_eq!(without_struck(text), expected);
        }
        for text in [
            "5~~\\text{m}, 6~~\\text{s}",
            "~~~\n5\n~~~",
            "~5~",
            "a~~b~~c",
            "~~5",
            "<del>5",
            "\\cancel{5",
            "5",
        ] {
            assert_eq!(without_struck(text), text);
        }
    }
}
