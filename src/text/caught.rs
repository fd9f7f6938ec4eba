//! Work that is waited for only as long as it takes no more than it may, and whose panics are errors. Libraries that read what
//! others wrote unwrap more than they should, recurse as deep as their input says and take the time that it asks for; what
//! comes of that belongs into a message of ours.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

/// How often work is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What work may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// Stack of its thread, in bytes; what is not used of it takes no memory.
    pub stack_bytes: usize,
    /// Processor time, in seconds.
    pub cpu_s: f64,
    /// Memory beyond what the process has, in bytes.
    pub memory_bytes: u64,
}

/// What `work` returns.
///
/// # Errors
/// If it panics: what it said then, in one line. Nothing else reports that.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T> {
    crate::caught::caught(work).map_err(|said| anyhow!("it broke off: {said}"))
}

/// [`caught`] on a thread of its own, within `allowance`. A thread cannot be ended from outside: work that takes too much is
/// left behind, for the end of the process.
///
/// # Errors
/// As [`caught`], if there is no such thread to be had, and if the work takes more than it may.
pub(super) fn watched<T, F>(allowance: Allowance, work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let Allowance { stack_bytes, cpu_s, memory_bytes } = allowance;
    let (results, result) = mpsc::channel();
    let (places, place) = mpsc::channel();
    let run = move || {
        drop(places.send(fs::read_link("/proc/thread-self")));
        drop(results.send(caught(work)));
    };
    let builder = thread::Builder::new().name("text".to_owned()).stack_size(stack_bytes);
    let thread =
        builder.spawn(run).with_context(|| format!("no thread with a stack of {stack_bytes} bytes"))?;
    let (start, mut before, mut stat) = (Instant::now(), None, None);
    loop {
        match result.recv_timeout(LOOK_EVERY) {
            Ok(result) => {
                // Its stack is given back before the next one is taken.
                let _ = thread.join();
                return result;
            }
            Err(RecvTimeoutError::Disconnected) => bail!("it broke off without a word"),
            Err(RecvTimeoutError::Timeout) => {}
        }
        stat = stat.or_else(|| place.try_recv().ok()?.ok());
        let cpu = stat.as_deref().and_then(cpu_of).unwrap_or_else(|| start.elapsed().as_secs_f64());
        ensure!(cpu <= cpu_s, "it takes more than {cpu_s} s");
        let resident = resident_bytes();
        let grown = resident.saturating_sub(*before.get_or_insert(resident));
        ensure!(grown <= memory_bytes, "it takes more than {} MB", memory_bytes >> 20);
    }
}

/// Processor time of the thread that `/proc` has at `place`, in seconds.
fn cpu_of(place: &Path) -> Option<f64> {
    let times = fs::read_to_string(Path::new("/proc").join(place).join("schedstat")).ok()?;
    Some(times.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

/// Memory that the process has, in bytes; nothing where the system does not tell.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const SOME: Allowance = Allowance { stack_bytes: 256 << 20, cpu_s: 60.0, memory_bytes: 1 << 30 };

    #[test]
    fn panics_are_told_and_later_ones_reported_as_before() {
        assert_eq!(caught(|| 3).unwrap(), 3);
        let error = caught(|| -> u8 { panic!("first\nsecond") }).unwrap_err();
        assert_eq!(error.to_string(), "it broke off: first");
        let error = watched(SOME, || -> u8 { panic!("number {}", 7) }).unwrap_err();
        assert_eq!(error.to_string(), "it broke off: number 7");
    }

    #[test]
    fn work_that_takes_too_much_is_left_behind() {
        let busy = || {
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(2) {}
        };
        let error = watched(Allowance { cpu_s: 0.05, ..SOME }, busy).unwrap_err();
        assert_eq!(error.to_string(), "it takes more than 0.05 s");
        let hoard = || {
            let mut all: Vec<Vec<u8>> = Vec::new();
            while all.len() < 400 {
                all.push(vec![1; 1 << 20]);
                thread::sleep(Duration::from_millis(1));
            }
            all.len()
        };
        let error = watched(Allowance { memory_bytes: 50 << 20, ..SOME }, hoard).unwrap_err();
        assert_eq!(error.to_string(), "it takes more than 50 MB");
    }

    #[test]
    fn a_stack_is_as_deep_as_asked() {
        fn deep(n: u64) -> u64 {
            let here = std::hint::black_box([n; 64]);
            if n == 0 { here[0] } else { 1 + deep(here[1] - 1) }
        }
        assert_eq!(watched(SOME, || deep(100_000)).unwrap(), 100_000);
    }
}
