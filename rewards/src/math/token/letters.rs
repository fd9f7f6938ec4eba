//! Runs of plain letters: variables side by side, names, units and words.

use super::{Lexer, Spaced, Token};
use crate::math::{function::Function, symbol, unit};

impl Lexer<'_> {
    pub(super) fn letters(&mut self) {
        // Python writes np.sqrt and math.pi.
        for module in ["np.", "math.", "numpy.", "sympy."] {
            self.eat(module);
        }
        let run = self.take(|c| c.is_ascii_alphabetic());
        // 3 x 10^8
        if run == "x" && self.spaced && self.after_number() && self.rest.starts_with(" 10^") {
            self.push(Token::Mark('*'));
        } else if let Some(c) = symbol::of_word(run) {
            self.symbol(c);
        } else if self.is_abbreviation(run) {
            self.push(Token::Word(run.into()));
        } else if matches!(run, "sqrt" | "cbrt" | "frac" | "mod") || Function::named(run).is_some() {
            self.push(Token::Name(run.into()));
        } else if run.len() >= 4 || self.is_unit(run) || self.is_short_word(run) {
            self.push(Token::Word(run.into()));
        } else {
            for letter in run.chars() {
                self.push(Token::Letter(letter));
            }
        }
    }

    /// Whether plain letters right after a number are a unit: `5 cm`, `20 °C`, the hours of `5 km/h`.
    fn is_unit(&self, run: &str) -> bool {
        let last = |back: usize| self.tokens.len().checked_sub(back).and_then(|at| self.tokens.get(at));
        match (last(2).map(|spaced| &spaced.token), last(1).map(|spaced| &spaced.token)) {
            (_, Some(Token::Mark('°'))) => matches!(run, "C" | "F"),
            (Some(Token::Word(_)), Some(Token::Mark('/'))) => unit::is_known(run),
            _ => self.after_number() && unit::is_plain(run),
        }
    }

    /// Whether letters among words are one more, no variables: `5 km per hour`, `5 hours a day`, `5 red balls`.
    fn is_short_word(&self, run: &str) -> bool {
        let followed = self.rest.starts_with(' ');
        let next = self.rest.trim_start().chars().take_while(char::is_ascii_lowercase).count();
        let lower = run.len() > 1 && run.chars().all(|c| c.is_ascii_lowercase());
        let among_words = self.after_word() && (lower || run == "a" && followed && next > 1);
        self.spaced && (among_words || self.after_number() && lower && followed && next >= 4)
    }

    /// Whether letters at the end of a quantity, which elsewhere mean something else, are a unit: `5 min`, `3 in^2`.
    fn is_abbreviation(&self, run: &str) -> bool {
        let ends = self.rest.trim_start_matches(['^', '.', ' ', '2', '3', '{', '}', '$']).is_empty();
        let follows = self.after_number() || self.after_word();
        follows && self.spaced && ends && matches!(run, "min" | "sec" | "in")
    }

    pub(super) fn after_number(&self) -> bool {
        matches!(self.tokens.last(), Some(Spaced { token: Token::Number(_) | Token::Mark('}'), .. }))
    }

    fn after_word(&self) -> bool {
        matches!(self.tokens.last(), Some(Spaced { token: Token::Word(_), .. }))
    }
}
