//! Asides behind formulas, whose text matters beyond its values.

use std::ops::Range;

use super::{Aside, Manner, Reading, Stance, clause::Role, read, restriction::Claim};

/// Longest text that is read for asides, in bytes.
const MAX_TEXT: usize = 2000;
/// Most formulas that are told apart; a text with more of them stays as it is.
const MAX_FORMULAS: usize = 64;
/// What begins an explanation behind an answer in words.
#[rustfmt::skip]
const REASONS: &[&str] = &[
    " because ", ", because ", " since ", ", since ", ", which ", ", as ", ", not ", ", so ", ", where ",
    ", whereas ", " (not ", " rather than ", " instead of ",
];
/// How many of them do behind a set, which the others may restrict.
const N_SURE: usize = 4;
/// Words of the name of a set.
const SETS_IN_WORDS: [&str; 10] =
    ["all", "every", "any", "each", "set", "numbers", "reals", "integers", "values", "real"];
/// Commands that set words.
const TEXT_COMMANDS: [&str; 4] = ["\\text{", "\\mathrm{", "\\textbf{", "\\mbox{"];
/// What stands between a formula and another that is denied.
const JOINTS: [&str; 13] =
    ["(", "[", ",", ";", "—", " – ", " - ", " but ", " and ", " or ", " not ", " rather ", " instead "];
/// Words behind "not" with which it denies a part of the claim.
const PARTLY: [&str; 7] = ["exactly", "quite", "always", "necessarily", "for", "when", "if"];
/// Names of functions, which are no words.
#[rustfmt::skip]
pub(super) const FUNCTIONS: &[&str] = &[
    "sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp", "lim", "max", "min", "gcd", "lcm", "mod",
    "sqrt", "pi",
];
/// Longest formula in brackets, in bytes.
const MAX_BRACKET: usize = 200;

/// `text` without what explains the formula in it or denies another: "5 (not 6)" is "5", "not 3 but 4" is "4". As it
/// stands where it takes back or restricts what it claims, or where the denial may be a part of it: "(0, 5) but not 3".
pub(crate) fn without_asides(text: &str) -> &str {
    if text.len() > MAX_TEXT {
        return text;
    }
    let formulas = formulas(text);
    if formulas.is_empty() || formulas.len() > MAX_FORMULAS {
        return if formulas.is_empty() { without_reasons(text) } else { text };
    }
    let reading = read(text, &formulas, Manner::Letters);
    let is_unsure = reading.rejected || reading.stances.contains(&Stance::Open);
    let said = Said { text, formulas, reading };
    match said.first(0, Stance::Claimed).filter(|_| !is_unsure) {
        Some(first) => said.claimed(first),
        None => text,
    }
}

/// A text, its formulas and what it says of them.
struct Said<'a> {
    text: &'a str,
    formulas: Vec<Range<usize>>,
    reading: Reading,
}

/// Where a denial begins behind a claim.
enum Denial {
    Nowhere,
    At(usize),
    /// It may belong to the claim: "but not 3".
    LeavesOut,
}

impl<'a> Said<'a> {
    /// The first formula from `from` on of which it says so.
    fn first(&self, from: usize, stance: Stance) -> Option<usize> {
        (from..self.formulas.len()).find(|n| self.reading.stances.get(*n) == Some(&stance))
    }

    fn place(&self, n: usize) -> Range<usize> {
        self.formulas.get(n).cloned().unwrap_or_default()
    }

