//! The words by which a denial is known.

/// Words that deny what follows or precedes them.
#[rustfmt::skip]
pub(super) const NEGATORS: &[&str] = &[
    "not", "never", "cannot", "neither", "nor", "except", "excepting", "excluding", "besides", "unlike",
    "neg", "lnot", "without", "hardly", "scarcely", "doubt", "doubts", "doubtful",
];
/// Words after which "but" denies: "all but".
#[rustfmt::skip]
pub(super) const BEFORE_BUT: &[&str] = &[
    "all", "any", "anything", "anyone", "everything", "every", "nothing", "none", "each",
];
/// Words that say that something is no answer.
#[rustfmt::skip]
pub(super) const REJECTIONS: &[&str] = &[
    "wrong", "incorrect", "false", "untrue", "impossible", "invalid", "mistaken", "mistake", "erroneous",
    "excluded", "eliminated", "rejected", "discarded", "dismissed", "refuted", "disproved", "disproven",
    "inadmissible", "unlikely", "implausible", "fails", "failed", "fail", "contradicts",
    "contradictory", "absurd", "nonsense", "bogus", "flawed", "unsuitable", "untenable", "inaccurate",
    "inconsistent", "extraneous", "spurious", "excludes", "unacceptable", "bad", "trap", "distractor", "decoy",
    "misleading", "unsound", "nonsensical", "improbable", "dubious", "questionable", "fake", "worthless",
    CROSS,
];
/// The word for which signs of rejection stand: "4 ❌".
pub(super) const CROSS: &str = "✗";
/// Signs that reject what is before or behind them.
pub(crate) const CROSSES: [char; 7] = ['✗', '✘', '❌', '❎', '🚫', '⛔', '👎'];
/// Signs that confirm it.
pub(super) const TICKS: [char; 4] = ['✓', '✔', '✅', '☑'];
/// Those of them that are said of things that are counted as well: "18 were rejected".
#[rustfmt::skip]
pub(super) const OF_THINGS: &[&str] = &[
    "excluded", "eliminated", "rejected", "discarded", "dismissed", "fails", "failed", "fail", "mistake", "flawed",
    "excludes", "unacceptable", "extraneous", "unsuitable", "spurious", "contradicts", "out", "trap",
    "distractor", "decoy",
];
/// Nouns among them.
pub(super) const NOUNS: &[&str] = &["mistake", "trap", "distractor", "decoy"];
/// Verbs that reject what follows them.
#[rustfmt::skip]
pub(super) const REJECTING: &[&str] = &[
    "eliminate", "eliminates", "eliminating", "eliminated", "exclude", "excludes", "excluded", "reject",
    "rejects", "rejecting", "rejected", "discard", "discarding", "discarded", "dismiss", "dismissing",
    "dismissed", "refute", "refutes", "avoid", "avoids", "avoiding", "avoided", "ignore", "ignoring", "disregard",
    "disregarding", "forget", "omit", "omitting", "beware", "deny", "denies", "dispute",
];
/// Verbs that with "out" reject: "ruled out".
#[rustfmt::skip]
pub(super) const RULING: &[&str] = &[
    "rule", "rules", "ruled", "ruling", "cross", "crossed", "crossing", "strike", "struck", "knocks",
    "knocked", "takes",
];
/// Participles that with "out" reject.
pub(super) const RULED: &[&str] = &["ruled", "crossed", "struck", "knocked"];
/// What is denied where it is denied that something is an answer.
#[rustfmt::skip]
pub(super) const RIGHT: &[&str] = &[
    "right", "correct", "true", "answer", "possible", "valid", "it", "one", "option", "choice", "solution",
    "accurate", "acceptable", "feasible", "plausible", "case", "so", "sense", "suitable", "appropriate",
    "allowed", "permitted", "consistent", "viable",
];
/// What is denied with "does not".
#[rustfmt::skip]
pub(super) const WORKS: &[&str] = &[
    "work", "fit", "satisfy", "hold", "make", "count", "match", "agree", "apply",
];
/// Verbs that with "not" deny what follows them.
pub(super) const DOES: &[&str] = &["do", "does", "did"];
/// These with "not".
pub(super) const DOES_NOT: &[&str] = &["don't", "doesn't", "didn't"];
/// Verbs that say what something is, or might be.
#[rustfmt::skip]
pub(super) const COPULAS: &[&str] = &[
    "is", "are", "was", "were", "be", "been", "being", "seems", "looks", "appears", "turns", "must",
    "should", "would", "could", "can", "may", "might", "will", "shall", "has", "have", "had", "does", "do",
    "did", "equals",
];
/// Nouns of which it is said that something is none: "A is no answer".
pub(super) const NO_SUCH: &[&str] = &[
    "good",
    "sense",
    "longer",
    "answer",
    "option",
    "choice",
    "solution",
    "candidate",
    "match",
    "fit",
    "way",
];
/// Words that begin the judgement of a claim before them: "A, though wrong".
pub(super) const CONCESSIONS: &[&str] = &["though", "although", "albeit", "while", "even", "which"];
/// Words of a doubt about what follows, with a denial before them: "I don't think it is 4".
#[rustfmt::skip]
pub(super) const BELIEFS: &[&str] = &[
    "think", "believe", "say", "claim", "mean", "guess", "suppose", "certain", "sure", "convinced", "true", "case",
    "possible", "correct", "likely", "expect",
];
/// Copulas about one thing.
#[rustfmt::skip]
pub(super) const SINGULAR: &[&str] = &[
    "is", "was", "isn't", "wasn't", "does", "doesn't", "fails", "has", "hasn't",
];
/// Words that may stand between a negator and what it is about.
#[rustfmt::skip]
pub(super) const FILLERS: &[&str] = &[
    "be", "been", "equal", "equals", "to", "or", "the", "a", "an", "number", "value", "exactly", "only",
    "just", "really", "about", "approximately", "necessarily", "possibly", "actually", "likely", "always", "quite",
];
/// Words that begin a clause about the noun before them.
pub(super) const RELATIVES: &[&str] = &["that", "who", "which", "whom", "whose"];
/// Words that a sentence about the claim itself may have before it rejects it: "but I think that this answer is".
#[rustfmt::skip]
pub(super) const ABOUT_THE_CLAIM: &[&str] = &[
    "it", "this", "that", "which", "he", "she", "they", "it's", "that's", "this's", "answer", "option",
    "choice", "one", "guess", "result", "value", "claim", "number", "letter", "above", "my", "the", "your",
    "its", "first", "no", "wait", "hmm", "oh", "oops", "sorry", "actually", "but", "however", "well", "yes",
    "i", "think", "believe", "realize", "see", "know", "now", "so", "then", "and", "clearly", "obviously",
    "definitely", "certainly", "simply", "just", "also", "still", "completely", "totally", "absolutely",
    "plainly", "of", "course", "out", "to", "though", "quite", "probably", "almost", "or", "we", "you",
];
/// Words of them that speak of another claim: "my first guess was wrong".
#[rustfmt::skip]
pub(super) const OF_ANOTHER: &[&str] = &[
    "first", "second", "third", "initial", "earlier", "previous", "original", "other", "others", "another", "one",
];
/// Words with which one corrects oneself.
pub(super) const CORRECTIONS: &[&str] = &["no", "wait", "hmm", "oh", "oops", "sorry", "actually"];
/// Words that restrict a denial to what follows them: "not the case for Rome".
#[rustfmt::skip]
pub(super) const RESTRICTIONS: &[&str] = &["to", "that", "for", "in", "if", "when", "unless", "with", "where", "on"];
/// Words behind "for" and "in" with which they restrict nothing: "not right for several reasons".
#[rustfmt::skip]
pub(super) const GENERAL: &[&str] = &[
    "any", "all", "this", "that", "fact", "several", "many", "some", "two", "three", "various", "these", "those",
    "sure", "our", "us", "me", "you", "it", "reasons", "every", "the", "my", "your",
];
/// Words that alone reject what stands before them.
pub(super) const NOES: &[&str] = &["no", "nope", "not", "wrong"];
