//! Words and clauses that say of a letter of a formula what goes without saying: "for any constant c", "where k is an
//! integer", `k ∈ ℤ`.
//!
//! ```text
//! answer    = formula qualifier | qualifier ("," | ":") formula
//! qualifier = clause { ["," | "and"] clause }
//! clause    = ["for" | "where" | "with" | "∀"] words                  of them at least one letter, and what it is
//! ```
//!
//! A qualifier is made of words that restrict nothing; with any other word or sign, as in "for any nonzero integer k" or
//! "for c > 0", the answer is another one. That they are integers goes without saying of i to n, p and q, as in `n = 5k`;
//! that it is a real number of a letter in a function, as in `f(x) = cx`. That an integer is positive only the gold answer
//! may say alone; otherwise the other answer must say it too.

use super::{
    prose::{Piece, pieces},
    tree::{Answer, Node},
};

/// Longest qualifier, in words, letters and marks.
const MAX_PIECES: usize = 32;
/// Words that make a statement of a letter general.
const QUANTIFIERS: [&str; 6] = ["any", "all", "every", "each", "some", "arbitrary"];
/// Words that say nothing of a letter.
#[rustfmt::skip]
const FILLERS: [&str; 26] = [
    "an", "the", "is", "are", "be", "being", "can", "may", "denotes", "denote", "represents", "represent", "value",
    "values", "of", "possible", "choice", "both", "over", "ranges", "range", "runs", "run", "through", "set",
    "integration",
];
/// What stands between the formula and its qualifier, or before the formula and behind its qualifier.
#[rustfmt::skip]
const BETWEEN: [&str; 22] = [
    "\\text{", "\\textrm{", "\\textit{", "\\textbf{", "\\mbox{", "\\mathrm{", "\\left", "\\quad", "\\qquad", "\\,", "\\;",
    "\\:", "\\ ", "\\(", "$", "~", ",", ";", "(", ":", "|", "\\mid",
];

/// What kind of number a letter is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Integer,
    Natural,
    Real,
    Complex,
}

/// What is said of one letter; no class where it is any constant or number.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    letter: String,
    class: Option<Class>,
}

/// The formula of `text` and what is said of its letters; none where there is no qualifier.
pub(super) fn split(text: &str) -> Option<(String, Vec<Claim>)> {
    let pieces = pieces(text);
    let occur = |claims: &[Claim], formula: &[Piece]| {
        claims.iter().all(|claim| {
            let letter = claim.letter.split('_').next().unwrap_or_default();
            formula.iter().any(|piece| !piece.text.starts_with('\\') && piece.text.contains(letter))
        })
    };
    for at in pieces.len().saturating_sub(MAX_PIECES).max(1)..pieces.len() {
        let (formula, qualifier) = pieces.split_at_checked(at)?;
        let start = qualifier.first()?.start;
        let gap = text.get(formula.last()?.end..start)?;
        let parted =
            gap.contains("quad") || formula.last().is_some_and(|last| ",;(:|".contains(last.text.as_str()));
        if (is_intro(qualifier.first()?) || parted)
            && let Some(claims) = claims(qualifier)
            && occur(&claims, formula)
        {
            return Some((without_end(text.get(..start)?).into(), claims));
        }
    }
    pieces.first().filter(|first| is_intro(first))?;
    let ends = (1..pieces.len().min(MAX_PIECES)).rev();
    let mut commas =
        ends.filter(|at| pieces.get(*at).is_some_and(|piece| matches!(piece.text.as_str(), "," | ":")));
    commas.find_map(|at| {
        let (qualifier, formula) = pieces.split_at_checked(at)?;
        let claims = claims(qualifier).filter(|claims| occur(claims, formula))?;
        let rest = text.get(formula.first()?.end..)?;
        Some((rest.trim_start_matches([' ', '}', '$']).into(), claims))
    })
}

fn is_intro(piece: &Piece) -> bool {
    matches!(piece.word().as_str(), "for" | "where" | "with" | "∀")
}

/// `text` without what parts it from a qualifier.
fn without_end(text: &str) -> &str {
    let mut text = text.trim_end();
    while let Some(rest) =
        BETWEEN.iter().find_map(|end| text.strip_suffix(end)).or_else(|| without_empty_group(text))
    {
        text = rest.trim_end();
    }
    text
}

