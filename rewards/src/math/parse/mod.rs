//! From tokens to an [`Answer`]: the shapes around the formulas.
//!
//! ```text
//! answer   = ["="] list
//! list     = element { ("," | ";" | "and" | "or") element }
//! element  = relation                                        (once for each choice of the signs in it)
//! relation = combined { ("=" | "≠" | "<" | ">" | "≤" | "≥" | "≈" | "∈") combined }
//! combined = operand { ("∪" | "∩" | "∖") operand }
//! operand  = "{" [list] "}" | "∅" | "ℝ" | matrix | text
//!          | ("(" | "[" | "⟨") combined "," combined { "," combined } (")" | "]" | "⟩")
//!          | number "_" base | [currency] sum [unit] | sum ":" sum { ":" sum }
//! ```
//!
//! Depth, number of tokens and number of `±` are limited, so that time and stack are bounded whatever the text.

mod atom;
mod expression;

use super::{
    token::{Spaced, Token, Unreadable},
    tree::{Answer, Constant, Joint, Node},
    unit::Unit,
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
    while let Some((Spaced { token: Token::Mark('.' | ';'), .. }, before)) = tokens.split_last() {
        tokens = before;
    }
    let mut parser = Parser::new(tokens);
    parser.eat('=');
    let answer = parser.list()?;
    if parser.peek().is_some() { Err(Unreadable) } else { Ok(answer) }
}

