//! Work that is waited for only as long as it takes no more than it may, and whose panics are errors. Libraries that read what
//! others wrote unwrap more than they should, recurse as deep as their input says and take the time that it asks for; what
//! comes of that belongs into a message of ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

/// How often work is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// More bytes than a thread can write in a second.
const FILLS_BYTES_PER_S: f64 = 32e9;

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
    let worker = Worker::start(allowance.stack_bytes)?;
    let (result, _) = worker.run(allowance, work)?;
    worker.end();
    result
}

/// Threads that are kept for more work, so that short work need not wait for a thread to start.
#[derive(Debug, Default)]
pub(super) struct Workers(Mutex<Vec<Worker>>);

impl Workers {
    /// [`watched`] on one of these threads; all are asked for the same stack. Gives the time that the work took, too: that of
    /// a processor where it is more than a moment.
    ///
    /// # Errors
    /// As [`watched`].
    pub(super) fn run<T, F>(&self, allowance: Allowance, work: F) -> Result<(T, Duration)>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let idle = self.idle().pop();
        let worker = idle.map_or_else(|| Worker::start(allowance.stack_bytes), Ok)?;
        // A worker whose work takes too much does not come back.
        let (result, took) = worker.run(allowance, work)?;
        self.idle().push(worker);
        Ok((result?, took))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread that does one job after the other, until nobody can have another one for it.
#[derive(Debug)]
struct Worker {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
    /// What `/proc` calls it.
    place: Option<PathBuf>,
}

impl Worker {
    fn start(stack_bytes: usize) -> Result<Self> {
        let (jobs, all) = mpsc::channel::<Job>();
        let (places, place) = mpsc::channel();
        let run = move || {
            drop(places.send(fs::read_link("/proc/thread-self").ok()));
            all.into_iter().for_each(|job| job());
        };
        let builder = thread::Builder::new().name("text".to_owned()).stack_size(stack_bytes);
        let thread =
            builder.spawn(run).with_context(|| format!("no thread with a stack of {stack_bytes} bytes"))?;
        Ok(Self { jobs, thread, place: place.recv().ok().flatten() })
    }

    /// What `work` returns or says, and the time that it took.
    fn run<T, F>(&self, allowance: Allowance, work: F) -> Result<(Result<T>, Duration)>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (results, result) = mpsc::channel();
        let job = move || {
            let start = Instant::now();
            let result = caught(work);
            drop(results.send((result, start.elapsed())));
        };
        self.jobs.send(Box::new(job)).map_err(|_| anyhow!("its thread is gone"))?;
        let mut watch = Watch { worker: self, start: Instant::now(), before: None };
        loop {
            match result.recv_timeout(LOOK_EVERY) {
                Ok((result, took)) => return Ok((result, watch.took(took))),
                Err(RecvTimeoutError::Disconnected) => bail!("it broke off without a word"),
                Err(RecvTimeoutError::Timeout) => watch.look(allowance)?,
            }
        }
    }

    /// Gives its stack back before another one is taken.
    fn end(self) {
        drop(self.jobs);
        let _ = self.thread.join();
    }
}

/// What a worker has taken since it was looked at first.
struct Watch<'w> {
    worker: &'w Worker,
    start: Instant,
    /// At the first look.
    before: Option<Taken>,
}

/// What was taken up to a moment.
#[derive(Clone, Copy)]
struct Taken {
    /// Processor time of the thread, in seconds.
    cpu_s: f64,
    /// At most so much memory has the thread filled; `None` where the system does not tell.
    filled_bytes: Option<u64>,
    /// Memory that the process has.
    resident_bytes: u64,
}

impl Watch<'_> {
    fn look(&mut self, allowance: Allowance) -> Result<()> {
        let Allowance { cpu_s, memory_bytes, .. } = allowance;
        let now = Taken {
            cpu_s: self.cpu(),
            filled_bytes: self.worker.place.as_deref().and_then(filled_bytes_of),
            resident_bytes: resident_bytes(),
        };
        let before = *self.before.get_or_insert(now);
        let cpu = now.cpu_s - before.cpu_s;
        ensure!(cpu <= cpu_s, "it takes more than {cpu_s} s");
        // Other threads of the process take memory as well.
        let filled = now.filled_bytes.zip(before.filled_bytes).map_or(u64::MAX, |(now, before)| now - before);
        let own = filled.min((cpu * FILLS_BYTES_PER_S) as u64);
        let grown = now.resident_bytes.saturating_sub(before.resident_bytes).min(own);
        ensure!(grown <= memory_bytes, "it takes more than {} MB", memory_bytes >> 20);
        Ok(())
    }

    /// What of the time `passed` was the work's own: a process may be stopped, or wait for others, in between.
    fn took(&self, passed: Duration) -> Duration {
        let since = self.before.map_or(0.0, |before| (self.cpu() - before.cpu_s).max(0.0));
        passed.min(LOOK_EVERY + Duration::from_secs_f64(since))
    }

    fn cpu(&self) -> f64 {
        let cpu = self.worker.place.as_deref().and_then(cpu_of);
        cpu.unwrap_or_else(|| self.start.elapsed().as_secs_f64())
    }
}

/// Processor time of the thread that `/proc` has at `place`, in seconds.
fn cpu_of(place: &Path) -> Option<f64> {
    let times = fs::read_to_string(Path::new("/proc").join(place).join("schedstat")).ok()?;
    Some(times.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

/// Memory that the thread which `/proc` has at `place` has filled at most, in bytes: each page that is new to the process is a
/// fault of the thread that touches it first.
fn filled_bytes_of(place: &Path) -> Option<u64> {
    let stat = fs::read_to_string(Path::new("/proc").join(place).join("stat")).ok()?;
    // A thread's name, in brackets, may hold blanks; minor faults are the eighth field behind it, major ones the tenth.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let faults = fields.get(7)?.parse::<u64>().ok()? + fields.get(9)?.parse::<u64>().ok()?;
    Some(faults.saturating_mul(page_bytes()))
}

/// The most that one fault brings: a large page where the system hands them out unasked.
fn page_bytes() -> u64 {
    let huge = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    if huge.contains("[always]") { 2 << 20 } else { 64 << 10 }
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
    fn memory_that_others_take_is_not_its_own() {
        let busy = || {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(600) {}
        };
        let neighbour = thread::spawn(|| {
            thread::sleep(Duration::from_millis(100));
            let all = vec![1u8; 200 << 20];
            thread::sleep(Duration::from_millis(400));
            all.len()
        });
        watched(Allowance { memory_bytes: 50 << 20, ..SOME }, busy).unwrap();
        assert_eq!(neighbour.join().unwrap(), 200 << 20);
    }

    #[test]
    fn threads_are_kept_for_more_work_unless_it_takes_too_much() {
        let workers = Workers::default();
        let thread = || workers.run(SOME, || thread::current().id());
        let first = thread().unwrap().0;
        let error = workers.run(SOME, || -> u8 { panic!("no") }).unwrap_err();
        assert_eq!((error.to_string(), thread().unwrap().0), ("it broke off: no".to_owned(), first));
        let busy = || {
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(2) {}
        };
        workers.run(Allowance { cpu_s: 0.05, ..SOME }, busy).unwrap_err();
        assert_ne!(thread().unwrap().0, first);
    }

    #[test]
    fn time_that_others_have_is_not_its_own() {
        let waits = || thread::sleep(Duration::from_millis(300));
        let (_, took) = Workers::default().run(Allowance { cpu_s: 0.05, ..SOME }, waits).unwrap();
        assert!(took < Duration::from_millis(100), "{took:?}");
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
