//! Which weights are the same.

use std::sync::atomic::{AtomicU64, Ordering};

/// Tells weights apart within this process: those with the same stamp are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

impl Stamp {
    /// One that no weights had before.
    pub(super) fn fresh() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}
