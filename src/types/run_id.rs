//! Which run something is of.

use std::fmt;

use rand::TryRng;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};

/// What tells a run from all others, whatever they are called and wherever they lie: 16 hexadecimal digits, drawn by chance
/// when it starts. Nothing that is computed depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RunId(String);

impl RunId {
    /// One that no run has yet.
    ///
    /// # Errors
    /// If the system has no random numbers to give.
    pub(crate) fn draw() -> anyhow::Result<Self> {
        Ok(Self(format!("{:016x}", SysRng.try_next_u64()?)))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
