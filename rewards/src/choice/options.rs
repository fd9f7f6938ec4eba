//! The options of a question, and which of them a text claims.

use serde_json::Value;

use crate::{Question, hedge, marked};

/// Options where the task lists none.
const LETTERS: std::ops::RangeInclusive<char> = 'A'..='Z';
/// What begins an explanation behind a claim.
const ASIDES: [&str; 10] = [
    " because ",
    " since ",
    ", as ",
    ", which ",
    ", not ",
    " (not ",
    " and not ",
    " but not ",
    " rather than ",
    " instead of ",
];

/// The options of a question, by letter; none where it does not list them.
pub(super) struct Options(Vec<(char, String)>);

impl Options {
    pub fn of(question: &Question) -> Self {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let listed = match question.fields.get("choices") {
            Some(Value::Array(list)) => {
                LETTERS.zip(list).map(|(letter, value)| (letter, text(value))).collect()
            }
            Some(Value::Object(entries)) => {
                let entry = |(key, value): (&String, &Value)| {
                    Some((key.chars().next().filter(|_| key.len() == 1)?.to_ascii_uppercase(), text(value)))
                };
                entries.iter().filter_map(entry).collect()
            }
            _ => Vec::new(),
        };
        Self(listed.into_iter().map(|(letter, text)| (letter, plain(&text))).collect())
    }

    /// Whether `letter` is one of the options.
    fn has(&self, letter: char) -> bool {
        LETTERS.contains(&letter) && (self.0.is_empty() || self.0.iter().any(|(other, _)| *other == letter))
    }

    /// The letters that `text`, a response without its thought, claims, each once.
    pub fn of_response(&self, text: &str) -> Vec<char> {
        let speaks = |claim: &str| {
            let cut = without_aside(claim);
            [claim, cut].iter().any(|claim| self.named(claim).is_some())
                || !self.letters(&bare(cut)).is_empty()
        };
        if let Some(claim) = marked::last(text, speaks) {
            return self.claimed(claim);
        }
        let line = text.trim_end().lines().next_back().unwrap_or_default();
        let chosen = self.opens(&bare(line)).or_else(|| self.named(line)).or_else(|| self.labels(text));
        if chosen.is_some() { self.claimed(line) } else { Vec::new() }
    }

    /// The letters of `claim`, or that of the option which it is, each once; none where it denies them.
    pub fn claimed(&self, claim: &str) -> Vec<char> {
        for claim in [claim, without_aside(claim)] {
            if let Some(letter) = self.named(claim).or_else(|| self.opens(&bare(claim))) {
                return vec![letter];
            }
        }
        let claim = bare(without_aside(claim));
        let found = self.letters(&claim);
        if found.first().is_some_and(|(at, _)| is_denied(&claim, *at)) {
            return Vec::new();
        }
        let mut letters = Vec::new();
        for (_, letter) in found {
            if !letters.contains(&letter) {
                letters.push(letter);
            }
        }
        letters
    }

    /// The letters in `claim`, where they stand, as capitals.
    fn letters(&self, claim: &str) -> Vec<(usize, char)> {
        let whole = claim.trim_matches(|c: char| !c.is_alphanumeric());
        let mut letters = Vec::new();
        for (at, word) in words(claim) {
            let mut chars = word.chars();
            let (Some(letter), None) = (chars.next(), chars.next()) else { continue };
            let enclosed = claim.get(..at).is_some_and(|before| before.ends_with('('))
                && claim.get(at + word.len()..).is_some_and(|after| after.starts_with(')'));
            let counts = enclosed || whole == word || (letter.is_ascii_uppercase() && letter != 'I');
            let letter = letter.to_ascii_uppercase();
            if counts && self.has(letter) {
                letters.push((at, letter));
            }
        }
        letters
    }

    /// The letter of the option whose text `claim` is.
    fn named(&self, claim: &str) -> Option<char> {
        let claim = plain(claim);
        let mut same = self.0.iter().filter(|(_, text)| !text.is_empty() && *text == claim);
        same.next().map(|(letter, _)| *letter).filter(|_| same.next().is_none())
    }

    /// The letter that is chosen at the start of `line`, where that goes on with no more than its option.
    fn opens(&self, line: &str) -> Option<char> {
        let mut all = words(line).map(|(_, word)| word).peekable();
        if all
            .peek()
            .is_some_and(|word| ["option", "choice"].iter().any(|name| word.eq_ignore_ascii_case(name)))
        {
            all.next();
        }
        let letter = all.next().filter(|word| word.len() == 1)?.chars().next()?.to_ascii_uppercase();
        let rest = plain(&all.collect::<Vec<_>>().join(" "));
        let is_option = || self.0.iter().any(|(other, text)| *other == letter && words_of(text) == rest);
        (self.has(letter) && (rest.is_empty() || is_option())).then_some(letter)
    }

    /// The letter that the last line of `text` puts before an option, where the options are not known and no other line puts
    /// another before one.
    fn labels(&self, text: &str) -> Option<char> {
        let label = |line: &str| {
            let line = bare(line);
            let line = line.trim_start_matches(|c: char| !c.is_alphanumeric());
            let (letter, rest) = line.split_at_checked(1)?;
            let letter = letter.chars().next().filter(char::is_ascii_uppercase)?;
            // "A:" begins an answer.
            let signs: &[char] = if letter == 'A' { &[')', '.'] } else { &[')', '.', ':'] };
            rest.strip_prefix(signs).filter(|option| !option.trim().is_empty()).map(|_| letter)
        };
        let last = label(text.trim_end().lines().next_back()?).filter(|_| self.0.is_empty())?;
        text.lines().filter_map(label).all(|letter| letter == last).then_some(last)
    }
}

/// Whether `claim` denies its first letter, which stands at `at`: before it, or behind it where that is no option's text.
fn is_denied(claim: &str, at: usize) -> bool {
    let (before, after) = (claim.get(..at).unwrap_or_default(), claim.get(at + 1..).unwrap_or_default());
    let has_text = after.trim_start().starts_with([')', '.', ':']);
    hedge::denies(before) || (!has_text && hedge::denies(after))
}

/// `claim` up to the explanation behind it.
fn without_aside(claim: &str) -> &str {
    let lower = claim.to_ascii_lowercase();
    let end = ASIDES.iter().filter_map(|aside| lower.find(aside)).min();
    end.and_then(|end| claim.get(..end)).unwrap_or(claim)
}

/// The words of `text` and where they stand.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let place = |word: &str| word.as_ptr().addr() - text.as_ptr().addr();
    let all = text.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty());
    all.map(move |word| (place(word), word))
}

fn words_of(text: &str) -> String {
    words(text).map(|(_, word)| word).collect::<Vec<_>>().join(" ")
}

/// `claim` without the commands of LaTeX around a letter.
fn bare(claim: &str) -> String {
    let mut text = claim.to_owned();
    for command in ["\\boxed", "\\textbf", "\\text", "\\mathrm", "\\mathbf", "\\rm", "\\left", "\\right"] {
        text = text.replace(command, " ");
    }
    text.replace(['$', '*', '{', '}', '\\'], " ").replace("( ", "(").replace(" )", ")")
}

/// `text` in lower case, with single blanks and without what stands around it.
fn plain(text: &str) -> String {
    let text = bare(text).to_lowercase();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.trim_matches(['.', ',', '"', '\'', ' ']).to_owned()
}
