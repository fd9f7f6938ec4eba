//! The terminal, which lines and bars share: a line is printed above the bars, and words that are too long for a line of the
//! terminal go on in the next.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::MultiProgress;
use terminal_size::{Width, terminal_size_of};
use unicode_width::UnicodeWidthStr;

use super::console::WIDTH;
use crate::types::printable;

/// The bars of the newest console, which lines of others must not tear.
static BARS: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// Takes note of the bars that are drawn from here on.
pub(super) fn draws(bars: &MultiProgress) {
    *BARS.lock().unwrap_or_else(PoisonError::into_inner) = Some(bars.clone());
}

/// Prints `text` on standard error, above whatever bars there are.
pub(super) fn tell(text: &str) {
    let bars = BARS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    print(bars.as_ref(), false, text);
}

/// Prints `text` above `bars`, on standard output or error. That nobody can read it is no failure.
pub(super) fn print(bars: Option<&MultiProgress>, to_output: bool, text: &str) {
    let text = printable(text);
    let write = || {
        _ = match to_output {
            true => writeln!(io::stdout(), "{}", fitted(&text, columns(&io::stdout()))),
            false => writeln!(io::stderr(), "{}", fitted(&text, columns(&io::stderr()))),
        };
    };
    match bars {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}

/// Columns for a line on `stream`; `None` where no terminal reads it, but programs that look for whole lines.
fn columns(stream: &(impl IsTerminal + std::os::fd::AsFd)) -> Option<usize> {
    let width = || terminal_size_of(stream).map_or(WIDTH, |(Width(columns), _)| usize::from(columns));
    stream.is_terminal().then(|| width().clamp(20, WIDTH))
}

/// `text` with its lines broken between words to fit into `columns`, what goes on indented by two.
fn fitted(text: &str, columns: Option<usize>) -> String {
    match columns {
        None => text.to_owned(),
        Some(columns) => text.split('\n').map(|line| broken(line, columns)).collect::<Vec<_>>().join("\n"),
    }
}

/// One line as several of at most `columns`. Blanks within it stay where it does not break; a word that is longer stays whole.
fn broken(line: &str, columns: usize) -> String {
    if line.width() <= columns {
        return line.to_owned();
    }
    let own = line.len() - line.trim_start().len();
    let indent = " ".repeat(own + 2);
    let (mut out, mut used) = (String::new(), 0);
    for word in line[own..].split_inclusive(' ') {
        let width = word.trim_end().width();
        if used == 0 {
            out += &line[..own];
            used = own;
        } else if used + width > columns && used > indent.len() {
            out.truncate(out.trim_end().len());
            out += "\n";
            out += &indent;
            used = indent.len();
        }
        out += word;
        used += word.width();
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_break_between_words_and_short_ones_stay() {
        let line = "one two  three four";
        assert_eq!(fitted(line, None), line);
        assert_eq!(fitted(line, Some(19)), line);
        assert_eq!(fitted(line, Some(10)), "one two\n  three\n  four");
        assert_eq!(fitted(line, Some(15)), "one two  three\n  four");
        assert_eq!(fitted("  indented words", Some(12)), "  indented\n    words");
        assert_eq!(fitted("a/word/that/is/long and", Some(8)), "a/word/that/is/long\n  and");
        assert_eq!(fitted("one\ntwo three", Some(6)), "one\ntwo\n  three");
        assert_eq!(fitted("数数 数数", Some(5)), "数数\n  数数");
    }
}
