//! Texts without the spellings of LaTeX and of typography that stand around and within numbers.

use super::words::letters;

/// Commands that only dress their argument, or what follows them.
#[rustfmt::skip]
const DRESS: &[&str] = &[
    "text", "textrm", "textbf", "textit", "textsf", "texttt", "textnormal", "textup", "textsc", "textsl", "emph",
    "mathrm", "mathbf", "mathit", "mathsf", "mathtt", "mathnormal", "mbox", "hbox", "bold", "boldsymbol", "bm",
    "pmb", "underline", "operatorname", "rm", "bf", "it", "displaystyle", "textstyle", "large", "Large", "huge",
    "Huge", "left", "right", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "middle", "limits",
    "mathop", "mathord", "mathstrut", "strut", "nobreak", "ensuremath", "hphantom", "normalsize",
];
/// Such commands with a colour as their first argument.
const COLOURS: [&str; 3] = ["textcolor", "color", "colorbox"];
/// Commands that are no more than a blank.
const BLANKS: [&str; 8] =
    ["quad", "qquad", "enspace", "enskip", "thinspace", "medspace", "thickspace", "space"];

/// `text` without the spellings of LaTeX that stand within numbers and the commands that dress what is in them, with
/// one minus and one slash, and ASCII digits.
pub(super) fn tidy(text: &str) -> String {
    let mut tidied = Tidied::default();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = match c {
            '\\' => tidied.command(rest),
            _ if rest.starts_with("{,}") => tidied.push(',', 3, rest),
            '{' => tidied.open(rest, false),
            '}' => tidied.close(rest),
            _ => {
                let next = rest.get(c.len_utf8()..).and_then(|rest| rest.chars().next());
                let plain = tidied.plain(c, next);
                tidied.push(plain, c.len_utf8(), rest)
            }
        };
    }
    tidied.text
}

#[derive(Default)]
struct Tidied {
    text: String,
    /// For each open brace whether it has been left out.
    left_out: Vec<bool>,
}

impl Tidied {
    /// Writes `c` for the first `length` bytes of `rest`, and gives what follows them.
    fn push<'a>(&mut self, c: char, length: usize, rest: &'a str) -> &'a str {
        self.text.push(c);
        rest.get(length..).unwrap_or_default()
    }

    /// Reads the brace that opens `rest`.
    fn open<'a>(&mut self, rest: &'a str, left_out: bool) -> &'a str {
        self.left_out.push(left_out);
        if !left_out {
            self.text.push('{');
        }
        rest.get(1..).unwrap_or_default()
    }

    /// Reads the brace that closes before the rest of `rest`.
    fn close<'a>(&mut self, rest: &'a str) -> &'a str {
        let rest = rest.get(1..).unwrap_or_default();
        if self.left_out.pop() != Some(true) {
            self.text.push('}');
        } else if self.text.ends_with(char::is_alphanumeric) && rest.starts_with(char::is_alphanumeric) {
            // "\text{Total}5" is a word and a number.
            self.text.push(' ');
        }
        rest
    }

    /// Reads the command at the start of `rest`.
    fn command<'a>(&mut self, rest: &'a str) -> &'a str {
        let after = rest.get(1..).unwrap_or_default();
        let (name, behind) = after.split_at_checked(letters(after).len()).unwrap_or_default();
        let Some(sign) = behind.chars().next().filter(|_| name.is_empty()) else {
            return self.named(name, behind);
        };
        let behind = behind.get(sign.len_utf8()..).unwrap_or_default();
        match sign {
            ',' | '!' => {}
            ';' | ':' | ' ' | '>' => self.text.push(' '),
            _ => self.text.extend(['\\', sign]),
        }
        behind
    }

    /// Reads the command `name`, which stands before `behind`.
    fn named<'a>(&mut self, name: &str, behind: &'a str) -> &'a str {
        let argument = |text: &'a str| text.trim_start_matches(' ').strip_prefix('{');
        let coloured = COLOURS.contains(&name).then(|| argument(behind)).flatten();
        let behind = match coloured.and_then(|inside| inside.split_once('}')) {
            Some((_, behind)) => behind,
            None if BLANKS.contains(&name) => {
                self.text.push(' ');
                return behind;
            }
            None if DRESS.contains(&name) => behind,
            None => {
                self.text.push('\\');
                self.text.push_str(name);
                return behind;
            }
        };
        match argument(behind) {
            Some(_) => self.open(behind.trim_start_matches(' '), true),
            None => behind,
        }
    }

    /// What is written for `c` before `next`.
    fn plain(&self, c: char, next: Option<char>) -> char {
        let within =
            || self.text.ends_with(|c: char| c.is_ascii_digit()) && next.is_some_and(|c| c.is_ascii_digit());
        match c {
            '~' if next != Some('~') && !self.text.ends_with('~') => ' ',
            '\u{2212}' | '\u{2796}' | '\u{2012}' | '\u{2010}' | '\u{2011}' | '\u{fe63}' | '\u{ff0d}'
            | '\u{207b}' | '\u{208b}' | '\u{2d7}' | '\u{2043}' | '\u{af}' => '-',
            '\u{2015}' | '\u{fe58}' | '\u{2500}' | '\u{2e3a}' => '—',
            '\u{2044}' | '\u{2215}' => '/',
            '\u{a0}' | '\u{2009}' | '\u{202f}' if within() => ',',
            '\u{a0}' | '\u{2009}' | '\u{202f}' | '\u{200a}' | '\u{2005}' | '\u{3000}' => ' ',
            '０'..='９' => char::from_digit(u32::from(c) - u32::from('０'), 10).unwrap_or(c),
            _ => c,
        }
    }
}
