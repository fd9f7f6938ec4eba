//! Whether what stands behind a formula explains it or says where it holds.
//!
//! A number holds everywhere but where it says otherwise at once ("5 if x > 2"). A set and a formula with letters may be
//! restricted by any word or sign ("ℝ; zero is left out", "x^2, while x > 0"), unless a clause gives a reason.

use std::ops::Range;

use super::{
    Aside,
    clause::Role,
    formula::{FUNCTIONS, formulas, n_words},
};

/// Signs of sets and relations, of which "but not 5" may leave out a point.
#[rustfmt::skip]
const SETS: &[&str] = &[
    "<", ">", "\\le", "\\ge", "≤", "≥", "\\in", "∈", "\\mathbb", "\\R", "ℝ", "\\cup", "∪", "\\infty", "∞",
    "\\ne", "≠", "\\lt", "\\gt", "[", "(", "\\{",
];
/// Signs of a clause that restricts: "where k > 2".
const RELATIONS: [&str; 11] = ["=", "<", ">", "\\le", "\\ge", "\\ne", "≤", "≥", "≠", "\\in", "∈"];
/// Words that open a clause of its own beside the claim.
const OPENERS: [&str; 5] = ["whereas", "while", "although", "though", "where"];
/// Words that begin another possibility.
const ALTERNATIVES: [&str; 7] = ["or", "maybe", "perhaps", "possibly", "alternatively", "otherwise", "else"];
/// Words before a condition that say nothing of it.
#[rustfmt::skip]
const LEADS: [&str; 17] = [
    "although", "though", "but", "and", "not", "valid", "true", "correct", "this", "that", "it", "holds", "is", "only",
    "just", "while", "which",
];
/// Words that begin a condition behind whatever claim.
const CONDITIONS: [&str; 6] = ["if", "unless", "provided", "providing", "except", "excepting"];
/// Those that do behind "not", "only", ...
const BEHIND_LEADS: [&str; 3] = ["for", "when", "whenever"];
/// Words that restrict a set or a formula wherever they stand.
#[rustfmt::skip]
const RESTRICTIONS: &[&str] = &[
    "only", "except", "excepting", "exception", "excluding", "excluded", "exclude", "excludes", "without", "provided",
    "providing", "unless", "omitted", "missing", "removed", "restricted", "limited", "apart", "least", "most",
];
/// Words that do where what they stand in is no conclusion.
const BOUNDS: &[&str] =
    &["for", "if", "when", "whenever", "assuming", "given", "left", "lacks", "lacking", "domain", "belong"];
/// Words that do where they stand beside the claim and describe nothing else.
#[rustfmt::skip]
const QUALITIES: &[&str] = &[
    "positive", "negative", "nonzero", "nonnegative", "half", "part", "small", "large", "smaller", "larger", "less",
    "greater", "above", "below", "between", "integer", "integers", "integral", "whole", "natural", "rational", "even", "odd",
    "not", "never", "neither", "cannot", "but", "undefined", "zero", "two", "three", "four", "five", "six", "minus",
];
/// What a denial is about where it says where the claim does not hold.
const PLACES: [&str; 6] = ["for", "at", "when", "if", "where", "in"];
/// What begins a short remark that says where the claim comes from.
const REFERENCES: [&str; 4] = ["see", "by", "using", "via"];
/// What it says behind "as".
#[rustfmt::skip]
const AS: [&str; 12] = [
    "required", "desired", "expected", "needed", "asked", "claimed", "stated", "shown", "wanted", "before", "above",
    "requested",
];
/// Names of constants, which are no variables.
const CONSTANTS: [&str; 3] = ["e", "i", "π"];

/// The formula that a text claims first.
pub(super) struct Claim<'a> {
    pub text: &'a str,
    is_set: bool,
    /// Whether it may hold here and not there: a set, or a formula of letters.
    is_open: bool,
}

impl<'a> Claim<'a> {
    pub(super) fn new(text: &'a str, place: Range<usize>) -> Self {
        let before = text.get(..place.start).unwrap_or_default();
        let claim = text.get(place).unwrap_or_default();
        let value = claim.rsplit('=').next().unwrap_or_default();
        let is_set = has_set_signs(value) || opens_set(before);
        Self { text: claim, is_set, is_open: is_set || has_variables(value) }
    }