/// The tokens as words in lower case, without articles; none where they hold more than words.
pub(super) fn words(tokens: &[Spaced]) -> Option<String> {
    let mut text = String::new();
    for Spaced { token, spaced } in tokens {
        if *spaced {
            text.push(' ');
        }
        match token {
            Token::Word(word) | Token::Name(word) => text.push_str(word),
            Token::Letter(letter) => text.push(*letter),
            Token::Mark('∧') => text.push_str("and"),
            Token::Mark('∨') => text.push_str("or"),
            Token::Mark('.' | '{' | '}') => {}
            Token::Mark(mark @ ('-' | '\'' | ',')) => text.push(*mark),
            Token::Mark(_) | Token::Number(_) => return None,
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
        while let Some(sign @ ('=' | '≠' | '<' | '>' | '≤' | '≥' | '≈' | '∈')) = self.mark() {
            self.advance()?;
            signs.push(sign);
            sides.push(self.combined()?);
        }
        Ok(match sides.pop() {
            Some(only) if sides.is_empty() => only,
            last => Answer::Relation(sides.into_iter().chain(last).collect(), signs),
        })
    }

    fn combined(&mut self) -> Parsed<Answer> {
        let mut left = self.operand()?;
        let mut n_operands = 1;
        while let Some(sign @ ('∪' | '∩' | '∖')) = self.mark() {
            self.advance()?;
            n_operands += 1;
            if n_operands > MAX_DEPTH {
                return Err(Unreadable);
            }
            left = Answer::Combined(Box::new((left, self.operand()?)), sign);
        }
        Ok(left)
    }

    fn operand(&mut self) -> Parsed<Answer> {
        match self.peek() {
            Some(Token::Mark('⦃')) => self.set('⦄'),
            Some(Token::Mark('{')) if self.holds_comma() => self.set('}'),
            Some(Token::Mark('∅')) => self.advance().map(|()| Answer::Set(Vec::new())),
            Some(Token::Mark('ℝ')) => self.advance().map(|()| Answer::Reals),
            Some(Token::Mark('(' | '[')) if matches!(self.peek_at(1), Some(Token::Name(name)) if is_matrix(name)) =>
            {
                self.advance()?;
                let matrix = self.matrix()?;
                if self.eat(')') || self.eat(']') { Ok(matrix) } else { Err(Unreadable) }
            }
            Some(Token::Name(name)) if is_matrix(name) => self.matrix(),
            Some(Token::Mark(open @ ('(' | '[' | '⟨'))) if self.holds_comma() => self.tuple(*open),
            Some(Token::Word(word)) if word.chars().count() > 1 => self.text(),
            Some(Token::Number(_)) if self.peek_at(1) == Some(&Token::Mark('_')) => self.based(),
            _ => self.quantity(),
        }
    }

    fn set(&mut self, close: char) -> Parsed<Answer> {
        self.advance()?;
        if self.eat(close) {
            return Ok(Answer::Set(Vec::new()));
        }
        let items = match self.nested(Self::list)? {
            Answer::List(_, items) => items,
            only => vec![only],
        };
        self.expect(close)?;
        Ok(Answer::Set(items))
    }

    fn tuple(&mut self, open: char) -> Parsed<Answer> {
        self.advance()?;
        let mut items = vec![self.nested(Self::combined)?];
        while self.eat(',') {
            items.push(self.nested(Self::combined)?);
        }
        let close = self.mark().filter(|mark| matches!(mark, ')' | ']' | '⟩')).ok_or(Unreadable)?;
        self.advance()?;
        Ok(Answer::Tuple(open, items, close))
    }

    /// Whether a comma stands right inside the bracket that comes next.
    fn holds_comma(&self) -> bool {
        let mut depth = 0_u32;
        for Spaced { token, .. } in self.tokens.iter().skip(self.at.token) {
            match token {
                Token::Mark('(' | '[' | '{' | '⦃' | '⟨') => depth += 1,
                Token::Mark(')' | ']' | '}' | '⦄' | '⟩') => depth -= 1,
                Token::Mark(',') if depth == 1 => return true,
                _ => {}
            }
            if depth == 0 {
                return false;
            }
        }
        false
    }

    fn matrix(&mut self) -> Parsed<Answer> {
        let array = matches!(self.peek(), Some(Token::Name(name)) if name == "begin array");
        self.advance()?;
        if array && self.eat('{') {
            while !self.eat('}') {
                self.peek().ok_or(Unreadable)?;
                self.advance()?;
            }
        }
        let mut rows = vec![Vec::new()];
        loop {
            let cell = self.nested(Self::sum)?;
            rows.last_mut().ok_or(Unreadable)?.push(cell);
            if self.eat('&') {
                continue;
            }
            let another = self.eat('↵');
            if matches!(self.peek(), Some(Token::Name(name)) if name.starts_with("end ")) {
                self.advance()?;
                return Ok(Answer::Matrix(rows));
            }
            if !another {
                return Err(Unreadable);
            }
            rows.push(Vec::new());
        }
    }

    /// Words up to the next mark.
    fn text(&mut self) -> Parsed<Answer> {
        let start = self.at.token;
        while let Some(Token::Word(_) | Token::Letter(_) | Token::Name(_)) = self.peek() {
            self.advance()?;
        }
        let tokens = self.tokens.get(start..self.at.token).unwrap_or_default();
        words(tokens).map(Answer::Text).ok_or(Unreadable)
    }

    /// `1024_5`.
    fn based(&mut self) -> Parsed<Answer> {
        let Some(Token::Number(digits)) = self.peek() else { return Err(Unreadable) };
        self.advance()?;
        self.expect('_')?;
        let base = self.flat_argument()?.parse().or(Err(Unreadable))?;
        let fits = |c: char| c.to_digit(10).is_some_and(|digit| digit < base);
        if digits.chars().all(fits) { Ok(Answer::Based(digits.clone(), base)) } else { Err(Unreadable) }
    }

    fn quantity(&mut self) -> Parsed<Answer> {
        let mut phrase = String::new();
        if let Some(mark @ ('$' | '€' | '£' | '¥')) = self.mark() {
            phrase.push(mark);
            self.advance()?;
        }
        let node = self.sum()?;
        if self.mark() == Some(':') && phrase.is_empty() {
            return self.ratio(node);
        }
        let after = self.unit_phrase()?;
        if phrase.is_empty() {
            phrase = after;
        }
        if phrase.is_empty() {
            let (node, unit) = without_constant_unit(node);
            return Ok(Answer::Quantity(node, unit));
        }
        let unit = Unit::parse(&phrase).ok_or(Unreadable)?;
        Ok(Answer::Quantity(node, Some(unit)))
    }

    fn ratio(&mut self, first: Node) -> Parsed<Answer> {
        let mut terms = vec![first];
        while self.eat(':') {
            terms.push(self.sum()?);
        }
        Ok(Answer::Ratio(terms))
    }

    /// The words after a number, with their exponents and slashes.
    fn unit_phrase(&mut self) -> Parsed<String> {
        let mut phrase = String::new();
        loop {
            match (self.peek(), self.peek_at(1)) {
                (Some(Token::Word(word)), _) => {
                    phrase.push(' ');
                    phrase.push_str(word);
                    self.advance()?;
                }
                (Some(Token::Mark('^')), _) if !phrase.is_empty() => {
                    self.advance()?;
                    phrase.push('^');
                    phrase.push_str(&self.flat_argument()?);
                }
                (Some(Token::Mark('/')), Some(Token::Word(_))) => {
                    phrase.push('/');
                    self.advance()?;
                }
                (Some(Token::Mark(mark @ ('$' | '€' | '£' | '¢'))), _) if phrase.is_empty() => {
                    phrase.push(*mark);
                    self.advance()?;
                }
                _ => return Ok(phrase),
            }
        }
    }
}

/// `50 %` and `90°` at the top of a formula are a number with a unit.
fn without_constant_unit(node: Node) -> (Node, Option<Unit>) {
    let Node::Product(mut parts) = node else { return (node, None) };
    let unit = match parts.last() {
        Some(Node::Constant(Constant::Degree)) => Unit::parse("degree"),
        Some(Node::Constant(Constant::Percent)) => Unit::parse("percent"),
        _ => None,
    };
    if unit.is_some() {
        parts.pop();
    }
    (Node::product(parts), unit)
}

fn is_matrix(name: &str) -> bool {
    ["begin pmatrix", "begin bmatrix", "begin Bmatrix", "begin matrix", "begin smallmatrix", "begin array"]
        .contains(&name)
}
