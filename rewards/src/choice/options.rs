//! The options of a question, and which of them a text claims.

use serde_json::Value;

use crate::{
    Question,
    claim::{self, Manner, Stance},
    marked::{self, Kind},
};

/// Options where the task lists none.
const LETTERS: std::ops::RangeInclusive<char> = 'A'..='Z';
/// Longest last line that is read for the letter in it, in bytes.
const MAX_LINE: usize = 300;
/// Most letters that a claim may name.
const MAX_LETTERS: usize = 64;

/// Words with which a text goes on behind the letter A; behind any other "A" is an article.
#[rustfmt::skip]
const BEHIND_A_LETTER: &[&str] = &[
    "is", "are", "was", "were", "be", "being", "been", "has", "have", "had", "does", "do", "did", "can", "cannot",
    "could", "must", "should", "will", "would", "may", "might", "seems", "looks", "appears", "remains", "equals",
    "fits", "works", "holds", "fails", "satisfies", "matches", "contradicts", "follows", "applies", "describes",
    "states", "says", "gives", "shows", "explains", "becomes", "gets", "makes", "means", "leads", "wins",
    "and", "or", "but", "nor", "not", "no", "never", "yet", "plus", "because", "since", "as", "so", "hence", "thus",
    "therefore", "then", "rather", "instead", "in", "with", "without", "for", "by", "from", "to", "of", "on", "at", "per",
    "over", "than", "via", "due", "given", "based", "except", "if", "unless", "while", "whereas", "which", "where",
    "when", "that", "who", "what", "only", "too", "also", "here", "alone", "again", "though", "although", "albeit",
    "even", "however", "wrong", "right", "correct", "incorrect", "false", "true", "the", "this", "it", "its", "we",
    "my", "our", "option", "alternatively", "maybe", "perhaps", "possibly", "vs", "versus", "out",
];

/// The letters that a text claims, each once, and those that it denies.
#[derive(Debug, Default)]
pub(super) struct Claim {
    pub claimed: Vec<char>,
    denied: Vec<char>,
    /// Whether it leaves open what it claims.
    open: bool,
}

/// The options of a question, by letter; none where it does not list them.
pub(super) struct Options(Vec<(char, String)>);

