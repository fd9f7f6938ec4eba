//! Sets, tuples, matrices and words: what stands between the signs of a relation.

use super::{Parsed, Parser, words};
use crate::math::{
    token::{Spaced, Token, Unreadable},
    tree::{Answer, Joint, Node},
};

impl Parser<'_> {
    pub(super) fn operand(&mut self) -> Parsed<Answer> {
        match self.peek() {
            Some(Token::Mark('⦃')) => self.set('⦄'),
            Some(Token::Mark('{')) if self.holds_comma() => self.set('}'),
            Some(Token::Mark('∅')) => self.advance().map(|()| Answer::Set(Vec::new())),
            Some(Token::Mark('ℝ')) => self.advance().map(|()| Answer::Reals),
            Some(Token::Letter('R')) if self.names_reals() => self.advance().map(|()| Answer::Reals),
            _ if self.starts_matrix(0) => self.matrix(&Node::integer(1)),
            Some(Token::Mark('-')) if self.starts_matrix(1) => {
                self.advance()?;
                self.matrix(&Node::integer(-1))
            }
            Some(Token::Mark(open @ ('(' | '[' | '⟨'))) if self.comma_and_close(0).is_some() => {
                self.tuple(*open)
            }
            Some(Token::Mark('(')) if self.opens_sets(0) => self.bracketed_sets(),
            Some(Token::Letter(_)) if self.omits_membership() => self.membership(),
            Some(Token::Word(word)) if word.chars().count() > 1 => self.text(),
            Some(Token::Number(_)) if self.peek_at(1) == Some(&Token::Mark('_')) => self.based(),
            Some(Token::Mark('('))
                if matches!(self.peek_at(1), Some(Token::Number(_)))
                    && self.peek_at(2) == Some(&Token::Mark(')'))
                    && self.peek_at(3) == Some(&Token::Mark('_')) =>
            {
                self.based()
            }
            _ => match self.quantity()? {
                Answer::Quantity(factor, None) if self.starts_matrix(0) => self.matrix(&factor),
                quantity => Ok(quantity),
            },
        }
    }

    fn set(&mut self, close: char) -> Parsed<Answer> {
        self.advance()?;
        if self.eat(close) {
            return Ok(Answer::Set(Vec::new()));
        }
        if self.eats_member() {
            // What is said of the members, which is how sets are compared.
            let condition = match self.nested(Self::list)? {
                Answer::List(Joint::Comma, conditions) => Answer::List(Joint::And, conditions),
                other => other,
            };
            self.close_set(close)?;
            return Ok(condition);
        }
        let items = match self.nested(Self::list)? {
            Answer::List(_, items) => items,
            only => vec![only],
        };
        self.close_set(close)?;
        // The condition alone: {x ∈ ℝ, x ≠ 2}.
        let relates = |item: &Answer| matches!(item, Answer::Relation(_, signs) if signs.as_slice() != ['=']);
        let all_relations = items.iter().all(|item| matches!(item, Answer::Relation(..)));
        if all_relations && items.iter().any(relates) {
            return Ok(Answer::List(Joint::And, items));
        }
        Ok(Answer::Set(items))
    }

    /// A set that opens with `\{` may close with a bare brace: `ℝ\{2}`.
    fn close_set(&mut self, close: char) -> Parsed<()> {
        if self.eat(close) || self.eat('}') { Ok(()) } else { Err(Unreadable) }
    }

    /// Whether the R that comes next stands for the real numbers, of which a set is taken.
    fn names_reals(&self) -> bool {
        matches!(self.peek_at(1), Some(Token::Mark('∖' | '-'))) && self.peek_at(2) == Some(&Token::Mark('⦃'))
    }

    /// Whether the bracket `ahead` places after the next token is one around sets.
    pub(super) fn opens_sets(&self, ahead: usize) -> bool {
        match self.peek_at(ahead + 1) {
            Some(Token::Mark('⦃' | '∅' | 'ℝ')) => true,
            Some(Token::Mark('(' | '[')) => self.comma_and_close(ahead + 1).is_some(),
            _ => false,
        }
    }

    /// `(A ∪ B)`.
    fn bracketed_sets(&mut self) -> Parsed<Answer> {
        self.advance()?;
        let sets = self.nested(Self::combined)?;
        self.expect(')')?;
        if matches!(sets, Answer::Combined(..)) { Ok(sets) } else { Err(Unreadable) }
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

    /// The `x |` or `x ∈ ℝ :` of a set that a condition describes, taken.
    fn eats_member(&mut self) -> bool {
        let start = self.at;
        let letter = matches!(self.peek(), Some(Token::Letter(_))) && self.advance().is_ok();
        if letter && (!self.eat('∈') || self.eat('ℝ')) && (self.eat('|') || self.eat(':')) {
            return true;
        }
        self.at = start;
        false
    }

    /// Whether a letter comes next with an interval right after it, as in `t(0,4]`: what is applied has round brackets.
    fn omits_membership(&self) -> bool {
        let open = self.peek_at(1);
        let close = self.comma_and_close(1);
        close.is_some_and(|close| {
            open == Some(&Token::Mark('[')) || open == Some(&Token::Mark('(')) && close == ']'
        })
    }

    fn membership(&mut self) -> Parsed<Answer> {
        let Some(Token::Letter(letter)) = self.peek() else { return Err(Unreadable) };
        let member = Node::Variable(letter.to_string());
        self.advance()?;
        let Some(open @ ('(' | '[')) = self.mark() else { return Err(Unreadable) };
        let set = self.tuple(open)?;
        Ok(Answer::Relation(vec![Answer::Quantity(member, None), set], vec!['∈']))
    }

    /// Whether a comma stands right inside the bracket that comes next.
    pub(super) fn holds_comma(&self) -> bool {
        self.comma_and_close(0).is_some()
    }

    /// The mark that closes the bracket `ahead` places after the next token, where a comma stands right inside it.
    pub(super) fn comma_and_close(&self, ahead: usize) -> Option<char> {
        let (mut depth, mut comma) = (0_u32, false);
        for Spaced { token, .. } in self.tokens.iter().skip(self.at.token + ahead) {
            match token {
                Token::Mark('(' | '[' | '{' | '⦃' | '⟨') => depth += 1,
                Token::Mark(close @ (')' | ']' | '}' | '⦄' | '⟩')) => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return comma.then_some(*close);
                    }
                }
                Token::Mark(',') => comma |= depth == 1,
                _ => {}
            }
            if depth == 0 {
                return None;
            }
        }
        None
    }

    /// Whether a matrix stands `ahead` places after the next token, in brackets or not.
    fn starts_matrix(&self, ahead: usize) -> bool {
        let begins = |at| matches!(self.peek_at(at), Some(Token::Name(name)) if is_matrix(name));
        let opens = matches!(self.peek_at(ahead), Some(Token::Mark('(' | '[')));
        begins(ahead) || opens && begins(ahead + 1)
    }

    /// The matrix that comes next, `factor` times.
    fn matrix(&mut self, factor: &Node) -> Parsed<Answer> {
        let bracketed = self.eat('(') || self.eat('[');
        let mut rows = self.rows()?;
        if bracketed && !self.eat(')') && !self.eat(']') {
            return Err(Unreadable);
        }
        if *factor != Node::integer(1) {
            for cell in rows.iter_mut().flatten() {
                *cell = Node::Product(vec![factor.clone(), cell.clone()]);
            }
        }
        Ok(Answer::Matrix(rows))
    }

    fn rows(&mut self) -> Parsed<Vec<Vec<Node>>> {
        let Some(Token::Name(begin)) = self.peek() else { return Err(Unreadable) };
        let end = Token::Name(begin.replacen("begin", "end", 1));
        self.advance()?;
        if begin == "begin array" && self.eat('{') {
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
            if self.peek() == Some(&end) {
                self.advance()?;
                return Ok(rows);
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
        while let Some(Token::Word(_) | Token::Letter(_)) = self.peek() {
            self.advance()?;
        }
        let tokens = self.tokens.get(start..self.at.token).unwrap_or_default();
        let text = words(tokens).ok_or(Unreadable)?;
        Ok(if REALS.contains(&text.as_str()) { Answer::Reals } else { Answer::Text(text) })
    }

    /// `1024_5`, `(1024)_5`, `1024_{\text{five}}`.
    fn based(&mut self) -> Parsed<Answer> {
        let bracketed = self.eat('(');
        let Some(Token::Number(digits)) = self.peek() else { return Err(Unreadable) };
        self.advance()?;
        if bracketed {
            self.expect(')')?;
        }
        self.expect('_')?;
        let written = self.flat_argument()?;
        let written = written.trim_start_matches('(').trim_end_matches(')');
        let named = BASES.iter().find_map(|(name, base)| (*name == written).then_some(*base));
        let base = named.or_else(|| written.parse().ok()).ok_or(Unreadable)?;
        let fits = |c: char| c.to_digit(10).is_some_and(|digit| digit < base);
        if digits.chars().all(fits) { Ok(Answer::Based(digits.clone(), base)) } else { Err(Unreadable) }
    }
}

/// Words for the set of all real numbers.
const REALS: [&str; 4] = ["all real numbers", "real numbers", "all reals", "all real values"];

/// Words for bases.
const BASES: [(&str, u32); 9] = [
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
];

fn is_matrix(name: &str) -> bool {
    ["begin pmatrix", "begin bmatrix", "begin Bmatrix", "begin matrix", "begin smallmatrix", "begin array"]
        .contains(&name)
}
