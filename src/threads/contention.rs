//! Whether others need the processors: the time that threads of this process were ready to run while others ran.
//!
//! ```text
//! waited = sum over threads of the time that they were ready to run and did not, s
//! others = processors * time that passed - time they were idle - time that threads of this process ran, s
//! contention = min(waited, others) / time that passed                 threads that others kept waiting on average
//! ```
//!
//! Both are needed: threads wait for each other too, as those of the backward pass for those of the forward pass, and others may
//! run on processors that nobody here wants. The kernel counts both numbers of each thread (`/proc/self/task/*/schedstat`, ns:
//! ran, waited) and the idle time of each processor (`/proc/stat`, hundredths of a second). Where it does not count the idle
//! time, whoever waits counts as kept waiting; where it does not count threads, nothing is known and nothing is said.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::wait::Waiting;

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(100);
/// Looks that are taken together: one tick of idle time, more or less, is a tenth of a period.
const LOOKS: usize = 5;
/// Nanoseconds in a tick of `/proc/stat`.
const TICK_NS: u64 = 10_000_000;

/// Nanoseconds since the first look that others have kept threads waiting, all together; 0 where nobody watches.
static WAITED_NS: AtomicU64 = AtomicU64::new(0);
/// The same, that threads ran.
static RAN_NS: AtomicU64 = AtomicU64::new(0);

/// Share of the time that threads of this process were ready to run in which others had the processors.
#[derive(Debug)]
pub(crate) struct Contention {
    waited_ns: u64,
    ran_ns: u64,
}

impl Default for Contention {
    fn default() -> Self {
        Self { waited_ns: WAITED_NS.load(Ordering::Relaxed), ran_ns: RAN_NS.load(Ordering::Relaxed) }
    }
}

impl Contention {
    /// The share since the last time, or since this was made, 0 to 1; 0 where the kernel says nothing or there was no look.
    pub(crate) fn share(&mut self) -> f64 {
        let before = std::mem::take(self);
        let (waited, ran) = (self.waited_ns - before.waited_ns, self.ran_ns - before.ran_ns);
        if waited > 0 { waited as f64 / (waited + ran) as f64 } else { 0.0 }
    }
}

/// Starts the thread that watches, and has `waiting` follow what it sees. A system that gives no thread goes unwatched.
pub(super) fn watch(mut waiting: Waiting) {
    let watch = move || {
        let mut watcher = Watcher::new();
        let mut looks: VecDeque<Counted> = watcher.look().into_iter().collect();
        while let Some(&before) = looks.back() {
            thread::sleep(PERIOD);
            let Some(now) = watcher.look() else { break };
            looks.push_back(now);
            if looks.len() > LOOKS + 1 {
                looks.pop_front();
            }
            let contention = looks.front().map_or(0.0, |first| watcher.contention(first, &now));
            let passed = now.passed.saturating_sub(before.passed);
            WAITED_NS.fetch_add((contention * passed as f64) as u64, Ordering::Relaxed);
            RAN_NS.fetch_add(now.ran.saturating_sub(before.ran), Ordering::Relaxed);
            if looks.len() > LOOKS / 2 {
                waiting.follow(contention);
            }
        }
    };
    _ = thread::Builder::new().name(String::from("contention")).spawn(watch);
}

/// What has been counted so far, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counted {
    /// By the clock.
    passed: u64,
    /// That threads of this process ran.
    ran: u64,
    /// That they were ready to run and did not.
    waited: u64,
    /// That the processors had nothing to do; `None` where the kernel does not say.
    idle: Option<u64>,
}

struct Watcher {
    started: Instant,
    /// The processors that this process may use.
    processors: Vec<usize>,
    /// What each thread had run and waited at the last look.
    tasks: HashMap<String, [u64; 2]>,
    total: Counted,
}

impl Watcher {
    fn new() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let (processors, tasks) = (allowed(&status).unwrap_or_default(), HashMap::new());
        Self { started: Instant::now(), processors, tasks, total: Counted::default() }
    }

    /// `None` where the kernel counts no threads.
    fn look(&mut self) -> Option<Counted> {
        let tasks = tasks();
        if tasks.is_empty() {
            return None;
        }
        let [ran, waited] = grown(&self.tasks, &tasks);
        self.tasks = tasks;
        let idle = fs::read_to_string("/proc/stat").ok().and_then(|stat| idle(&stat, &self.processors));
        self.total = Counted {
            passed: u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX),
            ran: self.total.ran + ran,
            waited: self.total.waited + waited,
            idle,
        };
        Some(self.total)
    }

    /// Threads that others kept waiting on average between two looks.
    fn contention(&self, before: &Counted, now: &Counted) -> f64 {
        let since = |count: fn(&Counted) -> u64| count(now).saturating_sub(count(before)) as f64;
        let passed = since(|counted| counted.passed);
        let others = before.idle.zip(now.idle).map(|(before, now)| {
            let idle = now.saturating_sub(before) as f64;
            (self.processors.len() as f64 * passed - idle - since(|counted| counted.ran)).max(0.0)
        });
        let waited = since(|counted| counted.waited);
        if passed > 0.0 { waited.min(others.unwrap_or(f64::INFINITY)) / passed } else { 0.0 }
    }
}

