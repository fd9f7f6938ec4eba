//! Words with which a text denies something, and what they are about.

use super::{
    Manner,
    token::{Kind, Token},
    words::{
        ABOUT_THE_CLAIM, BEFORE_BUT, COPULAS, DOES, DOES_NOT, FILLERS, NEGATORS, NOES, OF_THINGS, REJECTING,
        REJECTIONS, RELATIVES, RIGHT, RULED, RULING, SINGULAR, WORKS,
    },
};

/// How many tokens away the words of one phrase may stand.
const REACH: usize = 32;

pub(super) fn is_negator(word: &str) -> bool {
    NEGATORS.contains(&word) || word.ends_with("n't")
}

fn is_copula(word: &str) -> bool {
    COPULAS.contains(&word) || word.ends_with("'s")
}

/// Whether the token at `at` denies, or says to be no answer, what is near.
fn denies(tokens: &[Token], at: usize) -> bool {
    let word = |at: usize| tokens.get(at).and_then(Token::word);
    let Some(this) = word(at) else { return false };
    let before = at.checked_sub(1).and_then(word);
    let only = this == "not" && word(at + 1) == Some("only");
    let has_before = |words: &[&str]| before.is_some_and(|before| words.contains(&before));
    is_negator(this) && !only
        || this == "but" && has_before(BEFORE_BUT)
        || this == "than" && has_before(&["other"])
}

/// Whether the token at `at` says that something is no answer.
fn rejects(tokens: &[Token], at: usize) -> bool {
    let word = |at: usize| tokens.get(at).and_then(Token::word);
    let Some(this) = word(at) else { return false };
    let before = at.checked_sub(1).and_then(word).unwrap_or_default();
    let mut words = tokens.iter().take(at).rev().take(REACH).filter_map(Token::word);
    let mut ruled_it =
        || matches!(before, "it" | "this" | "that") && words.any(|word| RULING.contains(&word));
    let out = this == "out" && (is_copula(before) || RULED.contains(&before) || ruled_it());
    let too = this == "too" && is_copula(before) && word(at + 1).is_some();
    let far = this == "from" && before == "far";
    let nothing = before == "no" && matches!(this, "good" | "sense" | "option" | "longer")
        || before == "makes" && this == "no";
    REJECTIONS.contains(&this) && before != "no" || out || too || far || nothing
}

/// Whether `tokens`, a clause, denies its value that stands at `at` by what is before it.
pub(super) fn before(tokens: &[Token], at: usize, manner: Manner) -> bool {
    let clause = tokens.get(..at).unwrap_or_default();
    let words = || clause.iter().rev().map_while(Token::word);
    if manner == Manner::Prose {
        let end = words().take_while(|word| FILLERS.contains(word)).count();
        return clause.len().checked_sub(end + 1).is_some_and(|at| denies(clause, at));
    }
    let mut denied = false;
    for (place, token) in clause.iter().enumerate() {
        let Some(word) = token.word() else {
            denied &= token.kind != Kind::Equals;
            continue;
        };
        let rejecting = REJECTING.contains(&word) || rejects(clause, place) || is_ruling(tokens, place);
        if denies(clause, place) || rejecting {
            denied = true;
        } else if matches!(word, "is" | "are" | "was" | "were" | "equals" | "it's" | "that's")
            && place.checked_sub(1).is_some_and(|before| !denies(clause, before) && !rejects(clause, before))
        {
            // "What she did not eat is 5."
            denied = false;
        }
    }
    denied
}

/// Whether the verb at `at` rules out what follows it: "rules C out", "ruling out C".
fn is_ruling(tokens: &[Token], at: usize) -> bool {
    let out = || tokens.iter().skip(at + 1).take(REACH).filter_map(Token::word).any(|word| word == "out");
    tokens.get(at).and_then(Token::word).is_some_and(|word| RULING.contains(&word)) && out()
}

/// What the words behind a value say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predicate {
    Nothing,
    /// It is denied, and whether the words speak of one thing.
    Denial {
        of_one: bool,
    },
    /// "or A is": what of it was said before.
    Elliptical,
}

/// What `tail`, the tokens behind a value up to the next value or the end of its clause, says of it.
pub(super) fn behind(tail: &[Token], manner: Manner) -> Predicate {
    let words: Vec<&str> = tail.iter().filter_map(Token::word).collect();
    if matches!(words[..], ["no" | "not"]) {
        return Predicate::Denial { of_one: true };
    }
    let of_one = words.first().is_some_and(|word| SINGULAR.contains(word));
    let relative = tail.iter().position(|token| token.word().is_some_and(|word| RELATIVES.contains(&word)));
    let is_denial = |at: &usize| match manner {
        Manner::Letters => denies(tail, *at) || rejects(tail, *at),
        _ => rejects(tail, *at) && is_of_number(tail, *at, manner) || negates(tail, *at, manner),
    };
    let limit = relative.filter(|_| manner != Manner::Letters).unwrap_or(tail.len());
    if (0..limit).any(|at| is_denial(&at)) {
        return Predicate::Denial { of_one };
    }
    let auxiliary = |word: &&str| is_copula(word) || matches!(*word, "too" | "also");
    if words.first().is_some_and(|word| is_copula(word)) && words.iter().all(auxiliary) {
        return Predicate::Elliptical;
    }
    Predicate::Nothing
}

