//! Whether verdicts under way are still wanted, as a question that those who wait for a program or a server ask.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Time between two looks of who waits.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Set once, when no further verdict is wanted.
#[derive(Debug, Default)]
pub(super) struct Stop(AtomicBool);

impl Stop {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// What comes from `receiver` within `left`. A stop ends the wait as the end of that time does.
    ///
    /// # Errors
    /// If nothing came in time, or nothing can come any more.
    pub(super) fn receive<T>(&self, receiver: &Receiver<T>, left: Duration) -> Result<T, RecvTimeoutError> {
        let start = Instant::now();
        loop {
            let left = left.saturating_sub(start.elapsed());
            match receiver.recv_timeout(left.min(LOOK_EVERY)) {
                Err(RecvTimeoutError::Timeout) if left > LOOK_EVERY && !self.is_set() => {}
                received => return received,
            }
        }
    }

    /// Waits for `length`, or until a stop.
    pub(super) fn pause(&self, length: Duration) {
        let (_silent, nothing) = channel::<()>();
        _ = self.receive(&nothing, length);
    }
}
