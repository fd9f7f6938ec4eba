//! Numbers as they are written: separators of thousands, repeated decimals, powers of ten.
//!
//! ```text
//! number   = whole ["." digits [repeated]] ["e" ["-"] digits]      (or "." digits ...)
//! whole    = digits { separator three digits }
//! separator = "," | "{,}" | ",\!" | "\!," | "\," | "\ " | "\;" | "\:"      (the first only as `Commas` says)
//! repeated = ("\overline" | "\bar") "{" digits "}"
//! ```

use super::{Commas, Lexer, Token, digit};

impl<'a> Lexer<'a> {
    pub(super) fn number(&mut self) {
        let mut literal = self.whole();
        let fraction = self.rest.strip_prefix('.').filter(|rest| !rest.starts_with('.'));
        if let Some(rest) = fraction {
            self.rest = rest;
            literal = format!("0{literal}.{}", self.take(digit));
            literal.push_str(&self.repeated());
        }
        literal.push_str(&self.exponent());
        self.push(Token::Number(literal));
    }

    /// The digits before the decimal point, without the separators of thousands.
    fn whole(&mut self) -> String {
        let start = self.rest;
        let first = self.take(digit);
        let (mut groups, mut bare) = (vec![first], false);
        let after_first = self.rest;
        let in_undivided_run = start.len() > self.undivided;
        while !in_undivided_run && let Some((separator_is_bare, group)) = self.group() {
            bare |= separator_is_bare;
            groups.push(group);
        }
        let lengths_fit = groups.iter().skip(1).all(|group| group.len() == 3)
            && (1..=3).contains(&first.len())
            && !first.starts_with('0');
        // 1,080 is no list, since no number begins with a zero.
        let zeros = groups.iter().skip(1).any(|group| group.starts_with('0'));
        let run_end = self.rest.len();
        let groups_fit = lengths_fit && !(bare && self.is_bracketed(start));
        if groups.len() > 1 && groups_fit {
            self.ambiguous |= bare && !zeros;
            if !bare || zeros || self.commas == Commas::Group {
                return groups.concat();
            }
        } else if groups.len() > 1 {
            // Not all of the run groups, so that no later part of it does.
            self.undivided = self.undivided.min(run_end);
        }
        self.rest = after_first;
        first.to_owned()
    }

    /// A separator of thousands and the digits after it, and whether it is a bare comma.
    fn group(&mut self) -> Option<(bool, &'a str)> {
        let before = self.rest;
        let separators =
            ["{,}", ",\\!", "\\!,", "\\,", "{\\,}", "\\ ", "\\;", "\\:", ",", "\u{2009}", "\u{202f}"];
        let separator = separators.into_iter().find(|separator| self.eat(separator))?;
        if separator == ",\\!" {
            self.rest = self.rest.trim_start();
        }
        let group = self.take(digit);
        if group.is_empty() {
            self.rest = before;
            return None;
        }
        Some((separator == ",", group))
    }

    /// Whether brackets stand right around the run of digits that began at `start`: `(100,200)` is a pair.
    fn is_bracketed(&self, start: &str) -> bool {
        let before = self.text.get(..self.text.len() - start.len()).unwrap_or_default().trim_end();
        let after = self.rest.trim_start();
        let after = after.strip_prefix("\\right").unwrap_or(after);
        let opened = ["(", "[", "\\{"].iter().any(|open| before.ends_with(open));
        opened && [")", "]", "\\}"].iter().any(|close| after.starts_with(close))
    }

    /// `\overline{142857}` after the decimal point, in parentheses.
    fn repeated(&mut self) -> String {
        let before = self.rest;
        if self.eat("\\overline") || self.eat("\\bar") || self.eat("\\dot") {
            match self.argument() {
                Some(digits) if !digits.is_empty() && digits.chars().all(digit) => {
                    return format!("({digits})");
                }
                _ => self.rest = before,
            }
        }
        String::new()
    }

    /// `e-3`, `E+10`; not the number e.
    fn exponent(&mut self) -> String {
        let before = self.rest;
        if self.eat("e") || self.eat("E") {
            let sign = if self.eat("-") { "-" } else { "" };
            if sign.is_empty() {
                self.eat("+");
            }
            let digits = self.take(digit);
            if !digits.is_empty() {
                return format!("e{sign}{digits}");
            }
        }
        self.rest = before;
        String::new()
    }
}