/// Without a `\text{, }` at the end.
fn without_empty_group(text: &str) -> Option<&str> {
    let (before, inside) = text.strip_suffix('}')?.rsplit_once("\\text{")?;
    inside.chars().all(|c| " ,;(~".contains(c)).then_some(before)
}

/// A clause as far as it is read.
#[derive(Default)]
struct Clause {
    letters: Vec<String>,
    class: Option<Class>,
    /// Whether something is said of the letters.
    says: bool,
}

impl Clause {
    fn is_complete(&self) -> bool {
        !self.letters.is_empty() && self.says
    }

    fn claims(self) -> impl Iterator<Item = Claim> {
        let class = self.class;
        self.letters.into_iter().map(move |letter| Claim { letter, class })
    }
}

/// What `pieces` say of letters; none where they say anything else.
fn claims(pieces: &[Piece]) -> Option<Vec<Claim>> {
    let (mut claims, mut clause) = (Vec::new(), Clause::default());
    // Whether the last word was a letter, and a separator has come since.
    let (mut after_letter, mut parted) = (false, false);
    for (at, piece) in pieces.iter().enumerate() {
        let word = piece.word();
        if matches!(word.as_str(), "," | ";" | "and" | "(" | ")" | ".") {
            parted = true;
            continue;
        }
        let before = at.checked_sub(1).and_then(|at| pieces.get(at)).map(|piece| piece.text.as_str());
        let next = pieces.get(at + 1).map(Piece::word).unwrap_or_default();
        let class = class_of(&word, piece, before);
        let is_described = class_of(&next, piece, None).is_some() || is_filler(&next) || is_noun(&next);
        let is_article = word == "a" && (is_described || matches!(next.as_str(), "positive" | "fixed"));
        let is_adjective = word == "positive" && matches!(next.as_str(), "integer" | "integers")
            || word == "fixed" && matches!(next.as_str(), "constant" | "constants" | "real" | "number");
        let is_letter = piece.is_letter() && class.is_none() && !is_article;
        let begins_another = if is_letter { !after_letter } else { parted || is_intro(piece) };
        if clause.is_complete() && begins_another {
            claims.extend(std::mem::take(&mut clause).claims());
        }
        if is_letter {
            clause.letters.push(piece.text.clone());
        } else if let Some(class) = class {
            if clause.class.is_some_and(|other| other != class) {
                return None;
            }
            clause.class = Some(class);
            clause.says = true;
        } else if QUANTIFIERS.contains(&word.as_str()) || word == "∀" || is_noun(&word) {
            clause.says = true;
        } else if !(is_article
            || is_adjective
            || is_filler(&word)
            || is_intro(piece)
            || word == "∈" && before.is_some())
        {
            return None;
        }
        (after_letter, parted) = (is_letter, false);
    }
    if !clause.is_complete() {
        return None;
    }
    claims.extend(clause.claims());
    Some(claims)
}

/// The kind of number that the word or set names; a plain letter names a set behind a ∈.
fn class_of(word: &str, piece: &Piece, before: Option<&str>) -> Option<Class> {
    match word {
        "integer" | "integers" if before == Some("positive") => return Some(Class::Natural),
        "integer" | "integers" | "ℤ" => return Some(Class::Integer),
        "natural" | "naturals" | "ℕ" => return Some(Class::Natural),
        "real" | "reals" | "ℝ" => return Some(Class::Real),
        "complex" | "ℂ" => return Some(Class::Complex),
        _ => {}
    }
    match (before?, piece.text.as_str()) {
        ("∈", "Z") => Some(Class::Integer),
        ("∈", "N") => Some(Class::Natural),
        ("∈", "R") => Some(Class::Real),
        ("∈", "C") => Some(Class::Complex),
        _ => None,
    }
}

fn is_noun(word: &str) -> bool {
    matches!(word, "constant" | "constants" | "number" | "numbers" | "parameter" | "parameters")
}

fn is_filler(word: &str) -> bool {
    FILLERS.contains(&word) || QUANTIFIERS.contains(&word)
}