/// The processors in the line `Cpus_allowed_list:  0-1,4` of a `status`.
fn allowed(status: &str) -> Option<Vec<usize>> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let mut processors = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        processors.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(processors)
}

/// Nanoseconds that `processors` have had nothing to do, by a `/proc/stat`: `cpu1 user nice system idle iowait ...`.
fn idle(stat: &str, processors: &[usize]) -> Option<u64> {
    let mut ticks = 0;
    let mut found = 0;
    for line in stat.lines() {
        let mut words = line.split_whitespace();
        let processor = words.next().and_then(|name| name.strip_prefix("cpu")?.parse().ok());
        if processor.is_some_and(|processor| processors.contains(&processor)) {
            found += 1;
            let counts: Option<Vec<u64>> = words.skip(3).take(2).map(|word| word.parse().ok()).collect();
            ticks += counts?.iter().sum::<u64>();
        }
    }
    (found == processors.len() && found > 0).then_some(ticks * TICK_NS)
}

/// Nanoseconds that each thread has run and waited so far.
fn tasks() -> HashMap<String, [u64; 2]> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return HashMap::new() };
    let of_task = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        Some((task.file_name().into_string().ok()?, ran_and_waited(&text)?))
    };
    tasks.flatten().filter_map(of_task).collect()
}

/// The first two of the three numbers of a `schedstat`.
fn ran_and_waited(text: &str) -> Option<[u64; 2]> {
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok());
    Some([numbers.next()??, numbers.next()??])
}

/// What the threads have run and waited since; what those did that ended meanwhile does not count.
fn grown(before: &HashMap<String, [u64; 2]>, now: &HashMap<String, [u64; 2]>) -> [u64; 2] {
    let mut sums = [0, 0];
    for (id, now) in now {
        let before = before.get(id).copied().unwrap_or_default();
        for (sum, (now, before)) in sums.iter_mut().zip(now.iter().zip(before)) {
            *sum += now.saturating_sub(before);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_numbers_are_read_and_subtracted() {
        assert_eq!(ran_and_waited("1029384 381730 1\n"), Some([1_029_384, 381_730]));
        assert_eq!(ran_and_waited(""), None);
        let of = |rows: &[(&str, [u64; 2])]| rows.iter().map(|(id, ns)| ((*id).to_owned(), *ns)).collect();
        // One goes on, one has ended, one is new.
        let (before, now) = (of(&[("1", [5, 10]), ("2", [9, 50])]), of(&[("1", [7, 13]), ("3", [1, 4])]));
        assert_eq!(grown(&before, &now), [3, 7]);

        assert_eq!(allowed("Name:\trlcredit\nCpus_allowed_list:\t0-2,5\n"), Some(vec![0, 1, 2, 5]));
        assert_eq!(allowed("Name:\trlcredit\n"), None);
        let stat = "cpu  9 9 9 900 9\ncpu0 1 0 1 70 2 0\ncpu1 1 0 1 500 0 0\ncpu2 1 0 1 20 1 0\nintr 5\n";
        assert_eq!(idle(stat, &[0, 2]), Some(93 * TICK_NS));
        assert_eq!(idle(stat, &[0, 3]), None);
    }

    /// Two processors for a second.
    #[test]
    fn threads_that_wait_for_each_other_are_no_contention() {
        let watcher = Watcher { processors: vec![0, 1], ..Watcher::new() };
        let contention = |ran, waited, idle| {
            let now = Counted { passed: 1000, ran, waited, idle };
            watcher.contention(&Counted { idle: idle.map(|_| 0), ..Counted::default() }, &now)
        };
        assert_eq!(contention(2000, 800, Some(0)), 0.0, "all of it is ours");
        assert_eq!(contention(900, 0, Some(0)), 0.0, "others run on what we do not want");
        assert_eq!(contention(900, 700, Some(600)), 0.5);
        assert_eq!(contention(900, 300, Some(600)), 0.3);
        assert_eq!(contention(900, 300, None), 0.3, "who says nothing of others");
    }
}
