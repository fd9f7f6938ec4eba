//! The words by which a denial is known.

/// Words that deny what follows or precedes them.
#[rustfmt::skip]
pub(super) const NEGATORS: &[&str] = &[
    "not", "never", "cannot", "neither", "nor", "except", "excepting", "excluding", "besides", "unlike",
    "neg", "lnot", "without", "hardly", "scarcely",
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
    "excluded", "eliminated", "rejected", "discarded", "dismissed", "refuted", "disproved", "disproven", "inadmissible", "unlikely", "implausible", "fails", "failed", "fail", "contradicts",
    "contradictory", "absurd", "nonsense", "bogus", "flawed", "unsuitable", "untenable", "inaccurate",
    "inconsistent", "extraneous", "spurious", "excludes", "unacceptable",
];
/// Those of them that are said of things that are counted as well: "18 were rejected".
#[rustfmt::skip]
pub(super) const OF_THINGS: &[&str] = &[
    "excluded", "eliminated", "rejected", "discarded", "dismissed", "fails", "failed", "fail", "mistake", "flawed",
    "excludes", "unacceptable", "extraneous", "unsuitable", "spurious", "contradicts", "out",
];
/// Verbs that reject what follows them.
#[rustfmt::skip]
pub(super) const REJECTING: &[&str] = &[
    "eliminate", "eliminates", "eliminating", "eliminated", "exclude", "excludes", "excluded", "reject",
    "rejects", "rejecting", "rejected", "discard", "discarding", "discarded", "dismiss", "dismissing",
    "dismissed", "refute", "refutes",
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
/// Words that alone reject what stands before them.
pub(super) const NOES: &[&str] = &["no", "nope", "not", "wrong"];
