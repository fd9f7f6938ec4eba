//! How far an audit is, for those who watch.

use std::cell::RefCell;

use anyhow::Result;

use crate::audit::{Part, Watch};
use crate::interrupt::Interrupt;
use crate::observe::{Console, Phase};

/// Shows how far an audit is, and ends it where a signal asks for a stop.
pub(super) struct Shown<'a> {
    console: &'a Console,
    interrupt: &'a Interrupt,
    phase: RefCell<Option<Phase>>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(console: &'a Console, interrupt: &'a Interrupt) -> Self {
        Self { console, interrupt, phase: RefCell::new(None) }
    }
}

impl Watch for Shown<'_> {
    fn begin(&self, part: Part, total: usize) {
        self.phase.take().into_iter().for_each(Phase::finish);
        let name: &'static str = part.into();
        let name = match part as usize {
            0 => name.to_owned(),
            number => format!("{number}/{} {name}", Part::N),
        };
        *self.phase.borrow_mut() = Some(self.console.step_phase(&name, total as u64));
    }

    fn advance(&self, n: usize) -> Result<()> {
        if let Some(phase) = &*self.phase.borrow() {
            phase.advance(n as u64, "");
        }
        self.interrupt.check()
    }
}
