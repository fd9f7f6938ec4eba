//! Finding `<answer>…</answer>` in free text, in time linear in its length.

const OPEN: &str = "<answer>";
const CLOSE: &str = "</answer>";

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
