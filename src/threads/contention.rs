//! Whether others need the processors: the time that threads of this process were ready to run and had to wait.
//!
//! ```text
//! contention = sum over threads of (waiting for a processor, s) / (time that passed, s)        threads kept waiting on average
//! ```
//!
//! The kernel counts it for each thread (`/proc/self/task/*/schedstat`, second number, ns). Where it does not, nothing is known
//! and nothing is said.

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::wait::Waiting;

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(100);

/// Nanoseconds that threads have waited for a processor since the first look.
static WAITED_NS: AtomicU64 = AtomicU64::new(0);

/// Seconds that threads of this process have been kept waiting for a processor so far, all together; 0 where the kernel does
/// not say, or nobody watches.
#[must_use]
pub fn waited_s() -> f64 {
    WAITED_NS.load(Ordering::Relaxed) as f64 / 1e9
}

/// Share of their time that this process's threads were kept waiting, since the last look.
#[derive(Debug)]
pub struct Contention {
    since: Instant,
    waited_s: f64,
}

impl Default for Contention {
    fn default() -> Self {
        Self { since: Instant::now(), waited_s: waited_s() }
    }
}

impl Contention {
    /// Share of the time of `threads` threads since the last look, or since this was made.
    pub fn share(&mut self, threads: usize) -> f64 {
        let before = std::mem::take(self);
        let passed = (self.since - before.since).as_secs_f64() * threads as f64;
        if passed > 0.0 { (self.waited_s - before.waited_s) / passed } else { 0.0 }
    }
}

/// Starts the thread that watches, and has `waiting` follow what it sees. A system that gives no thread goes unwatched.
pub(super) fn watch(mut waiting: Waiting) {
    let look = move || {
        let (mut before, mut at) = (waits(), Instant::now());
        while !before.is_empty() {
            thread::sleep(PERIOD);
            let (now, passed) = (waits(), at.elapsed());
            at = Instant::now();
            let waited = grown(&before, &now);
            WAITED_NS.fetch_add(waited, Ordering::Relaxed);
            waiting.follow(waited as f64 / passed.as_nanos() as f64);
            before = now;
        }
    };
    _ = thread::Builder::new().name(String::from("contention")).spawn(look);
}

/// Nanoseconds that each thread has waited so far.
fn waits() -> HashMap<String, u64> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return HashMap::new() };
    let of_task = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        Some((task.file_name().into_string().ok()?, waited(&text)?))
    };
    tasks.flatten().filter_map(of_task).collect()
}

/// The second of the three numbers of a `schedstat`.
fn waited(text: &str) -> Option<u64> {
    text.split_whitespace().nth(1)?.parse().ok()
}

/// What the threads that were there before have waited since; those that ended meanwhile do not count.
fn grown(before: &HashMap<String, u64>, now: &HashMap<String, u64>) -> u64 {
    now.iter().map(|(id, ns)| ns.saturating_sub(before.get(id).copied().unwrap_or(0))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_numbers_are_read_and_subtracted() {
        assert_eq!(waited("1029384 381730 1\n"), Some(381_730));
        assert_eq!(waited(""), None);
        let of = |rows: &[(&str, u64)]| rows.iter().map(|(id, ns)| ((*id).to_owned(), *ns)).collect();
        // One goes on, one has ended, one is new.
        assert_eq!(grown(&of(&[("1", 10), ("2", 50)]), &of(&[("1", 13), ("3", 4)])), 7);
    }
}