/// Whether the rejection at `at` speaks of the number before `tail`, and not of what it counts: "18 were rejected".
fn is_of_number(tail: &[Token], at: usize, manner: Manner) -> bool {
    let word = |at: usize| tail.get(at).and_then(Token::word);
    let before = at.checked_sub(1).and_then(word);
    let is_adverb = |word: &str| word.ends_with("ly") || matches!(word, "also" | "just" | "ruled" | "not");
    // "4 wrong answers", "4 were wrong"
    let is_predicate =
        before.is_some_and(|word| is_copula(word) || is_adverb(word) || word == "from" || word == "far");
    if word(at).is_none_or(|word| !OF_THINGS.contains(&word)) {
        return is_predicate || manner == Manner::Numbers && tail.iter().filter_map(Token::word).count() == 1;
    }
    word(0).is_some_and(|word| SINGULAR.contains(&word) || at == 0 && manner == Manner::Numbers)
        || manner == Manner::Numbers && before.is_some_and(is_copula)
}

/// Whether the negator at `at` denies that the number before `tail` is the answer, and does not speak of something else.
fn negates(tail: &[Token], at: usize, manner: Manner) -> bool {
    let word = |at: usize| tail.get(at).and_then(Token::word);
    let Some(this) = word(at).filter(|word| is_negator(word)) else { return false };
    let before = at.checked_sub(1).and_then(word).unwrap_or_default();
    let after: Vec<&str> = tail.iter().skip(at + 1).take(REACH).filter_map(Token::word).collect();
    if DOES_NOT.contains(&this) || DOES.contains(&before) {
        return after.first().is_none_or(|word| WORKS.contains(word));
    }
    let predicate = this.ends_with("n't") || this == "cannot" || is_copula(before);
    let judges = || {
        after.iter().all(|word| *word == "be")
            || after.iter().any(|word| RIGHT.contains(word) || WORKS.contains(word))
    };
    predicate && (manner == Manner::Numbers || judges())
}

/// Whether `tokens`, a clause without a value, rejects what was claimed before it: "which is wrong", "no".
pub(super) fn of_claim(tokens: &[Token]) -> bool {
    let word = |at: usize| tokens.get(at).and_then(Token::word);
    if tokens.len() == 1 && word(0).is_some_and(|word| NOES.contains(&word)) {
        return true;
    }
    let found = (0..tokens.len()).find_map(|at| match (rejects(tokens, at), denies(tokens, at)) {
        (true, _) => Some((at, at)),
        (_, true) => judged(tokens, at).map(|judged| (at, judged)),
        _ => None,
    });
    let Some((denial, judged)) = found else { return false };
    let about = |token: &Token| match &token.kind {
        Kind::Word(word) => {
            ABOUT_THE_CLAIM.contains(&&**word) || is_copula(word) || RULING.contains(&&**word)
        }
        kind => *kind != Kind::Sign,
    };
    // "It is wrong to think so" and "it is not possible to have 6" speak of something else.
    tokens.iter().take(denial).all(about) && !matches!(word(judged + 1), Some("to" | "that"))
}

/// What the negator at `at` denies, where that is being an answer: "cannot be *right*".
fn judged(tokens: &[Token], at: usize) -> Option<usize> {
    const BETWEEN: [&str; 9] = ["the", "a", "an", "be", "really", "quite", "at", "all", "actually"];
    let word = |at: usize| tokens.get(at).and_then(Token::word);
    let next = (at + 1..tokens.len()).find(|at| word(*at).is_none_or(|word| !BETWEEN.contains(&word)))?;
    word(next).filter(|word| RIGHT.contains(word) || WORKS.contains(word)).map(|_| next)
}

/// Whether the word at `at` is the "but" of "all but".
pub(super) fn is_all_but(tokens: &[Token], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| tokens.get(at)).and_then(Token::word);
    before.is_some_and(|before| BEFORE_BUT.contains(&before))
}

/// Whether `tail`, behind the mark of an option ("A)", "A:"), judges the option and is not its text.
pub(super) fn is_judgement(tail: &[Token]) -> bool {
    let words: Vec<&str> = tail.iter().filter_map(Token::word).collect();
    let Some(first) = words.first() else { return false };
    let judged = words.iter().all(|word| {
        REJECTIONS.contains(word) && *word != "false"
            || ABOUT_THE_CLAIM.contains(word)
            || is_copula(word)
            || is_negator(word)
            || RIGHT.contains(word)
            || RULING.contains(word)
    });
    is_copula(first) || first.ends_with("n't") || *first == "cannot" || judged
}
