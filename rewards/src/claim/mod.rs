//! What a claim says of the values in it: which of them it gives as the answer, which it denies, which only explain.
//!
//! A claim is the text of a mark or a sentence, a value a letter, a number or a formula in it. It is read clause by clause:
//!
//! - a value is denied by words before it ("not", "neither", "rules out", "rather than", "all but") or behind it ("is
//!   wrong", "is ruled out", "cannot be"); a list of values shares them ("A and B are wrong");
//! - brackets that hold words, what follows a semicolon or dash, and clauses behind "because", "whereas" and the like
//!   explain the claim before them and add none, unless they are a claim of their own: "or maybe 6", "it is 6";
//! - a clause without a value that says "which is wrong", "that is ruled out" or "no" rejects the claim before it.

use std::ops::Range;

mod clause;
mod denial;
mod formula;
mod restriction;
mod token;
mod words;

use clause::{Clause, Clauses, Role};
use denial::Predicate;
pub(crate) use formula::without_asides;
use token::{Kind, Token, tokens};
pub(crate) use token::{last_sentence, sentence};
pub(crate) use words::CROSSES;

/// Whose values are read, by which the words differ that deny them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Letters of options: whatever word of denial is near.
    Letters,
    /// Numbers of a claim: "5 apples are not" denies, "5 who did not come" does not.
    Numbers,
    /// Numbers in prose that marks no answer: "5 is not the answer" denies, "5 apples are not red" does not.
    Prose,
}

/// What a claim says of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stance {
    /// It is the answer.
    Claimed,
    /// It is not the answer.
    Denied,
    /// It explains.
    Beside,
    /// It cannot be told: "A is wrong or B is".
    Open,
}

/// A clause that explains or denies, and where it stands with what opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Aside {
    range: Range<usize>,
    role: Role,
    bracketed: bool,
}

/// What a claim says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// What it says of each value.
    pub stances: Vec<Stance>,
    /// Clauses that explain or deny.
    asides: Vec<Aside>,
    /// Clauses that claim, without the words that open them.
    pub claims: Vec<Range<usize>>,
    /// Whether it takes back what it claims.
    pub rejected: bool,
}

impl Reading {
    /// Whether what stands at `at` explains or denies.
    pub(crate) fn is_aside(&self, at: usize) -> bool {
        // They stand one behind the other.
        let next = self.asides.partition_point(|aside| aside.range.start <= at);
        next.checked_sub(1)
            .and_then(|last| self.asides.get(last))
            .is_some_and(|aside| aside.range.contains(&at))
    }
}

/// Reads `text`, whose values stand at `values`, from left to right.
pub(crate) fn read(text: &str, values: &[Range<usize>], manner: Manner) -> Reading {
    let mut tokens = tokens(text, values);
    if manner != Manner::Letters {
        token::join_differences(&mut tokens, text, denial::is_verb);
    }
    let mut reading = Reading {
        stances: vec![Stance::Beside; values.len()],
        asides: vec![],
        claims: vec![],
        rejected: false,
    };
    let mut clauses = Clauses::new(&tokens);
    // A denial with nothing behind it yet: "not, however, B".
    let mut pending = false;
    while let Some(clause) = clauses.step() {
        let inside = tokens.get(clause.from..clause.to).unwrap_or_default();
        let end = tokens.get(clause.to).map_or(text.len(), |token| token.start);
        if !matches!(clause.role, Role::Main | Role::Contrast) {
            reading.asides.push(Aside {
                range: clause.start..end,
                role: clause.role,
                bracketed: clause.bracketed,
            });
        }
        if inside.iter().all(|token| token.value().is_none()) {
            let takes_back = clause.role != Role::Denial
                && (clause.role != Role::Reason
                    || is_relative(inside)
                    || denial::concedes(&tokens, clause.from));
            reading.rejected |= clauses.claimed && takes_back && denial::of_claim(inside);
            let last = inside.iter().rev().find_map(Token::word);
            pending = last.is_some_and(denial::is_negator) || pending;
            continue;
        }
        for (value, stance) in stances(clause, inside, manner) {
            // "A or not B" claims nothing.
            reading.rejected |= clauses.claimed && clause.alternative && stance == Stance::Denied;
            let stance = if pending && stance == Stance::Claimed { Stance::Denied } else { stance };
            clauses.claimed |= stance == Stance::Claimed;
            if let Some(slot) = reading.stances.get_mut(value) {
                *slot = stance;
            }
        }
        if clauses.claimed
            && inside
                .iter()
                .filter_map(Token::value)
                .any(|value| reading.stances.get(value) == Some(&Stance::Claimed))
        {
            reading.claims.push(inside.first().map_or(end, |token| token.start)..end);
        }
        pending = false;
    }
    reading
}