    /// The text without asides, which claims the formula `first` before others.
    fn claimed(&self, first: usize) -> &'a str {
        let claim = Claim::new(self.text, self.place(first));
        let asides = asides_from(self.place(first).end, self.text, &self.reading.asides);
        // What an aside denies is judged by itself.
        if asides.iter().any(|aside| !self.denies_in(aside) && claim.is_restricted(self.text, aside)) {
            return self.text;
        }
        let explained: Vec<Aside> =
            asides.into_iter().filter(|aside| claim.is_explained(self.text, aside)).collect();
        let by_denial = match self.denial(first, &claim) {
            Denial::LeavesOut => return self.text,
            Denial::At(end) => Some(end),
            Denial::Nowhere => None,
        };
        let by_reason = explained.iter().map(|aside| aside.range.start).min();
        let start = self.start(first);
        let end = [by_denial, by_reason, self.not_behind(first, &claim)].into_iter().flatten().min();
        match end.filter(|end| !self.claims_behind(*end, &explained)) {
            Some(end) => trimmed(self.text.get(start..end).unwrap_or(self.text)),
            None => self.text.get(start..).unwrap_or(self.text),
        }
    }

    fn denies_in(&self, aside: &Aside) -> bool {
        let denied = |n: usize| self.reading.stances.get(n) == Some(&Stance::Denied);
        (0..self.formulas.len()).any(|n| denied(n) && aside.range.contains(&self.place(n).start))
    }

    /// The first denial behind the formula `first`.
    fn denial(&self, first: usize, claim: &Claim<'_>) -> Denial {
        let Some(denied) = self.first(first + 1, Stance::Denied) else { return Denial::Nowhere };
        let is_claimed = |n: &usize| self.reading.stances.get(*n) == Some(&Stance::Claimed);
        let last = (first..denied).rev().find(is_claimed).unwrap_or(first);
        let end = self.place(last).end;
        let between = self.text.get(end..self.place(denied).start).unwrap_or_default();
        let items = (first..=last).filter_map(|n| self.text.get(self.place(n)));
        if claim.leaves_out(items, between, &Claim::new(self.text, self.place(denied))) {
            return Denial::LeavesOut;
        }
        joint(between).map_or(Denial::Nowhere, |at| Denial::At(end + at))
    }

    /// Where a denial in words begins behind a number: "5, not six".
    fn not_behind(&self, first: usize, claim: &Claim<'_>) -> Option<usize> {
        let end = self.place(first).end;
        let behind = self.text.get(end..).filter(|_| !claim.text.contains(char::is_alphabetic))?;
        let at = behind.find(", not ")?;
        let first = behind.get(at + 6..)?.split_whitespace().next()?;
        (!PARTLY.contains(&first)).then_some(end + at)
    }

    /// Whether it claims a formula behind `end`, outside what explains: "5 (not 6) or 7".
    fn claims_behind(&self, end: usize, explained: &[Aside]) -> bool {
        let explains = |at: usize| explained.iter().any(|aside| aside.range.contains(&at));
        let mut claimed =
            (0..self.formulas.len()).filter(|n| self.reading.stances.get(*n) == Some(&Stance::Claimed));
        claimed.any(|n| self.place(n).start > end && !explains(self.place(n).start))
    }

    /// Where the claim of the formula `first` begins, behind words such as "it is".
    fn start(&self, first: usize) -> usize {
        let start = if first == 0 { 0 } else { self.reading.claims.first().map_or(0, |claim| claim.start) };
        let formula = self.place(first).start;
        let mut leads = self.text.get(start..formula).unwrap_or_default().split_whitespace();
        let only_leads = leads.all(|word| matches!(word, "it" | "is" | "it's" | "that" | "the" | "answer"));
        if start > 0 && only_leads { formula } else { start }
    }
}

/// The asides behind `start`, those that only go on with a reason as one: "since 6 fails if x is even".
fn asides_from(start: usize, text: &str, asides: &[Aside]) -> Vec<Aside> {
    let mut merged: Vec<Aside> = Vec::new();
    for aside in asides.iter().filter(|aside| aside.range.start >= start) {
        let parted = !text.get(aside.range.clone()).is_some_and(|said| said.starts_with(char::is_alphabetic));
        match merged.last_mut().filter(|before| before.role == Role::Reason && !parted) {
            Some(before) if before.range.end == aside.range.start => before.range.end = aside.range.end,
            _ => merged.push(aside.clone()),
        }
    }
    merged
}

/// `text`, an answer in words, up to what explains it.
fn without_reasons(text: &str) -> &str {
    let is_set =
        text.split(|c: char| !c.is_alphabetic()).any(|word| SETS_IN_WORDS.contains(&&*word.to_lowercase()));
    let reasons = if is_set { REASONS.get(..N_SURE).unwrap_or_default() } else { REASONS };
    let ends = reasons.iter().filter_map(|reason| Some((text.find(reason)?, reason.len())));
    let Some((end, length)) = ends.filter(|(end, _)| *end > 0).min() else { return text };
    let said = text.get(end + length..).unwrap_or_default();
    let is_condition = ["long as", "far as"].iter().any(|words| said.starts_with(words));
    let reading = read(text, std::slice::from_ref(&(0..end)), Manner::Letters);
    if reading.rejected || is_condition { text } else { closed(text.get(..end).unwrap_or(text)) }
}

/// `text` without the command at its start whose brace does not close in it.
fn closed(text: &str) -> &str {
    let open = TEXT_COMMANDS.iter().find_map(|command| text.trim_start().strip_prefix(command));
    open.filter(|inside| !inside.contains(['{', '}'])).unwrap_or(text)
}

pub(super) fn n_words(text: &str) -> usize {
    text.split(|c: char| !c.is_alphabetic())
        .filter(|word| word.len() > 2 && !FUNCTIONS.contains(word))
        .count()
}

