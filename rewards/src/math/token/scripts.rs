//! Scripts in one order: `x^2_1` is `x_1^2`, as in TeX, where both belong to the base.
//!
//! ```text
//! scripts  = { "_" argument | "^" argument | "'" }          -> subscript, primes, exponent
//! argument = {sign} ( "{" … "}" | "(" … ")" | token )
//! ```
//!
//! Two exponents or two subscripts of one base are no notation, and stay as they are. A number, a bracket and `e` take no
//! subscript: it is that of a letter in the exponent, as in `2^n_1`.

use std::ops::Range;

use super::{Spaced, Token};

/// Deepest exponents whose own scripts are brought into order.
const MAX_DEPTH: u32 = 48;

/// `tokens` with the scripts of each base in the order subscript, primes, exponent.
pub(super) fn ordered(tokens: Vec<Spaced>) -> Vec<Spaced> {
    let has = |mark| tokens.iter().any(|spaced| spaced.token == Token::Mark(mark));
    if !has('_') || !has('^') && !has('\'') {
        return tokens;
    }
    let mut scripts = Scripts { closing: closing(&tokens), tokens: &tokens, ordered: Vec::new() };
    scripts.copy(0..tokens.len(), 0);
    scripts.ordered
}

/// For each bracket the place of the one that closes it.
fn closing(tokens: &[Spaced]) -> Vec<Option<usize>> {
    let (mut closing, mut open) = (vec![None; tokens.len()], Vec::new());
    for (at, spaced) in tokens.iter().enumerate() {
        match spaced.token {
            Token::Mark('{' | '(') => open.push(at),
            Token::Mark('}' | ')') => {
                if let Some(place) = open.pop().and_then(|start: usize| closing.get_mut(start)) {
                    *place = Some(at);
                }
            }
            _ => {}
        }
    }
    closing
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Subscript,
    Prime,
    Exponent,
}

struct Scripts<'a> {
    tokens: &'a [Spaced],
    closing: Vec<Option<usize>>,
    ordered: Vec<Spaced>,
}

impl Scripts<'_> {
    fn mark(&self, at: usize) -> Option<char> {
        match self.tokens.get(at)?.token {
            Token::Mark(mark) => Some(mark),
            _ => None,
        }
    }

    fn copy(&mut self, range: Range<usize>, depth: u32) {
        let mut at = range.start;
        while at < range.end {
            let run = if depth < MAX_DEPTH { self.run(at, range.end) } else { Vec::new() };
            let Some((_, last)) = run.last().cloned() else {
                self.ordered.extend(self.tokens.get(at).cloned());
                at += 1;
                continue;
            };
            let mut scripts = run;
            if self.is_swapped(&scripts, at) {
                scripts.sort_by_key(|(kind, _)| *kind);
            }
            for (_, part) in scripts {
                self.ordered.extend(self.tokens.get(part.start).cloned());
                self.copy(part.start + 1..part.end, depth + 1);
            }
            at = last.end;
        }
    }

    /// The scripts from `at` on, each with its mark.
    fn run(&self, mut at: usize, end: usize) -> Vec<(Kind, Range<usize>)> {
        let mut run = Vec::new();
        while at < end {
            let (kind, after) = match self.mark(at) {
                Some('\'') => (Kind::Prime, Some(at + 1)),
                Some('_') => (Kind::Subscript, self.argument(at + 1, end)),
                Some('^') => match self.argument(at + 1, end) {
                    after if after.is_some_and(|after| self.is_primes(at + 1..after)) => (Kind::Prime, after),
                    after => (Kind::Exponent, after),
                },
                _ => break,
            };
            let Some(after) = after else { break };
            run.push((kind, at..after));
            at = after;
        }
        run
    }

    /// Where the argument that starts at `at` ends.
    fn argument(&self, mut at: usize, end: usize) -> Option<usize> {
        while matches!(self.mark(at), Some('+' | '-' | '±' | '∓'))
            && at + 1 < end
            && !self.ends_script(at + 1)
        {
            at += 1;
        }
        let last = match self.tokens.get(at)?.token {
            Token::Mark('{' | '(') => self.closing.get(at).copied().flatten()?,
            Token::Mark('}' | ')' | '^' | '_' | ',') | Token::Name(_) => return None,
            _ => at,
        };
        (last < end).then_some(last + 1)
    }

    /// Whether what stands here belongs to no exponent: of `x^+_1` the plus is the exponent.
    fn ends_script(&self, at: usize) -> bool {
        matches!(self.mark(at), Some('_' | '^' | '}' | ')' | '\''))
    }

    fn is_primes(&self, range: Range<usize>) -> bool {
        let mut marks = range.map(|at| self.mark(at));
        let mut any = false;
        marks.all(|mark| {
            any |= mark == Some('\'');
            matches!(mark, Some('\'' | '{' | '}'))
        }) && any
    }

    /// Whether the run that starts at `start` has one script of a kind and the base takes them in another order.
    fn is_swapped(&self, run: &[(Kind, Range<usize>)], start: usize) -> bool {
        let n = |wanted| run.iter().filter(|(kind, _)| *kind == wanted).count();
        if n(Kind::Subscript) != 1 || n(Kind::Exponent) > 1 {
            return false;
        }
        let base = start.checked_sub(1).and_then(|at| self.tokens.get(at)).map(|spaced| &spaced.token);
        let takes_none =
            matches!(base, Some(Token::Number(_) | Token::Letter('e') | Token::Mark(')' | ']' | '}' | '!')));
        let of_letter =
            |at: usize| matches!(self.tokens.get(at), Some(Spaced { token: Token::Letter(_), .. }));
        let exponent = run.iter().find(|(kind, _)| *kind == Kind::Exponent);
        !(takes_none && exponent.is_some_and(|(_, part)| of_letter(part.end - 1)))
    }
}
