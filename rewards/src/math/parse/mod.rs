//! From tokens to an [`Answer`]: the shapes around the formulas.
//!
//! ```text
//! answer   = ["∴"] ["="] list
//! list     = element { ("," | ";" | "and" | "or") element }
//! element  = relation                                        (once for each choice of the signs in it)
//! relation = combined { ("=" | "≠" | "<" | ">" | "≤" | "≥" | "≈" | "≡" | "∈" | "∉") combined } [modulus]
//! modulus  = "\pmod" sum | "(" "mod" sum ")"
//! combined = operand { ("∪" | "U" | "∩" | "∖" | "-") operand }
//! operand  = "(" combined ")" | "{" [list] "}" | "{" letter ["∈" "ℝ"] ("|" | ":") list "}" | "∅" | "ℝ" | [sum] matrix | text
//!          | ("(" | "[" | "⟨") combined "," combined { "," combined } (")" | "]" | "⟩")
//!          | letter interval                                   (a sign ∈ left out)
//!          | number "_" base | [currency] sum [unit {number unit}] | sum ":" sum { ":" sum }
//!          | hours ":" minutes ["AM" | "PM"]
//! ```
//!
//! Depth, number of tokens and number of `±` are limited, so that time and stack are bounded whatever the text.

mod atom;
mod call;
mod expression;
mod opaque;
mod operand;
mod quantity;
mod relation;

pub(super) use quantity::measured;

use super::{
    token::{Spaced, Token, Unreadable},
    tree::{Answer, Joint},
};

/// Deepest nesting of brackets, exponents and functions.
const MAX_DEPTH: u32 = 48;
/// Most tokens taken, those read once more for another choice of signs included.
const MAX_STEPS: u32 = 50_000;
/// Most `±` in one element.
const MAX_SIGNS: u32 = 4;

type Parsed<T> = Result<T, Unreadable>;

/// Reads all of `tokens` as one answer.
pub(super) fn answer(mut tokens: &[Spaced]) -> Parsed<Answer> {
    while let Some((Spaced { token: Token::Mark(mark @ (';' | ',' | '.' | '↵')), .. }, before)) = tokens.split_last()
        // Dots are no end, but leave something out.
        && (*mark != '.' || before.last().is_none_or(|last| last.token != Token::Mark('.')))
    {
        tokens = before;
    }
    let mut parser = Parser::new(tokens);
    while parser.eat('∴') {}
    parser.eat('=');
    let answer = parser.list()?;
    if parser.peek().is_some() { Err(Unreadable) } else { Ok(answer) }
}

/// The tokens as words in lower case, without an article before them; none where they hold more than words and numbers.
pub(super) fn words(mut tokens: &[Spaced]) -> Option<String> {
    let is_mark = |spaced: &Spaced, mark| spaced.token == Token::Mark(mark);
    // What a font is for: \mathbf{Evelyn}.
    while let [open, inner @ .., close] = tokens
        && is_mark(open, '{')
        && is_mark(close, '}')
    {
        tokens = inner;
    }
    let mut text = String::new();
    for Spaced { token, spaced } in tokens {
        if *spaced {
            text.push(' ');
        }
        match token {
            Token::Word(word) => text.push_str(word),
            Token::Number(number) => text.extend([" ", number, " "]),
            Token::Letter(letter) => text.push(*letter),
            Token::Mark('∧') => text.push_str("and"),
            Token::Mark('∨') => text.push_str("or"),
            Token::Mark('.') => {}
            Token::Mark(mark @ ('-' | '\'' | ',')) => text.push(*mark),
            // What commands and braces say is lost between words.
            Token::Mark(_) | Token::Name(_) => return None,
        }
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let words = match words.as_slice() {
        // A capital A is a name, as in "Group A".
        ["a" | "an" | "An" | "the" | "The", rest @ ..] if !rest.is_empty() => rest,
        words => words,
    };
    (!words.is_empty()).then(|| words.join(" ").to_lowercase())
}

/// A place between tokens, or between the digits of one: `\frac43` takes its arguments digit by digit.
#[derive(Clone, Copy, Default)]
struct Cursor {
    token: usize,
    digits: usize,
}

struct Parser<'a> {
    tokens: &'a [Spaced],
    at: Cursor,
    depth: u32,
    steps: u32,
    /// One bit for each `±` of the element: whether its lower sign is meant.
    choice: u32,
    n_signs: u32,
    /// Whether `∓` occurs: then all signs of the element go together.
    linked: bool,
    /// Bars of absolute values that are open.
    n_bars: u32,
}

impl<'a> Parser<'a> {
    fn new(tokens: &'a [Spaced]) -> Self {
        Self {
            tokens,
            at: Cursor::default(),
            depth: 0,
            steps: 0,
            choice: 0,
            n_signs: 0,
            linked: false,
            n_bars: 0,
        }
    }

    fn peek(&self) -> Option<&'a Token> {
        self.peek_at(0)
    }

    /// The token `ahead` places after the next.
    fn peek_at(&self, ahead: usize) -> Option<&'a Token> {
        self.tokens.get(self.at.token + ahead).map(|spaced| &spaced.token)
    }

    fn mark(&self) -> Option<char> {
        match self.peek() {
            Some(Token::Mark(mark)) => Some(*mark),
            _ => None,
        }
    }

    fn advance(&mut self) -> Parsed<()> {
        self.at = Cursor { token: self.at.token + 1, digits: 0 };
        self.steps += 1;
        if self.steps > MAX_STEPS { Err(Unreadable) } else { Ok(()) }
    }

    fn eat(&mut self, mark: char) -> bool {
        self.mark() == Some(mark) && self.advance().is_ok()
    }

    fn expect(&mut self, mark: char) -> Parsed<()> {
        if self.eat(mark) { Ok(()) } else { Err(Unreadable) }
    }

    /// What `parse` reads, one level deeper.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Unreadable);
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn list(&mut self) -> Parsed<Answer> {
        let mut items = self.element()?;
        let (mut commas, mut ands, mut ors) = (0, 0, 0);
        loop {
            let before = (commas, ands, ors);
            while let Some(mark @ (',' | ';' | '∧' | '∨')) = self.mark() {
                self.advance()?;
                match mark {
                    '∧' => ands += 1,
                    '∨' => ors += 1,
                    _ => commas += 1,
                }
            }
            if before == (commas, ands, ors) {
                break;
            }
            items.append(&mut self.element()?);
        }
        let joint = match (commas, ands, ors) {
            (_, _, 1..) => Joint::Or,
            (0, 1.., _) => Joint::And,
            _ => Joint::Comma,
        };
        Ok(match items.pop() {
            Some(only) if items.is_empty() => only,
            last => Answer::List(joint, items.into_iter().chain(last).collect()),
        })
    }

    /// The relation once for each choice of its signs, equal ones once.
    fn element(&mut self) -> Parsed<Vec<Answer>> {
        let outer = (self.choice, self.n_signs, self.linked);
        let start = self.at;
        let mut items = Vec::new();
        let mut choice = 0;
        loop {
            (self.at, self.choice, self.n_signs, self.linked) = (start, choice, 0, false);
            let item = self.nested(Self::relation)?;
            if !items.contains(&item) {
                items.push(item);
            }
            if self.n_signs > MAX_SIGNS {
                return Err(Unreadable);
            }
            let all = (1 << self.n_signs) - 1;
            choice = if self.linked && choice == 0 { all } else { choice + 1 };
            if choice > all || all == 0 {
                break;
            }
        }
        (self.choice, self.n_signs, self.linked) = outer;
        Ok(items)
    }
}