/// Whether a gold answer and another whose formulas agree also agree in what they say of letters: the same, or on one side
/// only what goes without saying in its formula.
pub(super) fn agree(
    (a, answer_a): (&[Claim], Option<&Answer>),
    (b, answer_b): (&[Claim], Option<&Answer>),
) -> bool {
    let holds = |claims: &[Claim], answer: Option<&Answer>, others: &[Claim], by_gold: bool| {
        claims.iter().all(|claim| {
            let Some(class) = claim.class else { return true };
            let other =
                others.iter().find(|other| other.letter == claim.letter).and_then(|other| other.class);
            other.map_or_else(
                || answer.is_some_and(|answer| claim.is_granted(class, answer, by_gold)),
                |other| other == class,
            )
        })
    };
    holds(a, answer_a, b, true) && holds(b, answer_b, a, false)
}

impl Claim {
    /// Whether an answer need not say it where the other does, `by_gold` the gold answer.
    fn is_granted(&self, class: Class, formula: &Answer, by_gold: bool) -> bool {
        let counts = self.letter.starts_with(['i', 'j', 'k', 'l', 'm', 'n']);
        let is_whole = counts || self.letter.starts_with(['p', 'q']);
        match class {
            Class::Integer => is_whole && (by_gold || !is_inequality(formula)),
            Class::Natural => is_whole && by_gold,
            Class::Real => !counts || self.is_constant(formula),
            Class::Complex => false,
        }
    }

    /// Whether the letter stands beside variables, as in `f(x) = cx`, so that it is a constant of a function.
    fn is_constant(&self, formula: &Answer) -> bool {
        match formula {
            Answer::Quantity(node, _) => self.is_beside_others(node),
            Answer::Relation(sides, signs) if signs.iter().all(|sign| *sign == '=') => {
                let applied = sides.first().is_some_and(|side| match side {
                    Answer::Quantity(Node::Variable(name), None) => name.contains('('),
                    _ => false,
                });
                applied || sides.iter().skip(1).any(|side| self.is_constant(side))
            }
            Answer::List(_, items) | Answer::Tuple(_, items, _) | Answer::Set(items) => {
                items.iter().any(|item| self.is_constant(item))
            }
            _ => false,
        }
    }

    fn is_beside_others(&self, node: &Node) -> bool {
        let letter = self.letter.split('_').next().unwrap_or_default();
        node.variables().iter().any(|name| !name.starts_with(letter))
    }
}

/// Whether the formula is about all numbers of a range, where "an integer" would be a restriction.
fn is_inequality(formula: &Answer) -> bool {
    match formula {
        Answer::Relation(_, signs) => signs.iter().any(|sign| *sign != '='),
        Answer::List(_, items) => items.iter().any(is_inequality),
        _ => false,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_qualifier_is_taken_off_its_formula() {
        for (text, formula) in [
            ("n=5k \\text{ for any integer } k", "n=5k"),
            ("$n=5k$, where $k$ is an integer.", "$n=5k"),
            ("x = 2\\pi k \\quad (k \\in \\mathbb{Z})", "x = 2\\pi k"),
            ("C_1e^x+C_2, \\text{where } C_{1}, C_2 \\text{ are arbitrary constants}", "C_1e^x+C_2"),
            ("\\text{For all real numbers $x$, }f(x)=x", "f(x)=x"),
            ("f(n)=n+1 \\text{ for all positive integers } n", "f(n)=n+1"),
            ("n=5k: k\\in\\mathbb{Z}", "n=5k"),
            ("n=5k \\mid k \\in \\mathbb{Z}", "n=5k"),
        ] {
            assert_eq!(split(text).unwrap().0, formula, "{text}");
        }
        for text in [
            "f(x)=cx \\text{ for } c > 0",
            "f(x)=cx \\text{ for } c",
            "n=5k \\text{ for any negative integer } k",
            "n=5k \\text{ for any integer } m",
            "n=5k \\text{ for a fixed integer } k",
            "x, k",
            "for any integer k",
            "k \\in \\mathbb{Z}",
            "",
        ] {
            assert!(split(text).is_none(), "{text}");
        }
    }
}
