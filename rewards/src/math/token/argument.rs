//! Arguments of commands that are no formulas: names, distances, and words.

use super::{Lexer, Token, Unreadable, digit, tokens};
use crate::math::{function::Function, symbol};

impl<'a> Lexer<'a> {
    /// The argument of a command in its braces, taken.
    pub(super) fn braced(&mut self) -> Option<&'a str> {
        let inside = self.rest.trim_start().strip_prefix('{')?;
        let mut depth = 0_usize;
        let end = inside.find(|c| {
            let closes = c == '}' && depth == 0;
            depth = if c == '{' { depth + 1 } else { depth.saturating_sub(usize::from(c == '}')) };
            closes
        })?;
        let (argument, rest) = inside.split_at_checked(end)?;
        self.rest = rest.get(1..)?;
        Some(argument)
    }

    /// The same, where there are no braces in it.
    pub(super) fn argument(&mut self) -> Option<&'a str> {
        self.braced().filter(|argument| !argument.contains('{'))
    }

    /// The `R` of `\mathbb{R}` or `\mathbb R`.
    pub(super) fn set_name(&mut self) -> Option<&'a str> {
        let letter = self.rest.trim_start();
        if !letter.starts_with(|c: char| c.is_ascii_uppercase()) {
            return self.argument();
        }
        let (name, rest) = letter.split_at_checked(1)?;
        self.rest = rest;
        Some(name)
    }

    /// Whether the argument is the `R` of `\mathbf{R} \setminus \{2\}`, from which a set is taken; then it is taken.
    pub(super) fn eats_bold_reals(&mut self) -> bool {
        let Some(rest) = self.rest.strip_prefix("{R}") else { return false };
        let signs = ["-", "\\setminus", "\\smallsetminus", "\\backslash"];
        let set = signs.iter().find_map(|sign| rest.trim_start().strip_prefix(sign));
        let takes_set =
            set.is_some_and(|set| set.trim_start().trim_start_matches("\\left").starts_with("\\{"));
        if takes_set {
            self.rest = rest;
        }
        takes_set
    }

    /// What a text command makes of its argument: a joint, a formula that only looks upright, or words.
    pub(super) fn words(&mut self, command: &str) -> Result<(), Unreadable> {
        let before = self.rest;
        let argument = self.braced().ok_or(Unreadable)?;
        let worded = argument.contains(char::is_alphabetic);
        if worded && argument.contains(['\\', '$', '{']) {
            // A formula; it is read as if there were no command.
            self.rest = before;
            return Ok(());
        }
        let argument = argument.trim_matches(|c: char| c.is_whitespace() || c == '~' || c == ',');
        let bare = argument.trim_start_matches('(').trim_end_matches(')');
        let upright_symbol = command == "mathrm" && matches!(argument, "i" | "e" | "d");
        let formula = !worded || argument.starts_with(digit);
        if formula || upright_symbol || bare != argument && bare.chars().count() == 1 {
            let (inner, ambiguous) = tokens(argument, self.commas)?;
            self.tokens.extend(inner);
            self.ambiguous |= ambiguous;
        } else if let Some(symbol) = symbol::of_word(argument) {
            self.symbol(symbol);
        } else if Function::named(argument).is_some() && !self.after_number() {
            self.push(Token::Name(argument.into()));
        } else {
            self.spaced = true;
            self.push(Token::Word(argument.into()));
        }
        Ok(())
    }
}
