//! How long a tokenizer takes for its texts: one that is slow a thousand times over is given up before all of them are read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// Time that any tokenizer may take, whatever the texts.
const FREE: Duration = Duration::from_secs(5);

/// Slowest pace behind that, in seconds for a byte; ordinary ones take less than a millionth.
const MAX_S_PER_BYTE: f64 = 1e-4;

/// Longest time that short work is taken to have had a processor; beyond it the process was stopped, or others had it.
const MAX_SHORT: Duration = Duration::from_millis(100);

/// What short `work` gives, and the time that it took.
///
/// # Errors
/// Those of `work`.
pub(super) fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let start = Instant::now();
    Ok((work()?, start.elapsed().min(MAX_SHORT)))
}

/// Bytes and time so far.
#[derive(Debug, Default)]
pub(super) struct Pace {
    bytes: AtomicU64,
    nanos: AtomicU64,
}

impl Pace {
    /// Adds a text of `n_bytes`, or as many tokens.
    ///
    /// # Errors
    /// If all texts together are too slow.
    pub(super) fn add(&self, n_bytes: usize, took: Duration) -> Result<()> {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bytes = self.bytes.fetch_add(n_bytes as u64, Ordering::Relaxed) + n_bytes as u64;
        let all = Duration::from_nanos(self.nanos.fetch_add(nanos, Ordering::Relaxed).saturating_add(nanos));
        ensure!(
            all <= FREE || all.as_secs_f64() <= MAX_S_PER_BYTE * bytes as f64,
            "the tokenizer has taken {:.1} s for {bytes} bytes; its patterns go back too often",
            all.as_secs_f64()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_what_is_slow_for_long_is_given_up() {
        let pace = Pace::default();
        pace.add(10, Duration::from_secs(4)).unwrap();
        pace.add(100_000, Duration::from_secs(4)).unwrap();
        let error = pace.add(10, Duration::from_secs(4)).unwrap_err().to_string();
        assert_eq!(error, "the tokenizer has taken 12.0 s for 100020 bytes; its patterns go back too often");
    }
}
