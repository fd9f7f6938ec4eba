//! Asides behind formulas, whose text matters beyond its values.

use std::ops::Range;

use super::{Aside, Manner, Stance, clause::Role, read};

/// Longest text that is read for asides, in bytes.
const MAX_TEXT: usize = 2000;
/// Most formulas that are told apart; a text with more of them stays as it is.
const MAX_FORMULAS: usize = 64;
/// Signs of sets and relations, of which "but not 5" may leave out a point.
#[rustfmt::skip]
const SETS: &[&str] = &[
    "<", ">", "\\le", "\\ge", "≤", "≥", "\\in", "∈", "\\mathbb", "\\R", "ℝ", "\\cup", "∪", "\\infty", "∞",
    "\\ne", "≠", "\\lt", "\\gt", "[", "(", "\\{",
];
/// Signs of a clause that restricts: "where k > 2".
const RELATIONS: [&str; 9] = ["=", "<", ">", "\\le", "\\ge", "\\ne", "≤", "≥", "≠"];
/// What begins an explanation behind an answer in words.
#[rustfmt::skip]
const REASONS: &[&str] = &[
    " because ", ", because ", " since ", ", since ", ", which ", ", as ", ", not ", ", so ", ", where ",
    ", whereas ", " (not ", " rather than ", " instead of ",
];
/// What stands between a formula and another that is denied.
const JOINTS: [&str; 13] =
    ["(", "[", ",", ";", "—", " – ", " - ", " but ", " and ", " or ", " not ", " rather ", " instead "];
/// Names of functions, which are no words.
#[rustfmt::skip]
const FUNCTIONS: &[&str] = &[
    "sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp", "lim", "max", "min", "gcd", "lcm", "mod",
    "sqrt", "pi",
];
/// Longest formula in brackets, in bytes.
const MAX_BRACKET: usize = 200;

/// `text` without what explains the formula in it or denies another: "5 (not 6)" is "5", "not 3 but 4" is "4". As it
/// stands where it takes back what it claims, or where the denial may be a part of it: "(0, 5) but not 3".
pub(crate) fn without_asides(text: &str) -> &str {
    if text.len() > MAX_TEXT {
        return text;
    }
    let formulas = formulas(text);
    if formulas.is_empty() || formulas.len() > MAX_FORMULAS {
        return if formulas.is_empty() { without_reasons(text) } else { text };
    }
    let reading = read(text, &formulas, Manner::Letters);
    let stance = |n: usize| reading.stances.get(n).copied();
    let Some(first) = (0..formulas.len()).find(|n| stance(*n) == Some(Stance::Claimed)) else { return text };
    if reading.rejected || reading.stances.contains(&Stance::Open) {
        return text;
    }
    let place = |n: usize| formulas.get(n).cloned().unwrap_or_default();
    let claim = text.get(place(first)).unwrap_or_default();
    let start = if first == 0 { 0 } else { reading.claims.first().map_or(0, |claim| claim.start) };
    let denied = (first + 1..formulas.len()).find(|n| stance(*n) == Some(Stance::Denied));
    let by_denial = denied.and_then(|n| {
        let last = (first..n).rev().find(|n| stance(*n) == Some(Stance::Claimed))?;
        let leaves_out = is_set(text.get(place(last))?) && !is_set(text.get(place(n))?);
        let between = text.get(place(last).end..place(n).start)?;
        joint(between).filter(|_| !leaves_out).map(|at| place(last).end + at)
    });
    let by_reason = reading.asides.iter().filter(|aside| aside.range.start >= place(first).end);
    let by_reason =
        by_reason.filter(|aside| explains(text, claim, aside)).map(|aside| aside.range.start).min();
    let is_number = !claim.contains(char::is_alphabetic);
    let by_not = is_number
        .then(|| text.get(place(first).end..)?.find(", not ").map(|at| place(first).end + at))
        .flatten();
    match [by_denial, by_reason, by_not].into_iter().flatten().min() {
        Some(end) => trimmed(text.get(start..end).unwrap_or(text)),
        None => text.get(start..).unwrap_or(text),
    }
}

/// Whether `aside` explains `claim`, and neither restricts it nor says in brackets what it is.
fn explains(text: &str, claim: &str, aside: &Aside) -> bool {
    let said = text.get(aside.range.clone()).unwrap_or_default();
    let opener = said.trim_start_matches([',', ';', '—', '–', '-', ' ']);
    match aside.role {
        Role::Denial => !is_set(claim),
        Role::Reason => {
            let restricts = opener.starts_with("where") && claim.contains(char::is_alphabetic);
            !(restricts && RELATIONS.iter().any(|sign| said.contains(sign)))
        }
        _ if aside.bracketed => false,
        _ => {
            said.starts_with(',') && opener.starts_with("so ")
                || formulas(said).is_empty() && n_words(said) > 2
        }
    }
}

/// `text`, an answer in words, up to what explains it.
fn without_reasons(text: &str) -> &str {
    let Some(end) = REASONS.iter().filter_map(|reason| text.find(reason)).filter(|end| *end > 0).min() else {
        return text;
    };
    let reading = read(text, std::slice::from_ref(&(0..end)), Manner::Letters);
    if reading.rejected { text } else { text.get(..end).unwrap_or(text) }
}

fn n_words(text: &str) -> usize {
    text.split(|c: char| !c.is_alphabetic())
        .filter(|word| word.len() > 2 && !FUNCTIONS.contains(word))
        .count()
}

fn is_set(formula: &str) -> bool {
    SETS.iter().any(|sign| formula.contains(sign))
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
        let rest = ["\\text{", "\\mathrm{", "\\textbf{", "\\mbox{", "\\text", "\\quad", "\\,"]
            .iter()
            .fold(rest, |rest, open| rest.strip_suffix(open).unwrap_or(rest));
        if rest.len() == text.len() {
            break;
        }
        text = rest;
    }
    let unpaired = text.matches('$').count() % 2 == 1;
    text.strip_prefix('$').filter(|_| unpaired).unwrap_or(text)
}

/// Where the formulas of `text` stand: what is no word, up to commas and the like between them.
fn formulas(text: &str) -> Vec<Range<usize>> {
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