impl Options {
    pub(super) fn new(question: &Question) -> Self {
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
    pub(super) fn of_response(&self, text: &str) -> Vec<char> {
        let holds = |text: &str| !self.letters(&bare(text)).is_empty();
        let mut denied = Vec::new();
        for mark in marked::marks(text, holds) {
            let mut claim = self.read(mark.content);
            if claim.claimed.is_empty() && claim.denied.is_empty() {
                claim = self.read(mark.said);
            }
            let speaks = !claim.claimed.is_empty() || !claim.denied.is_empty();
            match mark.kind {
                Kind::Phrase if !speaks => continue,
                Kind::Loose if !speaks || claim.claimed.len() > 1 => continue,
                _ => {}
            }
            denied.extend(claim.denied);
            if mark.is_denied(text) {
                denied.extend(claim.claimed);
            } else if claim.open || !claim.claimed.is_empty() || denied.is_empty() {
                return none_of(claim.claimed, &denied, claim.open);
            }
        }
        let line = text.trim_end().lines().next_back().unwrap_or_default();
        let chosen = self.opens(&bare(line)).or_else(|| self.named(line)).or_else(|| self.labels(text));
        let claimed = match chosen {
            Some(_) => self.claimed(line),
            None => self.alone(line).into_iter().collect(),
        };
        none_of(claimed, &denied, false)
    }

    /// The letters of `claim`, or that of the option which it is, each once; none where it denies them.
    pub(super) fn claimed(&self, claim: &str) -> Vec<char> {
        let claim = self.read(claim);
        none_of(claim.claimed, &claim.denied, claim.open)
    }

    /// What `claim` says of the options.
    fn read(&self, claim: &str) -> Claim {
        if let Some(letter) = self.named(claim).or_else(|| self.opens(&bare(claim))) {
            return Claim { claimed: vec![letter], ..Claim::default() };
        }
        let text = bare(claim);
        let mut values = self.letters(&text);
        values.extend(self.texts(&text));
        values.sort_by_key(|(at, end, _)| (*at, std::cmp::Reverse(*end)));
        values.dedup_by(|next, before| next.0 < before.1);
        let mut found = Claim::default();
        if values.is_empty() {
            return found;
        }
        if values.len() > MAX_LETTERS {
            return Claim { open: true, ..found };
        }
        let places: Vec<_> = values.iter().map(|(at, end, _)| *at..*end).collect();
        let reading = claim::read(&text, &places, Manner::Letters);
        for ((at, end, letter), stance) in values.iter().zip(&reading.stances) {
            let is_letter = end - at == 1;
            match stance {
                _ if !is_letter && *stance != Stance::Denied => {}
                Stance::Claimed if !found.claimed.contains(letter) => found.claimed.push(*letter),
                Stance::Denied => found.denied.push(*letter),
                Stance::Open => found.open = true,
                _ => {}
            }
        }
        if found.claimed.is_empty() {
            let clauses: Vec<_> = reading.claims.iter().filter_map(|claim| text.get(claim.clone())).collect();
            if let [clause] = clauses[..] {
                found.claimed.extend(self.named(clause).or_else(|| self.opens(clause)));
            }
        }
        if reading.rejected {
            found.denied.append(&mut found.claimed);
        }
        found
    }

    /// The letter that `line` claims, where its one claim is no more than this letter or option: "B, since A is wrong".
    fn alone(&self, line: &str) -> Option<char> {
        if line.len() > MAX_LINE {
            return None;
        }
        let text = bare(line);
        let places: Vec<_> = self.letters(&text).iter().map(|(at, end, _)| *at..*end).collect();
        let reading = claim::read(&text, &places, Manner::Letters);
        let [clause] = &reading.claims[..] else { return None };
        let letter = self.opens(text.get(clause.clone())?)?;
        let claim = self.read(line);
        (claim.claimed == [letter] && !claim.open).then_some(letter)
    }

    /// Where the texts of options stand in `claim`, and their letters.
    fn texts(&self, claim: &str) -> Vec<(usize, usize, char)> {
        let lower = claim.to_ascii_lowercase();
        let is_word = |before: &str, after: &str| {
            !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
        };
        let options = self.0.iter().filter(|(_, text)| text.len() > 1);
        let all = options.flat_map(|(letter, text)| {
            lower.match_indices(&**text).map(|(at, text)| (at, at + text.len(), *letter)).take(MAX_LETTERS)
        });
        let whole = |(at, end, _): &(usize, usize, char)| {
            is_word(lower.get(..*at).unwrap_or_default(), lower.get(*end..).unwrap_or_default())
        };
        all.filter(whole).collect()
    }

    /// The letters in `claim`, where they stand, as capitals.
    fn letters(&self, claim: &str) -> Vec<(usize, usize, char)> {
        let whole = claim.trim_matches(|c: char| !c.is_alphanumeric());
        let mut letters = Vec::new();
        for (at, word) in words(claim) {
            let mut chars = word.chars();
            let (Some(letter), None) = (chars.next(), chars.next()) else { continue };
            let enclosed = claim.get(..at).is_some_and(|before| before.ends_with('('))
                && claim.get(at + word.len()..).is_some_and(|after| after.starts_with(')'));
            let counts = enclosed || whole == word || (letter.is_ascii_uppercase() && letter != 'I');
            let letter = letter.to_ascii_uppercase();
            if !enclosed && is_article(claim, at) {
                continue;
            }
            if counts && self.has(letter) {
                letters.push((at, at + 1, letter));
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
        if line.contains(claim::CROSSES) {
            return None;
        }
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

/// Whether the letter at `at` is the article "A": one blank parts it from a word that does not go on as a claim does, as
/// in "A magnet"; [`bare`] puts more than one behind a letter that is set off.
fn is_article(text: &str, at: usize) -> bool {
    let Some(after) = text.get(at..).and_then(|rest| rest.strip_prefix("A ")) else { return false };
    let word = after
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let before = text.get(..at).unwrap_or_default().trim_end();
    let named = before.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let is_named =
        ["option", "choice", "letter", "statement"].iter().any(|name| named.eq_ignore_ascii_case(name));
    let is_noun = word.chars().filter(|c| c.is_alphabetic()).count() > 1
        && !word.ends_with("n't")
        && !word.ends_with("ly")
        && !BEHIND_A_LETTER.contains(&&*word);
    is_noun && !is_named
}

/// `claimed`, unless one of them is denied as well, or it is left open which is claimed.
fn none_of(claimed: Vec<char>, denied: &[char], open: bool) -> Vec<char> {
    if open || claimed.iter().any(|letter| denied.contains(letter)) { Vec::new() } else { claimed }
}

/// The words of `text` and where they stand.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let place = |word: &str| word.as_ptr().addr() - text.as_ptr().addr();
    let all = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
    let all = all.map(|word| word.trim_matches('\'')).filter(|word| !word.is_empty());
    all.map(move |word| (place(word), word))
}

fn words_of(text: &str) -> String {
    words(text).map(|(_, word)| word).collect::<Vec<_>>().join(" ")
}

/// `claim` without the commands of LaTeX around a letter.
fn bare(claim: &str) -> String {
    let mut text = claim.to_owned();
    for command in
        ["\\boxed", "\\fbox", "\\textbf", "\\text", "\\mathrm", "\\mathbf", "\\rm", "\\left", "\\right"]
    {
        text = text.replace(command, " ");
    }
    text.replace(['$', '*', '{', '}', '\\'], " ").replace("( ", "(").replace(" )", ")")
}

/// `text` in lower case, with single blanks and without what stands around it.
fn plain(text: &str) -> String {
    let text = bare(text).to_lowercase();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.trim_matches(['.', ',', '"', '\'', '`', '_', ' ']).to_owned()
}
