//! Answers in prose: what follows "the answer is", or what the last line says.

use crate::{
    announce::{Form, announcements, is_negated, words},
    claim,
    math::numeral,
};

/// Words before an answer that say nothing of it.
const FILLERS: [&str; 24] = [
    "be",
    "therefore",
    "thus",
    "hence",
    "so",
    "then",
    "finally",
    "consequently",
    "simply",
    "just",
    "clearly",
    "indeed",
    "exactly",
    "and",
    "we",
    "get",
    "have",
    "obtain",
    "find",
    "that",
    "given by",
    "equal to",
    "∴",
    "\\therefore",
];
/// Words with which a sentence does not say that its number is the answer.
const HEDGES: [&str; 30] = [
    "not",
    "no",
    "nor",
    "never",
    "cannot",
    "neither",
    "either",
    "or",
    "and",
    "than",
    "least",
    "most",
    "less",
    "more",
    "fewer",
    "greater",
    "between",
    "about",
    "approximately",
    "around",
    "roughly",
    "almost",
    "nearly",
    "except",
    "wrong",
    "incorrect",
    "maybe",
    "possibly",
    "perhaps",
    "if",
];
/// Displayed formulas.
const DISPLAYS: [(&str, &str); 7] = [
    ("\\[", "\\]"),
    ("$$", "$$"),
    ("\\begin{align*}", "\\end{align*}"),
    ("\\begin{align}", "\\end{align}"),
    ("\\begin{equation*}", "\\end{equation*}"),
    ("\\begin{equation}", "\\end{equation}"),
    ("\\begin{gather*}", "\\end{gather*}"),
];
/// Endings that say that what is before them is the answer.
const ENDINGS: [&str; 3] = [" is the answer", " is the final answer", " is our answer"];

/// What the last phrase announces, see [`announcements`], up to the end of the line or sentence, or the displayed formula
/// there; empty where that is denied.
pub(super) fn announced(text: &str) -> Option<&str> {
    announcements(text, |_| false).find_map(|found| {
        let said = match found.form {
            Form::Before(after) => follows(after)?,
            Form::Behind { said, .. } => concluded(said).filter(|said| is_mathematical(said))?,
        };
        let end = said.as_ptr().addr() - text.as_ptr().addr() + said.len();
        let behind = text.get(end..).unwrap_or_default();
        let is_denied =
            found.is_denied || matches!(found.form, Form::Before(_)) && claim::is_taken_back(behind);
        Some(if is_denied { "" } else { said })
    })
}

/// What `after`, the text behind a phrase, says up to the end of the line or sentence.
fn follows(after: &str) -> Option<&str> {
    let headline = after.starts_with('\n');
    let after = after.trim_start();
    for (open, close) in DISPLAYS {
        if let Some((display, _)) = after.strip_prefix(open).and_then(|rest| rest.split_once(close)) {
            return Some(display);
        }
    }
    // Below a headline there may be a whole solution.
    let line = after.lines().next().unwrap_or_default();
    let alone = !headline || line.len() == after.trim_end().len();
    alone.then(|| {
        let said =
            claim::without_asides(first_sentence(without_fillers(line))).trim_end_matches(['*', '_', ' ']);
        // No factorial, but an exclamation.
        said.strip_suffix('!').filter(|said| said.chars().all(|c| c.is_ascii_digit())).unwrap_or(said)
    })
}

/// Whether the text holds a digit or a formula.
pub(super) fn is_mathematical(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit() || "$\\=".contains(c))
}

/// What `line`, the last of a response, says: its formula or what its verb gives; none where it has no mathematics.
pub(super) fn concluded(line: &str) -> Option<&str> {
    let sentence = last_sentence(line).trim_matches(['*', '_', '#', '>', ' ']);
    if !is_mathematical(sentence) || is_negated(sentence) {
        return None;
    }
    let sentence = ENDINGS.iter().find_map(|ending| sentence.strip_suffix(ending)).unwrap_or(sentence);
    let said = without_fillers(sentence);
    let verbs = [" is ", " are ", " equals ", " get ", " have ", " obtain "];
    let said = verbs.iter().filter_map(|verb| Some(said.rsplit_once(verb)?.1)).min_by_key(|rest| rest.len());
    let said = said.unwrap_or_else(|| without_fillers(sentence));
    Some(only_formula(said).or_else(|| only_number(said)).unwrap_or(claim::without_asides(said)))
}

/// The number in prose such as "she sold 24 + 48 = 72 clips", where it is the only one behind the last sign.
fn only_number(text: &str) -> Option<&str> {
    let is_word = |word: &&str| word.len() > 2 && word.chars().all(|c| c.is_ascii_lowercase());
    if text.contains('\\') || !text.split_whitespace().any(|word| is_word(&word)) {
        return None;
    }
    let said = text.rsplit('=').next()?;
    let mut words = said.split_whitespace().map(|word| word.trim_matches([',', '(', ')', '*']));
    let number = words.clone().find(|word| word.contains(|c: char| c.is_ascii_digit()))?;
    // Two months, but not two numbers, may be joined.
    let joined = said.contains(" and ");
    let is_hedge = |word: &str| match word {
        "and" => false,
        word => HEDGES.contains(&word) || joined && numeral::value(word).is_some(),
    };
    let prose = |word: &str| word.chars().all(|c| c.is_alphabetic() || "'’".contains(c)) && !is_hedge(word);
    words.all(|word| std::ptr::eq(word, number) || prose(word)).then_some(number)
}

/// The formula between dollars in prose, where it is the only one.
fn only_formula(text: &str) -> Option<&str> {
    let (before, rest) = text.split_once('$').or_else(|| text.split_once("\\("))?;
    let (formula, after) = rest.split_once('$').or_else(|| rest.split_once("\\)"))?;
    let prose = |text: &str| {
        let hedged = words(text).any(|word| HEDGES.contains(&word));
        !hedged && !text.contains(|c: char| c.is_ascii_digit() || "$\\".contains(c))
    };
    (prose(before) && prose(after)).then_some(formula)
}

fn without_fillers(text: &str) -> &str {
    let mut text = text;
    while let Some(rest) = FILLERS.iter().find_map(|filler| {
        let head = text.get(..filler.len())?;
        let rest = text.get(filler.len()..)?;
        (head.eq_ignore_ascii_case(filler) && rest.starts_with([' ', ',', ':'])).then_some(rest)
    }) {
        text = rest.trim_start_matches([' ', ',', ':']);
    }
    text
}

/// Up to the first period that ends a sentence.
fn first_sentence(line: &str) -> &str {
    claim::sentence(line).trim_end_matches(['.', '*', '_', ' '])
}

fn last_sentence(line: &str) -> &str {
    claim::last_sentence(line.trim_end_matches(['.', '*', ' ', '!']))
}
