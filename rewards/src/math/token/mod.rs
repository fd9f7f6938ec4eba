//! From text to tokens: LaTeX and plain notation in one alphabet.
//!
//! ```text
//! 12  0.5  1{,}000  2e-3  0.\overline{3}      Number
//! x  \alpha  π                                Letter
//! \frac  sqrt  sin                            Name of a command or function
//! \text{hours}  hours                         Word: four plain letters or more, or what a text command holds
//! everything else                             Mark: one character, whatever its spelling (see `symbol`)
//! ```
//!
//! Dollars, sizes, fonts and blanks are dropped, and scripts brought into one order (see `scripts`). A comma between
//! digits is a thousands separator or stands between two answers; where the digits allow both, the reader asks for both
//! readings ([`Commas`]).

mod argument;
mod letters;
mod literal;
mod scripts;

use super::{function::Function, symbol};

/// Longest text that is read, in bytes.
const MAX_BYTES: usize = 4096;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A literal as [`number::literal`](super::number::literal) reads it.
    Number(String),
    Letter(char),
    Name(String),
    Word(String),
    Mark(char),
}

/// A token, and whether a blank stands before it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spaced {
    pub token: Token,
    pub spaced: bool,
}

/// What a bare comma between digits is, as in `100,200`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commas {
    /// It groups digits where all groups after the first have three.
    Group,
    /// It stands between two numbers.
    Separate,
}

/// The text is not in the language, or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// The tokens of `text`, and whether the other reading of the commas would give others.
pub(super) fn tokens(text: &str, commas: Commas) -> Result<(Vec<Spaced>, bool), Unreadable> {
    if text.len() > MAX_BYTES {
        return Err(Unreadable);
    }
    let mut lexer = Lexer {
        text,
        rest: text,
        tokens: Vec::new(),
        spaced: false,
        commas,
        ambiguous: false,
        undivided: usize::MAX,
    };
    while let Some(c) = lexer.rest.chars().next() {
        lexer.step(c)?;
    }
    Ok((scripts::ordered(lexer.tokens), lexer.ambiguous))
}

struct Lexer<'a> {
    text: &'a str,
    rest: &'a str,
    tokens: Vec<Spaced>,
    spaced: bool,
    commas: Commas,
    ambiguous: bool,
    /// While more than this many bytes are left, commas were already found not to group.
    undivided: usize,
}

impl<'a> Lexer<'a> {
    fn push(&mut self, token: Token) {
        let spaced = std::mem::take(&mut self.spaced);
        self.tokens.push(Spaced { token, spaced });
    }

