//! What goes wrong between processes.

use std::ffi::{CStr, c_int};
use std::fmt;

use crate::ffi;

/// What it was, as far as whoever calls acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A process did not answer in time.
    Timeout,
    /// A process closed its connection.
    Lost,
    /// Processes are not what the others take them for.
    Disagreement,
    /// Anything else.
    Other,
}

/// A failure of a store or a collective.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What it was.
    pub trouble: Trouble,
    /// In words.
    pub message: String,
}

impl Error {
    /// An error of a kind of its own.
    pub(crate) fn new(trouble: Trouble, message: impl Into<String>) -> Self {
        Self { trouble, message: message.into() }
    }

    /// Whether another process is gone, or does not answer.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        matches!(self.trouble, Trouble::Timeout | Trouble::Lost)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The outcome of a call of the shim.
pub(crate) fn check(status: c_int) -> Result<(), Error> {
    let trouble = match status {
        ffi::OK => return Ok(()),
        ffi::TIMEOUT => Trouble::Timeout,
        ffi::LOST => Trouble::Lost,
        _ => Trouble::Other,
    };
    // SAFETY: the shim keeps the words of this thread's last failure, ended by a NUL, until its next one.
    let words = unsafe { CStr::from_ptr(ffi::dist_error()) };
    // The place in libtorch's sources that its messages begin with says nothing to whoever reads them.
    let words = words.to_string_lossy();
    let words = match words.split_once("] ") {
        Some((place, rest)) if place.starts_with('[') => rest,
        _ => &words,
    };
    Err(Error::new(trouble, words.lines().next().unwrap_or_default().trim()))
}
