//! How many threads compute, and how they wait for each other.
//!
//! The number is the person's: `--threads`, else `RLCREDIT_THREADS`, else OpenMP's own `OMP_NUM_THREADS`. Without any of them
//! it is what this process may use: the processors of its affinity, or fewer where its cgroup has a quota, shared out among the
//! processes that a launcher has started beside it. (torchrun sets `OMP_NUM_THREADS` to 1 where nobody has set it, and that is nobody's
//! wish.)

mod contention;
mod wait;

use std::thread::available_parallelism;

use anyhow::{Context, Result, ensure};

pub(crate) use contention::Contention;

pub(crate) use crate::kernel::n_threads;

/// The variable that says how many threads compute.
pub(crate) const VARIABLE: &str = "RLCREDIT_THREADS";

/// More threads than any machine has processors: a number above it is a slip.
const MOST: usize = 4096;

/// Prepares this process: `asked` threads compute (libtorch's, and those that read and judge), or as many as the environment
/// says, and where others need the processors the threads stop spinning. Call once, before the first tensor.
///
/// # Errors
/// If `asked` or the variable is no number of threads.
pub(crate) fn prepare(asked: Option<usize>) -> Result<()> {
    // As schedulers write what they do not know.
    let variable = std::env::var_os(VARIABLE).filter(|text| !text.is_empty());
    let asked = match (asked, variable) {
        (Some(n), _) => Some(checked("--threads", n)?),
        (None, Some(text)) => {
            let text = text.to_string_lossy();
            let n = text.trim().parse().with_context(|| refused(VARIABLE, &text))?;
            Some(checked(VARIABLE, n)?)
        }
        (None, None) => None,
    };
    let beside = distributed::World::from_environment().ok().flatten().map_or(1, |world| world.local_size);
    let own = (available_parallelism().map_or(1, usize::from) / beside).max(1);
    // libgomp has read its variables, but knows no quota.
    let by_torchrun = std::env::var_os("TORCHELASTIC_RUN_ID").is_some() && beside > 1;
    let named = std::env::var("OMP_NUM_THREADS").is_ok_and(|n| !(by_torchrun && n == "1"));
    if asked.is_some() || !named {
        tch::set_num_threads(i32::try_from(asked.unwrap_or(own)).unwrap_or(i32::MAX));
    }
    if std::env::var_os("RAYON_NUM_THREADS").is_none() {
        // An earlier pool, which only a caller of the library can have made, stays.
        _ = rayon::ThreadPoolBuilder::new().num_threads(n_threads()).build_global();
    }
    contention::watch(wait::Waiting::new());
    Ok(())
}

fn checked(name: &str, n: usize) -> Result<usize> {
    ensure!((1..=MOST).contains(&n), refused(name, &n.to_string()));
    Ok(n)
}

fn refused(name: &str, got: &str) -> String {
    format!("{name}: got {got:?}, expected a number of threads from 1 to {MOST}")
}
