//! How libgomp's threads wait for the next loop: spinning where the processors are theirs, asleep where others need them.
//!
//! A thread that waits looks 300,000 times, some milliseconds, whether there is work before it sleeps. On a quiet machine that saves
//! waking it for each of the thousands of short loops of a step; beside other work it burns the time that the one thread
//! which everybody waits for would need. The number of looks is read once, when libgomp is loaded, and no fixed one serves both.
//! But while libgomp manages more threads than there are processors, a waiting thread looks 100 times only. So where there is
//! contention, a crowd of threads that do nothing but sleep is brought in, and sent away when it is calm again.
//!
//! Who sets `OMP_WAIT_POLICY` or `GOMP_SPINCOUNT` has decided otherwise.

use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use crate::kernel::{n_processors, occupy};

/// Threads kept waiting on average from which on others need the processors.
const BUSY: f64 = 0.3;
/// Below this it is calm.
const CALM: f64 = 0.05;
/// Looks in a row that must be calm before threads spin again.
const PATIENCE: u32 = 10;

/// The way that threads wait at the moment.
pub(super) struct Waiting {
    /// Threads that it takes; `None` where waiting is not ours to choose.
    size: Option<usize>,
    crowd: Option<Crowd>,
    calm: u32,
}

impl Waiting {
    /// Spinning, as libgomp does by itself.
    pub(super) fn new() -> Self {
        let decided =
            ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"].iter().any(|name| std::env::var_os(name).is_some());
        let size = n_processors().filter(|_| !decided).map(|processors| processors + 1);
        Self { size, crowd: None, calm: 0 }
    }

    /// Takes in how many threads were kept waiting since the last time.
    pub(super) fn follow(&mut self, contention: f64) {
        let Some(size) = self.size else { return };
        self.calm = if contention < CALM { self.calm + 1 } else { 0 };
        if contention > BUSY && self.crowd.is_none() {
            self.crowd = Crowd::gather(size);
        } else if self.calm >= PATIENCE {
            self.crowd = None;
        }
    }
}

/// Threads of libgomp's that sleep until this is dropped.
struct Crowd {
    dismissed: Arc<(Mutex<bool>, Condvar)>,
    host: Option<JoinHandle<()>>,
}

impl Crowd {
    /// `None` where the system gives no more threads.
    fn gather(size: usize) -> Option<Self> {
        // libgomp ends the process where it does not get them.
        if !can_have(size) {
            return None;
        }
        let dismissed = Arc::new((Mutex::new(false), Condvar::new()));
        let theirs = Arc::clone(&dismissed);
        let sleep = move || {
            let (gone, signal) = &*theirs;
            let gone = gone.lock().unwrap_or_else(PoisonError::into_inner);
            drop(signal.wait_while(gone, |gone| !*gone));
        };
        // A team belongs to the thread that opened it, and goes with it.
        let host = thread::Builder::new().name(String::from("crowd"));
        let host = host.spawn(move || occupy(size, |_| sleep())).ok()?;
        Some(Self { dismissed, host: Some(host) })
    }
}

/// Whether the system gives this many more threads.
fn can_have(size: usize) -> bool {
    let (stay, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    thread::scope(|scope| {
        let wait = || {
            _ = told.lock().unwrap_or_else(PoisonError::into_inner).recv();
        };
        let all = (0..size).all(|_| thread::Builder::new().spawn_scoped(scope, wait).is_ok());
        drop(stay);
        all
    })
}

impl Drop for Crowd {
    fn drop(&mut self) {
        *self.dismissed.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.dismissed.1.notify_all();
        if let Some(host) = self.host.take() {
            _ = host.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_comes_with_contention_and_goes_when_it_is_calm() {
        let mut waiting = Waiting { size: Some(3), crowd: None, calm: 0 };
        waiting.follow(BUSY / 2.0);
        assert!(waiting.crowd.is_none(), "a little is no contention");
        waiting.follow(1.0);
        assert!(waiting.crowd.is_some());
        for look in 1..PATIENCE {
            waiting.follow(0.0);
            assert!(waiting.crowd.is_some(), "after {look} calm looks");
        }
        waiting.follow(0.0);
        assert!(waiting.crowd.is_none());
    }

    #[test]
    fn who_decided_how_threads_wait_is_obeyed() {
        let mut waiting = Waiting { size: None, crowd: None, calm: 0 };
        waiting.follow(1.0);
        assert!(waiting.crowd.is_none());
    }
}
