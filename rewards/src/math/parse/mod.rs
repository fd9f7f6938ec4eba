//! From tokens to an [`Answer`]: the shapes around the formulas.
//!
//! ```text
//! answer   = ["="] list
//! list     = element { ("," | ";" | "and" | "or") element }
//! element  = relation                                        (once for each choice of the signs in it)
//! relation = combined { ("=" | "≠" | "<" | ">" | "≤" | "≥" | "≈" | "≡" | "∈") combined } [modulus]
//! modulus  = "\pmod" sum | "(" "mod" sum ")"
//! combined = operand { ("∪" | "U" | "∩" | "∖") operand }
//! operand  = "{" [list] "}" | "{" letter ["∈" "ℝ"] ("|" | ":") list "}" | "∅" | "ℝ" | [sum] matrix | text
//!          | ("(" | "[" | "⟨") combined "," combined { "," combined } (")" | "]" | "⟩")
//!          | letter interval                                   (a sign ∈ left out)
//!          | number "_" base | [currency] sum [unit] | sum ":" sum { ":" sum }
//! ```
//!
//! Depth, number of tokens and number of `±` are limited, so that time and stack are bounded whatever the text.

mod atom;
mod call;
mod expression;
mod operand;
mod quantity;

use super::{
    token::{Spaced, Token, Unreadable},
    tree::{Answer, Joint, Node},
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
    parser.eat('=');
    let answer = parser.list()?;
    if parser.peek().is_some() { Err(Unreadable) } else { Ok(answer) }
}

/// The tokens as words in lower case, without articles; none where they hold more than words and numbers.
pub(super) fn words(tokens: &[Spaced]) -> Option<String> {
    let mut text = String::new();
    for Spaced { token, spaced } in tokens {
        if *spaced {
            text.push(' ');
        }
        match token {
            Token::Word(word) | Token::Name(word) => text.push_str(word),
            Token::Number(number) => text.extend([" ", number, " "]),
            Token::Letter(letter) => text.push(*letter),
            Token::Mark('∧') => text.push_str("and"),
            Token::Mark('∨') => text.push_str("or"),
            Token::Mark('.' | '{' | '}') => {}
            Token::Mark(mark @ ('-' | '\'' | ',')) => text.push(*mark),
            Token::Mark(_) => return None,
        }
    }
    let text = text.to_lowercase();
    let words: Vec<&str> =
        text.split_whitespace().filter(|word| !matches!(*word, "a" | "an" | "the")).collect();
    (!words.is_empty()).then(|| words.join(" "))
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

    fn relation(&mut self) -> Parsed<Answer> {
        let first = self.combined()?;
        let (mut sides, mut signs) = (vec![first], Vec::new());
        while let Some(sign @ ('=' | '≠' | '<' | '>' | '≤' | '≥' | '≈' | '≡' | '∈')) = self.mark()
        {
            self.advance()?;
            signs.push(sign);
            sides.push(self.combined()?);
        }
        if let Some(modulus) = self.modulus()? {
            return congruence(sides, &signs, modulus);
        }
        Ok(match sides.pop() {
            Some(only) if sides.is_empty() => only,
            last => Answer::Relation(sides.into_iter().chain(last).collect(), signs),
        })
    }

    /// `\pmod{7}`, `\bmod 7`, `(mod 7)`.
    fn modulus(&mut self) -> Parsed<Option<Node>> {
        let names_mod = |token: Option<&Token>| matches!(token, Some(Token::Name(name)) if name == "mod");
        let bracketed = self.mark() == Some('(') && names_mod(self.peek_at(1));
        if bracketed {
            self.advance()?;
        }
        if !names_mod(self.peek()) {
            return Ok(None);
        }
        self.advance()?;
        let modulus = self.sum()?;
        if bracketed {
            self.expect(')')?;
        }
        Ok(Some(modulus))
    }

    /// The sign that joins the set `left` with another; between sets, a U is a union.
    fn set_sign(&self, left: &Answer) -> Option<char> {
        match self.peek()? {
            Token::Mark(sign @ ('∪' | '∩' | '∖')) => Some(*sign),
            Token::Letter('U')
                if matches!(left, Answer::Tuple(..) | Answer::Set(_) | Answer::Combined(..)) =>
            {
                Some('∪')
            }
            _ => None,
        }
    }

    fn combined(&mut self) -> Parsed<Answer> {
        let mut left = self.operand()?;
        let mut n_operands = 1;
        while let Some(sign) = self.set_sign(&left) {
            self.advance()?;
            n_operands += 1;
            if n_operands > MAX_DEPTH {
                return Err(Unreadable);
            }
            left = Answer::Combined(Box::new((left, self.operand()?)), sign);
        }
        Ok(left)
    }
}

/// `x ≡ 3 (mod 7)`, or without its left side.
fn congruence(sides: Vec<Answer>, signs: &[char], modulus: Node) -> Parsed<Answer> {
    let mut nodes = sides.into_iter().map(|side| match side {
        Answer::Quantity(node, None) => Ok(node),
        _ => Err(Unreadable),
    });
    let first = nodes.next().ok_or(Unreadable)??;
    match (signs, nodes.next()) {
        ([], None) => Ok(Answer::Congruence(None, first, modulus)),
        (['≡' | '='], Some(rest)) => Ok(Answer::Congruence(Some(first), rest?, modulus)),
        _ => Err(Unreadable),
    }
}
