//! Answers in prose: what follows "the answer is", or what the last line says.

use crate::math::numeral;

/// How far from "answer" its verb may be, in bytes.
const WINDOW: usize = 100;
/// Verbs and signs between "answer" and what it is.
const VERBS: [&str; 7] = [" is", " are", " be", " equals", " was", ":", "="];
/// Words before an answer that say nothing of it.
const FILLERS: [&str; 23] = [
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
/// What begins an explanation behind an answer.
const ASIDES: [&str; 9] =
    [" because ", " since ", ", since ", ", because ", ", which ", ", as ", ", not ", ", so ", ", where "];

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

/// What the last phrase announces: "answer is", "answers are", "answer:", "answer to … is", a headline "Answer".
/// It goes up to the end of the line or sentence, or is a displayed formula there.
pub(super) fn announced(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    let after = lower.rmatch_indices("answer").find_map(|(at, word)| {
        let start = at + word.len();
        if lower.get(start..)?.starts_with('>') {
            // A tag.
            return None;
        }
        text.get(start + after_verb(window(&lower, start))?..)
    });
    let headline = after?.starts_with('\n');
    let after = after?.trim_start();
    for (open, close) in DISPLAYS {
        if let Some((display, _)) = after.strip_prefix(open).and_then(|rest| rest.split_once(close)) {
            return Some(display);
        }
    }
    // Below a headline there may be a whole solution.
    let line = after.lines().next().unwrap_or_default();
    let alone = !headline || line.len() == after.trim_end().len();
    alone.then(|| {
        let said = without_aside(first_sentence(without_fillers(line))).trim_end_matches(['*', ' ']);
        // No factorial, but an exclamation.
        said.strip_suffix('!').filter(|said| said.chars().all(|c| c.is_ascii_digit())).unwrap_or(said)
    })
}

/// Whether the text holds a digit or a formula.
pub(super) fn is_mathematical(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit() || "$\\=".contains(c))
}

/// The next [`WINDOW`] bytes of the text, or some fewer.
fn window(text: &str, start: usize) -> &str {
    let end = (start..text.len().min(start + WINDOW) + 1).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(start..end)).unwrap_or_default()
}

/// Where in `after`, the text behind the word "answer", it has been said what the answer is.
fn after_verb(after: &str) -> Option<usize> {
    let rest = after.strip_prefix('s').unwrap_or(after);
    let undecorated = rest.trim_start_matches(['*', '_', ':', ' ']);
    if undecorated.starts_with('\n') {
        return Some(after.len() - undecorated.len());
    }
    let sentence = first_sentence(rest.lines().next().unwrap_or_default());
    let is_whole =
        |rest: &str, verb: &str| !verb.starts_with(' ') || !rest.starts_with(char::is_alphanumeric);
    let ends = VERBS.iter().filter_map(|verb| {
        let at = sentence.find(verb)?;
        is_whole(sentence.get(at + verb.len()..)?, verb).then_some((at, at + verb.len()))
    });
    let (at, end) = ends.min()?;
    // What is between belongs to the question: "the answer to the second part is".
    let between = sentence.get(..at)?;
    if between.contains(|c: char| c.is_ascii_digit() || "$\\?!".contains(c)) || is_negated(between) {
        return None;
    }
    let left = rest.get(end..)?.trim_start_matches(['*', '_', ':', ' ']);
    Some(after.len() - left.len())
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
    Some(only_formula(said).or_else(|| only_number(said)).unwrap_or(without_aside(said)))
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

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphabetic() && c != '\'' && c != '’').filter(|word| !word.is_empty())
}

fn is_negated(text: &str) -> bool {
    let negates = |word: &str| {
        matches!(word, "not" | "never" | "cannot") || word.ends_with("n't") || word.ends_with("n’t")
    };
    words(text).any(negates)
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
    let sentence = line.split(". ").next().unwrap_or(line);
    sentence.trim_end_matches(['.', '*', ' '])
}

fn last_sentence(line: &str) -> &str {
    let line = line.trim_end_matches(['.', '*', ' ', '!']);
    line.rsplit(". ").next().unwrap_or(line)
}

/// Up to the explanation behind an answer.
fn without_aside(text: &str) -> &str {
    let end = ASIDES.iter().filter_map(|aside| text.find(aside)).min().unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}
