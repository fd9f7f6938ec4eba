//! A terminal that may go away: what cannot be drawn any more is given up, as the bars' own terminal does not.

use std::io;

use console::Term;
use indicatif::TermLike;

/// Draws on standard error for as long as it can be drawn on.
#[derive(Debug)]
pub(super) struct LastingTerm(Term);

impl LastingTerm {
    /// On standard error.
    pub fn stderr() -> Self {
        Self(Term::buffered_stderr())
    }
}

/// Says that `drawn` worked, whether it did or not.
fn given_up(drawn: io::Result<()>) -> io::Result<()> {
    drawn.or(Ok(()))
}

impl TermLike for LastingTerm {
    fn width(&self) -> u16 {
        TermLike::width(&self.0)
    }

    fn height(&self) -> u16 {
        TermLike::height(&self.0)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        given_up(self.0.move_cursor_up(n))
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        given_up(self.0.move_cursor_down(n))
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        given_up(self.0.move_cursor_right(n))
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        given_up(self.0.move_cursor_left(n))
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        given_up(self.0.write_line(line))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        given_up(TermLike::write_str(&self.0, text))
    }

    fn clear_line(&self) -> io::Result<()> {
        given_up(self.0.clear_line())
    }

    fn flush(&self) -> io::Result<()> {
        given_up(self.0.flush())
    }
}