    fn eat(&mut self, prefix: &str) -> bool {
        let after = self.rest.strip_prefix(prefix);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// The longest prefix of such characters, taken.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn step(&mut self, c: char) -> Result<(), Unreadable> {
        let after_point = self.rest.strip_prefix('.');
        let starts_fraction = |rest: &str| rest.starts_with(digit) || rest.starts_with("\\overline{");
        if c.is_ascii_digit() || after_point.is_some_and(starts_fraction) {
            self.number();
            return Ok(());
        }
        if c.is_ascii_alphabetic() {
            self.letters();
            return Ok(());
        }
        for (mark, plain) in [('^', symbol::raised as fn(char) -> Option<char>), ('_', symbol::lowered)] {
            let shifted: String = self.take(|c| plain(c).is_some()).chars().filter_map(plain).collect();
            if !shifted.is_empty() {
                let (inner, _) = tokens(&shifted, self.commas)?;
                self.push(Token::Mark(mark));
                self.push(Token::Mark('{'));
                self.tokens.extend(inner);
                self.push(Token::Mark('}'));
                return Ok(());
            }
        }
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '\\' => return self.command(),
            '$' => {}
            '~' => self.spaced = true,
            c if c.is_whitespace() => self.spaced = true,
            c => self.character(c)?,
        }
        Ok(())
    }

    fn character(&mut self, c: char) -> Result<(), Unreadable> {
        if let Some((numerator, denominator)) = symbol::vulgar_fraction(c) {
            self.push(Token::Name("frac".into()));
            self.push(Token::Number(numerator.into()));
            self.push(Token::Number(denominator.into()));
        } else if c == '*' && self.eat("*") {
            self.push(Token::Mark('^'));
        } else if c == '<' && self.eat("=") {
            self.push(Token::Mark('≤'));
        } else if c == '>' && self.eat("=") {
            self.push(Token::Mark('≥'));
        } else if c == '√' {
            self.push(Token::Name("sqrt".into()));
        } else if c == '∛' {
            self.push(Token::Name("cbrt".into()));
        } else if c == '&' && self.rest.trim_start().starts_with('=') {
            // What lines up equations below each other.
        } else if c == ']' && self.opens_interval() {
            self.push(Token::Mark('('));
        } else if c == '[' && self.ends_interval() {
            self.push(Token::Mark(')'));
        } else if c.is_control() {
            return Err(Unreadable);
        } else {
            self.symbol(symbol::of_char(c));
        }
        Ok(())
    }

    /// Whether a `]` that comes here is the open end of `]0, 1]`.
    fn opens_interval(&self) -> bool {
        matches!(self.tokens.last(), None | Some(Spaced { token: Token::Mark('∪' | '∈' | '='), .. }))
    }

    /// Whether a `[` that comes here is the open end of `[0, 1[`.
    fn ends_interval(&self) -> bool {
        let rest = self.rest.trim_start_matches([' ', '$', '.']);
        !self.tokens.is_empty() && (rest.is_empty() || rest.starts_with("\\cup") || rest.starts_with('∪'))
    }

    fn symbol(&mut self, c: char) {
        let letter = c.is_alphabetic() && c != 'ℝ';
        self.push(if letter { Token::Letter(c) } else { Token::Mark(c) });
    }

    fn command(&mut self) -> Result<(), Unreadable> {
        let name = self.take(|c| c.is_ascii_alphabetic());
        if name.is_empty() {
            return self.control_symbol();
        }
        match name {
            "dfrac" | "tfrac" | "cfrac" => self.push(Token::Name("frac".into())),
            "dbinom" | "tbinom" => self.push(Token::Name("binom".into())),
            "frac" | "sqrt" | "binom" | "over" | "choose" => self.push(Token::Name(name.into())),
            "begin" | "end" => match self.argument().ok_or(Unreadable)?.trim_matches('*') {
                "align" | "aligned" | "equation" | "gather" | "gathered" | "split" => self.spaced = true,
                environment => self.push(Token::Name(format!("{name} {environment}"))),
            },
            "mathbb" | "mathds" => match self.set_name().ok_or(Unreadable)? {
                "R" => self.push(Token::Mark('ℝ')),
                other => self.push(Token::Word(other.into())),
            },
            "mathbf" | "mathrm" | "textbf" if self.eats_bold_reals() => self.push(Token::Mark('ℝ')),
            "cr" => self.push(Token::Mark('↵')),
            "not" if self.eat("=") => self.push(Token::Mark('≠')),
            "not" if self.eat("\\in") => self.push(Token::Mark('∉')),
            "mod" | "pmod" | "bmod" => self.push(Token::Name("mod".into())),
            "textdegree" => self.push(Token::Mark('°')),
            _ if symbol::is_aside(name) => {
                self.braced().ok_or(Unreadable)?;
                self.spaced = true;
            }
            _ if symbol::is_text(name) => return self.words(name),
            "left" | "right" => {
                // An invisible bracket.
                self.eat(".");
            }
            _ if symbol::is_decoration(name) => self.spaced = true,
            _ if symbol::is_accent(name) || Function::named(name).is_some() => {
                self.push(Token::Name(name.into()))
            }
            _ => match symbol::of_command(name) {
                Some(c) => self.symbol(c),
                // Nothing is known of it but how it is spelled.
                None => self.push(Token::Name(name.into())),
            },
        }
        Ok(())
    }

    /// What follows a backslash and is no letter.
    fn control_symbol(&mut self) -> Result<(), Unreadable> {
        // At the end it was a blank.
        let c = self.rest.chars().next().unwrap_or(' ');
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '{' => self.push(Token::Mark('⦃')),
            '}' => self.push(Token::Mark('⦄')),
            '\\' => self.push(Token::Mark('↵')),
            '|' => self.push(Token::Mark('‖')),
            '$' | '%' | '&' | '#' | '_' => self.push(Token::Mark(c)),
            ',' | ';' | ':' | '!' | ' ' | '\n' | '/' => self.spaced = true,
            '(' | ')' | '[' | ']' => {}
            _ => return Err(Unreadable),
        }
        Ok(())
    }
}

fn digit(c: char) -> bool {
    c.is_ascii_digit()
}
