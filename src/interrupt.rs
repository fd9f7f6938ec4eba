//! SIGINT and SIGTERM as a question the run loop asks between steps.
//!
//! The first signal only sets a flag, so that the run can save and say so; a second SIGINT ends the process at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

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
    /// Listens to SIGINT and SIGTERM from now on. A second SIGINT exits at once with 130.
    ///
    /// # Errors
    /// If the system refuses the handlers.
    pub fn install() -> Result<Self> {
        let this = Self::default();
        let exit_code = Signal::Interrupt.exit_code().into();
        // Handlers run in order of registration: the exit sees the flag of an earlier signal, not of its own.
        flag::register_conditional_shutdown(SIGINT, exit_code, Arc::clone(&this.interrupt))
            .and_then(|_| flag::register(SIGINT, Arc::clone(&this.interrupt)))
            .and_then(|_| flag::register(SIGTERM, Arc::clone(&this.terminate)))
            .context("could not listen to SIGINT and SIGTERM")?;
        Ok(this)
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
