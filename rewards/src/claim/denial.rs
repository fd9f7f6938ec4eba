//! Words with which a text denies something, and what they are about.

use super::{
    Manner,
    token::{Kind, Token},
    words::{
        ABOUT_THE_CLAIM, BEFORE_BUT, BELIEFS, CONCESSIONS, COPULAS, CORRECTIONS, CROSS, DOES, DOES_NOT,
        FILLERS, GENERAL, NEGATORS, NO_SUCH, NOES, NOUNS, OF_ANOTHER, OF_THINGS, REJECTING, REJECTIONS,
        RELATIVES, RESTRICTIONS, RIGHT, RULED, RULING, SINGULAR, WORKS,
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

/// Whether `word` behind a value is a verb of which the value is the subject.
pub(super) fn is_verb(word: &str) -> bool {
    is_copula(word) || is_negator(word) || REJECTIONS.contains(&word)
}

/// Whether the token at `at` denies, or says to be no answer, what is near.
fn denies(tokens: &[Token], at: usize) -> bool {
    let word = |at: usize| tokens.get(at).and_then(Token::word);
    let Some(this) = word(at) else { return false };
    let before = at.checked_sub(1).and_then(word);
    let only = this == "not" && word(at + 1) == Some("only");
    let has_before = |words: &[&str]| before.is_some_and(|before| words.contains(&before));
    is_negator(this) && !only && !is_certain(tokens, at)
        || this == "but" && has_before(BEFORE_BUT)
        || this == "than" && has_before(&["other"])
}

/// Whether the token at `at` belongs to "no doubt", "without a doubt" and the like.
fn is_certain(tokens: &[Token], at: usize) -> bool {
    let is_article = |word: &&str| matches!(*word, "a" | "any" | "the" | "shadow" | "of");
    let (before, behind) = tokens.split_at_checked(at).unwrap_or_default();
    match tokens.get(at).and_then(Token::word) {
        Some("doubt" | "doubts") => {
            let mut words = before.iter().rev().map_while(Token::word).skip_while(is_article);
            matches!(words.next(), Some("no" | "without" | "beyond"))
        }
        Some("without") => {
            let mut words = behind.iter().skip(1).map_while(Token::word).skip_while(is_article);
            matches!(words.next(), Some("doubt" | "doubts" | "question" | "exception" | "fail"))
        }
        _ => false,
    }
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
    let is_said = || at.checked_sub(2).and_then(word).is_some_and(is_copula);
    let nothing = before == "no"
        && NO_SUCH.contains(&this)
        && (matches!(this, "good" | "sense" | "longer") || is_said())
        || before == "makes" && this == "no";
    REJECTIONS.contains(&this) && before != "no" || out || too || far || nothing
}

/// For each of the values of `tokens`, a clause, that stand at `places`, whether it is denied by what is before it.
pub(super) fn before(tokens: &[Token], places: &[usize], manner: Manner) -> Vec<bool> {
    if manner == Manner::Prose {
        return places.iter().map(|at| just_before(tokens.get(..*at).unwrap_or_default())).collect();
    }
    let mut places = places.iter().copied().peekable();
    let (mut denied, mut doubted) = (false, false);
    let mut found = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        if places.next_if_eq(&place).is_some() {
            found.push(denied || doubted || is_non(tokens, place));
        }
        let Some(word) = token.word() else {
            denied &= token.kind != Kind::Equals;
            continue;
        };
        let rejecting = REJECTING.contains(&word) || rejects(tokens, place) || is_ruling(tokens, place);
        doubted |= word.starts_with("doubt") && denies(tokens, place);
        if denies(tokens, place) || rejecting {
            denied = true;
        } else if matches!(word, "is" | "are" | "was" | "were" | "equals" | "it's" | "that's")
            && place.checked_sub(1).is_some_and(|before| !denies(tokens, before) && !rejects(tokens, before))
        {
            // "What she did not eat is 5."
            denied = false;
        }
    }
    found.extend(places.map(|_| denied || doubted));
    found
}

/// Whether the verb at `at` rules out what follows it: "rules C out", "ruling out C".
fn is_ruling(tokens: &[Token], at: usize) -> bool {
    let out = || tokens.iter().skip(at + 1).take(REACH).filter_map(Token::word).any(|word| word == "out");
    tokens.get(at).and_then(Token::word).is_some_and(|word| RULING.contains(&word)) && out()
}

/// Whether the value at `at` has a "non" before it: "non-A".
fn is_non(tokens: &[Token], at: usize) -> bool {
    at.checked_sub(1).and_then(|at| tokens.get(at)).and_then(Token::word) == Some("non")
}

/// Whether what directly follows `clause` in prose is denied: "not 5", "non-5", "I doubt that it is 5".
fn just_before(clause: &[Token]) -> bool {
    const LINKS: [&str; 12] =
        ["is", "was", "are", "it", "it's", "that", "that's", "this", "answer", "result", "solution", "would"];
    let words = || clause.iter().rev().map_while(Token::word);
    let n_fillers = words().take_while(|word| FILLERS.contains(word)).count();
    let at = clause.len().checked_sub(n_fillers + 1);
    if at.is_some_and(|at| denies(clause, at)) || is_non(clause, clause.len()) {
        return true;
    }
    let n_links = words().take_while(|word| FILLERS.contains(word) || LINKS.contains(word)).count();
    let Some(at) = clause.len().checked_sub(n_links + 1) else { return false };
    let word = clause.get(at).and_then(Token::word).unwrap_or_default();
    let is_believed = BELIEFS.contains(&word);
    let negated = || (at.saturating_sub(3)..at).any(|at| denies(clause, at));
    n_links > 0
        && (rejects(clause, at)
            || word.starts_with("doubt") && denies(clause, at)
            || is_believed && negated())
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
    if word(at) == Some(CROSS) {
        return true;
    }
    let is_adverb = |word: &str| word.ends_with("ly") || matches!(word, "also" | "just" | "ruled" | "not");
    // "4 wrong answers", "4 were wrong"
    let is_predicate =
        before.is_some_and(|word| is_copula(word) || is_adverb(word) || word == "from" || word == "far");
    if word(at).is_none_or(|word| !OF_THINGS.contains(&word)) {
        return is_predicate || manner == Manner::Numbers && tail.iter().filter_map(Token::word).count() == 1;
    }
    // "4 fails", but "4 trap doors"
    let is_verb = |word: &str| !NOUNS.contains(&word) || tail.iter().filter_map(Token::word).count() == 1;
    word(0)
        .is_some_and(|word| SINGULAR.contains(&word) || at == 0 && manner == Manner::Numbers && is_verb(word))
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
    let restricted = match word(judged + 1) {
        Some("at") => word(judged + 2) == Some("first"),
        Some("to" | "that") => true,
        // "That is wrong for many reasons" denies it all the same.
        _ if denial == judged => false,
        Some("for" | "in") => word(judged + 2).is_some_and(|word| !GENERAL.contains(&word)),
        Some(word) => RESTRICTIONS.contains(&word),
        None => false,
    };
    tokens.iter().take(denial).all(about)
        && !restricted
        && !speaks_of_another(tokens.get(..denial).unwrap_or_default())
}

/// Whether `subject`, what stands before a denial, speaks of another claim: "my first guess", "one option".
fn speaks_of_another(subject: &[Token]) -> bool {
    let words: Vec<&str> = subject.iter().filter_map(Token::word).collect();
    let is_other = |at: usize, word: &&str| {
        let before = at.checked_sub(1).and_then(|at| words.get(at)).copied().unwrap_or_default();
        OF_ANOTHER.contains(word) && !(*word == "one" && matches!(before, "this" | "that"))
    };
    let corrects = words.first().is_some_and(|word| CORRECTIONS.contains(word));
    !corrects && words.iter().enumerate().any(|(at, word)| is_other(at, word))
}

/// Whether `tail`, behind a value that is only mentioned, says that it is right as well.
pub(super) fn affirms(tail: &[Token]) -> bool {
    let mut words = tail.iter().map_while(Token::word);
    let said = matches!(words.next(), Some("is" | "are" | "was" | "were"));
    let first = words.find(|word| !matches!(*word, "also" | "equally" | "the" | "just" | "as" | "a" | "too"));
    said && matches!(first, Some("right" | "correct" | "answer"))
}

/// Whether the clause of `tokens` that begins at `from` is opened by a word such as "though".
pub(super) fn concedes(tokens: &[Token], from: usize) -> bool {
    let opener = from.checked_sub(1).and_then(|at| tokens.get(at)).and_then(Token::word);
    opener.is_some_and(|word| CONCESSIONS.contains(&word))
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
