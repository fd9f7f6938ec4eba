//! A terminal that may go away: what cannot be drawn any more is given up, as the bars' own terminal does not.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use console::Term;
use indicatif::TermLike;

/// Draws on standard error for as long as it can be drawn on.
#[derive(Debug)]
pub(super) struct LastingTerm {
    term: Term,
    /// Whether that has failed: what is not drawn would be kept for the next time.
    is_gone: AtomicBool,
}

impl LastingTerm {
    /// On standard error.
    pub(super) fn stderr() -> Self {
        Self { term: Term::buffered_stderr(), is_gone: AtomicBool::new(false) }
    }

    /// Draws unless that has failed before; whether it works is nobody's concern.
    fn draw(&self, draw: impl FnOnce(&Term) -> io::Result<()>) -> io::Result<()> {
        if !self.is_gone.load(Ordering::Relaxed) && draw(&self.term).is_err() {
            self.is_gone.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl TermLike for LastingTerm {
    fn width(&self) -> u16 {
        TermLike::width(&self.term)
    }

    fn height(&self) -> u16 {
        TermLike::height(&self.term)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.draw(|term| term.move_cursor_up(n))
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.draw(|term| term.move_cursor_down(n))
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.draw(|term| term.move_cursor_right(n))
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.draw(|term| term.move_cursor_left(n))
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.draw(|term| term.write_line(line))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.draw(|term| TermLike::write_str(term, text))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw(|term| term.clear_line())
    }

    fn flush(&self) -> io::Result<()> {
        self.draw(|term| term.flush())
    }
}
