//! The end of what a program complains about.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// How much is kept, in bytes.
const KEPT: usize = 2048;

/// The last bytes of a stream, which is read to its end whatever it holds, so that its writer never waits.
#[derive(Clone, Default)]
pub(super) struct Tail(Arc<Mutex<Vec<u8>>>);

impl Tail {
    /// Reads `stream` in a thread of its own, which ends with it.
    pub(super) fn follow(mut stream: impl Read + Send + 'static) -> (Self, thread::JoinHandle<()>) {
        let tail = Self::default();
        let kept = tail.clone();
        let thread = thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = stream.read(&mut chunk) {
                let mut kept = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(chunk.get(..n).unwrap_or_default());
                let surplus = kept.len().saturating_sub(KEPT);
                kept.drain(..surplus);
            }
        });
        (tail, thread)
    }

    /// The text so far.
    pub(super) fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).trim().to_owned()
    }
}
