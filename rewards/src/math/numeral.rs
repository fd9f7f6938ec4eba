//! Whole numbers in words, and ordinals: `seven`, `twenty-five`, `12th`, `3^{\text{rd}}`.

const BELOW_TWENTY: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// The number below a hundred that `word` names, in whatever case.
pub(super) fn value(word: &str) -> Option<usize> {
    let place = |names: &[&str], word: &str| names.iter().position(|name| name.eq_ignore_ascii_case(word));
    let tens = |word: &str| Some(10 * (place(&TENS, word)? + 2));
    let (first, last) = word.split_once(['-', ' ']).unwrap_or((word, ""));
    if last.is_empty() {
        return place(&BELOW_TWENTY, first).or_else(|| tens(first));
    }
    Some(tens(first)? + place(BELOW_TWENTY.get(..10)?, last).filter(|unit| *unit > 0)?)
}

/// The digits of a text that is nothing but an ordinal with digits, or a number in words.
pub(super) fn digits(text: &str) -> Option<String> {
    let bare = text.trim_matches('$').trim();
    let word = bare.strip_prefix("\\text{").and_then(|inner| inner.strip_suffix('}')).unwrap_or(bare);
    if let Some(value) = value(word.trim()) {
        return Some(value.to_string());
    }
    let end = bare.find(|c: char| !c.is_ascii_digit())?;
    let (digits, ending) = bare.split_at_checked(end)?;
    let ending = ending.replace("\\text", "").replace("\\mathrm", "");
    let ending = ending.trim_matches(|c: char| " ^{}".contains(c));
    let expected = match digits.chars().last()? {
        _ if ["11", "12", "13"].iter().any(|teen| digits.ends_with(teen)) => "th",
        '1' => "st",
        '2' => "nd",
        '3' => "rd",
        _ => "th",
    };
    (ending == expected).then(|| digits.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_ordinals_are_numbers() {
        for (text, expected) in [
            ("seven", Some("7")),
            ("\\text{Twelve}", Some("12")),
            ("twenty-five", Some("25")),
            ("ninety", Some("90")),
            ("3^{\\text{rd}}", Some("3")),
            ("$12^{th}$", Some("12")),
            ("11th", Some("11")),
            ("21st", Some("21")),
            ("12nd", None),
            ("th", None),
            ("twenty-zero", None),
            ("seven apples", None),
            ("7", None),
            ("", None),
        ] {
            assert_eq!(digits(text).as_deref(), expected, "{text}");
        }
    }
}
