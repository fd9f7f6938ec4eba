//! Words for sets of real numbers: "all real numbers except 2 and 3", "all real x such that x ≠ 2".
//!
//! ```text
//! set = ["x" ("∈" | "is" | "can be")] ["the set of"] ("all" | "any" | "every" | "each") "real" ["numbers" | "values of"] ["x"]
//!       [ ("except" | "other than" | "but" | …) values | ("such that" | "where" | "with" | …) condition ]
//! ```

use super::prose::{Piece, pieces};

/// Words of which the name of the set is made.
#[rustfmt::skip]
const NAME: [&str; 20] = [
    "all", "any", "every", "each", "the", "set", "of", "real", "reals", "number", "numbers", "value", "values", "is", "can",
    "be", "a", "∈", "ℝ", ",",
];
/// Words that say all are meant.
const QUANTIFIERS: [&str; 6] = ["all", "any", "every", "each", "set", "ℝ"];
/// What values that are left out follow.
#[rustfmt::skip]
const EXCEPTIONS: [&str; 10] =
    ["except", "excepting", "excluding", "other", "but", "besides", "without", "different", "not", "apart"];
/// What a condition follows.
const CONDITIONS: [&str; 4] = ["such", "where", "with", "but"];
/// Words between an exception or condition and what it names.
const BETWEEN: [&str; 9] = ["for", "than", "from", "to", "equal", "that", "when", "not", "the"];
const COMPARISONS: [&str; 5] = ["≠", "<", ">", "≤", "≥"];

/// The set that `text` describes in words, in signs; none where it is none, or already in signs.
pub(super) fn in_signs(text: &str) -> Option<String> {
    let pieces = pieces(text);
    let words: Vec<String> = pieces.iter().map(Piece::word).collect();
    let said = |list: &[&str], word: &String| list.contains(&word.as_str());
    let end = words.iter().position(|word| said(&EXCEPTIONS, word) || said(&CONDITIONS, word));
    let (name, rest) = words.split_at_checked(end.unwrap_or(words.len()))?;
    let is_name = name.iter().zip(&pieces).all(|(word, piece)| said(&NAME, word) || piece.is_letter());
    let is_real = name.iter().any(|word| matches!(word.as_str(), "real" | "reals" | "ℝ"));
    if !is_name || !is_real || !name.iter().any(|word| said(&QUANTIFIERS, word)) {
        return None;
    }
    let Some(word) = rest.first() else {
        let worded = !name.iter().any(|word| word == "ℝ" || word == "∈");
        return worded.then(|| "\\mathbb{R}".into());
    };
    let skipped = 1 + rest.iter().skip(1).take_while(|word| said(&BETWEEN, word)).count();
    let tail = pieces.get(name.len() + skipped..)?;
    let written = without_loose_braces(text.get(tail.first()?.start..)?);
    if tail.iter().any(|piece| said(&COMPARISONS, &piece.text)) {
        let letter = &tail.iter().find(|piece| piece.is_letter())?.text;
        return said(&CONDITIONS, word).then(|| format!("{letter} \\in \\mathbb{{R}}, {written}"));
    }
    said(&EXCEPTIONS, word).then(|| format!("\\mathbb{{R}} \\setminus \\{{{written}\\}}"))
}

/// `text` without braces that close what is opened before it.
fn without_loose_braces(text: &str) -> String {
    let (mut kept, mut depth, mut escaped) = (String::new(), 0_usize, false);
    for c in text.trim_end_matches(['.', ' ']).chars() {
        match c {
            '{' if !escaped => depth += 1,
            '}' if !escaped && depth == 0 => continue,
            '}' if !escaped => depth -= 1,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_signs() {
        for (text, expected) in [
            ("all real numbers", Some("\\mathbb{R}")),
            ("\\text{all real numbers except 2 and }3", Some("\\mathbb{R} \\setminus \\{2 and 3\\}")),
            (
                "x \\text{ can be any real number other than } \\frac{1}{2}",
                Some("\\mathbb{R} \\setminus \\{\\frac{1}{2}\\}"),
            ),
            ("\\text{all real } x \\text{ such that } x \\ne 2", Some("x \\in \\mathbb{R}, x \\ne 2")),
            ("\\text{all positive real numbers}", None),
            ("\\text{all real numbers except } x < 2", None),
            ("\\text{not all real numbers}", None),
            ("\\mathbb{R}", None),
            ("", None),
        ] {
            assert_eq!(in_signs(text).as_deref(), expected, "{text}");
        }
    }
}
