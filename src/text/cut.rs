//! What others wrote, in messages of ours.

/// Most characters that a message shows of it.
const MAX_SHOWN: usize = 300;

/// The beginning of `text`, of whatever length that is, with a mark where more follows.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_shown_by_their_beginning() {
        assert_eq!(cut("é"), "é");
        assert_eq!(cut(&"é".repeat(300)), "é".repeat(300));
        assert_eq!(cut(&"é".repeat(301)), "é".repeat(300) + "…");
    }
}
