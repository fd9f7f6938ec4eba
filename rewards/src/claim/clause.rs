//! Clauses of a claim: what is claimed in them, what only explains.

use super::{
    denial,
    token::{Kind, Token},
};

/// What the beginning of a clause says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Its values are claimed.
    Main,
    /// As `Main`, behind "but".
    Contrast,
    /// Its values explain a claim, unless it is a claim of its own.
    Aside,
    /// Its values are reasons.
    Reason,
    /// Its values are denied: "rather than".
    Denial,
}

/// A clause: its tokens without the words that open it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clause {
    pub role: Role,
    /// Where it begins in the text, with what opens it.
    pub start: usize,
    /// Its first token and the one behind its last.
    pub from: usize,
    pub to: usize,
    /// Whether it stands in brackets.
    pub bracketed: bool,
    /// Whether it is another possibility: "or".
    pub alternative: bool,
}

const REASONS: [&str; 10] =
    ["because", "since", "whereas", "while", "although", "though", "albeit", "as", "which", "where"];
const CONCLUSIONS: [&str; 8] = ["so", "hence", "thus", "therefore", "then", "if", "unless", "assuming"];
/// Two words that open a denial.
const INSTEAD: [(&str, &str); 5] =
    [("in", "place"), ("rather", "than"), ("instead", "of"), ("as", "opposed"), ("other", "than")];
/// Words between which and a span of time a claim says how long it took: "3 in 2 days".
const SPANS: [&str; 3] = ["in", "after", "within"];
#[rustfmt::skip]
const TIMES: [&str; 16] = [
    "second", "seconds", "minute", "minutes", "hour", "hours", "day", "days", "week", "weeks", "month", "months",
    "year", "years", "mins", "hrs",
];
/// Words that follow "as" where it gives a reason.
const BEHIND_AS: [&str; 9] = ["it", "the", "this", "that", "they", "there", "we", "he", "she"];
/// Words between two values that make them a list.
const JOINTS: [&str; 3] = ["and", "or", "nor"];

/// Most tokens between two values of a list.
const MAX_JOINT: usize = 6;

/// The clauses of `tokens`, and for each opening bracket that holds an aside where it closes.
pub(super) struct Clauses<'a> {
    tokens: &'a [Token],
    /// For each token that opens a bracket, where it closes.
    closes: Vec<Option<usize>>,
    /// How many words of more than one letter there are before each token.
    n_words: Vec<usize>,
    first_value: Option<usize>,
    /// The end of the bracket that the clause stands in, and the role outside.
    within: Option<(usize, Role)>,
    at: usize,
    role: Role,
    /// Whether a value was claimed: only then do some words open an aside.
    pub claimed: bool,
}

impl<'a> Clauses<'a> {
    pub(super) fn new(tokens: &'a [Token]) -> Self {
        let first_value = tokens.iter().position(|token| token.value().is_some());
        Self {
            tokens,
            closes: closes(tokens),
            n_words: n_words(tokens),
            first_value,
            within: None,
            at: 0,
            role: Role::Main,
            claimed: false,
        }
    }

