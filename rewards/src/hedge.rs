//! Words with which a text says what an answer is not, or no more than what bounds it.

const DENIALS: [&str; 9] = ["not", "never", "cannot", "neither", "nor", "except", "but", "neg", "lnot"];
/// Last words of a bound: "less than", "at least", "at most".
const BOUNDS: [&str; 3] = ["than", "least", "most"];
/// Words that may stand between one of these and what it is about.
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

/// Whether a word of `text` denies something.
pub(crate) fn denies(text: &str) -> bool {
    text.contains('¬') || words_from_the_end(text).any(is_denial)
}

/// Whether what stands directly behind `before` is denied, or a bound: "not 5", "less than or equal to 5", "x < 5".
pub(crate) fn denies_what_follows(before: &str) -> bool {
    let before = before.trim_end_matches([' ', '$', '£', '€', '\\', '{', '(', '*', '_', '"']);
    if RELATIONS.iter().any(|sign| before.ends_with(sign)) || compares(before) {
        return true;
    }
    let clause = before.rsplit([',', ';', '.', '!', '?', '\n']).next().unwrap_or(before);
    let is_filler = |word: &&str| FILLERS.iter().any(|filler| word.eq_ignore_ascii_case(filler));
    let word = words_from_the_end(clause).find(|word| !is_filler(word));
    word.is_some_and(|word| is_denial(word) || BOUNDS.iter().any(|bound| word.eq_ignore_ascii_case(bound)))
}

/// Whether `text` ends in a `<` or `>` that compares, and is no part of a tag, an arrow, a quotation or `<<9*2=18>>`.
fn compares(text: &str) -> bool {
    let Some(left) = text.strip_suffix(['<', '>']) else { return false };
    let line = left.rsplit('\n').next().unwrap_or(left).trim();
    !line.is_empty() && !line.contains('<') && !line.ends_with(['-', '=', '>'])
}

fn is_denial(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    DENIALS.contains(&&*word) || word.ends_with("n't") || word.ends_with("n’t")
}

fn words_from_the_end(text: &str) -> impl Iterator<Item = &str> {
    text.rsplit(|c: char| !c.is_alphabetic() && c != '\'' && c != '’').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_denial_or_a_bound_is_denied() {
        for before in [
            "not ",
            "It is NOT $",
            "it can't be ",
            "it isn’t equal to the number ",
            "all but ",
            "\\text{not }",
            "\\neg ",
            "less than or equal to \\$",
            "at least ",
            "x < ",
            "x>",
            "x \\neq ",
            "x != ",
            "**not** **",
        ] {
            assert!(denies_what_follows(before), "{before}");
        }
    }

    #[test]
    fn what_stands_elsewhere_denies_nothing() {
        for before in [
            "",
            "She does not eat any, so there are ",
            "What he did not spend is ",
            "It is not 3. It is ",
            "not so\n",
            "a knot ",
            "at last ",
            "<<9*2=18>>",
            "<b>",
            "\n> ",
            "so -> ",
            "so => ",
            "\\angle ",
        ] {
            assert!(!denies_what_follows(before), "{before}");
        }
    }

    #[test]
    fn a_denial_is_a_whole_word() {
        for (text, expected) in [
            ("neither of them", true),
            ("it Isn't", true),
            ("¬B", true),
            ("anything except", true),
            ("nothing, button, paint", false),
            ("less than", false),
        ] {
            assert_eq!(denies(text), expected, "{text}");
        }
    }
}