/// Whether what stands directly behind a claim, in its sentence or the next, takes it back: "is wrong", "That is not right."
pub(crate) fn is_taken_back(behind: &str) -> bool {
    let end = (0..=behind.len().min(MAX_AROUND)).rev().find(|at| behind.is_char_boundary(*at)).unwrap_or(0);
    let near = behind.get(..end).unwrap_or_default();
    let line = near.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let tokens = tokens(line, &[]);
    let is_end = |token: &Token| matches!(token.kind, Kind::Stop | Kind::Semicolon | Kind::Dash);
    let is_no = |part: &[Token]| part.iter().filter_map(Token::word).eq(["no"]);
    let mut parts = tokens.split(is_end).filter(|part| part.iter().any(|token| token.word().is_some()));
    let Some(first) = parts.next() else { return false };
    let sentence = behind.trim_start_matches(token::EMPHASIS).starts_with('.');
    let alternative = first.first().and_then(Token::word) == Some("or") || is_alternative(line);
    sentence && alternative
        || first.split(|token| token.kind == Kind::Comma).any(is_no)
        || denial::of_claim(first)
}

/// Whether the first sentence of `line`, which begins with the period of a claim, is no more than another: "Alternatively B."
fn is_alternative(line: &str) -> bool {
    const OPENERS: [&str; 8] =
        ["or", "alternatively", "maybe", "perhaps", "possibly", "otherwise", "also", "likewise"];
    const LINKS: [&str; 9] = ["it", "is", "it's", "could", "be", "option", "the", "answer", "choice"];
    let line =
        line.trim_start_matches(|c: char| c == '.' || c.is_whitespace() || token::EMPHASIS.contains(&c));
    let said = sentence(line).trim_end_matches(['.', '!', '?', ' ']);
    let mut words = said.split([' ', ',']).filter(|word| !word.is_empty());
    let is_in = |list: &[&str], word: &str| list.iter().any(|other| word.eq_ignore_ascii_case(other));
    let opens = words.next().is_some_and(|word| is_in(&OPENERS, word));
    let mut left = words.skip_while(|word| is_in(&LINKS, word));
    let value = left.next().unwrap_or_default().trim_matches(|c: char| !c.is_alphanumeric());
    let is_value = value.len() == 1 && value.starts_with(|c: char| c.is_ascii_uppercase())
        || value.contains(|c: char| c.is_ascii_digit());
    opens && is_value && left.next().is_none()
}

/// Whether `text`, an answer, ends in words that say that what is before them is none: `5 \text{ fails}`.
pub(crate) fn is_denied_behind(text: &str) -> bool {
    text.rsplit_once("\\text{").is_some_and(|(before, tail)| {
        before.contains(char::is_alphanumeric)
            && !tail.contains(|c: char| c.is_ascii_digit())
            && is_taken_back(tail)
    })
}

/// How far around a claim its sentence is read for a denial, in bytes.
const MAX_AROUND: usize = 200;

/// Whether what stands directly behind `before` is denied by a word: "not 5", "it can't be the 5", "rather than 5".
pub(crate) fn negates_what_follows(before: &str) -> bool {
    let start =
        (before.len().saturating_sub(MAX_AROUND)..=before.len()).find(|at| before.is_char_boundary(*at));
    let near = start.and_then(|start| before.get(start..)).unwrap_or_default();
    let tokens = tokens(near.rsplit('\n').next().unwrap_or(near), &[]);
    let is_end = |token: &Token| matches!(token.kind, Kind::Stop | Kind::Semicolon | Kind::Comma);
    let clause = tokens.rsplit(is_end).next().unwrap_or_default();
    let words: Vec<&str> = clause.iter().rev().map_while(Token::word).take(2).collect();
    denial::before(clause, &[clause.len()], Manner::Prose).contains(&true)
        || matches!(words[..], ["than", "rather"] | ["of", "instead"])
}

fn is_relative(clause: &[Token]) -> bool {
    clause.first().and_then(Token::word) == Some("which")
}