    fn word(&self, at: usize) -> Option<&'a str> {
        self.tokens.get(at).and_then(Token::word)
    }

    fn is_value(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| token.value().is_some())
    }

    /// The next clause.
    pub(super) fn step(&mut self) -> Option<Clause> {
        let start = self.tokens.get(self.at)?.start;
        let bracketed = self.within.is_some();
        let from = self.open();
        let role = self.role;
        let alternative = from.checked_sub(1).and_then(|at| self.word(at)) == Some("or");
        let mut to = from;
        while to < self.tokens.len() && !self.ends(from, to) {
            to += 1;
        }
        self.at = to;
        Some(Clause { role, start, from, to, bracketed: bracketed || self.within.is_some(), alternative })
    }

    /// Reads what opens the clause at `at`, sets its role, and gives its first token.
    fn open(&mut self) -> usize {
        let mut at = self.at;
        if let Some((_, outside)) = self.within.filter(|(end, _)| *end == at) {
            (self.within, self.role) = (None, outside);
            at += 1;
        }
        let is_aside = matches!(self.role, Role::Aside | Role::Reason);
        match self.tokens.get(at).map(|token| &token.kind) {
            Some(Kind::Open) if self.holds_aside(at) => {
                self.within = self.closes.get(at).copied().flatten().map(|end| (end, self.role));
                self.role = Role::Aside;
                at += 1;
            }
            Some(Kind::Comma | Kind::Stop) => {
                let stays = is_aside && self.claimed;
                self.role = if stays { self.role } else { Role::Main };
                at += 1;
            }
            // "because 8 - 5 is 3"
            Some(Kind::Dash) if self.role == Role::Reason && self.claimed => at += 1,
            Some(Kind::Semicolon | Kind::Dash) => {
                self.role = if self.claimed { Role::Aside } else { Role::Main };
                at += 1;
            }
            _ => {}
        }
        self.open_by_words(at)
    }

    fn open_by_words(&mut self, at: usize) -> usize {
        let Some(first) = self.word(at) else { return at };
        let second = self.word(at + 1).unwrap_or_default();
        let behind_comma = at
            .checked_sub(1)
            .and_then(|at| self.tokens.get(at))
            .is_some_and(|token| token.kind == Kind::Comma);
        if INSTEAD.contains(&(first, second)) {
            self.role = Role::Denial;
            return at + 2;
        }
        if self.explains_number(at) {
            self.role = Role::Reason;
            return at + 1;
        }
        if REASONS.contains(&first) {
            let opens = first != "as" || behind_comma || BEHIND_AS.contains(&second);
            self.role = if opens { Role::Reason } else { self.role };
            return at + usize::from(opens && !matches!(first, "which"));
        }
        if CONCLUSIONS.contains(&first) {
            self.role = if self.claimed { Role::Aside } else { self.role };
            return at + 1;
        }
        if matches!(first, "but" | "yet") {
            self.role =
                if matches!(self.role, Role::Aside | Role::Reason) { self.role } else { Role::Contrast };
            return at + 1;
        }
        if self.role == Role::Denial || self.role == Role::Contrast {
            self.role = Role::Main;
        }
        at + usize::from(JOINTS.contains(&first) && first != "nor")
    }

    /// Whether the clause that began at `from` ends before `at`.
    fn ends(&self, from: usize, at: usize) -> bool {
        if self.within.is_some_and(|(end, _)| end == at) {
            return true;
        }
        let Some(token) = self.tokens.get(at) else { return true };
        match &token.kind {
            Kind::Comma => !self.joins(from, at),
            Kind::Semicolon | Kind::Dash => true,
            // "A. Paris" is an option, "A. Not B" are two sentences.
            Kind::Stop => !(at == from + 1 && self.is_value(from) && self.is_label(at)),
            Kind::Open => self.holds_aside(at),
            Kind::Word(word) => at > from && self.opens(word, from, at),
            _ => false,
        }
    }

    /// Whether the period at `at`, behind a value, may be the mark of an option.
    fn is_label(&self, at: usize) -> bool {
        self.tokens.get(at + 1).is_some() && !self.word(at + 1).is_some_and(denial::is_negator)
    }

    /// Whether the word at `at` opens a clause.
    fn opens(&self, word: &str, from: usize, at: usize) -> bool {
        let next = self.word(at + 1).unwrap_or_default();
        match word {
            "but" => !denial::is_all_but(self.tokens, at),
            "yet" | "because" | "since" | "whereas" | "while" | "although" | "though" | "albeit"
            | "which" => true,
            "hence" | "thus" | "therefore" | "if" | "unless" => true,
            "so" => self.is_value(at + 1) || next != "far",
            "where" => self.role == Role::Main && self.is_value(at - 1),
            "rather" | "instead" | "other" => INSTEAD.contains(&(word, next)),
            "in" | "after" | "within" | "out" => INSTEAD.contains(&(word, next)) || self.explains_number(at),
            "as" => next == "opposed" || BEHIND_AS.contains(&next),
            "and" | "or" | "nor" => !self.joins(from, at),
            _ => false,
        }
    }

    /// Whether the number behind the word at `at` explains that of a claim before it: "3 out of 4", "3 in 2 days".
    fn explains_number(&self, at: usize) -> bool {
        let is_span = |word: &str| SPANS.contains(&word) && self.is_value(at + 1);
        let of_time = || self.word(at + 2).is_some_and(|word| TIMES.contains(&word));
        let out_of = self.word(at) == Some("out")
            && self.word(at + 1) == Some("of")
            && (2..5).any(|n| self.is_value(at + n));
        let is_first = self.first_value.is_none_or(|first| first > at);
        !is_first && (out_of || self.word(at).is_some_and(is_span) && of_time())
    }

    /// Whether the comma or word at `at` only joins two values of one list.
    fn joins(&self, from: usize, at: usize) -> bool {
        let mut next = at + 1;
        while next < at + MAX_JOINT
            && self
                .word(next)
                .is_some_and(|word| JOINTS.contains(&word) || matches!(word, "option" | "choice"))
        {
            next += 1;
        }
        let is_bracket = |at: usize| {
            self.tokens.get(at).is_some_and(|token| matches!(token.kind, Kind::Open | Kind::Close))
        };
        while next < at + MAX_JOINT && is_bracket(next) && !self.holds_aside(next) {
            next += 1;
        }
        let mut before = at;
        while before > from
            && before + MAX_JOINT > at
            && (is_bracket(before - 1)
                || self.tokens.get(before - 1).is_some_and(|token| token.kind == Kind::Comma))
        {
            before -= 1;
        }
        self.is_value(next) && before > from && self.is_value(before - 1)
    }

    /// Whether the bracket that opens at `at` explains a value before it: it holds words, or begins with an equals sign.
    fn holds_aside(&self, at: usize) -> bool {
        let Some(end) = self.closes.get(at).copied().flatten().filter(|_| self.within.is_none()) else {
            return false;
        };
        if self.first_value.is_none_or(|first| first > at) {
            return false;
        }
        let equal = self.tokens.get(at + 1).is_some_and(|token| token.kind == Kind::Equals);
        equal || self.n_words.get(at) < self.n_words.get(end)
    }
}

/// How many words of more than one letter there are before each of `tokens`.
fn n_words(tokens: &[Token]) -> Vec<usize> {
    let before = tokens.iter().scan(0, |n_words, token| {
        let before = *n_words;
        *n_words += usize::from(token.word().is_some_and(|word| word.len() > 1));
        Some(before)
    });
    before.collect()
}

/// For each token that opens a bracket, where it closes.
fn closes(tokens: &[Token]) -> Vec<Option<usize>> {
    let (mut closes, mut open) = (vec![None; tokens.len()], Vec::new());
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => open.push(at),
            Kind::Close => {
                if let Some(slot) = open.pop().and_then(|start| closes.get_mut(start)) {
                    *slot = Some(at);
                }
            }
            _ => {}
        }
    }
    closes
}