    /// Whether `aside` says where the claim holds.
    pub(super) fn is_restricted(&self, text: &str, aside: &Aside) -> bool {
        let said = text.get(aside.range.clone()).unwrap_or_default();
        let words = words(said);
        if aside.role == Role::Denial || words.is_empty() {
            return false;
        }
        let has = |lists: &[&[&str]]| {
            words.iter().any(|word| lists.iter().any(|list| list.contains(&word.as_str())))
        };
        let restricts = match words.first().map(String::as_str) {
            Some("because" | "since" | "as") => false,
            Some("so" | "hence" | "thus" | "therefore" | "then") => has(&[RESTRICTIONS]),
            Some("which") => has(&[RESTRICTIONS, BOUNDS]),
            // A reason that goes on.
            Some(first) if aside.role == Role::Reason && !OPENERS.contains(&first) => {
                has(&[RESTRICTIONS]) || BOUNDS.contains(&first)
            }
            _ => has(&[RESTRICTIONS, BOUNDS, QUALITIES]) || RELATIONS.iter().any(|sign| said.contains(sign)),
        };
        let first = words.first().map(String::as_str).unwrap_or_default();
        let is_alternative = ALTERNATIVES.contains(&first) && !formulas(said).is_empty();
        is_alternative || is_condition(&words) || self.is_open && restricts
    }

    /// Whether `aside`, which does not restrict the claim, explains it, and does not say in brackets what it is.
    pub(super) fn is_explained(&self, text: &str, aside: &Aside) -> bool {
        let said = text.get(aside.range.clone()).unwrap_or_default();
        let words = words(said);
        let is_remark = || match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["as", what, ..] => AS.contains(&what),
            [first, ..] => REFERENCES.contains(&first),
            [] => false,
        };
        match aside.role {
            Role::Denial => !self.is_set,
            Role::Reason => true,
            _ if aside.bracketed => formulas(said).is_empty() && is_remark(),
            _ => {
                said.starts_with(',') && words.first().is_some_and(|word| word == "so")
                    || formulas(said).is_empty() && (n_words(said) > 2 || is_remark())
            }
        }
    }

    /// Whether what is denied behind `between` may be left out of the claim, or is where it does not hold, and is no other
    /// claim of its kind; `items` are the values that are claimed.
    pub(super) fn leaves_out(
        &self,
        mut items: impl Iterator<Item = &'a str>,
        between: &str,
        denied: &Self,
    ) -> bool {
        let is_place = words(between).iter().any(|word| PLACES.contains(&word.as_str()));
        if is_place || !denied.is_set && items.any(|item| item == denied.text) {
            return true;
        }
        if self.is_set {
            return !denied.is_set;
        }
        let name = |claim: &Self| claim.text.split_once('=').map(|(name, _)| name.trim());
        let is_other = name(denied).is_some() && name(denied) != name(self);
        self.is_open && (is_other || !has_variables(denied.text))
    }
}

/// Whether the words begin with a condition: "as long as", "although only for", "if".
fn is_condition(words: &[String]) -> bool {
    let n_leads = words.iter().take_while(|word| LEADS.contains(&word.as_str())).count();
    let next: Vec<&str> = words.iter().skip(n_leads).take(2).map(String::as_str).collect();
    match (next.as_slice(), n_leads) {
        (["as" | "so", "long" | "far", ..], _) | (["at", "least" | "most", ..], 0) => true,
        ([word, ..], _) => CONDITIONS.contains(word) || n_leads > 0 && BEHIND_LEADS.contains(word),
        _ => false,
    }
}

/// The words of `text` in lower case, without the names of commands.
fn words(text: &str) -> Vec<String> {
    let is_letter = |c: char| c.is_alphabetic() || matches!(c, '\\' | '\'' | '’');
    let words = text.split(|c| !is_letter(c)).filter(|word| !word.is_empty() && !word.starts_with('\\'));
    words.map(|word| word.to_lowercase().replace('’', "'")).collect()
}

/// Whether a letter of `formula` stands for a number.
fn has_variables(formula: &str) -> bool {
    let words = formula.split(|c: char| !c.is_alphabetic() && c != '\\');
    let mut words = words.filter(|word| !word.is_empty() && !word.starts_with('\\'));
    words.any(|word| !CONSTANTS.contains(&word) && !FUNCTIONS.contains(&word))
}

fn has_set_signs(formula: &str) -> bool {
    SETS.iter().any(|sign| formula.contains(sign))
}

/// Whether `before` ends with a brace that opens a set, and belongs to no command.
fn opens_set(before: &str) -> bool {
    let command = before.trim_end().strip_suffix('{');
    command.is_some_and(|before| !before.ends_with(|c: char| c.is_alphabetic() || c == '}' || c == ']'))
}
