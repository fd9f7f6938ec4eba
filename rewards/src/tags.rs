//! Finding what is enclosed in free text, `<answer>…</answer>` or braces, in time linear in its length.

/// Opens an answer.
pub(crate) const OPEN: &str = "<answer>";
/// Closes an answer.
pub(crate) const CLOSE: &str = "</answer>";

/// Contents of the answer tags from left to right, as the regular expression `<answer>(.*?)</answer>` finds them:
/// each opening tag pairs with the next closing tag, so that a content may itself hold an opening tag.
pub(crate) fn answers(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(OPEN)?;
        let (content, after) = after.split_once(CLOSE)?;
        rest = after;
        Some(content)
    })
}

/// Content of the last complete pair of tags, from the innermost opening tag on: a response that talks about the
/// `<answer>` tag before it uses it is read as meant.
pub(crate) fn last_answer(text: &str) -> Option<&str> {
    answers(text).last()?.rsplit(OPEN).next()
}

/// `text` up to the brace that closes one opened just before it.
pub(crate) fn balanced(text: &str) -> Option<&str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_found_from_left_to_right() {
        for (text, expected, last) in [
            ("", vec![], None),
            ("<answer>1", vec![], None),
            ("1</answer>", vec![], None),
            ("</answer><answer>", vec![], None),
            ("<answer></answer>", vec![""], Some("")),
            ("a<answer>1</answer>b<answer>2</answer>c", vec!["1", "2"], Some("2")),
            ("<answer>1</answer>2</answer>", vec!["1"], Some("1")),
            ("<answer>1</answer><answer>2", vec!["1"], Some("1")),
            ("in <answer> tags: <answer>1\n</answer>", vec![" tags: <answer>1\n"], Some("1\n")),
            ("<Answer>1</Answer>", vec![], None),
        ] {
            assert_eq!(answers(text).collect::<Vec<_>>(), expected, "{text}");
            assert_eq!(last_answer(text), last, "{text}");
        }
    }
}
