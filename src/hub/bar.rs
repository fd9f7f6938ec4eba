//! How far a file is, for a person.

use crate::observe::{Console, Phase};

/// Bytes of what progress is counted in.
const MB: u64 = 1_000_000;

/// A phase of the console that counts the megabytes of one file; none for a small one.
pub(super) struct Bar {
    phase: Option<Phase>,
    /// Megabytes so far.
    done: u64,
}

impl Bar {
    /// For the file `name` of `size` bytes, of which `start` are there.
    pub(super) fn new(console: Option<&Console>, name: &str, size: u64, start: u64) -> Self {
        let console = console.filter(|_| size >= MB);
        let phase = console.map(|console| console.phase(&format!("fetch {name} (MB)"), size / MB));
        if let Some(phase) = &phase {
            phase.skip(start / MB);
        }
        Self { phase, done: start / MB }
    }

    /// Says that `at` bytes are there.
    pub(super) fn advance_to(&mut self, at: u64) {
        let more = (at / MB).saturating_sub(self.done);
        self.done += more;
        if let Some(phase) = self.phase.as_ref().filter(|_| more > 0) {
            phase.advance(more, "");
        }
    }

    /// Says that all is there.
    pub(super) fn finish(self) {
        if let Some(phase) = self.phase {
            phase.finish();
        }
    }
}
