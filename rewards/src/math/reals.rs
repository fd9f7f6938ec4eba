//! Words for sets of real numbers: "all real numbers except 2 and 3", "all real x such that x ≠ 2".
//!
//! ```text
//! set = ["x" ("∈" | "is" | "can be")] ["the set of"] ("all" | "any" | "every" | "each") "real" ["numbers" | "values of"] ["x"]
//!       [ ("except" | "other than" | "but" | …) values | [("such that" | "where" | "with")] condition
//!       | ("greater than" | "at least" | …) value ]
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
const CONDITIONS: [&str; 3] = ["such", "where", "with"];
/// Words between an exception and what it names.
const BEHIND_EXCEPTION: [&str; 9] = ["for", "than", "from", "to", "equal", "that", "when", "not", "the"];
/// Words for comparisons, and their signs.
#[rustfmt::skip]
const BOUNDS: [(&[&str], &str); 8] = [
    (&["greater", "than", "or", "equal", "to"], "\\ge"), (&["less", "than", "or", "equal", "to"], "\\le"),
    (&["greater", "than"], ">"), (&["larger", "than"], ">"), (&["less", "than"], "<"), (&["smaller", "than"], "<"),
    (&["at", "least"], "\\ge"), (&["at", "most"], "\\le"),
];
const COMPARISONS: [&str; 5] = ["≠", "<", ">", "≤", "≥"];

/// The set that `text` describes in words, in signs; none where it is none, or already in signs.
pub(super) fn in_signs(text: &str) -> Option<String> {
    let pieces = pieces(text);
    let words: Vec<String> = pieces.iter().map(Piece::word).collect();
    let said = |list: &[&str], word: &String| list.contains(&word.as_str());
    let begins = |word: &String| {
        let is_bound = BOUNDS.iter().any(|(bound, _)| bound.first() == Some(&word.as_str()));
        is_bound || [&EXCEPTIONS[..], &CONDITIONS, &COMPARISONS].iter().any(|list| said(list, word))
    };
    let end = words.iter().position(begins).unwrap_or(words.len());
    let (name, rest) = words.split_at_checked(end)?;
    let is_name = name.iter().zip(&pieces).all(|(word, piece)| said(&NAME, word) || piece.is_letter());
    let is_real = name.iter().any(|word| matches!(word.as_str(), "real" | "reals" | "ℝ"));
    if !is_name || !is_real || !name.iter().any(|word| said(&QUANTIFIERS, word)) {
        return None;
    }
    let mut letters = name.iter().filter(|word| !said(&NAME, word));
    let letter = letters.next();
    if letters.any(|other| Some(other) != letter) {
        return None;
    }
    let Some(word) = rest.first() else {
        let worded = !name.iter().any(|word| word == "ℝ" || word == "∈");
        return worded.then(|| "\\mathbb{R}".into());
    };
    let from =
        |at: usize| Some((pieces.get(at..)?, without_loose_braces(text.get(pieces.get(at)?.start..)?)));
    if said(&COMPARISONS, word) {
        return condition(from(end.checked_sub(1)?)?, letter);
    }
    if said(&CONDITIONS, word) {
        let such_that = usize::from(rest.get(1).is_some_and(|word| word == "that"));
        return condition(from(end + 1 + such_that)?, letter);
    }
    if let Some((bound, sign)) = BOUNDS
        .iter()
        .find(|(bound, _)| rest.iter().map(String::as_str).take(bound.len()).eq(bound.iter().copied()))
    {
        let (value, written) = from(end + bound.len())?;
        let is_value = !value.iter().any(|piece| is_worded(piece) || said(&COMPARISONS, &piece.text));
        return is_value.then(|| format!("x \\in \\mathbb{{R}}, x {sign} {written}"));
    }
    let skipped = rest.iter().skip(1).take_while(|word| said(&BEHIND_EXCEPTION, word)).count();
    let (values, written) = from(end + 1 + skipped)?;
    let is_compared = values.iter().any(|piece| said(&COMPARISONS, &piece.text));
    (said(&EXCEPTIONS, word) && !is_compared).then(|| format!("\\mathbb{{R}} \\setminus \\{{{written}\\}}"))
}

/// The real numbers, called `name` where they have a name, that meet the condition `written`, whose pieces are `pieces`: it
/// holds signs and no words but "and" and "or", for others may deny it.
fn condition((pieces, written): (&[Piece], String), name: Option<&String>) -> Option<String> {
    let is_compared = pieces.iter().any(|piece| COMPARISONS.contains(&piece.text.as_str()));
    let mut words = pieces.iter().filter(|piece| is_worded(piece)).map(Piece::word);
    let letter = &pieces.iter().find(|piece| piece.is_letter())?.text;
    let is_of_name = name.is_none_or(|name| *name == letter.to_lowercase());
    (is_compared && is_of_name && words.all(|word| matches!(word.as_str(), "and" | "or")))
        .then(|| format!("{letter} \\in \\mathbb{{R}}, {written}"))
}

/// Whether the piece is a word or denies, and is no letter.
fn is_worded(piece: &Piece) -> bool {
    piece.text.chars().nth(1).is_some() && piece.text.chars().all(char::is_alphabetic)
        || matches!(piece.text.as_str(), "¬" | "\\neg" | "\\lnot" | "\\not")
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
            ("\\text{all real } x > 2", Some("x \\in \\mathbb{R}, x > 2")),
            ("\\text{all real numbers at least } 2", Some("x \\in \\mathbb{R}, x \\ge 2")),
            ("\\text{all real numbers not at least } 2", Some("\\mathbb{R} \\setminus \\{at least  2\\}")),
            ("\\text{all real } x \\text{ such that not } x > 2", None),
            ("\\text{all real numbers but } x > 2", None),
            ("\\text{all real } x, y > 2", None),
            ("\\text{all real } x \\text{ such that } y > 2", None),
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