/// Where in `between` the clause of the second formula begins.
fn joint(between: &str) -> Option<usize> {
    JOINTS.iter().filter_map(|joint| between.find(joint)).min()
}

/// `text` without what is left open at its end, such as `\text{`.
fn trimmed(text: &str) -> &str {
    let mut text = text;
    loop {
        let rest = text.trim_end_matches([' ', ',', ';', '(', '[', '*', '`', '-', '–', '—']);
        let ends = TEXT_COMMANDS.iter().chain(&["\\text", "\\quad", "\\,"]);
        let rest = ends.fold(rest, |rest, open| rest.strip_suffix(open).unwrap_or(rest));
        if rest.len() == text.len() {
            break;
        }
        text = rest;
    }
    let unpaired = text.matches('$').count() % 2 == 1;
    text.strip_prefix('$').filter(|_| unpaired).unwrap_or(text)
}

/// Where the formulas of `text` stand: what is no word, up to commas and the like between them.
pub(super) fn formulas(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let (mut at, mut open) = (0, false);
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = text.get(at..).unwrap_or_default();
        let (length, solid) = match piece(rest, c) {
            Piece::Parts(length) => {
                open = false;
                (length, false)
            }
            Piece::Blank(length) => (length, false),
            Piece::Solid(length) => (length, true),
        };
        let grouped = c == ','
            && text.get(..at).is_some_and(|before| before.ends_with(|c: char| c.is_ascii_digit()))
            && rest.get(1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        // The braces of `\text{…}` are no formula.
        let braced = open || !matches!(c, '{' | '}');
        if solid && braced || grouped {
            match found.last_mut().filter(|_| open || grouped) {
                Some(last) => last.end = at + length,
                None => found.push(at..at + length),
            }
            open = true;
        }
        at += length.max(c.len_utf8());
    }
    found
}

enum Piece {
    /// Ends a formula.
    Parts(usize),
    /// Belongs to no formula and ends none.
    Blank(usize),
    /// Belongs to a formula.
    Solid(usize),
}

/// The piece at the start of `rest`, which begins with `c`, and its length in bytes.
fn piece(rest: &str, c: char) -> Piece {
    let letters =
        |text: &str| text.find(|c: char| !c.is_alphabetic() && c != '\'' && c != '’').unwrap_or(text.len());
    match c {
        _ if c.is_alphabetic() => {
            let length = letters(rest).max(c.len_utf8());
            let word = rest.get(..length).unwrap_or_default();
            let article = matches!(word, "a" | "I")
                && rest.get(length..).is_some_and(|rest| letters(rest.trim_start()) > 1);
            match word.chars().count() > 1 && !FUNCTIONS.contains(&word) || article {
                true => Piece::Parts(length),
                false => Piece::Solid(length),
            }
        }
        '\\' => {
            let name = rest
                .get(1..)
                .map(|rest| rest.bytes().take_while(u8::is_ascii_alphabetic).count())
                .unwrap_or_default();
            match rest.get(1..1 + name).unwrap_or_default() {
                "text" | "textbf" | "textit" | "mathrm" | "mbox" | "quad" => Piece::Parts(1 + name),
                "" => Piece::Blank(2),
                _ => Piece::Solid(1 + name),
            }
        }
        '(' | '[' => match bracket(rest) {
            Some(length) => Piece::Solid(length),
            None => Piece::Parts(1),
        },
        ',' | ';' | ':' | '—' | ')' | ']' => Piece::Parts(c.len_utf8()),
        '.' | '!' | '?' if super::token::ends_sentence(rest.get(1..).unwrap_or_default()) => Piece::Parts(1),
        '+' | '-' | '–' | '*' | '/' | '$' | '`' | '"' | '~' => Piece::Blank(c.len_utf8()),
        _ if c.is_whitespace() => Piece::Blank(c.len_utf8()),
        _ => Piece::Solid(c.len_utf8()),
    }
}

/// The length of the bracket at the start of `rest`, where it holds no words.
fn bracket(rest: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let end = rest.char_indices().take_while(|(at, _)| *at < MAX_BRACKET).find(|(_, c)| {
        depth = match c {
            '(' | '[' => depth + 1,
            ')' | ']' => depth.saturating_sub(1),
            _ => depth,
        };
        depth == 0
    })?;
    let inside = rest.get(1..end.0)?;
    let words =
        inside.split(|c: char| !c.is_alphabetic() && c != '\\').filter(|word| !word.starts_with('\\'));
    let worded = words.into_iter().any(|word| word.len() > 1 && !FUNCTIONS.contains(&word))
        || inside.contains("\\text");
    (!worded).then_some(end.0 + 1)
}