/// What `clause`, whose tokens are `inside`, says of each of its values.
fn stances(clause: Clause, inside: &[Token], manner: Manner) -> Vec<(usize, Stance)> {
    let places: Vec<usize> =
        (0..inside.len()).filter(|at| inside.get(*at).is_some_and(|token| token.value().is_some())).collect();
    let claims = match clause.role {
        Role::Main | Role::Contrast => true,
        Role::Aside => is_claim(clause, inside),
        Role::Reason => false,
        // "instead of 2 it is 5"
        Role::Denial => true,
    };
    // Where the list ends that begins with the first value.
    let joined = |pair: &&[usize]| matches!(pair, [a, b] if inside.get(a + 1..*b).is_some_and(is_joint));
    let n_listed = places.windows(2).take_while(joined).count();
    let listed = places.get(n_listed).copied().unwrap_or_default();
    let denied_before = denial::before(inside, &places, manner);
    let mut found = Vec::new();
    // From the right, since a list shares what is said behind it.
    let mut shared = Predicate::Nothing;
    for (n, at) in places.iter().enumerate().rev() {
        let next = places.get(n + 1).copied();
        let tail = inside.get(at + 1..next.unwrap_or(inside.len())).unwrap_or_default();
        let own = match next {
            Some(_) if is_joint(tail) => match shared {
                Predicate::Denial { of_one }
                    if !of_one || tail.iter().any(|token| token.word() == Some("or")) =>
                {
                    shared
                }
                _ => Predicate::Nothing,
            },
            _ => predicate(inside, *at, tail, manner),
        };
        shared = own;
        let is_named = clause.role == Role::Denial && *at <= listed;
        let denied =
            matches!(own, Predicate::Denial { .. }) || is_named || denied_before.get(n) == Some(&true);
        let stance = match (denied, claims) {
            (true, _) => Stance::Denied,
            (_, true) if own == Predicate::Elliptical && clause.role != Role::Contrast => Stance::Open,
            (_, true) => Stance::Claimed,
            _ if denial::affirms(tail) => Stance::Claimed,
            _ => Stance::Beside,
        };
        found.extend(inside.get(*at).and_then(Token::value).map(|value| (value, stance)));
    }
    found.reverse();
    found
}

/// What `tail` says of the value before it, at `at`; the text of an option, as in "A) It is not red", says nothing of it.
fn predicate(inside: &[Token], at: usize, tail: &[Token], manner: Manner) -> Predicate {
    let Some(mark) = tail.first().filter(|_| manner == Manner::Letters) else {
        return denial::behind(tail, manner);
    };
    let enclosed =
        at.checked_sub(1).and_then(|at| inside.get(at)).is_some_and(|token| token.kind == Kind::Open);
    let is_label = matches!(mark.kind, Kind::Colon | Kind::Stop) || mark.kind == Kind::Close && !enclosed;
    if is_label && !denial::is_judgement(tail) { Predicate::Nothing } else { denial::behind(tail, manner) }
}

/// Whether `between`, what parts two values, makes them one list.
fn is_joint(between: &[Token]) -> bool {
    between.iter().all(|token| match &token.kind {
        Kind::Comma | Kind::Open | Kind::Close => true,
        Kind::Word(word) => matches!(&**word, "and" | "or" | "nor" | "option" | "choice" | "as" | "well"),
        _ => false,
    })
}

/// Whether an aside makes a claim of its own: "or maybe 6", "it is 6", "no, 6"; or is no more than a value.
fn is_claim(clause: Clause, inside: &[Token]) -> bool {
    const HEDGES: [&str; 21] = [
        "or",
        "maybe",
        "perhaps",
        "possibly",
        "alternatively",
        "also",
        "either",
        "both",
        "else",
        "otherwise",
        "could",
        "might",
        "may",
        "wait",
        "no",
        "actually",
        "sorry",
        "oops",
        "correction",
        "probably",
        "mean",
    ];
    const LEADS: [&str; 12] =
        ["it", "it's", "that", "that's", "this", "is", "are", "the", "answer", "option", "choice", "be"];
    let mut words = inside.iter().filter_map(Token::word);
    if clause.alternative || words.any(|word| HEDGES.contains(&word)) {
        return true;
    }
    let first = inside.iter().find(|token| token.word().is_none_or(|word| !LEADS.contains(&word)));
    let leads = first.is_some_and(|token| token.value().is_some());
    let bare =
        inside.iter().filter_map(Token::word).all(|word| LEADS.contains(&word) || matches!(word, "and"));
    leads && (bare || !clause.bracketed)
}
