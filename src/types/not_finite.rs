//! The error of a computation that met a number that is not finite where nothing can be done but to stop.

use std::fmt;

/// Something is infinite or not a number; the text says what and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotFinite(pub String);

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotFinite {}
