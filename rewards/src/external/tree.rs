//! Ending a process with all that it has started.
//!
//! Each process leads a group of its own, which is ended as one. What has left the group still has the mark in its
//! environment that the process was started with; on Linux it is found by that, also where its parents are gone. Should this
//! process be killed, a [`watchdog`] does the same. What has both left its group and cleared its environment is not found.

use std::fs;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::watchdog;

pub(super) const MARK: &str = "RLCREDIT_GRADER";
/// How long an ended process may take to go.
const GRACE: Duration = Duration::from_secs(2);
/// How often descendants are looked for, since they may start others meanwhile.
const ROUNDS: usize = 5;

/// What the descendants of one process have in their environment.
pub(super) struct Mark(String);

impl Mark {
    /// Marks `command`, and has it lead a group.
    pub(super) fn put(command: &mut Command) -> Self {
        use std::os::unix::process::CommandExt;
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mark = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        command.process_group(0).env(MARK, &mark);
        Self(mark)
    }

    /// Ends `child` and all of its descendants.
    pub(super) fn end(&self, child: &mut Child) {
        // While the child is not waited for, its number is its own.
        let leader = Pid::from_child(child);
        for round in 0..ROUNDS {
            // That a group or process is gone already is no failure.
            _ = kill_process_group(leader, Signal::KILL);
            let others = self.marked();
            if others.is_empty() && round > 0 {
                break;
            }
            for other in others {
                _ = kill_process(other, Signal::KILL);
            }
            thread::sleep(Duration::from_millis(1));
        }
        let start = Instant::now();
        while matches!(child.try_wait(), Ok(None)) && start.elapsed() < GRACE {
            thread::sleep(Duration::from_millis(1));
        }
        watchdog::forget(child.id());
    }

    /// Live processes that have the mark.
    fn marked(&self) -> Vec<Pid> {
        let mark = format!("{MARK}={}", self.0);
        let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
        let numbers = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let has_mark = |pid: &i32| {
            // A process that has ended but was not waited for has no environment.
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
        };
        numbers.filter(has_mark).filter_map(Pid::from_raw).collect()
    }
}
