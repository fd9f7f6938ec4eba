//! Words and signs with which a text gives no more than a bound of a number.

use crate::announce::words;

/// Last words of a bound: "less than", "at least", "over".
#[rustfmt::skip]
const BOUNDS: [&str; 11] = [
    "than", "least", "most", "over", "under", "above", "below", "beyond", "exceeds", "exceed", "exceeding",
];
/// Words before "up to" with which it is no bound: "they add up to".
#[rustfmt::skip]
const SUMS: [&str; 18] = [
    "add", "adds", "added", "adding", "sum", "sums", "summed", "summing", "come", "comes", "came", "coming",
    "total", "totals", "round", "rounds", "rounded", "rounding",
];
/// Words that may stand between one of these and the number.
const FILLERS: [&str; 17] = [
    "be",
    "been",
    "equal",
    "equals",
    "to",
    "or",
    "the",
    "a",
    "an",
    "number",
    "value",
    "exactly",
    "only",
    "just",
    "really",
    "about",
    "approximately",
];
/// Relations to a number that is not the answer, but for `<` and `>`, which have other uses.
const RELATIONS: [&str; 15] =
    ["<=", ">=", "!=", "≤", "≥", "≠", "¬", "\\neq", "\\ne", "\\leq", "\\le", "\\geq", "\\ge", "\\lt", "\\gt"];

/// Whether the number directly behind `before` is a bound: "less than or equal to 5", "x < 5".
pub(crate) fn bounds_what_follows(before: &str) -> bool {
    let before = before.trim_end_matches([' ', '$', '£', '€', '\\', '{', '(', '*', '_', '"']);
    if RELATIONS.iter().any(|sign| before.ends_with(sign)) || compares(before) {
        return true;
    }
    let clause = before.rsplit([',', ';', '.', '!', '?', '\n']).next().unwrap_or(before);
    let is_in = |list: &[&str], word: &str| list.iter().any(|other| word.eq_ignore_ascii_case(other));
    let mut said = words(clause).filter(|word| !is_in(&FILLERS, word)).collect::<Vec<_>>().into_iter().rev();
    let (last, second) = (said.next().unwrap_or_default(), said.next().unwrap_or_default());
    let is_up_to = || {
        let said: Vec<&str> = words(clause).collect();
        matches!(said[..], [.., up, to] if is_in(&["up"], up) && is_in(&["to"], to)) && !is_in(&SUMS, second)
    };
    let of_bound = || is_in(&["of"], last) && is_in(&["minimum", "maximum", "excess", "upwards"], second);
    is_in(&BOUNDS, last) || of_bound() || is_in(&["up"], last) && is_up_to()
}

/// Whether the number directly before `after` is a bound: "5 or more", "5 at least".
pub(crate) fn bounds_what_precedes(after: &str) -> bool {
    #[rustfmt::skip]
    const BOUNDS: [&str; 24] = [
        "or more", "or less", "or fewer", "or greater", "or larger", "or higher", "or lower", "or above", "or below",
        "or over", "or under", "or up", "and up", "and above", "and below", "and over", "and under", "and more",
        "at least", "at most", "at minimum", "at maximum", "at a m", "at the m",
    ];
    let after = after.trim_start_matches([' ', '$', '*', '_', ',']);
    let compares =
        after.starts_with(['<', '>', '≤', '≥', '≠']) && !after.starts_with("</") && !after.starts_with(">>");
    BOUNDS.iter().any(|bound| after.starts_with(bound)) || compares
}

/// Whether `text` ends in a `<` or `>` that compares, and is no part of a tag, an arrow, a quotation or `<<9*2=18>>`.
fn compares(text: &str) -> bool {
    let Some(left) = text.strip_suffix(['<', '>']) else { return false };
    let line = left.rsplit('\n').next().unwrap_or(left).trim();
    !line.is_empty() && !line.contains('<') && !line.ends_with(['-', '=', '>'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_bound_is_bounded() {
        for before in [
            "less than or equal to \\$",
            "at least ",
            "x < ",
            "x>",
            "x \\neq ",
            "x != ",
            "other than the number ",
        ] {
            assert!(bounds_what_follows(before), "{before}");
        }
    }

    #[test]
    fn what_stands_elsewhere_bounds_nothing() {
        for before in [
            "",
            "at last ",
            "<<9*2=18>>",
            "<b>",
            "\n> ",
            "so -> ",
            "so => ",
            "\\angle ",
            "less than 3. It is ",
            "more than\n",
        ] {
            assert!(!bounds_what_follows(before), "{before}");
        }
    }
}
