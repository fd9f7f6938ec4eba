//! SIGINT and SIGTERM as a question the run loop asks between steps.
//!
//! The first signal only sets a flag and is answered in words, so that the run can save; the same signal again ends the
//! process at once. The other one does not: who forwards a Ctrl-C as SIGTERM, as wrappers do, has not asked twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fmt, io, thread};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

/// A request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM: what `kill` and job schedulers send.
    Terminate,
}

impl Signal {
    /// Exit code of a process that ends because of it: 128 + its number.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// Whether somebody asked the process to stop. Clones share the answer.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    interrupt: Arc<AtomicBool>,
    terminate: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens to SIGINT and SIGTERM from now on; `answer` is called at the first of them, on a thread of its own. A second
    /// SIGINT exits at once with 130, a second SIGTERM with 143.
    ///
    /// # Errors
    /// If the system refuses the handlers.
    pub fn install(answer: impl FnOnce(Signal) + Send + 'static) -> Result<Self> {
        let this = Self::default();
        this.listen(answer).context("could not listen to SIGINT and SIGTERM")?;
        Ok(this)
    }

    fn listen(&self, answer: impl FnOnce(Signal) + Send + 'static) -> io::Result<()> {
        let signals =
            [(SIGINT, Signal::Interrupt, &self.interrupt), (SIGTERM, Signal::Terminate, &self.terminate)];
        for (number, signal, asked) in signals {
            // Handlers run in order of registration: the exit sees the flag of an earlier signal, not of its own.
            flag::register_conditional_shutdown(number, signal.exit_code().into(), Arc::clone(asked))?;
            flag::register(number, Arc::clone(asked))?;
        }
        let mut arrivals = Signals::new([SIGINT, SIGTERM])?;
        thread::Builder::new().name("signals".to_owned()).spawn(move || match arrivals.forever().next() {
            Some(SIGTERM) => answer(Signal::Terminate),
            Some(_) => answer(Signal::Interrupt),
            None => {}
        })?;
        Ok(())
    }

    /// Asks as `signal` does.
    #[cfg(test)]
    pub(crate) fn request(&self, signal: Signal) {
        let asked = match signal {
            Signal::Interrupt => &self.interrupt,
            Signal::Terminate => &self.terminate,
        };
        asked.store(true, Ordering::SeqCst);
    }

    /// The signal that asks for a stop, if one came; SIGINT where both did.
    #[must_use]
    pub fn requested(&self) -> Option<Signal> {
        if self.interrupt.load(Ordering::SeqCst) {
            Some(Signal::Interrupt)
        } else if self.terminate.load(Ordering::SeqCst) {
            Some(Signal::Terminate)
        } else {
            None
        }
    }
}
